"""Tasks of the calendar and of bells exist, in queues that workers serve."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from config.celery import app
from kit.registry import registered
from kit.work.loop import Work

# Name, task and time, as they are in the databases of those who run it. With another name
# an entry would be there twice.
ENTRIES = {
    (
        "ask gateways about orders that are not paid",
        "billing.tasks.look_up_orders",
        "60 s",
    ),
    ("cancel the work of blocked people", "synthesis.tasks.cancel_shut", "60 s"),
    ("check workspaces' provider keys", "providers.tasks.check_keys", "3:10"),
    (
        "close the statements of months that are over",
        "billing.tasks.close_months",
        ":40",
    ),
    ("count what is stored", "synthesis.tasks.recount_storage", "3:40"),
    ("end credits whose time is over", "billing.tasks.expire_ended", "600 s"),
    ("keep subscriptions", "billing.tasks.keep_subscriptions", "60 s"),
    ("prove the ledger", "billing.tasks.prove_ledger", "3:20"),
    ("reconcile with the gateways", "billing.tasks.begin_reconciliations", "2:40"),
    ("refresh the catalogue", "providers.tasks.sync_catalogue", "4:10"),
    ("release forgotten reservations", "synthesis.tasks.release_forgotten", "600 s"),
    ("remove closed accounts", "accounts.tasks.purge_closed", "3600 s"),
    ("remove old counts of tokens", "billing.tasks.prune_spending", "86400 s"),
    ("remove old logins", "accounts.tasks.prune", "3600 s"),
    ("remove old mails", "kit.tasks.prune_mails", "86400 s"),
    ("remove old webhook deliveries", "webhooks.tasks.prune", "3600 s"),
    (
        "remove what gateways told of buyers long ago",
        "billing.tasks.prune_inbox",
        "86400 s",
    ),
    ("remove what is past its time", "synthesis.tasks.purge", "60 s"),
    ("top up wallets that run low", "billing.tasks.top_up", "60 s"),
    (
        "warn of credits that lapse, and end those unused for a year",
        "billing.tasks.lapse_idle",
        "3600 s",
    ),
}
# What Celery itself and the scheduler add.
_NOT_OURS = {"celery.backend_cleanup"}
# Importing it has effects of its own, and it declares nothing.
_NOT_IMPORTED = {"config.processes.gunicorn", "config.wsgi"}


@pytest.fixture(autouse=True)
def tasks():
    """All tasks, imported as beat and workers do."""
    app.loader.import_default_modules()


def queues_served() -> set[str]:
    """Return the queues that the workers of the Procfile listen to."""
    text = (Path(settings.BASE_DIR) / "Procfile").read_text()
    return {
        name for group in re.findall(r" -Q (\S+)", text) for name in group.split(",")
    }


def queues_of_workers() -> dict[str, set[str]]:
    """Return the queues of each worker of the Procfile."""
    text = (Path(settings.BASE_DIR) / "Procfile").read_text()
    lines = re.findall(r"^(\S+): .* -Q (\S+)", text, re.MULTILINE)
    return {name: set(queues.split(",")) for name, queues in lines}


def kinds_of_work() -> Iterator[tuple[str, Work]]:
    """Yield all kinds of work that our modules declare, with the variable's name."""
    for config in apps.get_app_configs():
        if Path(config.path).parent != Path(settings.BASE_DIR):
            continue
        for found in pkgutil.walk_packages([config.path], f"{config.name}."):
            if ".migrations." in found.name or found.name in _NOT_IMPORTED:
                continue
            for name, value in vars(import_module(found.name)).items():
                for each in value.values() if isinstance(value, dict) else [value]:
                    if isinstance(each, Work):
                        yield f"{found.name}.{name}", each


def schedule() -> DatabaseScheduler:
    """Do what beat does when it starts."""
    return DatabaseScheduler(app=app)


def written() -> set[tuple[str, str, str]]:
    rows = PeriodicTask.objects.exclude(name__in=_NOT_OURS)
    return {(row.name, row.task, time_of(row)) for row in rows}


def time_of(row: PeriodicTask) -> str:
    if row.interval:
        seconds = row.interval.schedule.run_every.total_seconds()
        return f"{seconds:.0f} s"
    hour = row.crontab.hour.replace("*", "")
    assert str(row.crontab.timezone) == "UTC"
    return f"{hour}:{row.crontab.minute}"


def test_each_entry_has_a_task_and_a_queue_that_a_worker_serves():
    calendar = app.conf.beat_schedule
    assert {(name, entry["task"]) for name, entry in calendar.items()} == {
        (name, task) for name, task, _ in ENTRIES
    }
    assert {entry["task"] for entry in calendar.values()} <= set(app.tasks)
    assert {entry["options"]["queue"] for entry in calendar.values()} == {
        *("calendar", "remote")
    }
    assert queues_served() == {"calendar", "files", "local", "remote", "webhooks"}


def test_speech_files_and_calendar_never_wait_for_each_other():
    workers = queues_of_workers()
    assert sum(map(len, workers.values())) == len(queues_served())
    assert workers["worker-local"] == {"local"}  # its slots are this machine's cores
    assert workers["worker-files"] == {"calendar", "files"}
    # Files leave slots of their process to the calendar.
    text = (Path(settings.BASE_DIR) / "Procfile").read_text()
    slots = int(re.findall(r"-Q calendar,files -P threads -c (\d+)", text)[0])
    files = [work for _, work in kinds_of_work() if work.queue == "files"]
    assert len(set(files)) == 3
    limits = [work.at_once for work in set(files)]
    assert sum(limit or slots for limit in limits) <= slots - 3


@pytest.mark.django_db(transaction=True)  # the scheduler closes its connection
def test_operators_can_disable_entries_but_not_reschedule_them():
    schedule()
    assert written() == ENTRIES
    paused = PeriodicTask.objects.get(name="prove the ledger")
    assert (paused.enabled, paused.queue) == (True, "calendar")
    PeriodicTask.objects.filter(pk=paused.pk).update(
        enabled=False, task="elsewhere", queue="nowhere"
    )

    runs = schedule().schedule  # as of the next start

    paused.refresh_from_db()
    assert (paused.enabled, paused.queue) == (False, "calendar")
    assert written() == ENTRIES
    assert {name for name, _, _ in ENTRIES} - set(runs) == {"prove the ledger"}


def test_each_kind_of_work_is_rung_for_and_swept():
    """Without a sweep, rows of a killed worker would be lost."""
    kinds = dict(kinds_of_work())
    assert {work.task for work in kinds.values()} == {
        *("accounts.tasks.make_exports", "billing.tasks.post_inbox"),
        *("billing.tasks.make_refunds", "billing.tasks.reconcile"),
        "kit.tasks.send_mails",
        *("synthesis.tasks.assemble", "synthesis.tasks.make_samples"),
        *("synthesis.tasks.render", "webhooks.tasks.deliver"),
    }
    assert {work.task for work in kinds.values()} <= set(app.tasks)
    assert {work.queue for work in kinds.values()} <= queues_served()
    swept = registered("swept")
    for name, work in kinds.items():
        # Either it is named itself, or the module that sweeps it with more besides.
        assert swept.get(name) is work or name in {
            *(
                "kit.mail.outbox.work",
                "synthesis.samples.making.works",
                "synthesis.work.worker.works",
            )
        }, f"{name} is in no app's `swept`"


def test_all_registered_names_can_be_imported():
    ours = [
        config
        for config in apps.get_app_configs()
        if Path(config.path).parent == Path(settings.BASE_DIR)
    ]
    known = {"lifecycle", "webhook_events", "encrypted", "swept", "invariants"}
    for config in ours:
        own = {
            name for name, value in vars(type(config)).items() if type(value) is list
        }
        assert own <= known, f"nothing reads this of {config}"
        names = [name for attribute in own for name in getattr(config, attribute)]
        assert {name.split(".")[0] for name in names} <= {config.name}
    for swept in registered("swept").values():
        assert callable(swept.sweep)
    assert set(registered("lifecycle")) == {
        f"{app}.lifecycle" for app in ("billing", "providers", "synthesis", "webhooks")
    }
