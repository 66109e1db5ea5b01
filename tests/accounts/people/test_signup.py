import pytest

from accounts.models import Membership, User, Workspace
from accounts.people.signup import normalize_email, sign_up
from accounts.people.workspaces import guests, membership_of, operators
from kit.errors import Invalid
from tests.threads import in_threads


def test_a_new_user_owns_a_personal_workspace(db):
    user = sign_up("  Alice@Example.COM ")

    membership = Membership.objects.get()
    assert user.email == "alice@example.com"
    assert not user.has_usable_password()
    assert (membership.user, membership.role) == (user, Membership.Role.OWNER)
    assert membership.workspace.kind == Workspace.Kind.PERSONAL
    assert membership.workspace.name == "alice"
    assert membership_of(user) == membership


def test_signing_up_again_changes_nothing(db):
    first = sign_up("alice@example.com")

    again = sign_up("ALICE@example.com", is_staff=True)

    assert again == first
    assert not again.is_staff
    assert Workspace.objects.count() == 1


# Further spellings of one mailbox, and addresses that no mail can reach.
REFUSED = [
    *("", "alice", "alice@", "@example.com", "a b@example.com", "a..b@example.com"),
    *("алиса@example.com", "alice@exämple.com", "ali\u0131ce@example.com"),
    *("a" * 250 + "@example.com", "a" * 65 + "@example.com", "a@b_c.example.com"),
    *(
        '"al"@example.com',
        '"a\\l"@example.com',
        '"al+y"@example.com',
        '" "@example.com',
    ),
    *(
        "(c)al@example.com",
        "Al <al@example.com>",
        "al@example.com.",
        "al@example.com,b",
    ),
    *("x@localhost", "x@sub.localhost", "x@host.local", "x@host.invalid", "x@host"),
    *("x@127.0.0.1", "x@[127.0.0.1]", "x@[ipv6:::1]", "x@[IPv6:::1]"),
    *("a\nb@example.com", "a\r\n@example.com", "a\0@example.com", "a@exa\tmple.com"),
]


def test_an_invalid_address_is_refused(db):
    for address in REFUSED:
        with pytest.raises(Invalid) as refused:
            raise AssertionError(f"{address!r} became {sign_up(address).email!r}")
        assert list(refused.value.fields) == ["email"], address
    assert not User.objects.exists()


def test_an_email_address_is_normalized():
    assert normalize_email(" Bob@Example.Com\n") == "bob@example.com"
    assert normalize_email("Bob+x@XN--Mnchen-3YA.de") == "bob+x@xn--mnchen-3ya.de"


@pytest.mark.django_db(transaction=True)
def test_one_address_signing_up_at_once_is_one_user():
    users = in_threads(8, lambda: sign_up("alice@example.com").pk)

    assert len(users) == 8
    assert len(set(users)) == 1
    assert Workspace.objects.count() == Membership.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_built_in_workspaces_are_made_once():
    made = in_threads(6, lambda: (guests().pk, operators().pk))

    assert len(made) == 6
    assert len(set(made)) == 1
    assert Workspace.objects.count() == 2
    assert guests().kind == Workspace.Kind.GUESTS
    assert operators().kind == Workspace.Kind.OPERATORS
