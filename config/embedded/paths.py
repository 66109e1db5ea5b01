"""Where the embedded services keep their data and sockets below OZVENA_HOME.

Imports nothing but the standard library: settings, the supervisor and the test
plugin all need it before Django is set up.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

DATABASE = "ozvena"
"""Name of the embedded database."""

USER = "postgres"
"""The embedded server's only role; the socket's directory is what protects it."""

# A Unix socket's address holds 107 bytes on Linux and 103 on macOS, and the longest
# name below the directory is ".s.PGSQL.5432.lock".
_LONGEST_DIRECTORY = 80


def socket_directory(home: Path) -> Path:
    """Return the directory of the sockets of the services that belong to `home`.

    It lies inside `home`, unless that path is too long for a socket's address: then it
    is a directory under the temporary one, named by a hash of the path, so that every
    process that knows `home` finds it.
    """
    home = home.resolve()
    inside = home / "run"
    if len(os.fsencode(inside)) <= _LONGEST_DIRECTORY:
        return inside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"ozvena-{os.getuid()}-{digest}"


def make_private(directory: Path) -> Path:
    """Create `directory` for its owner alone and return it.

    Raises:
        PermissionError: it exists and belongs to somebody else, or is a link.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else")
    directory.chmod(0o700)
    return directory


def redis_socket(home: Path) -> Path:
    """Return the path of the embedded Redis server's socket."""
    return socket_directory(home) / "redis.sock"
