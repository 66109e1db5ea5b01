import base64
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client, RequestFactory
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from accounts import tokens
from accounts.errors import InvalidSecondFactor, TooManyCodes
from accounts.login import links, second_factor
from accounts.models import AuditEntry, LoginSession
from accounts.models.second_factor import Authenticator, RecoveryCode, RecoveryDevice
from kit.mail import outbox
from kit.secrets import CannotDecrypt
from tests import factories
from tests.accounts.codes import newest_code
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(transactional_db):
    return factories.user("root@example.com", is_staff=True, is_superuser=True)


def app_code(secret, shift=0):
    totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)
    return totp.generate(int(time.time()) + shift).decode()


def rested():
    for kind in (Authenticator, RecoveryDevice):
        kind.objects.update(throttling_failure_timestamp=None)


def set_up(user):
    """Return the seed and the recovery codes of a new, confirmed second factor."""
    secret = second_factor.secret_text(second_factor.begin(user))
    return secret, second_factor.confirm_without_code(user)


def logged_in(user):
    user.refresh_from_db()
    client = Client()
    client.post(f"/login/link/{links.make(user)}/")
    return client


def enter(client, code):
    return client.post("/login/second-factor", {"code": code, "next": "/admin/"})


def request_of(user):
    client = logged_in(user)
    request = RequestFactory().get("/")
    request.session, request.user = client.session, user
    return request


def is_inside(client):
    return client.get("/admin/").status_code == 200


def test_an_operator_needs_both_factors(root):
    secret, _ = set_up(root)
    client = Client()
    client.post("/login", {"email": root.email, "next": "/admin/accounts/user/"})
    code = newest_code(root.email)
    answer = client.post(
        "/login/code", {"code": code, "next": "/admin/accounts/user/"}, follow=True
    )
    assert answer.redirect_chain == [
        ("/admin/accounts/user/", 302),
        ("/admin/login/?next=/admin/accounts/user/", 302),
        ("/login/second-factor?next=%2Fadmin%2Faccounts%2Fuser%2F", 302),
    ]
    before = client.cookies["sessionid"].value

    answer = enter(client, app_code(secret))

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.cookies["sessionid"].value != before
    assert LoginSession.objects.get().session_key == client.cookies["sessionid"].value
    assert is_inside(client)
    assert client.get("/admin/accounts/user/").status_code == 200


def test_the_admin_refuses_a_login_without_the_second_factor(root):
    from django.contrib import admin

    client = logged_in(root)
    paths = {
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for model in admin.site._registry
    }
    assert len(paths) > 5
    for path in {"/admin/", *paths}:
        answer = client.get(path)
        assert (path, answer.status_code) == (path, 302)
        assert answer["Location"].startswith("/admin/login/")


def test_who_asks_for_the_back_office_ends_there(root):
    """Without a login and an app: through both, and on to the page that was asked for."""
    client, wanted = Client(), "/admin/accounts/user/?q=alice"
    page = client.get(wanted, follow=True)
    (link,) = re.findall(r'href="(/login\?next=[^"]+)"', page.content.decode())
    code_page = client.post(link, {"email": root.email})["Location"]
    answer = client.post(code_page, {"code": newest_code(root.email)}, follow=True)
    set_up_page, _ = answer.redirect_chain[-1]
    assert set_up_page.startswith("/settings/second-factor?next=")
    secret = re.findall(r'class="key">(\w+)<', answer.content.decode())[0]

    done = client.post(set_up_page, {"code": app_code(secret)}).content.decode()

    (link,) = re.findall(r'class="button" href="([^"]+)"', done)
    assert (link, client.get(link).status_code) == (wanted, 200)


def test_setting_up_by_page(root):
    client = logged_in(root)
    assert client.get("/login/second-factor")["Location"] == "/settings/second-factor"
    page = client.get("/settings/second-factor").content.decode()
    secret = re.findall(r'class="key">(\w+)<', page)[0]
    assert "data:image/svg+xml" in page
    assert client.get("/settings/second-factor").content.decode().count(secret) == 1

    wrong = client.post("/settings/second-factor", {"code": "no"})
    assert wrong.status_code == 400
    assert not is_inside(client)
    rested()
    done = client.post("/settings/second-factor", {"code": app_code(secret)})

    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", done.content.decode())
    assert len(set(codes)) == 10
    assert is_inside(client)
    other = logged_in(root)
    assert not is_inside(other)
    assert enter(other, codes[0]).status_code == 302
    assert is_inside(other)
    outbox.work()
    subjects = [sent.subject for sent in mail.outbox]
    assert "Your second factor at Ozvena was set up" in subjects


def test_a_new_app_replaces_the_old_one_with_its_first_code(root):
    secret, codes = set_up(root)
    client = logged_in(root)
    answer = client.get("/settings/second-factor")
    assert answer["Location"] == "/login/second-factor?next=%2Fsettings%2Fsecond-factor"
    assert client.post("/settings/second-factor", {"replace": "1"}).status_code == 302
    assert second_factor.is_set_up(root)

    verified = logged_in(root)
    enter(verified, app_code(secret))
    page = verified.get("/settings/second-factor").content.decode()
    assert "Yours is set up." in page
    verified.post("/settings/second-factor", {"replace": "1"})
    page = verified.get("/settings/second-factor").content.decode()
    other = re.findall(r'class="key">(\w+)<', page)[0]
    assert other != secret

    # A user who starts to replace the app and stops keeps the old one.
    assert is_inside(verified)
    thief = logged_in(root)
    page = thief.get("/settings/second-factor")
    assert page["Location"] == "/login/second-factor?next=%2Fsettings%2Fsecond-factor"
    assert enter(thief, app_code(other)).status_code == 400
    rested()
    elsewhere = logged_in(root)
    assert enter(elsewhere, codes[0]).status_code == 302

    done = verified.post("/settings/second-factor", {"code": app_code(other)})
    assert len(re.findall(r"<code>([a-z2-7-]{19})</code>", done.content.decode())) == 10
    assert is_inside(verified)
    assert not is_inside(elsewhere)
    assert enter(elsewhere, codes[1]).status_code == 400
    rested()
    assert enter(elsewhere, app_code(secret, 30)).status_code == 400
    rested()
    assert enter(elsewhere, app_code(other, 30)).status_code == 302


def test_a_new_app_can_be_discarded(root):
    secret, codes = set_up(root)
    client = logged_in(root)
    enter(client, codes[0])
    client.post("/settings/second-factor", {"replace": "1"})

    kept = client.post("/settings/second-factor", {"keep": "1"}, follow=True)

    assert "Yours is set up." in kept.content.decode()
    assert Authenticator.objects.get().confirmed
    assert enter(logged_in(root), app_code(secret)).status_code == 302


def test_recovery_codes_outlive_a_change_of_the_key(root, settings):
    _, codes = set_up(root)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"

    assert enter(logged_in(root), codes[0]).status_code == 302
    assert enter(logged_in(root), codes[0]).status_code == 400
    rested()
    settings.SECRET_KEY_FALLBACKS = []
    assert enter(logged_in(root), codes[1]).status_code == 400


def test_it_takes_a_fresh_login(root, monkeypatch):
    client = logged_in(root)
    now = time.time()
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 902)
    answer = client.get("/settings/second-factor")
    assert answer["Location"] == "/login?next=%2Fsettings%2Fsecond-factor"
    assert Authenticator.objects.count() == 0


def test_it_is_for_operators():
    alice = factories.browser(factories.user())
    assert alice.get("/settings/second-factor").status_code == 403
    assert alice.get("/login/second-factor").status_code == 403
    assert factories.api().get("/login/second-factor").status_code == 302


def test_a_code_of_the_app_works_once(root):
    secret, _ = set_up(root)
    code = app_code(secret)

    assert enter(logged_in(root), code).status_code == 302
    assert enter(logged_in(root), code).status_code == 400
    rested()
    assert enter(logged_in(root), app_code(secret, -30)).status_code == 400
    rested()
    assert enter(logged_in(root), app_code(secret, 30)).status_code == 302


def test_a_recovery_code_works_once_however_it_is_written(root):
    _, codes = set_up(root)

    assert enter(logged_in(root), codes[3].upper().replace("-", " ")).status_code == 302
    assert enter(logged_in(root), codes[3]).status_code == 400
    assert RecoveryCode.objects.count() == 9


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_concurrent_uses_of_a_code_one_succeeds(root, kind):
    secret, codes = set_up(root)
    clients = [logged_in(root) for _ in range(8)]
    code = app_code(secret) if kind == "app" else codes[0]

    answers = in_threads(8, lambda: enter(clients.pop(), code).status_code)

    assert sorted(answers) == [302] + [400] * 7


def test_of_concurrent_confirmations_one_succeeds(root):
    clients = [logged_in(root) for _ in range(5)]
    code = app_code(second_factor.secret_text(second_factor.begin(root)))

    def race():
        answer = clients.pop().post("/settings/second-factor", {"code": code})
        return answer.status_code

    assert in_threads(5, race).count(200) == 1
    app = Authenticator.objects.get(confirmed=True)
    assert app.throttling_failure_count == 0
    assert RecoveryCode.objects.count() == 10


def test_after_wrong_codes_the_next_try_waits(root):
    secret, _ = set_up(root)
    client = logged_in(root)
    waits = []
    for _ in range(12):
        assert enter(client, "000000").status_code == 400
        _, why = Authenticator.objects.get().verify_is_allowed()
        assert why is not None
        waits.append(round((why["locked_until"] - timezone.now()).total_seconds()))
        refused = enter(client, app_code(secret))
        assert "Too many wrong codes." in refused.content.decode()
        rested()
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert enter(client, app_code(secret)).status_code == 302
    assert Authenticator.objects.get().throttling_failure_count == 0


def test_a_wait_ends(root):
    secret, _ = set_up(root)
    client = logged_in(root)
    for minutes, status in ((14, 400), (16, 302)):
        failed_at = timezone.now() - timedelta(minutes=minutes)
        Authenticator.objects.update(
            throttling_failure_count=5_000, throttling_failure_timestamp=failed_at
        )
        assert enter(client, app_code(secret)).status_code == status


def test_wrong_app_codes_do_not_delay_recovery_codes(root):
    secret, codes = set_up(root)
    assert enter(logged_in(root), "000000").status_code == 400
    assert enter(logged_in(root), codes[0]).status_code == 302

    assert enter(logged_in(root), codes[0]).status_code == 400
    rested_app = Authenticator.objects.update(throttling_failure_timestamp=None)
    assert rested_app == 1
    refused = enter(logged_in(root), codes[1])
    assert "Too many wrong codes." in refused.content.decode()
    assert enter(logged_in(root), app_code(secret)).status_code == 302
    assert RecoveryCode.objects.count() == 9


@pytest.mark.parametrize("code", ["０００００１", "-1", "1e5", "00000", "0" * 30, "ü"])
def test_a_malformed_code_is_refused(root, code):
    set_up(root)
    assert enter(logged_in(root), code).status_code == 400
    other = factories.user(is_staff=True)
    client = logged_in(other)
    client.get("/settings/second-factor")
    assert client.post("/settings/second-factor", {"code": code}).status_code == 400


def test_it_is_asked_for_again_after_half_a_day(root, monkeypatch):
    client = factories.browser(root)
    now = time.time()
    monkeypatch.setattr("accounts.sessions.time.time", lambda: now + 43_190)
    assert is_inside(client)
    monkeypatch.setattr("accounts.sessions.time.time", lambda: now + 43_203)
    assert not is_inside(client)
    assert client.get("/settings/logins").status_code == 200


def test_secrets_are_not_kept_in_the_clear(root):
    secret, codes = set_up(root)
    other = second_factor.secret_text(second_factor.begin(root))
    kept = [bytes(app.encrypted_seed) for app in Authenticator.objects.all()]
    assert len(kept) == 2
    for seed in map(base64.b32decode, (secret, other)):
        assert all(seed not in encrypted for encrypted in kept)
    assert codes[0].replace("-", "") not in str(list(RecoveryCode.objects.values()))
    assert secret not in str(list(AuditEntry.objects.values()))


def test_the_command(root, capsys):
    call_command("second_factor", root.email)
    out = capsys.readouterr().out
    secret = re.findall(r"app: (\w+)", out)[0]
    client = logged_in(root)
    assert enter(client, app_code(secret)).status_code == 302
    assert len(re.findall(r"^  [a-z2-7-]{19}$", out, re.MULTILINE)) == 10

    call_command("second_factor", root.email, "--remove")
    assert not is_inside(client)
    assert Authenticator.objects.count() == RecoveryCode.objects.count() == 0
    with pytest.raises(CommandError):
        call_command("second_factor", factories.user().email)
    assert [entry.actor_email for entry in AuditEntry.objects.all()][-1] == ""


def test_a_seed_can_be_decrypted_only_for_its_user(root):
    set_up(root)
    other = factories.user(is_staff=True)
    second_factor.begin(other)
    stolen = Authenticator.objects.get(user=root).encrypted_seed
    Authenticator.objects.filter(user=other).update(encrypted_seed=stolen)
    with pytest.raises(CannotDecrypt):
        second_factor.secret_text(Authenticator.objects.get(user=other))


def test_a_phone_may_be_half_a_minute_off(root):
    secret, _ = set_up(root)
    assert enter(logged_in(root), app_code(secret, 90)).status_code == 400
    rested()
    assert enter(logged_in(root), app_code(secret, -30)).status_code == 302


# --- What a session, and a program, may not gain ---------------------------------------


@pytest.mark.parametrize("whose", ["someone else's", "one that waits", "none"])
def test_a_session_that_names_another_device_is_not_verified(root, whose):
    set_up(root)
    other = factories.user(is_staff=True)
    set_up(other)
    waiting = second_factor.begin(root)
    named = {
        "someone else's": Authenticator.objects.get(user=other).persistent_id,
        "one that waits": waiting.persistent_id,
        "none": "accounts.authenticator/0",
    }
    client = factories.browser(root)
    assert is_inside(client)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = named[whose]
    session.save()

    assert not is_inside(client)
    assert DEVICE_ID_SESSION_KEY not in client.session


def test_a_verified_login_has_no_more_permissions_in_the_api(root):
    set_up(root)
    plain, verified = logged_in(root), factories.browser(root)
    assert is_inside(verified)
    for path in ("/api/v1/me", "/api/v1/workspaces", "/api/v1/credits"):
        answers = [client.get(path).json() for client in (plain, verified)]
        assert answers[0] == answers[1]


def test_an_api_token_is_never_verified(root):
    text = factories.token(root)
    verified = factories.browser(root)

    assert not second_factor.is_verified(tokens.find(text).created_by)
    for client in (factories.api(text), factories.api()):
        assert client.get("/admin/").status_code == 302
        assert client.get("/settings/second-factor").status_code == 302
    assert is_inside(verified)


def test_concurrent_changes_of_devices_do_not_deadlock(root):
    """None of them ends in a deadlock, although they change different rows."""
    refusals = (InvalidSecondFactor, TooManyCodes, Authenticator.DoesNotExist)
    actions: list[Callable[[], object]] = []

    def action():
        with suppress(*refusals):
            actions.pop()()

    for _ in range(2):
        _, codes = set_up(root)
        second_factor.begin(root)
        actions += [
            partial(second_factor.verify, request_of(root), root, c) for c in codes
        ]
        actions += [partial(second_factor.confirm_without_code, root)]
        actions += [partial(second_factor.remove, root)]
        in_threads(len(actions), action)
        second_factor.remove(root)
