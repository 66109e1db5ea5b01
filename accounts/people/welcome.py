"""The sign-up grant: who is given it. Once per person, and not to whoever makes addresses.

An account opens in any case; it is the free credits that are counted. A person is known
again by an HMAC of the mailbox, which says nothing of who it was and outlives the account.
"""

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from accounts.models import WelcomedPerson
from accounts.people import mail_domains
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.requests import client_network, is_local_client


@needs_transaction
def welcome(email: str, *, address: str) -> bool:
    """Return whether whoever signs up with `email` gets the grant, and remember that.

    `address` is the client's; without one an operator vouches for the person, and no limit
    counts.
    """
    digests = person_digests(email)
    if WelcomedPerson.objects.filter(digest__in=digests).exists():
        return False
    if address and not _is_within_limits(email, address):
        return False
    # Of two spellings that sign up at once, the second waits here, and writes nothing.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_welcomedperson (digest) VALUES (%s)"
            " ON CONFLICT DO NOTHING",
            [digests[0]],
        )
        return bool(cursor.rowcount)


def _is_within_limits(email: str, address: str) -> bool:
    domain = email.rpartition("@")[2]
    kind = mail_domains.kind_of(domain)
    if kind == mail_domains.Kind.DISPOSABLE:
        return False
    name, host = "sign-up grants of a domain", mail_domains.registrable(domain)[:120]
    today = quotas.today()
    is_counted = kind == mail_domains.Kind.ORDINARY
    if is_counted and not quotas.take(
        name, host, limit=settings.SIGN_UP_GRANTS_PER_DOMAIN, period=today
    ):
        return False
    if is_local_client(address) or quotas.take(
        "sign-up grants of a network",
        client_network(address),
        limit=settings.SIGN_UP_GRANTS_PER_NETWORK,
        period=today,
    ):
        return True
    if is_counted:
        # One network would use up the grants of everybody at that host.
        quotas.give_back(name, host, period=today, amount=1)
    return False


def person_digests(email: str) -> list[str]:
    """Return what a person is known by: under our key, and under former ones."""
    person = mail_domains.person_of(email)
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac(
            "accounts.people.welcome", person, secret=key, algorithm="sha256"
        ).hexdigest()
        for key in keys
    ]
