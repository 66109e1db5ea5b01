"""What the pages of billing share: the wallet, and numbers from the address."""

import datetime

from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.caller import Caller
from accounts.roles import Permission, has_permission
from billing.ledger import wallets
from billing.models import Wallet
from billing.reports import usage


def own_wallet(caller: Caller) -> Wallet:
    return wallets.wallet_of(caller.workspace, caller.environment)


def sees_money(caller: Caller) -> bool:
    return has_permission(caller.member_role, Permission.SEE_MONEY)


def demand_money(caller: Caller) -> None:
    if not sees_money(caller):
        raise PermissionDenied


def last(length: int) -> usage.Range:
    today = usage.Range.of().last
    return usage.Range.of(today - datetime.timedelta(days=length - 1), today)


def number(text: str | None, known: tuple[int, ...]) -> int | None:
    """Return the number that was asked for, None for none.

    Raises:
        Http404: it is not on offer.
    """
    if text is None:
        return None
    for number in known:
        if text == str(number):
            return number
    raise Http404
