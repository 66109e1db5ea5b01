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
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from kit.mail import files
from kit.models import Mail
from kit.rotation import EncryptedColumn
from kit.secrets import CannotDecrypt, decrypt, encrypt
from kit.work import bells, claims

SEND = "kit.tasks.send_mails"
QUEUE = "remote"
KEPT_FOR = timedelta(days=30)
"""How long it is known that a mail was sent; its text goes at once."""
_USEFUL_FOR = timedelta(days=2)
_PAUSES = (5, 30, 120, 600, 1800, 3600)  # seconds; the last one from then on
_MOST_CRASHES = 5

logger = logging.getLogger(__name__)


def post(
    to: str,
    subject: str,
    text: str,
    *,
    useful_for: timedelta = _USEFUL_FOR,
    is_sent: bool = True,
) -> Mail:
    """Put a mail into the outbox. Needs an open transaction; a worker sends it after that.

    After `useful_for` it is no longer sent. With `is_sent` off all is done but that, so
    that whoever watches can't tell the difference.
    """
    assert connection.in_atomic_block
    row = Mail(to=to, subject=subject, send_until=timezone.now() + useful_for)
    row.status = Mail.Status.QUEUED if is_sent else Mail.Status.CANCELED
    row.sealed_text = encrypt(text, context=_context(row))
    row.save(force_insert=True)
    bells.ring_on_commit(SEND, QUEUE)
    return row


def hasten(mail_id: UUID) -> bool:
    """Have a mail that waits for its next try sent now; return whether it was one.

    Needs an open transaction. One that was given up has no text left to send.
    """
    assert connection.in_atomic_block
    waiting = Mail.objects.filter(pk=mail_id, status=Mail.Status.QUEUED)
    is_one = waiting.update(ready_at=Now()) > 0
    bells.ring_on_commit(SEND, QUEUE)
    return is_one


def work() -> int:
    """Send what waits; return how many mails were tried."""
    count = 0
    while (row := _claim()) is not None:
        count += 1
        _send(row)
    return count


def sweep() -> None:
    """Take back what silent senders left, give up what came too late, ring for the rest."""
    claims.take_back(Mail.objects.all())
    late = Mail.objects.filter(status=Mail.Status.QUEUED, send_until__lt=Now())
    late.update(status=Mail.Status.CANCELED, sealed_text=b"", settled_at=Now())
    if waiting := claims.due(Mail.objects.all()).count():
        bells.ring_if_quiet(SEND, QUEUE, min(waiting, 4))


def prune() -> int:
    """Remove mails of long ago, those in files too; return how many rows went."""
    files.prune(KEPT_FOR)
    return Mail.objects.filter(created_at__lt=Now() - KEPT_FOR).delete()[0]


def _claim() -> Mail | None:
    waiting = claims.due(Mail.objects.filter(send_until__gte=Now()))
    with transaction.atomic(durable=True):
        return claims.claim(waiting.order_by("ready_at", "id"))


def _send(row: Mail) -> None:
    try:
        with claims.kept(row):
            failure = _try(row)
        with transaction.atomic(durable=True):
            held = claims.lock_held(row)
            if failure and held.attempts + 1 < _most_attempts(failure):
                pause = _PAUSES[min(held.attempts, len(_PAUSES) - 1)]
                Mail.objects.filter(pk=row.pk).update(
                    status=Mail.Status.QUEUED,
                    lease_until=None,
                    attempts=F("attempts") + 1,
                    ready_at=Now() + timedelta(seconds=pause),
                )
                return
            Mail.objects.filter(pk=row.pk).update(
                status=Mail.Status.FAILED if failure else Mail.Status.COMPLETED,
                sealed_text=b"",
                lease_until=None,
                settled_at=Now(),
            )
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)


def _try(row: Mail) -> Exception | None:
    """Send; return why it could not be done.

    A mail service's own backend may raise anything, and no mail is to hold up the others.
    """
    if row.crashes >= _MOST_CRASHES:
        return CannotDecrypt(f"mail {row.pk} has ended its senders")
    try:
        text = decrypt(row.sealed_text, context=_context(row)).reveal_text()
        connection.close()  # it goes back to the pool: the mail server may be slow
        EmailMessage(row.subject, text, settings.DEFAULT_FROM_EMAIL, [row.to]).send()
    except (SMTPException, OSError, CannotDecrypt) as error:
        logger.warning("mail %s was not sent: %s", row.pk, type(error).__name__)
        return error
    except Exception as error:  # noqa: BLE001 - tried again, like the others
        # Its words may hold the mail's: where it came from must do.
        logger.error(
            "mail %s was not sent: %s in %s",
            row.pk,
            type(error).__name__,
            settings.EMAIL_BACKEND,
        )
        return error
    return None


def _most_attempts(failure: Exception) -> float:
    """Return how often it is worth trying: an address that is refused stays refused."""
    return (
        1
        if isinstance(failure, SMTPRecipientsRefused | CannotDecrypt)
        else float("inf")
    )


def _context(row: Mail) -> str:
    return f"kit_mail:{row.pk}:text"


ENCRYPTED_COLUMNS = [EncryptedColumn(Mail, "sealed_text", _context)]
