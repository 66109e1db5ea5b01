"""Jobs of customers of the mobile app."""

import json

import pytest
from django.test import Client

from tests.billing.payments.app_stores import RevenueCatServer
from tests.providers.vendors.server import serving

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]


def test_a_customer_of_the_app_speaks_and_pays_with_free_credits(settings, speak_all):
    ana, ben = (f"$RCAnonymousID:{number:032x}" for number in (1, 2))
    with serving(RevenueCatServer()) as server:
        server.configure(settings)
        server.knows(ana)
        server.knows(ben)
        app, other = (
            Client(headers={"Authorization": f"Customer {one}"}) for one in (ana, ben)
        )
        body = {"voice": "scripted:one", "scenes": [{"text": "Hello world."}]}
        answer = app.post("/api/v1/jobs", json.dumps(body), "application/json")
        assert answer.status_code == 202
        speak_all()
        job = answer.json()["links"]["self"]
        done = app.get(job).json()
        assert (done["status"], done["charged"]) == ("completed", 12)
        assert app.get("/api/v1/credits").json()["balance"] == 45_000 - 12
        audio = app.get(done["scenes"][0]["audio_url"])
        assert audio.status_code == 200
        assert audio.getvalue()
        assert other.get(job).json()["code"] == "not_found"
