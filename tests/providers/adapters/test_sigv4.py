from datetime import UTC, datetime
from typing import Any

from providers.vendors.sigv4 import Credentials, sign_headers

# The example that Amazon's own test suite calls `get-vanilla`.
KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
PLACE: dict[str, Any] = {"region": "us-east-1", "service": "service", "now": NOW}


def test_signature_matches_amazons_example():
    url = "https://example.amazonaws.com/"
    sent = sign_headers("GET", url, {}, b"", credentials=KEY, **PLACE)
    assert sent == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
            "aws4_request, SignedHeaders=host;x-amz-date, Signature="
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        ),
    }


def test_the_order_of_the_query_does_not_matter():
    addresses = [f"https://example.amazonaws.com/?{q}" for q in ("b=2&a=1", "a=1&b=2")]
    first, second = (
        sign_headers("GET", url, {}, b"", credentials=KEY, **PLACE) for url in addresses
    )
    assert first == second


def test_a_temporary_key_sends_its_token():
    key = Credentials("AKIDEXAMPLE", "secret", "token")
    sent = sign_headers(
        "POST",
        "https://a.example/",
        {"Content-Type": "x"},
        b"y",
        credentials=key,
        **PLACE,
    )
    assert sent["X-Amz-Security-Token"] == "token"
    names = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"
    assert names in sent["Authorization"]


def test_secrets_are_not_shown():
    assert "wJalr" not in repr(KEY)
