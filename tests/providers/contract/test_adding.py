"""Adding a provider takes one file and one line, as CONTRIBUTING says."""

import sys
import textwrap

import pytest
from django.test import Client

from providers.catalogue import sync
from providers.contract import registry
from providers.keys import using
from providers.models import ProviderKey
from synthesis.models import Job
from synthesis.work import worker
from tests import factories
from tests.providers.keys.test_saving import put

pytestmark = pytest.mark.django_db(transaction=True)

FILE = '''
"""Parrot: says a tone for each text."""

import math
from array import array

from providers.contract.base import Access, Encoding, Failure, KeyStatus, Limit
from providers.contract.base import ProviderError, Speech, VoiceInfo
from providers.contract.remote import Remote


class Parrot(Remote):
    """A voice that whistles."""

    slug = "parrot"
    name = "Parrot"
    limit = Limit(1_000)
    word_timestamps = "estimated"
    streaming = True
    regions = {"": "https://parrot.example.com", "eu": "https://eu.parrot.example.com"}

    def speak(self, request, access):
        self.validate(request)
        self.key(access)
        return Speech(Encoding("pcm", 16_000), self._parts(request.text))

    def voices(self, access):
        self.key(access)
        return [VoiceInfo("polly", "Polly", "en-GB", "female")]

    def check(self, access):
        if self.key(access) != "k3y-of-a-parrot":
            raise ProviderError(Failure.BAD_KEY)
        return KeyStatus.VALID

    def _parts(self, text):
        count = 320 * len(text)
        wave = (8_000 * math.sin(i * math.tau * 440 / 16_000) for i in range(count))
        yield array("h", map(int, wave)).tobytes()
'''


@pytest.fixture
def parrot(tmp_path, monkeypatch):
    (tmp_path / "parrot_of_a_test.py").write_text(textwrap.dedent(FILE))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(registry.ADAPTERS, "parrot", "parrot_of_a_test.Parrot")
    monkeypatch.setattr("kit.work.bells.ring", lambda *args, **more: None)
    yield
    sys.modules.pop("parrot_of_a_test", None)
    registry.get_adapter.cache_clear()


def test_adapter_file_and_registry_line_add_a_provider(parrot, monkeypatch):
    alice = factories.user()
    api = factories.api(factories.token(alice))
    sync.sync()
    listed = {row["slug"]: row for row in api.get("/api/v1/providers").json()}
    assert listed["parrot"]["own_key"] is True
    assert listed["parrot"]["available"] is False

    # With the platform's key, from the environment.
    monkeypatch.setenv("PARROT_API_KEY", "k3y-of-a-parrot")
    assert sync.sync().added == 1
    assert "parrot:polly" in Client().get("/voices?provider=parrot").content.decode()
    body = {"text": "Hello there.", "voice": "parrot:polly"}
    job = api.post("/api/v1/jobs", body, content_type="application/json").json()
    assert (job["cost"], job["billed_to"]) == (12, "credits")

    # With a workspace's own key, saved by the API.
    assert put(api, "parrot", {"key": "wr0ng-k3y-it"}).status_code == 400
    sent = {"key": "k3y-of-a-parrot", "region": "eu"}
    assert put(api, "parrot", sent).json()["status"] == "valid"
    monkeypatch.delenv("PARROT_API_KEY")
    row = ProviderKey.objects.get()
    access = using.access_for_credential(
        row.provider, using.credential_of(row.workspace_id)
    )
    assert (access.key, access.region) == ("k3y-of-a-parrot", "eu")
    job = api.post("/api/v1/jobs", body, content_type="application/json").json()
    assert (job["cost"], job["billed_to"]) == (0, "own_key")
    monkeypatch.setenv("PARROT_API_KEY", "k3y-of-a-parrot")
    assert worker.work("remote") == 2
    assert set(Job.objects.values_list("status", flat=True)) == {"completed"}
