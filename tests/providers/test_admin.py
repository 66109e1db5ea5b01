from decimal import Decimal

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from providers import catalogue
from providers.models import Provider, Voice
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    catalogue.sync()
    return factories.browser(
        factories.user("operator@example.com", is_staff=True, is_superuser=True)
    )


def test_prices_and_limits_are_edited_in_the_list(operator):
    response = operator.post(
        reverse("admin:providers_provider_changelist"),
        {
            "form-TOTAL_FORMS": 1,
            "form-INITIAL_FORMS": 1,
            "form-0-slug": "unicorn",
            "form-0-is_enabled": "on",
            "form-0-cost_multiplier": "1.250",
            "form-0-max_concurrent": "4",
            "_save": "Save",
        },
    )
    assert response.status_code == 302
    unicorn = Provider.objects.get()
    assert unicorn.cost_multiplier == Decimal("1.25")
    assert unicorn.max_concurrent == 4
    assert unicorn.is_enabled
    assert not unicorn.is_open_to_guests


def test_a_negative_price_is_refused(operator):
    response = operator.post(
        reverse("admin:providers_provider_change", args=["unicorn"]),
        {"is_enabled": "on", "cost_multiplier": "-1"},
    )
    assert response.status_code == 200
    assert Provider.objects.get().cost_multiplier == 1


@pytest.mark.parametrize("model", ["provider", "voice"])
def test_the_lists_show_and_find(operator, model):
    url = reverse(f"admin:providers_{model}_changelist")
    response = operator.get(url, {"q": "unicorn"})
    assert response.status_code == 200
    assert "unicorn" in response.content.decode()


@pytest.mark.parametrize(
    ("model", "key"), [("provider", "unicorn"), ("voice", "unicorn:de")]
)
def test_nothing_is_added_or_deleted_by_hand(operator, model, key):
    assert (
        operator.get(
            reverse(f"admin:providers_{model}_change", args=[quote(key)])
        ).status_code
        == 200
    )
    assert operator.get(reverse(f"admin:providers_{model}_add")).status_code == 403
    delete = reverse(f"admin:providers_{model}_delete", args=[quote(key)])
    assert operator.post(delete, {"post": "yes"}).status_code == 403
    assert Voice.objects.filter(pk="unicorn:de").exists()


def test_voices_are_switched_off_and_on_together(operator):
    url = reverse("admin:providers_voice_changelist")
    chosen = ["unicorn:de", "unicorn:fr-fr"]
    operator.post(url, {"action": "switch_off", "_selected_action": chosen})
    off = Voice.objects.filter(is_enabled=False)
    assert sorted(off.values_list("pk", flat=True)) == chosen
    operator.post(url, {"action": "switch_on", "_selected_action": chosen[:1]})
    assert [voice.pk for voice in off.all()] == ["unicorn:fr-fr"]


def test_the_catalogue_is_synced_by_a_button(operator):
    Voice.objects.filter(pk="unicorn:de").delete()
    response = operator.get(
        reverse("admin:providers_provider_sync_catalogue"), follow=True
    )
    assert "Voices: 1 added, 0 updated, 0 withdrawn." in response.content.decode()
    assert Voice.objects.filter(pk="unicorn:de").exists()
