"""The estimated price, the reserved price and the charged price are the same."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.ledger.wallets import summary, wallet_of
from billing.models import Reservation, Usage
from providers.models import Provider
from synthesis.models import Job
from synthesis.text import splitting
from synthesis.work import worker
from tests import factories
from tests.billing.factories import grant

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"
BIG = 10**9

# Letters of one, two, three and four bytes, joined ones, and white space to be trimmed.
texts = st.text(
    st.sampled_from("a Bž日\r\n\t😀e\u0301\u200d.…"), min_size=1, max_size=60
).filter(lambda sample: any(map(str.isalnum, sample)))
multipliers = st.decimals(Decimal("0"), Decimal("20"), places=3)


@pytest.fixture
def caller(voices):
    caller = factories.caller()
    grant(wallet_of(caller.workspace, caller.environment), BIG)
    return caller


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    scenes=st.lists(
        st.tuples(texts, st.sampled_from(["scripted:one", "unicorn:en-us", "two"])),
        min_size=1,
        max_size=4,
    ),
    scripted=multipliers,
    unicorn=multipliers,
)
def test_estimated_and_charged_price_are_equal(
    caller, settings, scenes, scripted, unicorn
):
    settings.RATE_SYNTHESIS = settings.RATE_OTHER = "100000/m"
    of_provider = {"scripted": scripted, "unicorn": unicorn}
    for slug, multiplier in of_provider.items():
        Provider.objects.filter(slug=slug).update(cost_multiplier=multiplier)
    scenes = [
        (sample, voice if ":" in voice else f"scripted:{voice}")
        for sample, voice in scenes
    ]
    expected = [
        math.ceil(
            Fraction(of_provider[voice.partition(":")[0]])
            * len(splitting.normalize(sample))
        )
        for sample, voice in scenes
    ]
    api = factories.api(factories.token(caller.user))
    body = {"scenes": [{"text": sample, "voice": voice} for sample, voice in scenes]}
    total = sum(expected)

    told = api.post("/api/v1/estimate", body, JSON).json()
    assert (told["cost"], told["affordable"]) == (total, True)
    if total:
        refused = api.post("/api/v1/jobs", body | {"max_cost": total - 1}, JSON)
        assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
        assert refused.json()["params"] == {"cost": total, "max_cost": total - 1}
    before = summary(wallet_of(caller.workspace, "PRODUCTION"))["balance"]
    answer = api.post("/api/v1/jobs", body | {"max_cost": total}, JSON)
    assert (answer.status_code, answer.json()["cost"]) == (202, total)
    job = Job.objects.get(pk=answer.json()["transaction_id"])
    assert list(job.scenes.order_by("index").values_list("cost", flat=True)) == expected
    held = Reservation.objects.filter(job=str(job.pk)).values_list("amount", flat=True)
    assert sum(held) == total

    worker.work("remote")
    worker.work("local")

    job.refresh_from_db()
    completed = list(
        job.scenes.filter(status="completed").values_list("cost", flat=True)
    )
    assert (job.charged, job.charged + job.refunded) == (sum(completed), total)
    charges = Usage.objects.filter(job=str(job.pk)).values_list("credits", flat=True)
    assert sorted(charges) == sorted(completed)
    after = summary(wallet_of(caller.workspace, "PRODUCTION"))
    assert (before - after["balance"], after["reserved"]) == (job.charged, 0)


@pytest.mark.parametrize("staff", [True, False])
def test_quotes_for_operators_and_guests_cost_nothing(voices, settings, staff):
    Provider.objects.update(cost_multiplier=7)
    settings.ADMIN_ACCESS_KEY = "k" * 32
    if staff:
        token = factories.token(factories.user(is_staff=True))
        apis = [factories.api(token), factories.api("k" * 32)]
        body = {"text": "Free.", "voice": "unicorn:en-us", "max_cost": 0}
        for api in apis:
            assert api.post("/api/v1/estimate", body, JSON).json()["cost"] == 0
            assert api.post("/api/v1/jobs", body, JSON).json()["cost"] == 0
    else:
        body = {"text": "Free.", "voice": "unicorn:en-us"}
        answer = factories.api().post("/api/v1/jobs", body, JSON)
        assert (answer.status_code, answer.json()["cost"]) == (202, 0)
