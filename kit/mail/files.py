"""Write mails to files, for installations without a mail server."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from kit.ids import new_id


class FileBackend(BaseEmailBackend):
    """Write each mail to `OZVENA_HOME/mail/*.eml`; their names sort by time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write each mail to a file atomically; return how many were written."""
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for mail in email_messages:
            name = str(new_id())
            draft = folder / f".{name}"
            draft.touch(mode=0o600)
            draft.write_bytes(mail.message().as_bytes())
            draft.rename(folder / f"{name}.eml")
        return len(email_messages)


def prune(kept_for: timedelta) -> int:
    """Delete mail files older than `kept_for`; return how many."""
    before = time.time() - kept_for.total_seconds()
    count = 0
    for file in (*_folder().glob("*.eml"), *_folder().glob(".*")):
        try:
            if file.stat().st_mtime < before:
                file.unlink()
                count += 1
        except FileNotFoundError:
            continue  # another process has deleted it
    return count


@dataclass(frozen=True, slots=True)
class WrittenMail:
    """A mail read from its file, for the development page that lists mails."""

    name: str
    to: str
    subject: str
    sent_at: datetime
    text: str


def written_mails(limit: int = 50) -> list[WrittenMail]:
    """Return the mails that `FileBackend` has written, newest first, at most `limit`."""
    files = sorted(_folder().glob("*.eml"), reverse=True)[:limit]
    return [_read(file) for file in files]


def _read(file: Path) -> WrittenMail:
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    body = mail.get_body(("plain",))
    return WrittenMail(
        name=file.stem,
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        sent_at=parsedate_to_datetime(str(mail["Date"])),
        text=body.get_content() if body else "",
    )


def _folder() -> Path:
    return Path(settings.OZVENA_HOME) / "mail"
