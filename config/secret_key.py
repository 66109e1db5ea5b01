"""The signing key of an installation that was given none."""

import os
import secrets
from pathlib import Path


def kept_secret_key(home: Path) -> str:
    """Return the key kept in `home/secret-key`, made at first use.

    Processes that start at the same time agree on one key: it is written aside and
    linked into place, and the first link wins.
    """
    file = home / "secret-key"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".secret-key-{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text()
