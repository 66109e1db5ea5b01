"""Decide who gets the sign-up grant: once per person, with limits per network and domain.

The account is created in any case; only the free credits are limited. A person is
recognized by an HMAC of the mailbox, which is anonymous and outlives the account.
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
def claim_grant(email: str, *, address: str) -> bool:
    """Return whether a new user with `email` gets the sign-up grant, and record it.

    `address` is the client's IP address. It is empty if an operator signs the user up; then
    there are no limits.
    """
    digests = mailbox_digests(email)
    if WelcomedPerson.objects.filter(digest__in=digests).exists():
        return False
    if address and not _is_within_limits(email, address):
        return False
    # If two spellings sign up concurrently, the second one waits here and inserts nothing.
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
        # Otherwise one network could use up all grants of that domain.
        quotas.give_back(name, host, period=today, amount=1)
    return False


def mailbox_digests(email: str) -> list[str]:
    """Return the HMACs of a mailbox with the current secret key and with former ones."""
    mailbox = mail_domains.canonical_mailbox(email)
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac(
            "accounts.people.welcome", mailbox, secret=key, algorithm="sha256"
        ).hexdigest()
        for key in keys
    ]
