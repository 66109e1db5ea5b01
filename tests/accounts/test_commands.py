import pytest
from django.core.management import CommandError, call_command

from accounts import tokens
from accounts.models import ApiToken, AuditEntry, Membership, User
from accounts.people import closing
from tests import factories


def run(capsys, *arguments, **options):
    call_command(*arguments, **options)
    return capsys.readouterr().out


def test_an_operator_is_made_without_a_question(db, capsys):
    out = run(capsys, "createsuperuser", "--email", "Root@Example.com", "--noinput")

    root = User.objects.get()
    assert root.email == "root@example.com"
    assert root.is_staff
    assert root.is_superuser
    assert factories.workspace(root).name == "root"
    assert "manage.py login_link root@example.com" in out


def test_a_user_becomes_an_operator(db, capsys):
    factories.user("alice@example.com")

    run(capsys, "createsuperuser", "--email", "alice@example.com", "--noinput")

    assert User.objects.get().is_superuser
    assert Membership.objects.count() == 1


def test_an_operators_address_can_be_typed(db, capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "root@example.com")

    run(capsys, "createsuperuser")

    assert User.objects.get().email == "root@example.com"


@pytest.mark.parametrize(
    "arguments",
    [
        ["createsuperuser", "--noinput"],
        ["createsuperuser", "--email", "nonsense", "--noinput"],
        ["issue_token", "nonsense"],
        ["login_link", "nobody@example.com"],
    ],
)
def test_commands_report_errors_in_one_line(db, arguments):
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)

    assert "\n" not in str(refused.value)
    assert not User.objects.exists()


def test_a_token_is_printed_alone(db, capsys):
    out = run(capsys, "issue_token", "alice@example.com")

    token = tokens.find(out.removesuffix("\n"))
    assert token.created_by.email == "alice@example.com"
    assert token.workspace == factories.workspace(User.objects.get())
    assert token.environment == ""


def test_a_token_for_the_sandbox(db, capsys):
    alice = factories.user("alice@example.com")

    out = run(capsys, "issue_token", "alice@example.com", "--environment", "sandbox")

    token = tokens.find(out.strip())
    assert token.environment == "SANDBOX"
    assert (token.created_by, ApiToken.objects.count()) == (alice, 1)


def test_a_login_link_opens(db, capsys, client, settings):
    settings.BASE_URL = "http://ozvena.test:1234"
    factories.user("alice@example.com")

    out = run(capsys, "login_link", "Alice@example.com ")

    assert out.startswith("http://ozvena.test:1234/login/link/")
    path = out.strip().removeprefix("http://ozvena.test:1234")
    assert client.post(path).status_code == 302
    assert client.get("/api/v1/me").json()["email"] == "alice@example.com"


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        (["createsuperuser", "--email", "alice@example.com"], "made an operator"),
        (["issue_token", "alice@example.com"], "made a token"),
        (["login_link", "alice@example.com"], "made a login link"),
        (["grant", "alice@example.com", "5", "--reason", "a gift"], "Granted 5"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.django_db(transaction=True)
def test_what_a_command_does_is_recorded(capsys, arguments, action):
    factories.user("alice@example.com")

    run(capsys, *arguments)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_email) == (action, "")
    assert entry.reason == ("a gift" if "--reason" in arguments else "")


def test_no_token_for_a_closed_account(db, capsys):
    alice = factories.user("alice@example.com")
    closing.close(alice)

    with pytest.raises(CommandError, match=r"alice@example.com has no workspace\."):
        run(capsys, "issue_token", "alice@example.com")

    assert not ApiToken.objects.exists()
    assert not AuditEntry.objects.exists()
