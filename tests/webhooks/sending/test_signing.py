"""Signatures, verified by the reference library of Standard Webhooks."""

import json
import random
import uuid
from base64 import b64decode
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from kit.secrets import CannotDecrypt, Secret
from tests.webhooks import factories
from webhooks import endpoints
from webhooks.emit import encode
from webhooks.errors import RotationInProgress
from webhooks.models import Endpoint
from webhooks.sending import signing


def _headers(keys: list[Secret], body: bytes, at: int | None = None) -> dict[str, str]:
    event_id = uuid.uuid4()
    timestamp = at or int(timezone.now().timestamp())
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(
            keys, event_id=event_id, timestamp=timestamp, body=body
        ),
    }


def test_ten_thousand_signatures_are_valid() -> None:
    rng = random.Random(6)
    alphabet = 'ab "\\\n\t/é中🦄\u2028\x7f' + "xyz"
    now = timezone.now()
    keys = [signing.new_secret() for _ in range(50)]
    judges = [Webhook(key.reveal_text()) for key in keys]
    for number in range(10_000):
        data = {
            "number": number,
            "text": "".join(rng.choices(alphabet, k=rng.randint(0, 60))),
        }
        body = encode("webhook.test", now, data)
        old, new = rng.sample(range(50), 2)
        headers = _headers([keys[new], keys[old]], body)
        assert judges[new].verify(body, headers)["data"] == data
        assert judges[old].verify(body, headers)["data"] == data


def test_a_changed_byte_or_another_key_is_refused() -> None:
    key, other = signing.new_secret(), signing.new_secret()
    headers = _headers([key], b'{"a":1}')
    for judge, body in [(key, b'{"a":2}'), (other, b'{"a":1}')]:
        with pytest.raises(WebhookVerificationError):
            Webhook(judge.reveal_text()).verify(body, headers)


def test_a_secret_is_standard_base64_of_32_bytes() -> None:
    for _ in range(200):
        text = signing.new_secret().reveal_text()
        assert text.startswith("whsec_")
        assert len(b64decode(text.removeprefix("whsec_"), validate=True)) == 32


def test_a_body_is_compact_json_with_its_time() -> None:
    at = datetime.fromisoformat("2026-11-20T10:00:00.1234+02:00")
    body = encode("job.completed", at, {"title": "Ozvěna", "id": uuid.UUID(int=7)})
    assert body.decode() == (
        '{"type":"job.completed","timestamp":"2026-11-20T08:00:00.123Z",'
        '"data":{"title":"Ozvěna","id":"00000000-0000-0000-0000-000000000007"}}'
    )
    with pytest.raises(ValueError, match="JSON compliant"):
        encode("job.completed", at, {"x": float("nan")})
    assert json.loads(body)["data"]["title"] == "Ozvěna"


@pytest.mark.django_db
def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    endpoint = factories.endpoint()
    old = signing.secret_of(endpoint)
    with transaction.atomic():
        endpoint, new = endpoints.rotate(endpoint.pk)

    assert signing.keys_of(endpoint) == [new, old]
    assert new != old
    with transaction.atomic(), pytest.raises(RotationInProgress):
        endpoints.rotate(endpoint.pk)
    endpoint.refresh_from_db()
    assert signing.keys_of(endpoint) == [new, old]
    endpoint.old_secret_until = timezone.now() - timedelta(seconds=1)
    endpoint.save()
    assert signing.keys_of(endpoint) == [new]


@pytest.mark.django_db
def test_secrets_are_encrypted_and_decrypted_in_their_own_row_only() -> None:
    mine, theirs = factories.endpoint(), factories.endpoint()
    text = factories.secret(mine).encode()
    assert text not in bytes(mine.secret)
    Endpoint.objects.filter(pk=theirs.pk).update(secret=mine.secret)
    theirs.refresh_from_db()
    with pytest.raises(CannotDecrypt):
        signing.secret_of(theirs)


@pytest.mark.django_db
def test_a_workspace_has_one_default_secret() -> None:
    of = factories.workspace()
    first = signing.secret_of(signing.default_signer(of.pk))
    assert signing.secret_of(signing.default_signer(of.pk)) == first
    other = signing.default_signer(factories.workspace().pk)
    assert signing.secret_of(other) != first
