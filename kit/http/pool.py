"""Connections that are kept open between calls, to spare the next one its handshakes."""

import os
import threading
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from ssl import SSLContext

from kit.http.addresses import Resolver
from kit.http.connections import Connection

MOST = 64  # connections kept by one process; the one idle for longest goes first


@dataclass(frozen=True, slots=True)
class Route:
    """Whom a connection leads to, and for whom: calls share one only if all is the same."""

    host: str
    port: int
    tls: SSLContext | None
    resolve: Resolver
    owner: Hashable  # whose credentials are sent on it


class Pool:
    """Idle connections of this process, the longest idle first."""

    def __init__(self) -> None:
        self._idle: list[
            tuple[float, Route, Connection]
        ] = []  # good until, by the clock
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self.clear)

    def take(self, route: Route) -> Connection | None:
        """Return the connection of `route` that was used last; None if none is left."""
        now = time.monotonic()
        with self._lock:
            self._close_expired(now)
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place][1] == route:
                    return self._idle.pop(place)[2]
        return None

    def put(self, route: Route, connection: Connection, seconds: float) -> None:
        """Keep a connection for so long, unless another process opened it."""
        if connection.process != os.getpid() or seconds <= 0:
            connection.close()
            return
        now = time.monotonic()
        with self._lock:
            self._close_expired(now)
            if len(self._idle) >= MOST:
                self._idle.pop(0)[2].close()
            self._idle.append((now + seconds, route, connection))

    def drop(self, route: Route, *, but: Collection[str] = ()) -> None:
        """Close the connections of `route`, except those to the addresses `but`."""
        with self._lock:
            self._close_where(
                lambda _, its, connection: (
                    its == route and connection.address not in but
                )
            )

    def _close_expired(self, now: float) -> None:
        self._close_where(lambda until, *_: until <= now)

    def _close_where(self, is_over: Callable[[float, Route, Connection], bool]) -> None:
        kept = []
        for entry in self._idle:
            if is_over(*entry):
                entry[2].close()
            else:
                kept.append(entry)
        self._idle = kept

    def clear(self) -> None:
        """Close all; in a forked process, whose parent's connections live on."""
        # Whoever held the lock of the parent is not here to release it.
        idle, self._idle, self._lock = self._idle, [], threading.Lock()
        for _, _, connection in idle:
            connection.close()  # only our copy of it, for nothing is sent


KEPT = Pool()
