"""Authentication by token, by operators' key and by cookie, and every way it is refused."""

import base64
import datetime

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, Membership
from accounts.people import blocking
from accounts.people.workspaces import guests
from tests import factories
from tests.cases import cases

ADMIN_KEY = "an-admin-key-that-is-long-enough"  # 32 characters
ME = "/api/v1/me"
TOKENS = "/api/v1/tokens"
INVALID_TOKEN = {
    "code": "invalid_token",
    "detail": "This token is not valid.",
    "params": {},
}
BLOCKED = {"code": "blocked", "detail": "This account is blocked.", "params": {}}
NOT_FOUND = {"code": "not_found", "detail": "There is nothing here.", "params": {}}
INVALID_ENVIRONMENT = {
    "code": "invalid_environment",
    "detail": "The environment must be PRODUCTION or SANDBOX, and match the token's.",
    "params": {},
}


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


def who(response):
    assert response.status_code == 200, response.content
    return response.json()["email"]


def caller(response):
    """Return the authenticated caller."""
    assert response.status_code == 200, response.content
    return response.wsgi_request.caller


# --- Guests --------------------------------------------------------------------------


def test_requests_without_credentials_are_guests(db):
    response = factories.api().get(ME)

    assert response.status_code == 200
    assert response.json()["role"] == "guest"


def test_guests_are_asked_to_log_in_elsewhere(db):
    response = factories.api().get(TOKENS)

    assert response.status_code == 401
    assert response.json() == {
        "code": "authentication_required",
        "detail": "Log in, or send an API token.",
        "params": {},
    }
    assert response["WWW-Authenticate"] == "Bearer"


def test_guests_can_be_blocked_together(db):
    blocking.block(guests())

    response = factories.api().get(ME)

    assert response.status_code == 403
    assert response.json() == BLOCKED


# --- Tokens --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_token_authenticates(alice, scheme):
    text = factories.token(alice)

    response = Client(headers={"Authorization": scheme + text}).get(ME)

    assert who(response) == "alice@example.com"


def test_a_token_needs_no_csrf(alice):
    response = factories.api(factories.token(alice)).patch(
        ME, '{"preferences": {}}', content_type="application/json"
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer ozv-" + "Ab" * 19,
        "Bearer ozv-" + "Ab" * 16 + tokens._checksum("Ab" * 16),  # never issued
        "Bearer ozv-\xe9\xff",
        "Token {token}",
        "ozv {token}",
        "{token}",
        "Bearer{token}",
        "Bearer {token} {token}",
        "Basic " + base64.b64encode(b"alice@example.com:secret").decode(),
    ],
)
def test_any_other_authorization_is_refused_even_with_a_cookie(alice, header):
    text = factories.token(alice)
    browser = factories.browser(alice)
    assert who(browser.get(ME)) == "alice@example.com"

    for client in (factories.api(), browser):
        response = client.get(ME, headers={"Authorization": header.format(token=text)})
        assert response.status_code == 401
        assert response.json() == INVALID_TOKEN
        assert response["WWW-Authenticate"] == "Bearer"


def test_expired_and_revoked_tokens_look_like_unknown_ones(alice):
    expired = factories.token(alice, expires_at=timezone.now())
    revoked = factories.token(alice)
    tokens.revoke(tokens.find(revoked))

    answers = [
        factories.api(text).get(ME).content
        for text in (expired, revoked, "ozv-" + "0" * 38)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert factories.api(expired).get(ME).json() == INVALID_TOKEN


def test_a_token_in_the_query_is_ignored(alice):
    text = factories.token(alice)

    for name in ("token", "access_token", "api_key", "key"):
        response = factories.api().get(f"{TOKENS}?{name}={text}")
        assert response.status_code == 401


def test_a_token_takes_one_query_and_the_rest_of_a_request_none(
    alice, django_assert_num_queries
):
    client = factories.api(factories.token(alice))
    client.get(TOKENS)  # notes the use

    with django_assert_num_queries(2):  # the token, the list
        assert client.get(TOKENS).status_code == 200


def test_the_use_of_a_token_is_recorded(alice):
    before = timezone.now()
    factories.api(factories.token(alice)).get(ME)

    noted = ApiToken.objects.get().last_used_at
    assert noted
    assert noted >= before


def test_a_token_stays_in_its_workspace(alice):
    team = factories.team(alice)
    client = factories.api(factories.token(alice))

    response = client.get(ME, headers={"X-Workspace": str(team.pk)})

    assert response.json()["workspace"]["name"] == "alice"


# --- The operators' key --------------------------------------------------------------


def test_the_admin_key_opens_the_operators_workspace(db, settings):
    settings.ADMIN_ACCESS_KEY = ADMIN_KEY

    response = factories.api(ADMIN_KEY).get(ME)

    assert response.status_code == 200
    me = response.json()
    assert (me["id"], me["email"], me["role"]) == (None, None, "admin")
    assert me["workspace"]["name"] == "Operators"


def test_the_admin_key_may_have_any_characters(db, settings):
    settings.ADMIN_ACCESS_KEY = "klíč" * 10

    as_wsgi_hands_it_over = ("klíč" * 10).encode().decode("latin-1")
    response = factories.api(as_wsgi_hands_it_over).get(ME)

    assert response.json()["role"] == "admin"


@pytest.mark.parametrize("key", ["", ADMIN_KEY[:-1], "short"])
def test_a_short_admin_key_is_off(db, settings, key):
    settings.ADMIN_ACCESS_KEY = key

    response = Client(headers={"Authorization": f"Bearer {key}"}).get(ME)

    assert response.status_code == 401
    assert response.json() == INVALID_TOKEN


def test_another_admin_key_is_refused(db, settings):
    settings.ADMIN_ACCESS_KEY = ADMIN_KEY

    for wrong in (ADMIN_KEY + "x", ADMIN_KEY[:-1], ADMIN_KEY.upper()):
        assert factories.api(wrong).get(ME).status_code == 401


def test_the_admin_key_opens_no_page_of_the_back_office(db, settings):
    settings.ADMIN_ACCESS_KEY = ADMIN_KEY

    response = factories.api(ADMIN_KEY).get("/admin/accounts/user/")

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_the_admin_key_makes_no_tokens(db, settings):
    settings.ADMIN_ACCESS_KEY = ADMIN_KEY

    response = factories.api(ADMIN_KEY).post(TOKENS, {"name": "x"}, "application/json")

    assert response.status_code == 403
    assert response.json()["code"] == "permission_denied"
    assert not ApiToken.objects.exists()


# --- Cookies -------------------------------------------------------------------------


def test_a_session_cookie_authenticates(alice):
    assert who(factories.browser(alice).get(ME)) == "alice@example.com"


def test_a_cookie_needs_csrf_for_changes(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    change = {"preferences": {"theme": "dark"}}

    for headers in ({}, {"X-CSRFToken": "0" * 32}):
        response = client.patch(
            ME, change, content_type="application/json", headers=headers
        )
        assert response.status_code == 403
        assert response.json() == {
            "code": "permission_denied",
            "detail": "Send the value of the cookie csrftoken as the header X-CSRFToken.",
            "params": {},
        }
    alice.refresh_from_db()
    assert alice.preferences == {}

    csrftoken = client.get("/").cookies["csrftoken"]
    response = client.patch(
        ME,
        change,
        content_type="application/json",
        headers={"X-CSRFToken": csrftoken.value},
    )
    assert response.status_code == 200
    alice.refresh_from_db()
    assert alice.preferences == {"theme": "dark"}


def test_an_authorization_header_does_not_skip_the_csrf_check(alice):
    """If the Authorization header is refused, the cookie is not tried."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = client.patch(
        ME,
        {"preferences": {"theme": "dark"}},
        content_type="application/json",
        headers={"Authorization": "Bearer x"},
    )

    assert response.status_code == 401
    alice.refresh_from_db()
    assert alice.preferences == {}


def test_an_expired_session_is_a_guest(alice):
    client = factories.browser(alice)
    alice.set_unusable_password()  # a new one ends all sessions
    alice.save()

    assert client.get(ME).json()["role"] == "guest"


def test_a_person_picks_a_workspace(alice):
    team = factories.team(alice)
    client = factories.browser(alice)

    assert client.get(ME).json()["workspace"]["name"] == "alice"
    picked = client.get(ME, headers={"X-Workspace": str(team.pk)}).json()
    assert picked["workspace"] == {"id": str(team.pk), "name": "Team"}


def test_a_workspace_of_others_is_not_found(alice):
    bobs = factories.workspace(factories.user("bob@example.com"))
    left = factories.team(alice)
    Membership.objects.filter(workspace=left).delete()
    client = factories.browser(alice)

    answers = {
        client.get(ME, headers={"X-Workspace": wanted}).content
        for wanted in (
            str(bobs.pk),
            str(left.pk),
            str(guests().pk),
            "018f0000-0000-7000-8000-000000000000",
            "nonsense",
            "",
        )
    }

    assert len(answers) == 1
    response = client.get(ME, headers={"X-Workspace": str(bobs.pk)})
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


# --- Blocked -------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["user", "workspace", "inactive"])
def test_a_blocked_user_is_refused_by_cookie_and_token_from_the_next_request(
    alice, what
):
    api, browser = factories.api(factories.token(alice)), factories.browser(alice)
    assert who(api.get(ME)) == who(browser.get(ME)) == "alice@example.com"

    if what == "user":
        blocking.block(alice)
    elif what == "workspace":
        blocking.block(factories.workspace(alice))
    else:
        alice.is_active = False
        alice.save()

    assert (api.get(ME).status_code, api.get(ME).json()) == (403, BLOCKED)
    by_cookie = browser.get(ME)
    if what == "inactive":  # the session itself is void
        assert by_cookie.json()["role"] == "guest"
    else:
        assert (by_cookie.status_code, by_cookie.json()) == (403, BLOCKED)

    if what == "user":
        blocking.unblock(alice)
        assert who(api.get(ME)) == who(browser.get(ME)) == "alice@example.com"


def test_use_of_a_blocked_token_is_not_recorded(alice):
    text = factories.token(alice)
    blocking.block(alice)

    factories.api(text).get(ME)

    assert ApiToken.objects.get().last_used_at is None


# --- The environment -----------------------------------------------------------------

SANDBOX = {"X-Environment": "SANDBOX"}


OF_TOKENS = [
    ("", None, "", "PRODUCTION"),
    ("", "SANDBOX", "", "SANDBOX"),
    ("", "PRODUCTION", "", "PRODUCTION"),
    ("", "sandbox", "", "SANDBOX"),
    ("", None, "?environment=sandbox", "SANDBOX"),
    ("", None, "?environment=SandBox", "SANDBOX"),
    ("", None, "?environment=production", "PRODUCTION"),
    ("", "SANDBOX", "?environment=sandbox", "SANDBOX"),
    ("", "SANDBOX", "?environment=production", None),
    ("", None, "?environment=sandbox&environment=production", None),
    ("", "", "", None),
    ("", None, "?environment=", None),
    ("", "STAGING", "", None),
    ("", None, "?environment=test", None),
    ("", "SANDBOX,PRODUCTION", "", None),
    ("SANDBOX", None, "", "SANDBOX"),
    ("SANDBOX", "SANDBOX", "?environment=sandbox", "SANDBOX"),
    ("SANDBOX", "PRODUCTION", "", None),
    ("SANDBOX", None, "?environment=production", None),
    ("PRODUCTION", None, "", "PRODUCTION"),
    ("PRODUCTION", "SANDBOX", "", None),
]


def test_the_environment(alice):
    tokens = {
        bound: factories.token(alice, environment=bound)
        for bound in ("", "SANDBOX", "PRODUCTION")
    }
    for (bound, header, query, expected), case in cases(OF_TOKENS):
        headers = {} if header is None else {"X-Environment": header}
        with case:
            response = factories.api(tokens[bound]).get(ME + query, headers=headers)
            if expected:
                assert response.status_code == 200
                assert caller(response).workspace == factories.workspace(alice)
                assert caller(response).environment == expected
            else:
                assert response.status_code == 400
                assert response.json() == INVALID_ENVIRONMENT


def test_guests_and_cookies_have_environments_too(alice):
    for client in (factories.api(), factories.browser(alice)):
        good = client.get(ME, headers=SANDBOX)
        assert caller(good).environment == "SANDBOX"
        bad = client.get(ME, headers={"X-Environment": "mars"})
        assert (bad.status_code, bad.json()) == (400, INVALID_ENVIRONMENT)


# --- What is known of a caller -------------------------------------------------------


def test_roles(alice, settings):
    settings.ADMIN_ACCESS_KEY = ADMIN_KEY
    client = factories.api(factories.token(alice))
    workspace = factories.workspace(alice)
    assert client.get(ME).json()["role"] == "user"

    workspace.tier = "paid"
    workspace.save()
    assert client.get(ME).json()["role"] == "paid"

    alice.is_staff = True
    alice.save()
    assert client.get(ME).json()["role"] == "admin"


def test_requests_are_counted_per_workspace_or_network(alice):
    assert factories.caller(alice).subject == str(factories.workspace(alice).pk)
    assert factories.guest("192.0.2.7").subject == "guest:192.0.2.7/32"
    assert factories.guest("2001:db8::1").subject == "guest:2001:db8::/64"
    assert factories.guest("2001:db8::ffff").subject == "guest:2001:db8::/64"


def test_the_client_address_is_read_only_from_our_own_proxies(alice, settings):
    headers = {"X-Forwarded-For": "203.0.113.1, 198.51.100.1"}

    def address():
        response = factories.api().get(ME, headers=headers, REMOTE_ADDR="192.0.2.1")
        return caller(response).address

    assert address() == "192.0.2.1"
    settings.TRUSTED_PROXY_COUNT = 1
    assert address() == "198.51.100.1"


def test_expiry_is_checked_with_each_request(alice):
    text = factories.token(
        alice, expires_at=timezone.now() + datetime.timedelta(hours=1)
    )
    assert factories.api(text).get(ME).status_code == 200

    ApiToken.objects.update(expires_at=timezone.now())

    assert factories.api(text).get(ME).status_code == 401
