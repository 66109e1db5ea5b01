"""What is particular to NOWPayments: its signature, and payments that need a look."""

from datetime import timedelta

import pytest

from billing.payments.gateways.contract import Callback
from tests.billing.payments.counterparts import (
    NOWPaymentsServer,
    at,
    deliver,
    posted_by_a_look,
    review_of,
)
from tests.billing.payments.paying import granted, send
from tests.providers.vendors.server import serving

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]


@pytest.fixture
def nowpayments(settings):
    with serving(NOWPaymentsServer()) as made:
        made.configure(settings)
        yield made


@pytest.mark.parametrize(
    ("status", "fields", "review"),
    [
        (
            "partially_paid",
            {"actually_paid": 0.00001},
            "Only a part was paid: 0.00001 of 0.00005678 BTC.",
        ),
        (
            "finished",
            {"actually_paid": 0.00005677},
            "Only a part was paid: 0.00005677 of 0.00005678 BTC.",
        ),
        (
            "finished",
            {"parent_payment_id": 5_100_000_000},
            "A repeated deposit: 0.00005678 of 0.00005678 BTC.",
        ),
        ("expired", {}, "Paid too late: 0.00005678 of 0.00005678 BTC."),
        ("failed", {}, "Paid too late: 0.00005678 of 0.00005678 BTC."),
        ("refunded", {}, "It was paid back before it counted."),
    ],
    ids=["partial", "short", "repeated", "late", "failed", "refunded"],
)
def test_other_payments_at_nowpayments_are_reviewed(
    nowpayments, status, fields, review
):
    bought = at(nowpayments)
    number = nowpayments.pay(bought, status, **fields)
    deliver("nowpayments", [nowpayments.told(number)], copies=2)
    assert review_of(bought) == ("pending", f"{review} Payment {number}.")
    assert granted(bought.workspace) == []


def test_an_order_without_a_payment_expires_after_a_week(nowpayments):
    bought = at(nowpayments)
    number = nowpayments.pay(bought, "expired", actually_paid=0)
    deliver("nowpayments", [nowpayments.told(number)])
    assert posted_by_a_look(bought) == "ignored: The payment is expired."
    bought.created_at -= timedelta(days=7, minutes=1)
    assert posted_by_a_look(bought).endswith("not paid: 25,000 credits")
    assert review_of(bought) == ("expired", "")
    # A buyer who pays after all gets the credits.
    nowpayments.payments[number] |= {"payment_status": "finished"}
    nowpayments.payments[number]["actually_paid"] = 0.00005678
    deliver("nowpayments", [nowpayments.told(number)])
    assert granted(bought.workspace) == [("pack", 25_000)]


# Computed by the vendor's recipe in Node 18: keys sorted recursively, JSON.stringify,
# HMAC-SHA512 with this secret.
_BY_JAVASCRIPT = [
    (
        '{"payment_id":5524759814,"payment_status":"finished","actually_paid":0.00001234,"fee":{"serviceFee":0,"currency":"btc","depositFee":1e-7},"price_amount":2.99}',
        "688864e9fc4fb4695f80d2b305c91ba118ba61777b88822a1d8f30e40fe4f3d8d5351033ebb43c1027b87a773ee237ac6190649aa37b50f41e0de2f90913dd99",
    ),
    (
        '{"order_description":"Crédits \\u2014 25,000 \\"x\\" /'
        ' \\ud83c\\udf99 \\ud800","payment_id":1}',
        "dc4fc3e718165d0752b10d11ba26b865fe81d84bcb45063d732f7403fd0bea2ff5e42431120819e95afd83234103773ba0c9143bb8c3d2ba97efc92ca9d4d7b9",
    ),
    (
        '{"payment_extra_ids":[5,6,{"b":1,"a":[]},null,true,"x",7,8,9,10,11,12],"payment_id":1,"parent_payment_id":null}',
        "fa19f42d8004e5ae21a7523c331ff920329146d56d09c58356170d4b38661277fd8816c363aa92d54f778ba9ce9bd11029158a70368abe0d0a8f8403857b348a",
    ),
    (
        '{"b":1,"a":2,"10":3,"9":4,"01":5,"\\ue000":6,"\\ud83d\\ude00":7,"A":8}',
        "6b101b84aa09820ca28203f8957a52a8978ee40ab3a6642bec3f9488bcdf708dbdfe6e25926c4218a611ec663a9a04bad525d85659af5cb585a6972dee780093",
    ),
]


@pytest.mark.parametrize(
    ("body", "signature"), _BY_JAVASCRIPT, ids=["numbers", "letters", "arrays", "keys"]
)
def test_the_signature_is_javascript_s_byte_for_byte(nowpayments, body, signature):
    callback = Callback({"x-nowpayments-sig": signature}, body.encode())
    assert send(callback, "nowpayments").status_code in (200, 400)
    assert send(Callback(callback.headers, callback.body + b" "), "nowpayments")
    for other in range(len(_BY_JAVASCRIPT)):
        text, its = _BY_JAVASCRIPT[other]
        answer = send(
            Callback({"x-nowpayments-sig": its}, body.encode()), "nowpayments"
        )
        assert (answer.status_code == 401) == (text != body)
