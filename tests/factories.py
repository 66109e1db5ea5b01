"""Rows for tests: plain functions with good defaults and keyword overrides."""

import itertools
import time
from typing import Any

from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from accounts import tokens
from accounts.caller import Caller, Environment
from accounts.models import Membership, User, Workspace
from accounts.models.second_factor import Authenticator
from accounts.people import signup, workspaces
from billing import ledger
from billing.models import Wallet
from kit.secrets import Secret
from providers.catalogue import access
from providers.keys import using
from providers.models import Provider, ProviderKey

_numbers = itertools.count(1)


def user(email: str = "", **fields: Any) -> User:
    """Return a user who has signed up, with a personal workspace, wallets and credits."""
    return signup.sign_up(email or f"person{next(_numbers)}@example.com", **fields)


def workspace(owner: User) -> Workspace:
    """Return the personal workspace of `owner`."""
    return workspaces.membership_of(owner).workspace


def team(owner: User, *members: User, **fields: Any) -> Workspace:
    """Return a workspace that several people share."""
    values = {"name": "Team", "kind": Workspace.Kind.TEAM} | fields
    shared = Workspace.objects.create(**values)
    for person in (owner, *members):
        role = Membership.Role.OWNER if person == owner else Membership.Role.MEMBER
        Membership.objects.create(user=person, workspace=shared, role=role)
    return shared


def token(owner: User | None = None, **fields: Any) -> str:
    """Return the text of a new API token of `owner`, by default of somebody new."""
    owner = owner or user()
    values = {"name": "Test", "workspace": None} | fields
    of = values.pop("workspace") or workspace(owner)
    return tokens.issue(of, owner, **values)[1]


def caller(owner: User | None = None, **fields: Any) -> Caller:
    """Return `owner`, by default somebody new, as rules see them."""
    owner = owner or user()
    values: dict[str, Any] = {
        "workspace": workspace(owner),
        "environment": Environment.PRODUCTION,
        "user": owner,
        "address": "192.0.2.1",
        "member_role": Membership.Role.OWNER,
    }
    return Caller(**(values | fields))


def guest(address: str = "192.0.2.99") -> Caller:
    """Return a visitor without an account, as rules see them."""
    return Caller(workspaces.guests(), address=address)


def api(text: str = "", **headers: str) -> Client:
    """Return an HTTP client with the token `text`, or a guest's for none.

    It checks CSRF as browsers meet it, and answers 500 instead of raising.
    """
    if text:
        headers["Authorization"] = f"Bearer {text}"
    return Client(
        enforce_csrf_checks=True, raise_request_exception=False, headers=headers
    )


def browser(person: User) -> Client:
    """Return an HTTP client that is logged in by cookie and sends its CSRF token.

    Operators have shown their second factor, too.
    """
    client = Client(raise_request_exception=False)
    client.force_login(person)
    if person.is_staff:
        app, _ = Authenticator.objects.get_or_create(
            user=person, confirmed=True, defaults={"encrypted_seed": b""}
        )
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = app.persistent_id
        session["verified_at"] = time.time()
        session.save()
    return client


def grant(wallet: Wallet, credits: int, **fields: Any) -> None:
    """Put a pack of `credits` into `wallet`. Needs an open transaction."""
    number = next(_numbers)
    values = {
        "key": f"test:{number}",
        "kind": "pack",
        "source": f"test:{number}",
        "reason": "for a test",
    }
    ledger.grant(wallet, credits, **(values | fields))


def provider_key(
    workspace: Workspace, slug: str, key: str = "own-k3y-of-a-test", **fields: Any
) -> ProviderKey:
    """Put a workspace's own key into its place without asking the provider."""
    provider = Provider.objects.get(slug=slug)
    values: dict[str, Any] = {
        "workspace": workspace,
        "provider": provider,
        "address": access.base_url_for_own_keys(provider),
        "encrypted_key": using.encrypt_key(Secret(key), workspace.pk, slug),
        "last4": key[-4:],
        "status": ProviderKey.Status.VALID,
        "checked_at": timezone.now(),
    }
    return ProviderKey.objects.create(**(values | fields))
