"""Two tenants with one of each thing, and all kinds of callers that request them.

`alice` owns a team with the members `bob` and `carol`, and with `dave`, who is blocked.
Others request her things. `mallory` owns a similar team, also with one of each thing.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.caller import Environment
from accounts.models import (
    ApiToken,
    Invitation,
    LoginSession,
    Membership,
    User,
    Workspace,
)
from accounts.people import workspaces
from billing.ledger.wallets import wallet_of
from billing.models import Order as PaymentOrder
from billing.models import Pack, PromoCode
from providers.contract.base import Failure, ProviderError
from synthesis.jobs import quotes
from synthesis.jobs.quotes import Order, RequestedScene
from synthesis.jobs.submit import submit
from synthesis.models import Job
from synthesis.work import worker
from tests import factories
from tests.synthesis import scripted
from tests.webhooks import factories as hooks

ADMIN_KEY = "the-operators-key-of-the-tenancy-tests"


@dataclass(frozen=True)
class Asker:
    """A client and the headers that it sends with each request."""

    name: str
    client: Client
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Tenant:
    """A team with its owner, and the ids of its things."""

    owner: User
    team: Workspace
    carol: User  # a plain member
    things: dict[str, str] = field(default_factory=dict)


@dataclass
class World:
    """Both tenants and all askers."""

    alice: Tenant
    mallory: Tenant
    bob: User
    dave: User
    askers: dict[str, list[Asker]] = field(default_factory=dict)


# --- One maker for each thing that a route names ---------------------------------------


def _caller(tenant: Tenant) -> Any:
    return factories.caller(tenant.owner, workspace=tenant.team)


def _submitted(tenant: Tenant, voice: str) -> Job:
    order = Order([RequestedScene("Hello.", voice)], title="Ours")
    with transaction.atomic():
        return submit(_caller(tenant), quotes.quote(_caller(tenant), order))


def _done(tenant: Tenant) -> str:
    job = _submitted(tenant, "scripted:one")
    assert worker.work("remote") == 1
    tenant.things["scene_id"] = str(job.scenes.get(status="completed").pk)
    return str(job.pk)


def _failed(tenant: Tenant) -> str:
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    job = _submitted(tenant, "scripted:one")
    assert worker.work("remote") == 1
    return str(job.pk)


def _endpoint(workspace: Workspace, things: dict[str, str], suffix: str) -> str:
    to = hooks.endpoint(workspace)
    things[f"delivery{suffix}"] = str(hooks.delivery(to).pk)
    return str(to.pk)


def _token(owner: User, workspace: Workspace) -> str:
    text = factories.token(owner, workspace=workspace)
    return str(ApiToken.objects.get(last4=text[-4:], workspace=workspace).pk)


def _invitation(workspace: Workspace, by: User, email: str) -> str:
    until = timezone.now() + datetime.timedelta(days=7)
    row = Invitation.objects.create(
        workspace=workspace, email=email, role="member", invited_by=by, expires_at=until
    )
    return str(row.pk)


def _closed(owner: User) -> str:
    team = factories.team(owner, name="Closed", closed_at=timezone.now())
    return str(team.pk)


def _provider_key(workspace: Workspace) -> str:
    return factories.provider_key(workspace, "scripted").provider_id


def _page_key(owner: User) -> str:
    """Return a provider that all tenants see; alice also has an own key for it."""
    if owner.email == "alice@example.com":
        _provider_key(factories.workspace(owner))
    return "scripted"


def _received(tenant: Tenant) -> str:
    host = factories.user()
    return _invitation(factories.team(host, name="Host"), host, tenant.owner.email)


def _order(workspace: Workspace, store: str = "stripe") -> str:
    pack, _ = Pack.objects.get_or_create(
        key="tenancy", defaults={"name": "Pack", "credits": 1, "amount": 1}
    )
    row = PaymentOrder.objects.create(
        workspace=workspace,
        environment=Environment.PRODUCTION.value,
        store=store,
        pack=pack,
        amount=pack.amount,
        currency=pack.currency,
        status="paid",
        money_id=f"pi_{workspace.pk.hex}",
        paid_amount=pack.amount,
        paid_at=timezone.now(),
    )
    return str(row.pk)


MAKERS: dict[str, Callable[[Tenant], str]] = {
    "job": _done,
    "failed_job": _failed,
    "running_job": lambda own: str(_submitted(own, "unicorn:en-us").pk),
    "workspace": lambda own: str(own.team.pk),
    "closed": lambda own: _closed(own.owner),
    "person": lambda own: str(own.carol.pk),
    "invitation": lambda own: _invitation(own.team, own.owner, "new@example.com"),
    "received": _received,
    "login": lambda own: str(
        LoginSession.objects.create(user=own.owner, ip="192.0.2.1", method="code").pk
    ),
    "token": lambda own: _token(own.owner, own.team),
    "order": lambda own: _order(own.team),
    "own_order": lambda own: _order(factories.workspace(own.owner)),
    "endpoint": lambda own: _endpoint(own.team, own.things, ""),
    # Pages use the personal workspace.
    "own_token": lambda own: _token(own.owner, factories.workspace(own.owner)),
    "own_endpoint": lambda own: _endpoint(
        factories.workspace(own.owner), own.things, "_own"
    ),
    # Last, so that the earlier jobs are paid with credits.
    "provider": lambda own: "scripted",
    "team_key": lambda own: _provider_key(own.team),
    "page_key": lambda own: _page_key(own.owner),
}
"""The functions that create each thing, by its name in the table."""


# --- The world ---------------------------------------------------------------------------


def build() -> World:
    """Create all tenants, askers and things; needs the small catalogue."""
    workspaces.guests()  # two rows that are otherwise created at first use
    workspaces.operators()
    PromoCode.objects.create(code="TENANCY", credits=1, max_uses=9)
    world = World(
        alice=_tenant("alice"),
        mallory=_tenant("mallory"),
        bob=factories.user("bob@example.com"),
        dave=factories.user("dave@example.com"),
    )
    for person in (world.bob, world.dave):
        Membership.objects.create(user=person, workspace=world.alice.team)
    User.objects.filter(pk=world.dave.pk).update(is_blocked=True)
    world.askers = _askers(world)
    return world


def _tenant(name: str) -> Tenant:
    owner = factories.user(f"{name}@example.com")
    carol = factories.user(f"carol-of-{name}@example.com")
    tenant = Tenant(owner, factories.team(owner, carol, name=f"Team {name}"), carol)
    with transaction.atomic():
        factories.grant(wallet_of(tenant.team, Environment.PRODUCTION), 1_000_000)
    for thing, make in MAKERS.items():
        tenant.things[thing] = make(tenant)
    return tenant


def _bearer(person: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {factories.token(person)}"}


def _askers(world: World) -> dict[str, list[Asker]]:
    alice, mallory = world.alice, world.mallory
    at_team = {"X-Workspace": str(alice.team.pk)}
    elsewhere = factories.workspace(alice.owner)

    def cookie(person: User, **headers: str) -> Asker:
        return Asker("cookie", factories.browser(person), headers)

    def token(person: User, workspace: Workspace, **fields: Any) -> Asker:
        text = factories.token(person, workspace=workspace, **fields)
        return Asker("token", factories.api(text))

    return {
        "owner": [cookie(alice.owner, **at_team), token(alice.owner, alice.team)],
        "member": [cookie(world.bob, **at_team), token(world.bob, alice.team)],
        # Three strangers: with their own team by cookie and by token, and by token with the
        # header that tokens must ignore.
        "stranger": [
            cookie(mallory.owner, **{"X-Workspace": str(mallory.team.pk)}),
            token(mallory.owner, mallory.team),
            Asker(
                "token and header", token(mallory.owner, mallory.team).client, at_team
            ),
        ],
        # The owner herself, in another workspace.
        "elsewhere": [cookie(alice.owner), token(alice.owner, elsewhere)],
        "guest": [Asker("nobody", factories.api())],
        "operators": [Asker("key", factories.api(ADMIN_KEY))],
        "sandbox": [token(alice.owner, alice.team, environment="SANDBOX")],
        "blocked": [cookie(world.dave, **at_team), token(world.dave, alice.team)],
        "in_personal": [cookie(alice.owner)],
        "member_personal": [cookie(world.bob)],
        "stranger_personal": [cookie(mallory.owner)],
        "blocked_personal": [cookie(world.dave)],
        # A browser without a login, and one that sends a token with its forms.
        "guest_at_page": [Asker("nobody", Client())],
        "token_at_page": [Asker("token", Client(), _bearer(alice.owner))],
    }
