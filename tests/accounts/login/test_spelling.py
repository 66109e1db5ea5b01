"""However a code is typed, it opens; and what can't be one costs no try."""

import base64
import time

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.test import Client

from accounts.login import links, second_factor
from accounts.login.spelling import plain
from accounts.models import LoginChallenge
from accounts.models.second_factor import Authenticator, RecoveryDevice
from kit.models import QuotaCounter
from tests import factories
from tests.accounts.codes import newest_code

pytestmark = pytest.mark.django_db(transaction=True)


def script(zero: str):
    """Return what writes the digits of a code in another script."""
    return lambda code: code.translate({48 + n: ord(zero) + n for n in range(10)})


def parted(mark: str):
    return lambda code: f"{code[:3]}{mark}{code[3:]}"


def full_width(code: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c != "-" else c for c in code)


SPELLINGS = {
    "as it is": lambda code: code,
    "full-width": full_width,
    "Arabic": script("\u0660"),
    "Persian": script("\u06f0"),
    "Devanagari": script("\u0966"),
    "mathematical": script("\U0001d7ce"),
    "a space": parted(" "),
    "a narrow space without break": parted("\u202f"),
    "an ideographic space": parted("\u3000"),
    "a tab": parted("\t"),
    "a dash": parted("-"),
    "an en dash": parted("\u2013"),
    "a minus": parted("\u2212"),
    "a Japanese dash": parted("\uff0d"),
    "a long vowel": parted("\u30fc"),
    "a zero-width space": parted("\u200b"),
    "a soft hyphen": parted("\u00ad"),
    "a byte order mark": lambda code: f"\ufeff{code}",
    "marks of direction": lambda code: f"\u202a{code}\u202c",
    "key caps": lambda code: f"{code[0]}\ufe0f\u20e3{code[1:]}",
    "capitals": str.upper,
    "a line break at the end": lambda code: f"{code}\r\n",
}
AT_THE_DOORS = ["full-width", "Arabic", "a dash", "a zero-width space"]
NOT_CODES = ["12345", "1234567", "12345a", "---"]


def by_api(spell):
    client = factories.api()
    client.post("/api/v1/auth/code", {"email": "alice@example.com"}, "application/json")
    body = {"email": "alice@example.com", "code": spell(_mailed)}
    return client.post("/api/v1/auth/session", body, "application/json"), 200


def by_page(spell):
    client = Client()
    client.post("/login", {"email": "alice@example.com"})
    return client.post("/login/code", {"code": spell(_mailed)}), 302


def by_app(spell):
    root = operator()
    secret = second_factor.secret_text(second_factor.begin(root))
    second_factor.confirm_without_code(root)
    return enter(root, spell(lambda: of_app(secret))), 302


def by_recovery(spell):
    root = operator()
    second_factor.begin(root)
    codes = second_factor.confirm_without_code(root)
    return enter(root, spell(lambda: codes[0])), 302


def setting_up(spell):
    root = operator()
    secret = second_factor.secret_text(second_factor.begin(root))
    typed = {"code": spell(lambda: of_app(secret))}
    return logged_in(root).post("/settings/second-factor", typed), 200


def _mailed() -> str:
    return newest_code("alice@example.com")


def operator():
    return factories.user(is_staff=True, is_superuser=True)


def of_app(secret: str) -> str:
    return (
        TOTP(base64.b32decode(secret), 6, SHA1(), 30)
        .generate(int(time.time()))
        .decode()
    )


def logged_in(user):
    client = Client()
    client.post(f"/login/link/{links.make(user)}/")
    return client


def enter(user, code):
    return logged_in(user).post("/login/second-factor", {"code": code})


DOORS = [by_api, by_page, by_app, by_recovery, setting_up]


def test_every_spelling_is_understood():
    for name, written in SPELLINGS.items():
        for code in ("012345", "abcd-efgh-2345-67zz"):
            assert (name, plain(written(code))) == (name, code.replace("-", ""))


@pytest.mark.parametrize("door", DOORS)
def test_a_code_opens_however_it_is_typed(door):
    for name in AT_THE_DOORS:
        answer, opened = door(lambda code, name=name: SPELLINGS[name](code()))
        assert (name, answer.status_code) == (name, opened)


@pytest.mark.parametrize("door", DOORS)
def test_what_can_not_be_a_code_costs_no_try(door):
    for typed in NOT_CODES:
        answer, _ = door(lambda code, typed=typed: typed)
        assert (typed, answer.status_code) == (typed, 400)
        assert "six digits" in answer.content.decode()
        if door is by_api:
            assert answer.json()["code"] == "invalid_code"
    assert not LoginChallenge.objects.exclude(tries_left=0).exclude(tries_left=5)
    assert not QuotaCounter.objects.filter(name__startswith="login-tries")
    for kind in (Authenticator, RecoveryDevice):
        assert not kind.objects.exclude(throttling_failure_count=0)


def test_other_letters_stay_wrong():
    assert plain("ABCD-efgh\u2013ＪＫ２３ \u0664\u06f5") == "abcdefghjk2345"
    assert plain("\u03b1o0l1.,_é") == "\u03b1o0l1.,_é"
