"""Django's PostgreSQL backend without patience: it tries once to connect, for 1.5 seconds.

The pool of a process that serves tries for 20 seconds, so that a restart of the database
ends no request. Someone who has typed a command is to know at once.
"""

import threading
from concurrent.futures import Future
from typing import Any

from django.db.backends.postgresql import base

_PATIENCE = 1.5  # seconds; libpq itself knows none below 2


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is not taken from a pool, and that is there soon or never."""

    pool = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect.

        Raises:
            OperationalError: the server refuses, or does not answer in time.
        """
        connect = super().get_new_connection
        answer: Future[Any] = Future()

        def work() -> None:
            try:
                answer.set_result(connect(conn_params))
            except BaseException as error:  # noqa: BLE001 - it is raised below
                answer.set_exception(error)

        # A look-up of the name may hang as well; a daemon holds up nobody's exit.
        threading.Thread(target=work, daemon=True).start()
        try:
            return answer.result(_PATIENCE)
        except TimeoutError as error:
            raise self.Database.OperationalError("it does not answer") from error
