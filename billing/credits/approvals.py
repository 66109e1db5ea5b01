"""What operators do to credits: at once, or above a limit once a second one agrees."""

import uuid

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import LedgerKeyReused, RequestDecided, SecondOperatorNeeded
from billing.models import CreditRequest, LedgerTransaction, Wallet
from kit.db.transactions import needs_transaction

_ASKED = ("wallet_id", "act", "credits", "bucket", "allow_debt", "reason", "ticket")


@needs_transaction
def request(asked: CreditRequest, operator: User) -> str:
    """Do what an operator asks for, or keep it for a second one; return what happened.

    The id of `asked` makes it happen once: repeated, it changes nothing and returns "".

    Raises:
        InsufficientCredits: less than that can be taken away, and no debt is allowed.
        LedgerKeyReused: the id was used to ask for something else.
    """
    # Locked first: of the same form sent twice at once, the second finds what was done.
    Wallet.objects.select_for_update(no_key=True).get(pk=asked.wallet_id)
    asked.asked_by, asked.asked_by_email = operator.pk, operator.email
    if kept := CreditRequest.objects.filter(pk=asked.pk).first():
        if any(getattr(kept, name) != getattr(asked, name) for name in _ASKED):
            raise LedgerKeyReused(key=asked.key)
        return ""
    if abs(asked.credits) > settings.APPROVAL_ABOVE:
        asked.save(force_insert=True)
        return f"Asked for a second operator: {asked}"
    return _post(asked)


@needs_transaction
def approve(request_id: uuid.UUID, operator: User) -> str:
    """Do what another operator asked for; return what was done.

    The posting names who asked for it, the request who approved.

    Raises:
        InsufficientCredits: less than that can be taken away by now.
        RequestDecided: somebody was faster.
        SecondOperatorNeeded: it was this operator who asked for it.
    """
    return _post(_decide(request_id, operator, CreditRequest.Status.APPROVED))


@needs_transaction
def refuse(request_id: uuid.UUID, operator: User) -> str:
    """Leave undone what another operator asked for; return what that was.

    Raises:
        RequestDecided: somebody was faster.
        SecondOperatorNeeded: it was this operator who asked for it.
    """
    return f"Refused: {_decide(request_id, operator, CreditRequest.Status.REFUSED)}"


def actor(operator_id: uuid.UUID) -> str:
    """Return how the ledger calls an operator.

    It stays for good, so it names nobody; the audit log does.
    """
    return f"operator {operator_id}"


@needs_transaction
def _decide(
    request_id: uuid.UUID, operator: User, status: CreditRequest.Status
) -> CreditRequest:
    kept = CreditRequest.objects.select_for_update(of=("self",)).get(pk=request_id)
    if kept.status != CreditRequest.Status.PENDING:
        raise RequestDecided(status=kept.status)
    if kept.asked_by == operator.pk:
        raise SecondOperatorNeeded
    kept.status = status
    kept.decided_by, kept.decided_by_email = operator.pk, operator.email
    kept.decided_at = timezone.now()
    kept.save(update_fields=["status", "decided_by", "decided_by_email", "decided_at"])
    return kept


def _post(asked: CreditRequest) -> str:
    """Move the credits; return what was done, "" if it was done before."""
    was_done = LedgerTransaction.objects.filter(
        wallet=asked.wallet_id, key=asked.key
    ).exists()
    if asked.act == CreditRequest.Act.GRANT:
        ledger.grant(
            asked.wallet,
            asked.credits,
            key=asked.key,
            kind=asked.bucket,
            source=asked.key,
            reason=asked.reason,
            actor=actor(asked.asked_by),
            ticket=asked.ticket,
        )
        what = f"Granted {asked.credits}"
    else:
        ledger.adjust(
            asked.wallet,
            asked.credits,
            key=asked.key,
            reason=asked.reason,
            actor=actor(asked.asked_by),
            ticket=asked.ticket,
            allow_debt=asked.allow_debt,
        )
        what = f"Adjusted by {asked.credits:+d}"
    return "" if was_done else what
