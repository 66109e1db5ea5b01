import pytest

from providers.catalogue import sync as catalogue_voices
from synthesis.errors import ProviderUnavailable
from synthesis.jobs import quotes
from synthesis.jobs.quotes import AskedScene, Order
from synthesis.models import Job
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_provider_that_is_not_set_up_is_refused_before_anything_is_charged(
    voices, monkeypatch
):
    catalogue_voices.sync()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    order = Order([AskedScene("Hello.", "openai:alloy")])
    with pytest.raises(ProviderUnavailable):
        quotes.quote(factories.caller(), order)
    assert not Job.objects.exists()
    monkeypatch.setenv("OPENAI_API_KEY", "k3y")
    quoted = quotes.quote(factories.caller(), order)
    assert quoted.scenes[0].cost == 6
