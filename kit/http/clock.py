"""Timeouts of a call that a server can't extend by sending single bytes slowly.

A socket's timeout restarts with each byte that arrives. Here every wait is subtracted from
an allowance, below the parsers of TLS and HTTP. Only waiting counts, so the call does not
time out while its caller processes the response.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Timeouts in seconds of waiting."""

    connect: float  # DNS, TCP and TLS
    first_byte: float  # from the request to the first byte of the response's body
    quiet: float  # between two parts of the body
    total: float


class Clock:
    """The time left to wait: for the current step, and for the whole call."""

    def __init__(self, limits: Limits) -> None:
        self._total = limits.total
        self._step = limits.connect

    def begin(self, seconds: float) -> None:
        """Begin a step that may wait `seconds`."""
        self._step = seconds

    def end_within(self, seconds: float) -> None:
        """Limit the waiting of the rest of the call."""
        self._total = min(self._total, seconds)

    @contextmanager
    def waiting(self) -> Iterator[float]:
        """Yield the seconds that the block may wait; subtract what it took.

        Raises:
            TimeoutError: no time is left.
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
