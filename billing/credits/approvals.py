"""Grants and adjustments by operators. Large ones need a second operator's approval."""

import uuid

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.errors import LedgerKeyReused, RequestDecided, SecondOperatorNeeded
from billing.models import CreditRequest, LedgerTransaction, Wallet
from kit.db.transactions import needs_transaction

_REQUEST_FIELDS = (
    "wallet_id",
    "action",
    "credits",
    "bucket",
    "allow_debt",
    "reason",
    "ticket",
)


@needs_transaction
def request(asked: CreditRequest, operator: User) -> str:
    """Post an operator's grant or adjustment, or store it for approval; return which.

    Above `settings.APPROVAL_ABOVE` credits it is stored for a second operator. Idempotent
    by the id of `asked`: repeated, it changes nothing and returns "".

    Raises:
        InsufficientCredits: the wallet has fewer credits, and no debt is allowed.
        LedgerKeyReused: the id was used for another request.
    """
    # Locked first: if a form is sent twice at once, the second request sees the first one.
    Wallet.objects.select_for_update(no_key=True).get(pk=asked.wallet_id)
    asked.asked_by, asked.asked_by_email = operator.pk, operator.email
    if kept := CreditRequest.objects.filter(pk=asked.pk).first():
        if any(getattr(kept, name) != getattr(asked, name) for name in _REQUEST_FIELDS):
            raise LedgerKeyReused(key=asked.key)
        return ""
    if abs(asked.credits) > settings.APPROVAL_ABOVE:
        asked.save(force_insert=True)
        return f"Waiting for a second operator: {asked}"
    return _post(asked)


@needs_transaction
def approve(request_id: uuid.UUID, operator: User) -> str:
    """Approve and post another operator's request; return what was done.

    The posting names the operator who asked, the request the one who approved.

    Raises:
        InsufficientCredits: the wallet has fewer credits by now.
        RequestDecided: another operator has decided it.
        SecondOperatorNeeded: this operator made the request.
    """
    return _post(_decide(request_id, operator, CreditRequest.Status.APPROVED))


@needs_transaction
def refuse(request_id: uuid.UUID, operator: User) -> str:
    """Refuse another operator's request; return a description of it.

    Raises:
        RequestDecided: another operator has decided it.
        SecondOperatorNeeded: this operator made the request.
    """
    return f"Refused: {_decide(request_id, operator, CreditRequest.Status.REFUSED)}"


def actor(operator_id: uuid.UUID) -> str:
    """Return the actor of an operator's postings.

    Postings are kept forever, so it has no name or address; the audit log has.
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
    """Post the grant or adjustment; return what was done, "" if it was done before."""
    was_done = LedgerTransaction.objects.filter(
        wallet=asked.wallet_id, key=asked.key
    ).exists()
    if asked.action == CreditRequest.Action.GRANT:
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
