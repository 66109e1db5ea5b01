"""The kind of failure for each error that a vendor documents."""

import json

import pytest

from providers.contract.base import Failure, KeyStatus, ProviderError, SpeechRequest
from providers.contract.registry import get_adapter
from tests.providers.vendors.server import Asked, Reply
from tests.providers.vendors.stage import VENDORS


def openai(code: str) -> dict[str, object]:
    return {"error": {"message": "No.", "type": "t", "param": None, "code": code}}


def eleven(code: str, status: str = "") -> dict[str, object]:
    return {"detail": {"code": code, "status": status or code, "message": "No."}}


def google(status: str, message: str = "No.", reason: str = "") -> dict[str, object]:
    error: dict[str, object] = {"status": status, "message": message}
    if reason:
        error["details"] = [{"@type": "x"}, {"reason": reason}]
    return {"error": error}


REFUSALS: list[tuple[str, int, object, Failure]] = [
    ("openai", 400, openai("invalid_value"), Failure.BAD_REQUEST),
    ("openai", 400, openai("string_above_max_length"), Failure.TOO_LONG),
    ("openai", 401, openai("invalid_api_key"), Failure.BAD_KEY),
    ("openai", 403, openai("unsupported_country"), Failure.BAD_KEY),
    ("openai", 404, openai("model_not_found"), Failure.BAD_REQUEST),
    ("openai", 409, openai("conflict"), Failure.BUSY),
    ("openai", 429, openai("rate_limit_exceeded"), Failure.RATE_LIMITED),
    ("openai", 429, openai("insufficient_quota"), Failure.QUOTA),
    ("openai", 502, "<html>", Failure.DOWN),
    ("lemonfox", 401, {"error": "You provided an invalid API key."}, Failure.BAD_KEY),
    ("lemonfox", 402, {}, Failure.QUOTA),
    ("elevenlabs", 400, eleven("text_too_long"), Failure.TOO_LONG),
    ("elevenlabs", 400, eleven("max_character_limit_exceeded"), Failure.TOO_LONG),
    ("elevenlabs", 400, eleven("invalid_parameters"), Failure.BAD_REQUEST),
    ("elevenlabs", 400, eleven("voice_not_found"), Failure.UNKNOWN_VOICE),
    ("elevenlabs", 401, eleven("invalid_api_key"), Failure.BAD_KEY),
    ("elevenlabs", 401, {"detail": {"status": "quota_exceeded"}}, Failure.QUOTA),
    ("elevenlabs", 402, eleven("insufficient_credits"), Failure.QUOTA),
    ("elevenlabs", 403, eleven("voice_access_denied"), Failure.UNKNOWN_VOICE),
    ("elevenlabs", 403, eleven("subscription_required"), Failure.BAD_REQUEST),
    ("elevenlabs", 404, eleven("voice_not_found"), Failure.UNKNOWN_VOICE),
    (
        "elevenlabs",
        422,
        {"detail": [{"loc": ["body"], "msg": "m"}]},
        Failure.BAD_REQUEST,
    ),
    ("elevenlabs", 429, eleven("concurrent_limit_exceeded"), Failure.RATE_LIMITED),
    ("elevenlabs", 429, eleven("system_busy"), Failure.BUSY),
    ("elevenlabs", 500, eleven("internal_error"), Failure.DOWN),
    ("google", 400, google("INVALID_ARGUMENT", "API key not valid."), Failure.BAD_KEY),
    ("google", 400, google("X", reason="API_KEY_INVALID"), Failure.BAD_KEY),
    (
        "google",
        400,
        google(
            "INVALID_ARGUMENT", "`input.ssml` is longer than the limit of 5000 bytes"
        ),
        Failure.TOO_LONG,
    ),
    (
        "google",
        400,
        google(
            "INVALID_ARGUMENT", "This request contains sentences that are too long."
        ),
        Failure.TOO_LONG,
    ),
    ("google", 400, google("X", "Voice 'x' does not exist."), Failure.UNKNOWN_VOICE),
    ("google", 400, google("INVALID_ARGUMENT"), Failure.BAD_REQUEST),
    ("google", 403, google("X", reason="SERVICE_DISABLED"), Failure.BAD_KEY),
    ("google", 429, google("RESOURCE_EXHAUSTED"), Failure.RATE_LIMITED),
    ("google", 503, google("UNAVAILABLE"), Failure.BUSY),
    ("azure", 400, "", Failure.UNKNOWN_VOICE),
    ("azure", 401, "", Failure.BAD_KEY),
    ("azure", 415, "", Failure.BAD_REQUEST),
    ("azure", 429, "", Failure.RATE_LIMITED),
    ("azure", 502, "", Failure.DOWN),
    ("azure", 503, "", Failure.BUSY),
    (
        "deepgram",
        400,
        {"err_code": "Bad Request", "err_msg": "No such model/version combination."},
        Failure.UNKNOWN_VOICE,
    ),
    ("deepgram", 400, {"err_code": "SPEED_NOT_SUPPORTED"}, Failure.BAD_REQUEST),
    ("deepgram", 401, {"err_code": "INVALID_AUTH"}, Failure.BAD_KEY),
    ("deepgram", 402, {"category": "ASR_PAYMENT_REQUIRED"}, Failure.QUOTA),
    ("deepgram", 403, {"err_code": "INSUFFICIENT_PERMISSIONS"}, Failure.BAD_KEY),
    ("deepgram", 413, {"err_code": "PAYLOAD_ERROR"}, Failure.TOO_LONG),
    ("deepgram", 422, {}, Failure.TOO_LONG),
    ("deepgram", 503, {"error_code": "UNAVAILABLE"}, Failure.BUSY),
    ("cartesia", 401, "Unauthorized: no", Failure.BAD_KEY),
    ("cartesia", 402, {"error_code": "quota_exceeded"}, Failure.QUOTA),
    ("cartesia", 404, {"error_code": "voice_not_found"}, Failure.UNKNOWN_VOICE),
    ("cartesia", 429, {"error_code": "concurrency_limited"}, Failure.RATE_LIMITED),
    ("compatible", 401, {"detail": "no"}, Failure.BAD_KEY),
    ("compatible", 403, {"detail": "no"}, Failure.BAD_KEY),
    ("compatible", 404, {"detail": "Model 'x' is not installed"}, Failure.BAD_REQUEST),
    ("compatible", 422, {"detail": [{"loc": ["speed"]}]}, Failure.BAD_REQUEST),
    ("compatible", 500, {"detail": {"error": "processing_error"}}, Failure.DOWN),
]


@pytest.mark.parametrize(("slug", "status", "body", "kind"), REFUSALS)
def test_each_error_response_has_its_kind(stage, monkeypatch, slug, status, body, kind):
    error = refused(stage, monkeypatch, slug, Reply(status, body=encoded(body)))
    assert error.kind == kind
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "TextLengthExceededException", Failure.TOO_LONG),
        (400, "ThrottlingException", Failure.RATE_LIMITED),
        (400, "EngineNotSupportedException", Failure.UNKNOWN_VOICE),
        (400, "InvalidSsmlException", Failure.BAD_REQUEST),
        (403, "UnrecognizedClientException", Failure.BAD_KEY),
        (403, "InvalidSignatureException", Failure.BAD_KEY),
        (500, "ServiceFailureException", Failure.DOWN),
        (503, "", Failure.BUSY),
    ],
)
def test_amazon_names_its_errors_in_a_header(stage, monkeypatch, status, name, kind):
    reply = Reply(status, body=b'{"message":"no"}')
    reply.headers["x-amzn-ErrorType"] = f"{name}:http://internal.amazon.com/"
    assert refused(stage, monkeypatch, "polly", reply).kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "Sun, 21 Oct 2125 07:28:00 GMT"}, 86_400),
        ({"Retry-After": "Sun, 21 Oct 99999999999 07:28:00 GMT"}, None),
        ({"Retry-After": "Sun, 31 Dec 9999 23:59:59 -2300"}, 86_400),
        ({"Retry-After": "1e99"}, 86_400),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read(stage, monkeypatch, headers, seconds):
    reply = Reply(429, body=b"{}", headers=headers)
    assert refused(stage, monkeypatch, "openai", reply).retry_after == seconds


def test_openai_x_should_retry_false_is_quota(stage, monkeypatch):
    reply = Reply(429, body=b"{}", headers={"x-should-retry": "false"})
    assert refused(stage, monkeypatch, "openai", reply).kind == Failure.QUOTA


def test_error_does_not_repeat_the_vendors_message(stage, monkeypatch):
    body = openai("No such text as: Hello there")
    reply = Reply(400, body=encoded(body))
    error = refused(stage, monkeypatch, "openai", reply)
    assert str(error) == "bad_request: 400 t"


@pytest.mark.parametrize("size", [0, 20_000, 5_000_000])
def test_huge_error_body_is_read_in_part(stage, monkeypatch, size):
    reply = Reply(500, body=b"[" * size)
    assert refused(stage, monkeypatch, "openai", reply).kind == Failure.DOWN


@pytest.mark.parametrize(
    ("slug", "status", "body", "said"),
    [
        ("openai", 403, {}, KeyStatus.UNKNOWN),
        ("lemonfox", 404, {}, KeyStatus.UNKNOWN),
        ("compatible", 404, {}, KeyStatus.UNKNOWN),
        ("deepgram", 403, {}, KeyStatus.RESTRICTED),
        (
            "elevenlabs",
            401,
            eleven("unauthorized", "missing_permissions"),
            KeyStatus.RESTRICTED,
        ),
        ("elevenlabs", 403, {}, KeyStatus.UNKNOWN),
        ("elevenlabs", 401, eleven("unauthorized"), KeyStatus.UNKNOWN),
    ],
)
def test_key_for_speech_only_is_restricted(
    stage, monkeypatch, slug, status, body, said
):
    vendor = stage(slug)
    monkeypatch.setattr(
        vendor, "answer", lambda asked: Reply(status, body=encoded(body))
    )
    assert get_adapter(slug).check(vendor.access) == said


@pytest.mark.parametrize("slug", sorted(VENDORS))
def test_check_of_a_failing_vendor_is_down(stage, monkeypatch, slug):
    vendor = stage(slug)
    monkeypatch.setattr(vendor, "answer", lambda asked: Reply(500, body=b"{}"))
    with pytest.raises(ProviderError) as caught:
        get_adapter(slug).check(vendor.access)
    assert caught.value.kind == Failure.DOWN


def encoded(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def refused(stage, monkeypatch, slug: str, reply: Reply) -> ProviderError:
    vendor = stage(slug)

    def answer(asked: Asked) -> Reply:
        assert asked.method == "POST"
        return reply

    monkeypatch.setattr(vendor, "answer", answer)
    request = SpeechRequest("Hello there.", vendor.voice)
    with pytest.raises(ProviderError) as caught:
        list(get_adapter(slug).speak(request, vendor.access).parts)
    return caught.value
