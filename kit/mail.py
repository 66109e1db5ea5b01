"""Mails as files, for installations without a mail service."""

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from kit.ids import new_id


class FileBackend(BaseEmailBackend):
    """Write each mail to `OZVENA_HOME/mail/*.eml`; their names sort by time."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails and return how many. Nobody sees a file half-written."""
        folder = settings.OZVENA_HOME / "mail"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for mail in email_messages:
            name = str(new_id())
            draft = folder / f".{name}"
            draft.touch(mode=0o600)
            draft.write_bytes(mail.message().as_bytes())
            draft.rename(folder / f"{name}.eml")
        return len(email_messages)
