"""Credits that new customers are given."""

import pytest
from django.db import transaction

from billing.credits import gifts
from billing.errors import LedgerKeyReused
from billing.models import Lot
from tests import factories
from tests.billing.factories import columns, wallet

pytestmark = pytest.mark.django_db


def test_the_sign_up_grant_is_a_setting(settings):
    settings.SIGN_UP_CREDITS = 70
    factories.user()
    assert list(Lot.objects.values_list("granted", flat=True)) == [70, 70]


def test_there_may_be_none(settings):
    settings.SIGN_UP_CREDITS = 0
    factories.user()
    assert Lot.objects.count() == 0


def test_a_mobile_customer_is_welcomed_once_and_for_good():
    made, other = wallet(), wallet()
    name = "$RCAnonymousID:" + "0" * 32
    for _ in range(2):
        with transaction.atomic():
            gifts.grant_mobile_credits(made, name)
    with pytest.raises(LedgerKeyReused), transaction.atomic():
        gifts.grant_mobile_credits(other, name)
    assert columns(made) == (45_000, 0, 0)
    assert columns(other) == (0, 0, 0)
    lot = Lot.objects.get()
    assert (lot.kind, lot.expires_at, lot.lapses) == ("promo", None, False)
