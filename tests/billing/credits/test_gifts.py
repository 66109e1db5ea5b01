"""Free credits for new customers."""

import pytest
from django.db import transaction

from billing.credits import gifts
from billing.errors import LedgerKeyReused
from billing.models import Lot
from tests import factories
from tests.billing.factories import columns, wallet

pytestmark = pytest.mark.django_db


def test_sign_up_credits_come_from_the_setting(settings):
    settings.SIGN_UP_CREDITS = 70
    factories.user()
    assert list(Lot.objects.values_list("granted", flat=True)) == [70, 70]


def test_no_sign_up_credits_if_the_setting_is_0(settings):
    settings.SIGN_UP_CREDITS = 0
    factories.user()
    assert Lot.objects.count() == 0


def test_mobile_customer_gets_credits_once_that_never_lapse():
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
