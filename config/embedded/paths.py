"""Where the embedded services keep their data and sockets below OZVENA_HOME.

Imports nothing but the standard library: settings, the supervisor and the test
plugin all need it before Django is set up.
"""

import hashlib
import os
import re
from pathlib import Path

DATABASE = "postgres"
"""Name of the embedded database: the one that a new server has already."""

USER = "postgres"
"""The embedded server's only role; the socket's directory is what protects it."""

# The path of a Unix socket has at most 107 bytes on Linux and 103 on macOS, and the longest
# name in the directory is ".s.PGSQL.5432.lock". A comma would split the path into a list of
# hosts; other characters would need quoting in the broker's URL.
_USABLE = re.compile(r"[A-Za-z0-9._/+@-]{1,80}")


def socket_directory(home: Path) -> Path:
    """Return the directory of the sockets of the services that belong to `home`.

    It is inside `home`, unless that path is too long for a socket's address. Then it is a
    directory in /tmp, named by a hash of the path, so that every process that knows `home`
    finds it, with any TMPDIR.
    """
    home = home.resolve()
    inside = home / "run"
    if _USABLE.fullmatch(str(inside)):
        return inside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"ozvena-{os.getuid()}-{digest}"  # noqa: S108 - made by ownership.owned


def redis_socket(home: Path) -> Path:
    """Return the path of the embedded Redis server's socket."""
    return socket_directory(home) / "redis.sock"
