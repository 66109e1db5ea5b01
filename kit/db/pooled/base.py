"""Django's PostgreSQL backend with reserved pools, and a quick restart.

`kit.db.connections.reserved` chooses one of them. After a restart of the database, all
connections in a pool are dead. psycopg's pool finds that out one by one, with pauses of 1,
2, 4 … seconds in between; this backend replaces all of them when it finds the first.
"""

from contextvars import ContextVar
from typing import Any

from django.db.backends.postgresql import base

SIZES = {"settlement": 4, "renewals": 1}
"""The reserved pools of a process, with their maximum number of connections."""
reserved_pool: ContextVar[str] = ContextVar("reserved_pool", default="")
"""The pool that connections are taken from; empty: the usual one."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection from the usual or a reserved pool, alive when it is taken."""

    @property
    def pool(self) -> Any:
        """The pool that connections are taken from now; None if there is none."""
        usual = super().pool
        reserved = reserved_pool.get()
        if usual is None or not reserved:
            return usual
        name = f"{self.alias} {reserved}"
        pools: dict[str, Any] = self._connection_pools  # type: ignore[attr-defined]
        if name not in pools:
            options = self.settings_dict["OPTIONS"]["pool"]
            pool = type(usual)(
                kwargs=usual.kwargs,
                open=False,
                configure=self._configure_connection,  # type: ignore[attr-defined]
                **options | {"max_size": SIZES[reserved]},
            )
            pools.setdefault(name, pool)
        return pools[name]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Take a connection from the pool that is alive.

        Raises:
            PoolTimeout: there was none in time.
        """
        connection = super().get_new_connection(conn_params)
        pool = getattr(connection, "_pool", None)
        if pool is not None:
            try:
                type(pool).check_connection(connection)
            except self.Database.OperationalError:
                pool.putconn(connection)
                pool.drain()
                connection = super().get_new_connection(conn_params)
        return connection
