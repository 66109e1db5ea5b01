"""Shared code of the billing pages: wallet, permission, and query parameters."""

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


def can_see_money(caller: Caller) -> bool:
    return has_permission(caller.member_role, Permission.SEE_MONEY)


def can_buy(caller: Caller) -> bool:
    return has_permission(caller.member_role, Permission.BUY)


def require_money_permission(caller: Caller) -> None:
    if not can_see_money(caller):
        raise PermissionDenied


def last_days(length: int) -> usage.Range:
    today = usage.Range.of().last
    return usage.Range.of(today - datetime.timedelta(days=length - 1), today)


def parse_number(text: str | None, known: tuple[int, ...]) -> int | None:
    """Parse a number from the query, which must be one of `known`; None if it is missing.

    Raises:
        Http404: it is not one of `known`.
    """
    if text is None:
        return None
    for number in known:
        if text == str(number):
            return number
    raise Http404
