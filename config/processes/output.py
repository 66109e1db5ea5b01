"""The supervisor's output: the lines of each child process, labeled with its name."""

import os
import sys

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)  # ANSI, readable on dark and light
_LONGEST_LINE = 65_536  # bytes; a longer one is shown in parts


class Console:
    """Write labeled lines to standard output; ignore that it was closed."""

    def __init__(self, names: list[str]) -> None:
        self._width = max(len(name) for name in names)
        self._number = {name: number for number, name in enumerate(names)}
        self._is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._is_open = True

    def write(self, name: str, line: bytes) -> None:
        """Write one line of the process `name`, unless it is empty."""
        if not line.strip():
            return
        label = f"{name:<{self._width}} | "
        if self._is_coloured:
            colour = _COLOURS[self._number.get(name, 0) % len(_COLOURS)]
            label = f"\x1b[{colour}m{label}\x1b[0m"
        self._put(label.encode() + line.rstrip() + b"\n")

    def say(self, text: str) -> None:
        """Write lines of the supervisor itself, without a label."""
        for line in text.splitlines():
            self._put(f"{line}\n".encode())

    def _put(self, data: bytes) -> None:
        if not self._is_open:
            return
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError:  # the terminal, or the reader of a pipe, is gone
            self._is_open = False


class Lines:
    """Split a stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes and return the lines that they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def end(self) -> list[bytes]:
        """Return the last line, if it had no line break."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
