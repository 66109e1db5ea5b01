"""Credits that new customers are given."""

import pytest

from billing.models import Lot
from tests import factories

pytestmark = pytest.mark.django_db


def test_the_sign_up_grant_is_a_setting(settings):
    settings.SIGN_UP_CREDITS = 70
    factories.user()
    assert list(Lot.objects.values_list("granted", flat=True)) == [70, 70]


def test_there_may_be_none(settings):
    settings.SIGN_UP_CREDITS = 0
    factories.user()
    assert Lot.objects.count() == 0
