"""Keys of an installation that was given none: files in its home, made by `manage.py up`.

Nobody else makes them. A command in the wrong home, or a machine that should have been
given the keys of the others, would encrypt with keys of its own that nobody keeps.
"""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import SimpleLazyObject

FILES: dict[str, tuple[str, Callable[[], str]]] = {
    "SECRET_KEY": ("secret-key", lambda: secrets.token_urlsafe(50)),
    "ENCRYPTION_KEYS": (
        "encryption-keys",
        lambda: f"local:{b64encode(secrets.token_bytes(32)).decode()}",
    ),
}
"""The file that keeps a setting, and what makes its text."""


def kept(home: Path, setting: str) -> str:
    """Return what `home` keeps of a setting.

    If that is nothing, the answer raises ImproperlyConfigured when it is first looked at:
    many commands need no key.

    Raises:
        ImproperlyConfigured: the file can't be read.
    """
    name, _ = FILES[setting]
    try:
        return (home / name).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return cast(str, SimpleLazyObject(partial(_refuse, home, setting)))
    except OSError as error:
        raise ImproperlyConfigured(
            f"OZVENA_HOME={home} can't be used: {error.strerror}."
        ) from error


def make(home: Path, setting: str) -> None:
    """Make a key in `home`, which must be owned, unless there is one."""
    name, new = FILES[setting]
    if (home / name).exists():
        return
    draft = home / f".{name}"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    with draft.open("w") as output:
        output.write(new())
        output.flush()
        os.fsync(output.fileno())  # what it encrypts is lost with it
    draft.rename(home / name)


def _refuse(home: Path, setting: str) -> Any:
    name, _ = FILES[setting]
    raise ImproperlyConfigured(
        f"{setting} is not set, and OZVENA_HOME={home} holds no {name}. "
        f"Set it, or start Ozvena there with `make run`, which makes one."
    )
