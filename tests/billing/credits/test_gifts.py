"""Free credits for new customers."""

import pytest

from billing.models import Lot
from tests import factories

pytestmark = pytest.mark.django_db


def test_sign_up_credits_come_from_the_setting(settings):
    settings.SIGN_UP_CREDITS = 70
    factories.user()
    assert list(Lot.objects.values_list("granted", flat=True)) == [70, 70]


def test_no_sign_up_credits_if_the_setting_is_0(settings):
    settings.SIGN_UP_CREDITS = 0
    factories.user()
    assert Lot.objects.count() == 0
