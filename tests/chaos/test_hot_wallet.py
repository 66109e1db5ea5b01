"""Many clients use one wallet at once; each gets speech, or is refused before a call.

`make test-system` runs a short form, `make chaos` the long one (CHAOS_REQUESTS,
CHAOS_CALLERS).
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import transaction

from accounts.caller import Environment
from billing.ledger.wallets import summary, wallet_of
from providers.models import Provider, Voice
from synthesis.models import Job
from tests import factories, processes
from tests.providers.vendors.openai import Compatible
from tests.providers.vendors.server import Vendor, serving

pytestmark = pytest.mark.system

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "128"))
CALLERS = int(os.environ.get("CHAOS_CALLERS", "64"))
TEXT = "A short scene."
VOICE = "compatible:af_bella"


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A vendor that answers at once, in the catalogue."""
    row = Provider.objects.create(slug="compatible", name="Own", max_concurrent=None)
    Voice.objects.create(
        id=VOICE, provider=row, provider_voice="af_bella", name="B", language="en"
    )
    with serving(Compatible()) as vendor:
        monkeypatch.setenv("COMPATIBLE_API_KEY", vendor.access.key)
        monkeypatch.setenv("COMPATIBLE_BASE_URL", vendor.access.base_url)
        yield vendor


@pytest.mark.django_db(transaction=True)
def test_a_hot_wallet_loses_no_speech(vendor: Vendor) -> None:
    owner = factories.user()
    token = factories.token(owner)
    workspace = factories.workspace(owner)
    workspace.rate_synthesis = 100_000
    workspace.save(update_fields=["rate_synthesis"])
    wallet = wallet_of(workspace, Environment.PRODUCTION)
    with transaction.atomic():
        factories.grant(wallet, REQUESTS * len(TEXT))
    before = summary(wallet)["balance"]
    web = processes.start_web()
    with processes.running(web.process, processes.start_dispatcher()):
        web.wait()
        began = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as callers:
            answers = Counter(
                callers.map(lambda _: _speak(web.url, token), range(REQUESTS))
            )
        seconds = time.monotonic() - began

    sys.stdout.write(
        f"{REQUESTS} requests by {CALLERS} clients on one wallet in {seconds:.0f} s: "
        f"{dict(answers)}, {len(vendor.asked)} calls\n"
    )
    served = answers[200, ""]
    if CALLERS <= 64:
        assert served == REQUESTS
    assert {status for status, _ in answers} <= {200, 503}
    assert len(vendor.asked) == served
    assert (
        Job.objects.filter(status="completed").count() == Job.objects.count() == served
    )
    now = summary(wallet)
    assert (now["balance"], now["reserved"]) == (before - served * len(TEXT), 0)


def _speak(address: str, token: str) -> tuple[int, str]:
    """Speak the text; return the status and the error's code."""
    request = urllib.request.Request(
        f"{address}/api/v1/speech",
        data=json.dumps({"input": TEXT, "voice": VOICE}).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
            return answer.status, ""
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)["code"]
