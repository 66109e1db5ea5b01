"""Settings of gunicorn, which serves the web; https://docs.gunicorn.org/en/stable/settings.html.

Many threads, because a streamed answer occupies one for as long as its audio is played.
"""

import os
import signal
from pathlib import Path
from typing import Any

from config.celery import forget_inherited_connections
from config.embedded.children import signal_on_parent_death
from config.settings import HOST, OZVENA_HOME, PORT

# `manage.py up` has the port already and hands it over.
_inherited = os.environ.get("OZVENA_LISTEN_FD")
_host = f"[{HOST}]" if ":" in HOST else HOST
bind = f"fd://{_inherited}" if _inherited else f"{_host}:{PORT}"

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "64"))
keepalive = 15  # seconds; pages ask again every two
timeout = 60  # seconds without a sign of life from a whole worker process
graceful_timeout = 12  # seconds for running requests, a stream say, when it is to stop
preload_app = True  # loaded once: it starts sooner, and its memory is shared
control_socket_disable = True  # it would lie in the home of the user

# What workers leave here is a file without a name, touched as their sign of life.
worker_tmp_dir = str(OZVENA_HOME / "tmp")
Path(worker_tmp_dir).mkdir(parents=True, exist_ok=True)


def post_fork(server: Any, worker: Any) -> None:
    """Make a new worker end with its master, and use database connections of its own."""
    signal_on_parent_death(signal.SIGKILL)
    forget_inherited_connections()
