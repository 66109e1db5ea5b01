"""Measure how many scenes a second the gate of a queue lets through.

Two processes with 16 threads each claim scenes of 40 workspaces and settle them at once.
What they reach is limited by the CPU. Then one process claims in full batches alone, each
with one commit. The gate is held for no longer than such a claim takes, so it lets that
many through. The server is the temporary one of the tests, but it waits for the disk, as a
real one does.
"""

import multiprocessing
import os
import statistics
import threading
import time
from typing import Any

import django

import tests.services  # noqa: F401 - starts PostgreSQL before the settings are read

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.models import Workspace  # noqa: E402
from benchmarks import verdicts  # noqa: E402
from kit.work import claims  # noqa: E402
from providers.models import Provider  # noqa: E402
from synthesis.models import Job, Scene  # noqa: E402
from synthesis.work import claiming, gates  # noqa: E402

PROCESSES, THREADS = 2, 16
WORKSPACES, SCENES = 40, 500
SECONDS = 4.0
BATCH = 16
LIMIT = 2_000  # claims a second


def main() -> None:
    """Print the claims a second, and what the gate would let through."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        for name in ("fsync", "synchronous_commit"):
            cursor.execute(f"ALTER SYSTEM SET {name} = on")
        cursor.execute("SELECT pg_reload_conf()")
    _fill()
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # processes share no connections
    context = multiprocessing.get_context("fork")
    results: Any = context.SimpleQueue()
    processes = [
        context.Process(target=_claim_all, args=(results,)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    told = [results.get() for _ in processes]
    for process in processes:
        process.join()
    count = sum(each[0] for each in told)
    holds = [seconds for each in told for seconds in each[1]]
    print(
        f"claims, {PROCESSES} processes with {THREADS} threads: {count / SECONDS:.0f}/s, "
        f"{count / len(holds):.1f} at once, the gate held for "
        f"{1000 * statistics.median(holds):.1f} ms (median)"
    )
    _settle()
    for size in (1, BATCH):
        seconds = statistics.median(_batch(size) for _ in range(40))
        print(f"a claim of {size}: {1000 * seconds:.1f} ms (median of 40)")
    through = BATCH / seconds
    print(
        f"so the gate lets {through:.0f} claims/s through; limit {LIMIT}/s: "
        f"{verdicts.judge(through >= LIMIT)}; load {os.getloadavg()[0]:.1f}"
    )


def _batch(size: int) -> float:
    """Return the seconds of a claim of `size` scenes, with its commit."""
    began = time.perf_counter()
    claimed = claiming.claim_batch("remote", size)
    seconds = time.perf_counter() - began
    assert len(claimed) == size
    _settle()
    return seconds


def _settle() -> None:
    processing = Scene.objects.filter(status=Scene.Status.PROCESSING)
    processing.update(status=Scene.Status.CANCELED, lease_until=None)


def _fill() -> None:
    Provider.objects.create(slug="compatible", name="Compatible")
    for number in range(WORKSPACES):
        workspace = Workspace.objects.create(name=f"Bench {number}", concurrency=100)
        job = Job.objects.create(
            workspace=workspace,
            environment="PRODUCTION",
            characters=0,
            cost=0,
            billed_to="credits",
        )
        Scene.objects.bulk_create(
            Scene(
                job=job,
                workspace=workspace,
                index=index,
                text="A page of a book. " * 50,
                voice="compatible:alloy",
                provider="compatible",
                characters=900,
                cost=0,
                queue="remote",
                turn=950 * index,
            )
            for index in range(1, SCENES + 1)
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE synthesis_scene")


def _claim_all(results: Any) -> None:
    counts = [0] * THREADS
    end = time.monotonic() + SECONDS

    def run(number: int) -> None:
        while time.monotonic() < end:
            scene = claiming.claim_next("remote")
            if scene is None:
                raise RuntimeError("all scenes are claimed: SCENES is too small")
            claims.settle(scene, Scene.Status.CANCELED)
            counts[number] += 1
        connection.close()

    gates._holds._written = end + 60  # nothing is written: we read it ourselves
    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((sum(counts), gates._holds._held["remote"]))
