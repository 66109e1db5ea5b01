"""Connection pool: keep connections open between calls, to save TCP and TLS handshakes."""

import os
import threading
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from ssl import SSLContext

from kit.http.addresses import Resolver
from kit.http.connections import Connection

MOST = 64  # connections kept by one process; the longest idle is closed first


@dataclass(frozen=True, slots=True)
class Route:
    """The key of the pool: calls share a connection only if all of these are equal."""

    host: str
    port: int
    tls: SSLContext | None
    resolve: Resolver
    owner: Hashable  # whose credentials are sent on the connection


class Pool:
    """Idle connections of this process, the longest idle first."""

    def __init__(self) -> None:
        # The first value is the monotonic time at which the connection expires.
        self._idle: list[tuple[float, Route, Connection]] = []
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self.clear)

    def take(self, route: Route) -> Connection | None:
        """Remove and return the most recently used connection of `route`; None if empty."""
        now = time.monotonic()
        with self._lock:
            self._close_expired(now)
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][1] == route:
                    return self._idle.pop(index)[2]
        return None

    def put(self, route: Route, connection: Connection, seconds: float) -> None:
        """Keep a connection for `seconds`; close it if another process opened it."""
        if connection.process != os.getpid() or seconds <= 0:
            connection.close()
            return
        now = time.monotonic()
        with self._lock:
            self._close_expired(now)
            if len(self._idle) >= MOST:
                self._idle.pop(0)[2].close()
            self._idle.append((now + seconds, route, connection))

    def drop(self, route: Route, *, except_to: Collection[str] = ()) -> None:
        """Close the connections of `route`, except those to the addresses `except_to`."""
        with self._lock:
            self._close_where(
                lambda _, its, connection: (
                    its == route and connection.address not in except_to
                )
            )

    def _close_expired(self, now: float) -> None:
        self._close_where(lambda until, *_: until <= now)

    def _close_where(self, matches: Callable[[float, Route, Connection], bool]) -> None:
        kept = []
        for entry in self._idle:
            if matches(*entry):
                entry[2].close()
            else:
                kept.append(entry)
        self._idle = kept

    def clear(self) -> None:
        """Close all connections; after a fork, the parent's stay open."""
        # The thread that may have held the parent's lock does not exist after a fork.
        idle, self._idle, self._lock = self._idle, [], threading.Lock()
        for _, _, connection in idle:
            connection.close()  # closes our copy of the socket only; nothing is sent


KEPT = Pool()
