"""The outbox: a mail is a row, written in the transaction that it tells of.

A worker sends it afterwards through Django's mail backend, so that no request waits for a
mail server and none is lost with one that is down. Sending is at least once: a worker that
dies between the server's yes and our note sends it again.
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
from kit.rotation import EncryptedColumn
from kit.secrets import CannotDecrypt, decrypt, encrypt
from kit.work import claims
from kit.work.loop import Failed, Work

KEPT_FOR = timedelta(days=30)
"""How long it is known that a mail was sent; its text goes at once."""
_USEFUL_FOR = timedelta(days=2)
_ENDED = {"sealed_text": b"", "settled_at": Now()}

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
    """Put a mail into the outbox; a worker sends it once the transaction has committed.

    After `useful_for` it is no longer sent. With `is_sent` off all is done but that, so
    that whoever watches can't tell the difference.
    """
    row = Mail(to=to, subject=subject, send_until=timezone.now() + useful_for)
    row.status = Mail.Status.QUEUED if is_sent else Mail.Status.CANCELED
    row.sealed_text = encrypt(text, context=_context(row))
    row.save(force_insert=True)
    work.ring_on_commit()
    return row


@needs_transaction
def hasten(mail_id: UUID) -> bool:
    """Have a mail that waits for its next try sent now; return whether it was one.

    One that was given up has no text left to send.
    """
    waiting = Mail.objects.filter(pk=mail_id, status=Mail.Status.QUEUED)
    is_one = waiting.update(ready_at=Now()) > 0
    work.ring_on_commit()
    return is_one


def sweep() -> None:
    """Give up what came too late; take back what was lost, and ring for the rest."""
    late = Mail.objects.filter(send_until__lt=Now()).filter(
        Q(status=Mail.Status.QUEUED)
        | Q(status=Mail.Status.PROCESSING, lease_until__lt=Now())
    )
    late.update(status=Mail.Status.CANCELED, lease_until=None, **_ENDED)
    work.sweep()


def prune() -> int:
    """Remove mails of long ago, those in files too; return how many rows went."""
    files.prune(KEPT_FOR)
    return Mail.objects.filter(created_at__lt=Now() - KEPT_FOR).delete()[0]


def _send(row: Mail, _: claims.Lease) -> None:
    """Send a mail.

    A mail service's own backend may raise anything, and no mail is to hold up the others.
    """
    try:
        text = decrypt(row.sealed_text, context=_context(row)).reveal_text()
        connections.give_back()
        EmailMessage(row.subject, text, settings.DEFAULT_FROM_EMAIL, [row.to]).send()
    except (SMTPException, OSError, CannotDecrypt) as error:
        logger.warning("mail %s was not sent: %s", row.pk, type(error).__name__)
        # An address that is refused stays refused.
        is_last = isinstance(error, SMTPRecipientsRefused | CannotDecrypt)
        raise Failed(is_last=is_last) from error
    except Exception as error:
        # Its words may hold the mail's: where it came from must do.
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

ENCRYPTED_COLUMNS = [EncryptedColumn(Mail, "sealed_text", _context)]
