"""How long a call may wait: a clock that a server can't stretch by dripping bytes.

The timeout of a socket begins anew with each byte that arrives. Here every wait is taken
off an allowance, below the parsers of TLS and HTTP. Only waiting counts, so a slow reader
of the answer does not end the call.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How many seconds of waiting are too many."""

    connect: float  # look-up, TCP and TLS
    first_byte: float  # from the request to the first byte of the answer's body
    quiet: float  # between two parts of the body
    total: float


class Clock:
    """Allowances for waiting: one for the present step, one for the whole call."""

    def __init__(self, limits: Limits) -> None:
        self._total = limits.total
        self._step = limits.connect

    def begin(self, seconds: float) -> None:
        """Begin a step that may take so long."""
        self._step = seconds

    def end_within(self, seconds: float) -> None:
        """Let all that is left take no longer than this."""
        self._total = min(self._total, seconds)

    @contextmanager
    def waiting(self) -> Iterator[float]:
        """Take the time of the block off the allowances; give how long it may take.

        Raises:
            TimeoutError: nothing is left.
        """
        left = min(self._step, self._total)
        if left <= 0:
            raise TimeoutError
        began = time.monotonic()
        try:
            yield left
        finally:
            spent = time.monotonic() - began
            self._step -= spent
            self._total -= spent
