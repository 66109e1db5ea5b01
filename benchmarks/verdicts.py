"""Whether figures reach their limits; a run in which one does not fails."""

import sys

_missed: list[str] = []


def judge(is_reached: bool, otherwise: str = "TOO SLOW") -> str:
    """Return the word for a figure, and remember one that misses its limit."""
    if not is_reached:
        _missed.append(otherwise)
    return "ok" if is_reached else otherwise


def exit_if_missed() -> None:
    """End the run with status 1 if any figure missed its limit."""
    if _missed:
        sys.exit(f"{len(_missed)} figures miss their limits")
