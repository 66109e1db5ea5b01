"""Closing an account cancels its jobs, and after a week deletes its data."""

import datetime
import inspect
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts import lifecycle
from accounts.models import ApiToken, User, Workspace
from accounts.people import closing, exports
from billing.ledger.invariants import verify
from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerEntry, Wallet
from kit.mail import outbox
from kit.registry import registered
from synthesis.jobs.blocking import cancel_suspended
from synthesis.models import Job
from tests import factories
from tests.accounts.codes import newest_code
from webhooks import endpoints

pytestmark = pytest.mark.django_db(transaction=True)

WEEK = datetime.timedelta(days=7, minutes=1)
JSON = "application/json"

# Where a trace of who was here may stand, and why.
_MAY_NAME = {
    "accounts_auditentry",  # what operators did, for two years
}


@pytest.fixture
def alice():
    return factories.user("alice.canary@example.com")


@pytest.fixture(autouse=True)
def own_storage(settings, tmp_path):
    """A storage folder for this test only, since others may run at the same time."""
    default = settings.STORAGES["default"] | {"OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"default": default}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("kit.work.bells.ring", lambda *args, **kwargs: None)


def close(user):
    with transaction.atomic():
        closing.close(user)


def let_a_week_pass():
    Workspace.objects.exclude(closed_at=None).update(closed_at=Now() - WEEK)
    User.objects.exclude(closed_at=None).update(closed_at=Now() - WEEK)


def traces(*needles):
    """Return the tables that contain one of the texts in any column."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            condition = " OR ".join(
                ["strpos(lower(row(t.*)::text), %s) > 0"] * len(needles)
            )
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE {condition}",
                [needle.lower() for needle in needles],
            )
            if cursor.fetchone()[0]:
                found.add(table)
    return found


def stored(folder=""):
    """Return the names of all stored files."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return set()
    below = [stored(f"{folder}/{name}".strip("/")) for name in folders]
    return {f"{folder}/{name}".strip("/") for name in files}.union(*below)


def lived_in(alice, submitted, speak_all):
    """Create rows and files of a user in every app."""
    before = stored()
    caller = factories.caller(alice)
    client = factories.browser(alice)
    client.patch("/api/v1/me", {"preferences": {"voice": "canary"}}, JSON)
    factories.token(alice, name="canary token")
    spoken = submitted(caller, "A canary sings.", title="Canary", voice="unicorn:en-us")
    speak_all()
    with transaction.atomic():
        endpoints.create(
            caller.workspace,
            url="https://canary.example/hook",
            events=["job.completed"],
        )
    client.post("/api/v1/workspaces", {"name": "Canary team"}, JSON)
    client.post("/api/v1/auth/code", {"email": alice.email}, JSON)
    newest_code(alice.email)
    assert client.get("/api/v1/me/export").status_code == 202
    assert exports.work() == 1
    outbox.work()
    spoken.refresh_from_db()
    assert spoken.status == "completed"
    assert len(stored() - before) >= 4
    return before


def test_unfinished_jobs_are_canceled_and_refunded(alice, submitted):
    caller = factories.caller(alice)
    job = submitted(caller, "Hello.")
    close(alice)

    assert cancel_suspended() == 1

    job.refresh_from_db()
    assert (job.status, job.reason, job.refunded) == ("canceled", "closed", 6)
    wallet = wallet_of(caller.workspace, caller.environment)
    assert summary(wallet)["balance"] == 5000


def test_nothing_is_deleted_before_its_time(alice, submitted, speak_all):
    lived_in(alice, submitted, speak_all)
    close(alice)
    before = stored()

    assert closing.purge() == 0

    assert stored() == before
    assert Job.objects.count() == 1


def test_a_purge_leaves_only_the_ledger(alice, submitted, speak_all):
    others = factories.user("bob@example.com")
    before = lived_in(alice, submitted, speak_all)
    kept = submitted(factories.caller(others), "Something else.")
    home = factories.workspace(alice)
    assert len(traces("canary", str(alice.pk))) > 8, "or this test sees nothing"
    entries = LedgerEntry.objects.filter(wallet__workspace=home).count()
    assert entries > 4
    close(alice)
    outbox.work()
    let_a_week_pass()

    assert closing.purge() == 3  # the person, and two workspaces
    assert closing.purge() == 0

    assert traces("canary", str(alice.pk)) - _MAY_NAME == _pseudonymous()
    assert stored() == before
    home.refresh_from_db()
    assert home.name == "Closed workspace"
    assert home.purged_at
    assert LedgerEntry.objects.filter(wallet__workspace=home).count() == entries
    assert Wallet.objects.filter(workspace=home).count() == 2
    assert [(row.invariant.name, row.count) for row in verify() if row.count] == []
    kept.refresh_from_db()
    assert kept.status == "queued"


def _pseudonymous():
    """The ledger keeps the user's number, which no longer refers to a row."""
    return {
        "billing_ledgertransaction",  # key signup:<id>
        "billing_lot",  # source signup:<id>
        "billing_reservation",  # who asked, as a number
        "billing_usage",  # the same
        "kit_quotacounter",  # archives of today
    }


@pytest.mark.parametrize("step", range(4))
def test_an_interrupted_purge_continues(alice, submitted, speak_all, step):
    before = lived_in(alice, submitted, speak_all)
    close(alice)
    let_a_week_pass()
    hooks = lifecycle._hooks("purge")
    calls = iter(range(100))

    def interrupted(name):
        def stumble(hook):
            def run(workspace):
                if next(calls) == step:
                    raise KeyboardInterrupt  # the process is gone
                hook(workspace)

            return run

        return list(map(stumble, hooks)) if name == "purge" else []

    def run_until_it_stumbles():
        while True:
            closing.purge()
            Workspace.objects.update(purged_at=None)

    with (
        patch.object(lifecycle, "_hooks", interrupted),
        pytest.raises(KeyboardInterrupt),
    ):
        run_until_it_stumbles()

    closing.purge()

    assert stored() == before
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not Job.objects.exists()


def test_a_purge_that_fails_does_not_block_others(alice, submitted, caplog):
    bob = factories.user("bob@example.com")
    for person in (alice, bob):
        close(person)
    let_a_week_pass()
    first = Workspace.objects.order_by("closed_at").first()

    def stumble(workspace):
        if workspace == first:
            raise OSError("the disk is gone")

    with patch.object(lifecycle, "purge", stumble):
        assert closing.purge() == 2
    assert "could not be purged" in caplog.text
    assert User.objects.count() == 1
    assert closing.purge() == 2
    assert User.objects.count() == 0


def test_jobs_of_others_in_a_shared_workspace_stay(alice, submitted, speak_all):
    bob = factories.user("bob@example.com")
    team = factories.team(bob, alice)
    with transaction.atomic():
        factories.grant(wallet_of(team, "PRODUCTION"), 100)
    caller = factories.caller(alice, workspace=team, member_role="member")
    job = submitted(caller, "Made for all.", voice="unicorn:en-us")
    speak_all()
    factories.token(alice, workspace=team)
    close(alice)
    let_a_week_pass()

    closing.purge()

    job.refresh_from_db()
    assert (job.status, job.created_by) == ("completed", None)
    assert list(team.members.all()) == [bob]
    assert not ApiToken.objects.exists()


def test_hooks_of_higher_apps_run_later_but_purge_first():
    order = [
        *("webhooks.lifecycle", "billing.lifecycle"),
        *("providers.lifecycle", "synthesis.lifecycle"),
    ]
    assert list(registered("lifecycle")) == order
    called = []
    modules = {
        name: SimpleNamespace(
            opened=lambda *_, name=name: called.append(name),
            purge=lambda *_, name=name: called.append(name),
        )
        for name in order
    }
    with patch.object(lifecycle, "registered", lambda _: modules):
        with transaction.atomic():
            lifecycle.opened(Workspace())
        lifecycle.purge(Workspace())
    assert called == [*order, *reversed(order)]


@pytest.mark.parametrize(("name", "module"), registered("lifecycle").items())
def test_every_hook_has_a_known_name(name, module):
    own = {
        key
        for key, value in inspect.getmembers(module, inspect.isfunction)
        if value.__module__ == name and not key.startswith("_")
    }
    assert own
    assert own <= {"opened", "blocked", "closed", "export", "purge"}
