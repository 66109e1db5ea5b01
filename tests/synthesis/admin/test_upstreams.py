"""Admin pages of upstreams: state, failures, and the action that closes the breaker."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from providers.models import Provider, Upstream
from tests import factories
from tests.synthesis.claim import claim

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
LIST = "admin:providers_upstream_changelist"


@pytest.fixture
def failing() -> Upstream:
    now = timezone.now()
    return Upstream.objects.create(
        provider=Provider.objects.get(pk="scripted"),
        calls=40,
        seconds=50.0,
        failures={"down": 12, "busy": 3},
        recent=[{"at": "2026-11-26T08:00:00+00:00", "kind": "down"}],
        failing_since=now - timedelta(minutes=5),
        open_until=now + timedelta(minutes=1),
        reason="down",
    )


def test_the_list_shows_the_state_of_each_upstream(
    back_office, failing, submitted
) -> None:
    submitted(factories.caller(), "One.")
    Upstream.objects.filter(pk=failing.pk).update(failing_since=None, open_until=None)
    claim()
    Upstream.objects.filter(pk=failing.pk).update(
        failing_since=failing.failing_since, open_until=failing.open_until
    )
    page = back_office.get(reverse(LIST)).content.decode()
    for told in ("scripted", "platform", "open", "down", "5\xa0minutes", "1.25", "15"):
        assert told in page
    row = back_office.get(reverse(LIST)).context["cl"].result_list[0]
    assert row.leased == 1


def test_a_page_shows_the_last_failures(back_office, failing) -> None:
    url = reverse("admin:providers_upstream_change", args=[failing.pk])
    page = back_office.get(url).content.decode()
    assert "down: 12, busy: 3" in page
    assert "2026-11-26T08:00:00+00:00 down" in page


def test_an_operator_closes_the_breaker(back_office, failing) -> None:
    before = AuditEntry.objects.count()
    answer = back_office.post(
        reverse(LIST),
        {
            "action": "call_again",
            "_selected_action": [failing.pk],
            "reason": "a new key",
        },
    )
    assert answer.status_code == 302
    failing.refresh_from_db()
    assert (failing.state, failing.calls) == ("closed", 40)
    assert AuditEntry.objects.count() > before


def test_upstreams_can_not_be_edited_or_deleted(back_office, failing) -> None:
    url = reverse("admin:providers_upstream_change", args=[failing.pk])
    assert back_office.post(url, {"calls": 0}).status_code == 403
    answer = back_office.post(
        reverse("admin:providers_upstream_delete", args=[failing.pk]), {"post": "yes"}
    )
    assert answer.status_code == 403
    failing.refresh_from_db()
    assert failing.calls == 40
