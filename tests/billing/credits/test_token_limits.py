"""Monthly credit limits of tokens, exact under parallel requests."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import tokens
from billing import ledger
from billing.credits import token_limits
from billing.errors import TokenLimitReached
from billing.ledger.wallets import wallet_of
from billing.models import Reservation, TokenReservation, TokenSpending
from tests import factories
from tests.billing.factories import capture, columns, nothing_changes, spent
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return factories.user("ada@example.com")


@pytest.fixture
def wallet(ada):
    return wallet_of(factories.workspace(ada), "PRODUCTION")


def token(ada, limit=None, maker=None):
    return tokens.issue(
        factories.workspace(ada),
        ada,
        name="T",
        monthly_credit_limit=limit,
        maker=maker,
    )[0]


def reserve(wallet, token, credits, key="job:1:1"):
    with transaction.atomic():
        reservation = ledger.reserve(
            wallet,
            credits,
            key=key,
            job="1",
            deadline=timezone.now() + timedelta(hours=1),
        )
        token_limits.count(token, reservation, wallet.environment)


def release(key="job:1:1"):
    with transaction.atomic():
        return token_limits.release(key)


def test_a_token_spends_up_to_its_limit(ada, wallet):
    limited = token(ada, 100)
    reserve(wallet, limited, 60, "a")
    with nothing_changes(wallet), pytest.raises(TokenLimitReached) as refused:
        reserve(wallet, limited, 41, "b")
    assert refused.value.params == {"limit": 100, "needed": 41, "available": 40}
    reserve(wallet, limited, 40, "c")
    assert spent(limited, "PRODUCTION") == 100
    assert columns(wallet) == (4900, 100, 0)


def test_a_token_without_a_limit_is_not_counted(ada, wallet):
    for one in (token(ada), None):
        reserve(wallet, one, 1000, f"of {one}")
    assert TokenSpending.objects.count() == 0


def test_a_limit_of_0_allows_nothing(ada, wallet):
    with pytest.raises(TokenLimitReached):
        reserve(wallet, token(ada, 0), 1)


def test_released_credits_are_not_counted(ada, wallet):
    limited = token(ada, 100)
    reserve(wallet, limited, 100)
    capture(30)
    assert release() == 70
    assert spent(limited, "PRODUCTION") == 30
    assert release() == 70
    assert spent(limited, "PRODUCTION") == 30
    assert TokenReservation.objects.count() == 0


def test_parallel_releases_subtract_once(ada, wallet):
    limited = token(ada, 100)
    reserve(wallet, limited, 100)
    assert in_threads(6, release) == [100] * 6
    assert spent(limited, "PRODUCTION") == 0


def test_parallel_requests_never_exceed_the_limit(ada, wallet):
    limited = token(ada, 100)
    keys = iter(range(20))

    def ask() -> bool:
        try:
            reserve(wallet, limited, 9, f"job:{next(keys)}:1")
        except TokenLimitReached:
            return False
        return True

    assert sum(in_threads(20, ask)) == 11
    assert spent(limited, "PRODUCTION") == 99
    assert columns(wallet)[1] == 99
    assert Reservation.objects.count() == 11


def test_a_reservation_is_counted_once(ada, wallet):
    limited = token(ada, 100)
    reserve(wallet, limited, 60)
    reserve(wallet, limited, 60)
    assert spent(limited, "PRODUCTION") == 60


def test_tokens_made_by_a_token_count_against_its_limit(ada, wallet):
    first = token(ada, 100)
    second = token(ada, 80, maker=first)
    third = token(ada, maker=second)
    assert third.monthly_credit_limit == 80
    reserve(wallet, third, 50, "a")
    reserve(wallet, first, 30, "b")
    with nothing_changes(wallet), pytest.raises(TokenLimitReached) as refused:
        reserve(wallet, second, 25, "c")
    assert refused.value.params == {"limit": 100, "needed": 25, "available": 20}
    assert [spent(t, "PRODUCTION") for t in (first, second, third)] == [
        80,
        50,
        50,
    ]
    release("a")
    assert [spent(t, "PRODUCTION") for t in (first, second, third)] == [
        30,
        0,
        0,
    ]


def test_environments_are_counted_separately(ada, wallet):
    limited = token(ada, 100)
    reserve(wallet, limited, 100, "a")
    reserve(wallet_of(factories.workspace(ada), "SANDBOX"), limited, 100, "b")
    assert spent(limited, "SANDBOX") == 100


def test_each_month_starts_at_0(ada, wallet, clock):
    limited = token(ada, 100)
    clock.set(2027, 1, 31, 23)
    reserve(wallet, limited, 100, "a")
    clock.set(2027, 2, 1, 0)
    assert spent(limited, "PRODUCTION") == 0
    reserve(wallet, limited, 90, "b")
    # What comes back belongs to the month in which it was held.
    release("a")
    assert spent(limited, "PRODUCTION") == 90
    with pytest.raises(TokenLimitReached):
        reserve(wallet, limited, 11, "c")


def test_old_months_are_deleted(ada, wallet, clock):
    limited = token(ada, 100)
    for month in (1, 2, 3):
        clock.set(2027, month, 5)
        reserve(wallet, limited, 10, f"month {month}")
    token_limits.prune()
    months = TokenSpending.objects.order_by("month").values_list("month", flat=True)
    assert [at.month for at in months] == [2, 3]
    assert release("month 1") == 10
