"""The signature of Stripe's events, and its time."""

import time

import pytest

from billing.errors import InvalidSignature
from billing.payments.gateways.stripe import signing
from tests.cases import cases


def test_signatures():
    body, secret, now = b'{"id": 1}', "whsec_a", int(time.time())
    good = signing.sign(body, secret, now)
    mac = good.partition(",")[2]
    signing.verify(body, good, secret)
    signing.verify(body, f"t={now},v1=old,{mac},v0=x", secret)  # while it is changed
    signing.verify(body, signing.sign(body, secret, now - 299), secret)
    wrong = [
        "",
        mac,
        f"t={now}",
        f"t={now - 1},{mac}",
        f"t={now},{mac[:-1]}",
        f"t=x{now},{mac}",
        f"t=٣,{mac}",
        f"t={now},v0={mac[3:]}",
        signing.sign(body, "whsec_b", now),
        signing.sign(b"{}", secret, now),
        signing.sign(body, secret, now - 301),
        signing.sign(body, secret, now + 301),
    ]
    for header, case in cases(wrong):
        with case, pytest.raises(InvalidSignature):
            signing.verify(body, header, secret)
