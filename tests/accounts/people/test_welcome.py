import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.db.utils import IntegrityError

from accounts.models import MailDomain, User, WelcomedPerson
from accounts.people import mail_domains, welcome
from accounts.people.mail_domains import canonical_mailbox, kind_of, registrable
from accounts.people.signup import sign_up
from billing.models import LedgerTransaction, Wallet
from kit.models import QuotaCounter
from tests import factories
from tests.accounts.codes import newest_code
from tests.threads import in_threads

FAR = "198.51.100.7"
GRANTED = [("PRODUCTION", 5000), ("SANDBOX", 5000)]
NOTHING = [("PRODUCTION", 0), ("SANDBOX", 0)]


def credits(user):
    wallets = Wallet.objects.filter(workspace=factories.workspace(user))
    return sorted(wallets.values_list("environment", "available"))


def counted():
    return sorted(QuotaCounter.objects.values_list("subject", "used"))


@pytest.mark.parametrize(
    ("email", "person"),
    [
        ("j.doe+news@gmail.com", "jdoe@gmail.com"),
        ("jdoe@googlemail.com", "jdoe@gmail.com"),
        ("j.doe@outlook.com", "j.doe@outlook.com"),
        ("j.doe+a+b@outlook.com", "j.doe@outlook.com"),
        ("j-d_o.e@pm.me", "jdoe@proton.me"),
        ("j.doe@ya.ru", "j-doe@yandex.com"),
        ("jane@me.com", "jane@icloud.com"),
        ("j.doe+x@example.com", "j.doe@example.com"),
        ("+x@example.com", "+x@example.com"),
    ],
)
def test_spellings_of_one_mailbox(email, person):
    assert canonical_mailbox(email) == person


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("me.github.io", "me.github.io"),
        ("deep.me.github.io", "me.github.io"),
        ("com", "com"),
    ],
)
def test_registrable_domains(domain, owner):
    assert registrable(domain) == owner


def test_kinds_of_mail_domains(db):
    assert kind_of("gmail.com") == MailDomain.Kind.SHARED
    assert kind_of("example.com") == MailDomain.Kind.ORDINARY
    assert kind_of("mailinator.com") == MailDomain.Kind.DISPOSABLE
    assert kind_of("any.thing.mailinator.com") == MailDomain.Kind.DISPOSABLE


def test_operators_settings_win_and_the_closest_parent_domain(db):
    for domain, kind in (
        ("example.com", "disposable"),
        ("good.example.com", "shared"),
        ("mailinator.com", "ordinary"),
    ):
        MailDomain.objects.create(domain=domain, kind=kind)

    assert kind_of("example.com") == MailDomain.Kind.DISPOSABLE
    assert kind_of("bad.example.com") == MailDomain.Kind.DISPOSABLE
    assert kind_of("a.good.example.com") == MailDomain.Kind.SHARED
    assert kind_of("mailinator.com") == MailDomain.Kind.ORDINARY


@pytest.mark.parametrize("name", ["Example.com", "EXAMPLE.COM"])
def test_the_database_requires_lower_case_domains(db, name):
    with pytest.raises(IntegrityError), transaction.atomic():
        MailDomain.objects.create(domain=name, kind="shared")


def test_the_grant_comes_once_per_person(db):
    first = sign_up("j.doe@gmail.com", address=FAR)
    again = sign_up("jd.oe+more@googlemail.com", address=FAR)
    other = sign_up("jane@gmail.com", address=FAR)

    assert credits(first) == GRANTED
    assert credits(again) == NOTHING
    assert credits(other) == GRANTED
    assert WelcomedPerson.objects.count() == 2


def test_recipients_of_the_grant_are_anonymous(db):
    sign_up("jane.doe@gmail.com", address=FAR)

    with connection.cursor() as cursor:
        cursor.execute("SELECT row(person.*)::text FROM accounts_welcomedperson person")
        (row,) = cursor.fetchone()
    assert "jane" not in row
    assert "doe" not in row


def test_recipients_are_recognized_after_a_change_of_the_secret_key(db, settings):
    sign_up("jane@gmail.com", address=FAR)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one"

    assert credits(sign_up("j.ane@gmail.com", address=FAR)) == NOTHING


def test_more_workspaces_bring_no_more(db):
    user = sign_up("jane@example.com", address=FAR)
    client = factories.browser(user)

    made = client.post("/api/v1/workspaces", {"name": "Team"}, "application/json")

    assert made.status_code == 201
    wallets = Wallet.objects.filter(workspace=made.json()["id"])
    assert sorted(wallets.values_list("environment", "available")) == NOTHING
    assert LedgerTransaction.objects.count() == 2


def test_a_disposable_mail_domain_gets_no_grant(db):
    user = sign_up("jane@mailinator.com", address=FAR)

    assert credits(user) == NOTHING
    assert not WelcomedPerson.objects.exists()
    assert counted() == []


def test_grants_per_domain_and_day_are_limited(db, settings):
    settings.SIGN_UP_GRANTS_PER_DOMAIN = 2
    users = [
        sign_up(f"jane@{host}.example.co.uk", address=f"198.51.100.{number}")
        for number, host in enumerate("abc")
    ]

    assert [credits(user) for user in users] == [GRANTED, GRANTED, NOTHING]
    assert ("example.co.uk", 2) in counted()
    # A refused sign-up is not recorded, so it may get the grant on another day.
    assert WelcomedPerson.objects.count() == 2


def test_public_mail_hosts_have_no_daily_limit(db, settings):
    settings.SIGN_UP_GRANTS_PER_DOMAIN = 1
    users = [
        sign_up(f"jane{number}@gmail.com", address=f"198.51.100.{number}")
        for number in range(3)
    ]

    assert [credits(user) for user in users] == [GRANTED] * 3


def test_grants_per_network_and_day_are_limited(db, settings):
    settings.SIGN_UP_GRANTS_PER_NETWORK = 2
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]
    users = [
        sign_up(f"jane{number}@gmail.com", address=address)
        for number, address in enumerate(addresses)
    ]

    assert [credits(user) for user in users] == [GRANTED, GRANTED, NOTHING, GRANTED]


def test_a_refused_network_does_not_count_for_the_domain(db, settings):
    settings.SIGN_UP_GRANTS_PER_DOMAIN = 2
    settings.SIGN_UP_GRANTS_PER_NETWORK = 1
    near = [sign_up(f"a{number}@example.com", address=FAR) for number in range(4)]
    far = [sign_up("b@example.com", address="203.0.113.9")]

    assert [credits(user) for user in near] == [GRANTED, NOTHING, NOTHING, NOTHING]
    assert [credits(user) for user in far] == [GRANTED]


@pytest.mark.parametrize(("development", "last"), [(True, GRANTED), (False, NOTHING)])
def test_requests_from_the_own_machine_are_not_limited_in_development(
    db, settings, development, last
):
    settings.DEVELOPMENT = development
    settings.SIGN_UP_GRANTS_PER_NETWORK = 1
    users = [sign_up(f"jane{number}@gmail.com", address="127.0.0.1") for number in "ab"]

    assert credits(users[-1]) == last


def test_a_sign_up_by_an_operator_is_recorded_but_not_limited(db, settings):
    settings.SIGN_UP_GRANTS_PER_DOMAIN = settings.SIGN_UP_GRANTS_PER_NETWORK = 0

    assert credits(sign_up("jane@mailinator.com")) == GRANTED
    assert credits(sign_up("jane+1@mailinator.com")) == NOTHING
    assert counted() == []


@pytest.mark.django_db(transaction=True)
def test_spellings_that_race_are_given_one_grant():
    spellings = iter([f"jane+{number}@gmail.com" for number in range(8)])

    in_threads(8, lambda: sign_up(next(spellings), address=FAR))

    assert User.objects.count() == 8
    assert WelcomedPerson.objects.count() == 1
    assert LedgerTransaction.objects.filter(kind="grant").count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_address_of_who_logs_in_counts(settings):
    settings.SIGN_UP_GRANTS_PER_NETWORK = 1
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(2):
        email = f"jane{number}@gmail.com"
        client = factories.api()
        headers = {"X-Forwarded-For": f"10.0.0.{number}, {FAR}"}
        client.post(
            "/api/v1/auth/code", {"email": email}, "application/json", headers=headers
        )
        cache.clear()
        entered = client.post(
            "/api/v1/auth/session",
            {"email": email, "code": newest_code(email)},
            "application/json",
            headers=headers,
        )
        assert entered.status_code == 200

    users = User.objects.order_by("email")
    assert [credits(user) for user in users] == [GRANTED, NOTHING]


def test_it_needs_the_transaction_of_the_sign_up(transactional_db):
    with pytest.raises(TransactionManagementError):
        welcome.claim_grant("jane@example.com", address=FAR)
    assert not WelcomedPerson.objects.exists()


def test_public_mail_hosts_have_canonical_domains_among_them():
    assert set(mail_domains._SHARED.values()) <= set(mail_domains._SHARED)
