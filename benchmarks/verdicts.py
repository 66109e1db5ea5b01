"""Compare figures with their limits; a run fails if one misses its limit."""

import sys

_missed: list[str] = []


def judge(is_reached: bool, otherwise: str = "TOO SLOW") -> str:
    """Return the verdict of a figure, and record it if it misses its limit."""
    if not is_reached:
        _missed.append(otherwise)
    return "ok" if is_reached else otherwise


def exit_if_missed() -> None:
    """Exit with status 1 if any figure missed its limit."""
    if _missed:
        sys.exit(f"{len(_missed)} figures missed their limits")
