"""Measure the CPU time of the whole system per request: speech at once, a job, a read.

The system runs as `make run` starts it, with the built-in voice. One client sends a short
sentence repeatedly. The CPU time of all processes counts: web, workers, dispatcher,
engine, PostgreSQL and Redis. The CPU time of the idle system is measured first and
subtracted.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from benchmarks.system import System

REQUESTS = 100
_IDLE = 10.0  # seconds
TICK = os.sysconf("SC_CLK_TCK")
_TEXT = "The echo comes back before you have turned around."
_VOICE = "unicorn:en-us"


def main() -> None:
    """Print the CPU time of each kind of request, in milliseconds."""
    with System() as system:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {system.token()}"
        api = f"{system.url}/api/v1"
        kinds: list[tuple[str, Callable[[], Any]]] = [
            ("GET /me", lambda: _ok(session.get(f"{api}/me"))),
            ("POST /speech", lambda: _speak(session, api)),
            ("POST /jobs to its audio", lambda: _job(session, api)),
        ]
        for _, send in kinds:
            for _ in range(5):  # warms up caches and connections
                send()
        idle = _idle_cpu(system.pid)
        for name, send in kinds:
            began, before = time.perf_counter(), cpu_seconds(system.pid)
            for _ in range(REQUESTS):
                send()
            spent = cpu_seconds(system.pid) - before
            spent -= idle * (time.perf_counter() - began)
            print(f"CPU per {name}: {spent / REQUESTS * 1000:.1f} ms")


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds of a process and its descendants, also of ended ones."""
    return sum(family(root).values()) / TICK


def family(root: int) -> dict[int, int]:
    """Return a process and its descendants, and the ticks that each of them has run."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue  # the process just ended
        fields = text.rpartition(")")[2].split()
        parents[int(folder.name)] = int(fields[1])
        ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    return {
        pid: count for pid, count in ticks.items() if _is_descendant(pid, root, parents)
    }


def _is_descendant(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid and pid != root:
        pid = parents.get(pid, 0)
    return pid == root


def _idle_cpu(root: int) -> float:
    """Return the CPU seconds per second that the system uses without requests."""
    before = cpu_seconds(root)
    time.sleep(_IDLE)
    return (cpu_seconds(root) - before) / _IDLE


def _speak(session: requests.Session, api: str) -> None:
    _ok(session.post(f"{api}/speech", json={"input": _TEXT, "voice": _VOICE}))


def _job(session: requests.Session, api: str) -> None:
    job = _ok(session.post(f"{api}/jobs", json={"text": _TEXT, "voice": _VOICE}))
    while job["status"] not in ("completed", "failed"):
        time.sleep(0.1)
        job = _ok(session.get(job["links"]["self"]))
    assert job["status"] == "completed", job


def _ok(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json()
