"""Django's PostgreSQL backend with reserved pools, and a quick restart."""

import threading
from typing import Any


def discard_if_empty(pool: Any) -> None:
    """Close a pool that has no connection and can't make one; a new one follows it.

    All threads that wait for its connections get an error at once. psycopg would let them
    wait for the pool's timeout. It calls this function in a thread of the pool.
    """
    from django.db.backends.postgresql.base import DatabaseWrapper

    if pool.get_stats()["pool_size"]:
        return
    pools: dict[str, Any] = DatabaseWrapper._connection_pools  # type: ignore[attr-defined]
    for name, known in list(pools.items()):
        if known is pool:
            del pools[name]
    threading.Thread(target=pool.close, daemon=True).start()  # it waits for its threads
