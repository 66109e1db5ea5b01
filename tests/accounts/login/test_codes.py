import datetime
import itertools
import re
from unittest.mock import patch

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.errors import Blocked, InvalidCode
from accounts.login import codes as login_codes
from accounts.models import LoginChallenge, User
from accounts.people import blocking, closing
from kit import quotas
from kit.errors import Invalid, RateLimited
from kit.mail import outbox
from kit.models import Mail
from tests import factories
from tests.accounts.codes import a_wrong_one, newest_code
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

CODE, SESSION = "/api/v1/auth/code", "/api/v1/auth/session"
JSON = "application/json"
HERE = "192.0.2.1"
_NUMBERS = re.compile(r"\b[0-9a-f]{64}\b|\b\d+\b")  # of subjects, and how many are left


def ask(email="alice@example.com", address=HERE):
    return login_codes.ask(email, address=address)


def redeem(browser, code, email="alice@example.com", address=HERE):
    return login_codes.redeem(browser, email, code, address=address)


# --- Over HTTP -----------------------------------------------------------------------


def test_a_new_address_signs_up(settings):
    client = factories.api()

    asked = client.post(CODE, {"email": " Alice@Example.com"}, JSON)

    assert (asked.status_code, asked.json()) == (202, {})
    cookie = asked.cookies["login"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 600
    code = newest_code("alice@example.com")
    body = {"email": "Alice@example.com", "code": f"{code[:3]} {code[3:]}"}
    answer = client.post(SESSION, body, JSON)
    assert answer.status_code == 200
    alice = User.objects.get()
    assert answer.json() == {
        "user": {
            "id": str(alice.pk),
            "email": "alice@example.com",
            "role": "user",
            "preferences": {},
        }
    }
    assert client.get("/api/v1/me").json()["email"] == "alice@example.com"
    assert client.get("/api/v1/me").json()["credits"]["available"] == 5000


def test_logging_out():
    alice = factories.user("alice@example.com")
    client = factories.browser(alice)

    assert client.delete(SESSION).status_code == 204
    assert client.get("/api/v1/me").json()["role"] == "guest"
    assert client.delete(SESSION).status_code == 401
    other = factories.browser(alice)
    token = factories.api(factories.token(alice))
    assert token.delete(SESSION).status_code == 204  # it has no login that could end
    assert other.get("/api/v1/me").json()["role"] == "user"
    assert token.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email": "alice@example.com", "code": "000000"}, "invalid_code"),
        ({"email": "alice@example.com", "code": ""}, "invalid"),
        ({"email": "alice@example.com", "code": 123456}, "invalid"),
        ({"email": "nonsense", "code": "000000"}, "invalid"),
        ({"email": "alice@example.com", "code": "é" * 20}, "invalid_code"),
        ({}, "invalid"),
    ],
)
def test_invalid_tokens_are_refused(body, code):
    client = factories.api()
    client.post(CODE, {"email": "alice@example.com"}, JSON)

    answer = client.post(SESSION, body, JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert User.objects.count() == 0


def test_another_browser_can_not_use_the_code():
    client = factories.api()
    client.post(CODE, {"email": "alice@example.com"}, JSON)
    body = {"email": "alice@example.com", "code": newest_code("alice@example.com")}

    other = factories.api()
    assert other.post(SESSION, body, JSON).json()["code"] == "invalid_code"
    other.post(CODE, {"email": "bob@example.com"}, JSON)
    assert other.post(SESSION, body, JSON).json()["code"] == "invalid_code"
    assert client.post(SESSION, body, JSON).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_neither_asks_for_a_code_nor_logs_in(site, settings):
    client = factories.api()
    client.post(CODE, {"email": "alice@example.com"}, JSON)
    body = {"email": "alice@example.com", "code": newest_code("alice@example.com")}
    headers = {"Sec-Fetch-Site": site, "Origin": "https://evil.example"}

    for path in (CODE, SESSION):
        answer = client.post(path, body, JSON, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not answer.cookies
    assert LoginChallenge.objects.get().tries_left == 5

    settings.CSRF_TRUSTED_ORIGINS = ["https://evil.example"]
    assert client.post(SESSION, body, JSON, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://testserver:81", "https://testserver", "null"],
)
def test_a_foreign_origin_alone_is_another_site(origin, settings):
    """Older browsers don't send Sec-Fetch-Site, and some pages have no origin at all."""
    for path in (CODE, SESSION):
        body = {"email": "alice@example.com", "code": "123456"}
        answer = factories.api().post(path, body, JSON, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert not answer.cookies
    assert not LoginChallenge.objects.exists()

    settings.CSRF_TRUSTED_ORIGINS = [origin]
    answer = factories.api().post(CODE, body, JSON, headers={"Origin": origin})
    assert answer.status_code == 202


def test_our_own_pages_and_programs_log_in(settings):
    settings.BASE_URL = "https://speech.example.com"
    for headers in (
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://testserver"},
        {"Origin": "https://speech.example.com"},
    ):
        answer = factories.api().post(
            CODE, {"email": "alice@example.com"}, JSON, headers=headers
        )
        assert answer.status_code == 202


def test_answers_do_not_reveal_whether_an_address_is_known(settings):
    """Known, unknown, blocked, inactive, closed, and above the daily limit."""
    settings.LOGIN_CODES_PER_ADDRESS = 1
    factories.user("known@example.com")
    blocking.block(factories.user("blockd@example.com"))
    factories.user("inactv@example.com", is_active=False)
    with transaction.atomic():
        closing.close(factories.user("closed@example.com"))
    factories.user("toooft@example.com")
    ask("toooft@example.com")
    factories.api().get("/api/v1/me")  # the guests' workspace is made at first use
    names = ("known@", "other@", "blockd@", "inactv@", "closed@", "toooft@")
    seen = []
    for email in (f"{name}example.com" for name in names):
        client = factories.api()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = client.post(
                CODE, {"email": email}, JSON, headers={"X-Request-Id": "same-for-all"}
            )
        headers = {
            name: value for name, value in answer.items() if "Cookie" not in name
        }
        shapes = [query["sql"].split("VALUES")[0] for query in queries]
        # Above the limit it looks for codes of no address: the query is the same.
        shapes = [sql.replace(f"'{email}'", "''") for sql in shapes]
        shapes = [_NUMBERS.sub("#", sql) for sql in shapes]
        seen.append((answer.status_code, answer.content, headers, len(queries), shapes))
        assert len(answer.cookies["login"].value) == 43
    assert all(answer == seen[0] for answer in seen)
    outbox.work()
    codes = [sent.to for sent in mail.outbox if "code" in sent.subject]
    assert sorted(codes) == [
        ["closed@example.com"],  # a login opens it again
        ["known@example.com"],
        ["other@example.com"],
        ["toooft@example.com"],  # the one before
    ]


# --- The rules -----------------------------------------------------------------------


def test_a_code_works_once_for_one_address():
    browser = ask()
    code = newest_code("alice@example.com")

    with pytest.raises(InvalidCode):
        redeem(browser, code, email="bob@example.com")
    assert redeem(browser, code).email == "alice@example.com"
    with pytest.raises(InvalidCode):
        redeem(browser, code)


def test_the_code_is_stored_only_as_an_hmac():
    ask()
    code = newest_code("alice@example.com")

    row = LoginChallenge.objects.values().get()
    assert code not in str(row)
    assert code not in str(Mail.objects.values().get())


def test_five_tries():
    browser = ask()
    code = newest_code("alice@example.com")

    for _ in range(5):
        with pytest.raises(InvalidCode):
            redeem(browser, a_wrong_one(code))
    with pytest.raises(InvalidCode):
        redeem(browser, code)


def test_codes_expire_after_ten_minutes():
    browser = ask()
    code = newest_code("alice@example.com")
    assert login_codes.pending(browser) == "alice@example.com"
    LoginChallenge.objects.update(expires_at=timezone.now())

    assert login_codes.pending(browser) is None
    with pytest.raises(InvalidCode):
        redeem(browser, code)


def test_a_new_code_ends_the_one_before():
    first = ask()
    first_code = newest_code("alice@example.com")
    second = ask()
    second_code = newest_code("alice@example.com")

    with pytest.raises(InvalidCode):
        redeem(first, first_code)
    assert redeem(second, second_code).email == "alice@example.com"


def test_200_tries_at_once_compare_five_codes():
    browser = ask()
    code = newest_code("alice@example.com")
    numbers = itertools.count()
    compared = []

    def compare(ours, theirs):
        compared.append(ours)
        return ours == theirs

    def attempt():
        sent = code if next(numbers) == 100 else a_wrong_one(code)
        try:
            return redeem(browser, sent)
        except InvalidCode:
            return None

    with patch("accounts.login.codes.hmac.compare_digest", compare):
        winners = [user for user in in_threads(200, attempt) if user]

    assert len(compared) == 5
    assert len(winners) <= 1


def test_one_of_many_right_answers_at_once_logs_in():
    browser = ask()
    code = newest_code("alice@example.com")

    def attempt():
        try:
            return redeem(browser, code)
        except InvalidCode:
            return None

    assert len([user for user in in_threads(5, attempt) if user]) == 1
    assert User.objects.count() == 1


def test_a_blocked_user_gets_no_code_and_can_not_log_in():
    alice = factories.user("alice@example.com")
    browser = ask()
    code = newest_code("alice@example.com")
    blocking.block(alice)

    with pytest.raises(Blocked):
        redeem(browser, code)
    ask()
    outbox.work()
    assert len(mail.outbox) == 1


# --- Limits --------------------------------------------------------------------------


def test_more_codes_than_a_day_has_are_not_mailed_and_the_last_stays_good(settings):
    settings.LOGIN_CODES_PER_ADDRESS = 2
    ask()
    browser = ask()
    over = ask()
    outbox.work()

    assert len(mail.outbox) == 2
    code = newest_code("alice@example.com")
    with pytest.raises(InvalidCode):
        redeem(over, code)
    assert redeem(browser, code).email == "alice@example.com"


def test_codes_per_network_are_limited(settings):
    settings.LOGIN_CODES_PER_NETWORK = 2
    ask("a@example.com", "2001:db8::1")
    ask("b@example.com", "2001:db8::2")

    with pytest.raises(RateLimited) as refused:
        ask("c@example.com", "2001:db8::3")
    assert 0 < int(str(refused.value.params["retry_after"])) <= 86_401
    ask("c@example.com", "2001:db8:0:1::1")
    assert LoginChallenge.objects.count() == 3


@pytest.mark.parametrize("is_development", [True, False])
def test_the_own_machine_has_no_network_limit_in_development(settings, is_development):
    settings.DEVELOPMENT = is_development
    settings.LOGIN_CODES_PER_NETWORK = settings.LOGIN_TRIES_PER_NETWORK = 1
    for number in range(2):
        email = f"person{number}@example.com"
        if number and not is_development:
            with pytest.raises(RateLimited):
                ask(email, "127.0.0.1")
        else:
            browser = ask(email, "127.0.0.1")
            code = newest_code(email)
            assert redeem(browser, code, email, "127.0.0.1").email == email


def test_tries_are_counted_by_address_over_all_codes(settings):
    settings.LOGIN_TRIES_PER_ADDRESS = 3
    for _ in range(3):
        browser = ask()
        with pytest.raises(InvalidCode):
            redeem(browser, a_wrong_one(newest_code("alice@example.com")))
    browser = ask()

    with pytest.raises(InvalidCode):
        redeem(browser, newest_code("alice@example.com"))
    other = ask("bob@example.com")
    code = newest_code("bob@example.com")
    assert redeem(other, code, "bob@example.com").email == "bob@example.com"


def test_attackers_can_not_use_up_the_tries_of_a_known_browser(settings):
    settings.LOGIN_CODES_PER_ADDRESS = settings.LOGIN_TRIES_PER_ADDRESS = 2
    own = Client()

    def log_in():
        own.post(CODE, {"email": "alice@example.com"}, JSON)
        body = {"email": "alice@example.com", "code": newest_code("alice@example.com")}
        return own.post(SESSION, body, JSON).status_code

    assert log_in() == 200
    for _ in range(3):  # an attacker elsewhere uses up all tries
        stranger = ask(address="203.0.113.9")
        wrong = a_wrong_one(newest_code("alice@example.com"))
        with pytest.raises(InvalidCode):
            redeem(stranger, wrong, address="203.0.113.9")
    outbox.work()
    mailed = len(mail.outbox)
    ask(address="203.0.113.9")
    outbox.work()
    assert len(mail.outbox) == mailed

    assert [log_in(), log_in()] == [200, 200]
    own.post(CODE, {"email": "alice@example.com"}, JSON)
    outbox.work()
    assert len(mail.outbox) == mailed + 2, "a known browser has its own day's share"


def test_an_invented_device_cookie_is_not_recognized(settings):
    settings.LOGIN_CODES_PER_ADDRESS = 1
    for device in ("", "0" * 64, "1" * 64):
        login_codes.ask("alice@example.com", address=HERE, device=device)
    outbox.work()
    assert len(mail.outbox) == 1


def test_tries_are_counted_by_network(settings):
    settings.LOGIN_TRIES_PER_NETWORK = 1
    for email, address in (("a@example.com", HERE), ("b@example.com", "192.0.2.2")):
        browser = ask(email, address)
        code = newest_code(email)
        assert redeem(browser, code, email, address).email == email
    browser = ask("c@example.com")
    with pytest.raises(InvalidCode):
        redeem(browser, newest_code("c@example.com"), "c@example.com")


def test_invalid_email_addresses_are_refused():
    with pytest.raises(Invalid):
        ask("nonsense")
    assert LoginChallenge.objects.count() == 0
    today = timezone.now().date()
    assert quotas.used("login-codes-network", f"{HERE}/32", period=today) == 0


def test_old_codes_are_deleted():
    ask()
    assert login_codes.prune() == 0
    LoginChallenge.objects.update(
        expires_at=timezone.now() - datetime.timedelta(hours=25)
    )
    assert login_codes.prune() == 1
