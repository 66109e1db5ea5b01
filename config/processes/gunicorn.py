"""Settings of gunicorn, which serves the web; https://docs.gunicorn.org/en/stable/settings.html.

Many threads, because a streamed answer occupies one for as long as its audio is spoken.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from config.celery import forget_inherited_connections
from config.embedded.children import signal_on_parent_death
from config.settings import HOST, OZVENA_HOME, PORT

# `manage.py up` has the port already and hands it over.
_inherited = os.environ.get("OZVENA_LISTEN_FD")
_host = f"[{HOST}]" if ":" in HOST else HOST
bind = f"fd://{_inherited}" if _inherited else f"{_host}:{PORT}"

worker_class = "config.web.worker.Worker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "256"))
# A client that we wait for needs a file descriptor and little else. 200 descriptors are
# left for other things.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
_files = 10_000 if _hard == resource.RLIM_INFINITY else min(_hard, 10_000)
if _soft != resource.RLIM_INFINITY and _soft < _files:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _hard))
worker_connections = max(_files - 200 - threads, threads + 100)
keepalive = 15  # seconds; pages ask again every two
timeout = 60  # seconds without a sign of life from a whole worker process
graceful_timeout = 12  # seconds for running requests, a stream say, when it is to stop
preload_app = True  # loaded once: it starts sooner, and its memory is shared
control_socket_disable = True  # it would lie in the home of the user

# Without a limit, glibc gives many threads a heap each, which they rarely give back.
if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
    ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX, mallopt(3)

# What workers leave here is a file without a name, touched as their sign of life.
worker_tmp_dir = str(OZVENA_HOME / "tmp")
Path(worker_tmp_dir).mkdir(parents=True, exist_ok=True)


def post_fork(server: Any, worker: Any) -> None:
    """Make a new worker end with its master, and use database connections of its own."""
    signal_on_parent_death(signal.SIGKILL)
    forget_inherited_connections()
