import pytest
from django.test import Client

from accounts.models import LoginSession
from kit.mail import outbox
from tests import factories
from tests.accounts.codes import a_wrong_one, newest_code

pytestmark = pytest.mark.django_db(transaction=True)


def ask(client, email="alice@example.com", **fields):
    return client.post("/login", {"email": email} | fields)


def test_a_person_logs_in():
    client = Client()
    assert "Mail me a code" in client.get("/login").content.decode()

    asked = ask(client)
    assert (asked.status_code, asked["Location"]) == (302, "/login/code")
    page = client.get("/login/code").content.decode()
    assert "alice@example.com" in page
    code = newest_code("alice@example.com")
    wrong = client.post("/login/code", {"code": a_wrong_one(code)})
    assert wrong.status_code == 400
    assert "This code is wrong or has expired." in wrong.content.decode()
    answer = client.post("/login/code", {"code": f" {code[:3]} {code[3:]} "})

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/api/v1/me").json()["email"] == "alice@example.com"
    assert client.get("/login/code")["Location"] == "/login"


@pytest.mark.parametrize(
    ("wanted", "lands"),
    [
        ("/settings/logins", "/settings/logins"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_a_login_returns_to_the_requested_page(wanted, lands):
    client = Client()
    asked = ask(client, next=wanted)
    page = client.get(asked["Location"]).content.decode()
    assert (wanted in page) is (wanted == lands)

    answer = client.post(
        asked["Location"], {"code": newest_code("alice@example.com"), "next": wanted}
    )

    assert answer["Location"] == lands


def test_pages_for_people_lead_to_the_login():
    answer = factories.api().get("/settings/logins")
    assert answer["Location"] == "/login?next=/settings/logins"
    assert factories.api().get("/login/code")["Location"] == "/login"


def test_errors_of_forms_and_limits_are_shown(settings):
    client = Client(REMOTE_ADDR="192.0.2.1")
    assert ask(client, "nonsense").status_code == 400
    assert ask(client, "").status_code == 400
    settings.LOGIN_CODES_PER_NETWORK = 0
    refused = ask(client)
    assert refused.status_code == 400
    assert "Too many requests." in refused.content.decode()
    assert factories.api().post("/login", {"email": "a@example.com"}).status_code == 403


def test_the_history_is_shown_and_logins_are_ended():
    alice = factories.user("alice@example.com")
    here, there, elsewhere = (factories.browser(alice) for _ in range(3))
    other = LoginSession.objects.for_user(alice).get(
        session_key=there.session.session_key
    )

    page = here.get("/settings/logins").content.decode()
    assert page.count("End this login") == 2
    assert page.count("this browser") == 1
    end = "/settings/logins/end"
    assert here.post(end, {"login": str(other.pk)}).status_code == 302
    assert there.get("/api/v1/me").json()["role"] == "guest"
    assert elsewhere.get("/api/v1/me").json()["role"] == "user"
    assert here.post(end).status_code == 302
    assert elsewhere.get("/api/v1/me").json()["role"] == "guest"
    assert here.get("/api/v1/me").json()["role"] == "user"
    assert here.get(end).status_code == 405
    for wrong in ("x", str(alice.pk)):
        assert here.post(end, {"login": wrong}).status_code == 404


def test_the_mailbox_is_for_development(settings, tmp_path):
    settings.OZVENA_HOME = tmp_path
    settings.EMAIL_BACKEND = "kit.mail.files.FileBackend"
    client = Client()
    assert "There are no mails yet." in client.get("/dev/mail").content.decode()
    ask(client)
    outbox.work()

    page = client.get("/dev/mail").content.decode()
    assert "alice@example.com" in page
    assert "Your code:" in page
    settings.DEVELOPMENT = False
    assert client.get("/dev/mail").status_code == 404


def test_logins_come_in_pages(monkeypatch):
    alice = factories.user("alice@example.com")
    clients = [factories.browser(alice) for _ in range(3)]
    monkeypatch.setattr("accounts.pages.logins._SHOWN", 2)

    first = clients[0].get("/settings/logins").content.decode()
    second = clients[0].get("/settings/logins?page=2").content.decode()

    assert (first.count("row-title"), second.count("row-title")) == (2, 1)
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="prev" href="?page=1"' in second


def test_an_error_of_an_address_is_shown_at_its_field():
    refused = Client(REMOTE_ADDR="192.0.2.1").post(
        "/login", {"email": "alice@ex\u0430mple.com"}
    )
    page = refused.content.decode()
    assert refused.status_code == 400
    assert (
        '<p class="field-error" role="alert">Use only ASCII characters in the address.</p>'
        in page
    )
    assert "Some fields are not valid." not in page


def test_operators_find_the_back_office_and_their_second_factor():
    links = {
        'href="/admin/"': ("/", "/settings/logins", "/nowhere"),
        'href="/settings/second-factor"': ("/settings/logins",),
    }
    root = factories.browser(factories.user(is_staff=True, is_superuser=True))
    alice = factories.browser(factories.user())
    for link, pages in links.items():
        for page in pages:
            assert link in root.get(page).content.decode()
            for other in (alice, Client()):
                assert link not in other.get(page, follow=True).content.decode()
