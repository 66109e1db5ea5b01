"""The outbox: each mail is a row, written in the transaction that causes it.

A worker sends it later through Django's mail backend. So no request waits for a mail
server, and no mail is lost when the server is down. A mail is sent at least once: if the
worker dies after the server accepted it and before the row is settled, it is sent again.
"""

import logging
from datetime import timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from kit.db import connections
from kit.db.transactions import needs_transaction
from kit.mail import files
from kit.models import Mail
from kit.rest.lines import to_one_line
from kit.rotation import EncryptedColumn
from kit.secrets import CannotDecrypt, decrypt, encrypt
from kit.work import claims
from kit.work.loop import Failed, Work

KEPT_FOR = timedelta(days=30)
"""How long the row of a mail is kept. Its text is removed once it is sent."""
_USEFUL_FOR = timedelta(days=2)
_ENDED = {"encrypted_text": b"", "settled_at": Now()}

logger = logging.getLogger(__name__)


@needs_transaction
def post(
    to: str,
    subject: str,
    text: str,
    *,
    useful_for: timedelta = _USEFUL_FOR,
    is_sent: bool = True,
) -> Mail:
    """Queue a mail; a worker sends it after the transaction has committed.

    After `useful_for` it is not sent any more. With `is_sent=False` the same row is
    written but not sent, so that response times don't reveal the difference.
    """
    subject = to_one_line(subject)
    row = Mail(to=to, subject=subject, send_until=timezone.now() + useful_for)
    row.status = Mail.Status.QUEUED if is_sent else Mail.Status.CANCELED
    row.encrypted_text = encrypt(text, context=_context(row))
    row.save(force_insert=True)
    work.ring_on_commit()
    return row


@needs_transaction
def send_now(mail_id: UUID) -> bool:
    """Send a queued mail now instead of at its next retry; return whether it was queued.

    A failed or canceled mail can't be sent: its text has been removed.
    """
    queued = Mail.objects.filter(pk=mail_id, status=Mail.Status.QUEUED)
    was_queued = queued.update(ready_at=Now()) > 0
    work.ring_on_commit()
    return was_queued


def sweep() -> None:
    """Cancel expired mails, requeue those of lost workers, and ring for queued ones."""
    late = Mail.objects.filter(send_until__lt=Now()).filter(
        Q(status=Mail.Status.QUEUED)
        | Q(status=Mail.Status.PROCESSING, lease_until__lt=Now())
    )
    late.update(status=Mail.Status.CANCELED, lease_until=None, **_ENDED)
    work.sweep()


def prune() -> int:
    """Delete rows and files of old mails; return how many rows."""
    files.prune(KEPT_FOR)
    return Mail.objects.filter(created_at__lt=Now() - KEPT_FOR).delete()[0]


def _send(row: Mail, _: claims.Lease) -> None:
    """Send a mail.

    Raises:
        Failed: it was not sent. A mail backend may raise any exception, and one mail must
            not block the others.
    """
    try:
        text = decrypt(row.encrypted_text, context=_context(row)).reveal_text()
        connections.give_back()
        EmailMessage(row.subject, text, settings.DEFAULT_FROM_EMAIL, [row.to]).send()
    except (SMTPException, OSError, CannotDecrypt) as error:
        logger.warning("mail %s was not sent: %s", row.pk, type(error).__name__)
        # A retry would not help: the server refused the address, or the key is missing.
        is_last = isinstance(error, SMTPRecipientsRefused | CannotDecrypt)
        raise Failed(is_last=is_last) from error
    except Exception as error:
        # The error's message may quote the mail, so only its type and source are logged.
        logger.error(
            "mail %s was not sent: %s in %s",
            row.pk,
            type(error).__name__,
            settings.EMAIL_BACKEND,
        )
        raise Failed from error


def _context(row: Mail) -> str:
    return f"kit_mail:{row.pk}:text"


work = Work(
    task="kit.tasks.send_mails",
    queue="remote",
    rows=lambda: Mail.objects.filter(send_until__gte=Now()),
    perform=_send,
    ended=_ENDED,
    tries=None,
    pauses=(5, 30, 120, 600, 1800, 3600),
    most_crashes=5,
    slots=4,
)

ENCRYPTED_COLUMNS = [EncryptedColumn(Mail, "encrypted_text", _context)]
