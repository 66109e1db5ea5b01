"""Create and read the keys in OZVENA_HOME, if none are set in the environment."""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def kept_secret_key(home: Path) -> str:
    """Return the signing key in `home/secret-key`; create it at first use."""
    return _kept(home / "secret-key", lambda: secrets.token_urlsafe(50))


def kept_encryption_keys(home: Path) -> str:
    """Return the key in `home/encryption-keys`; create it at first use."""
    return _kept(
        home / "encryption-keys",
        lambda: f"local:{b64encode(secrets.token_bytes(32)).decode()}",
    )


def _kept(file: Path, make: Callable[[], str]) -> str:
    """Return the content of `file`; create it by `make` if it is missing.

    Processes that start at the same time get the same key: each writes a temporary file and
    links it to the name, and only the first link succeeds.

    Raises:
        ImproperlyConfigured: the directory can't be used.
    """
    try:
        if not file.exists():
            _write(file, make())
        return file.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"OZVENA_HOME={file.parent} can't be used: {error.strerror}."
        ) from error


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    draft.touch(mode=0o600)
    try:
        with draft.open("w") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())  # what it encrypts is lost with it
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
