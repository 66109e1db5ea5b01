"""CPU time per request: speech at once, a job, and a plain read, in the whole system.

The system runs as `make run` starts it, with the built-in voice; one client sends a short
sentence again and again. Counted is the CPU time of every process of the system: web,
workers, dispatcher, engine, PostgreSQL and Redis. What the system spends while idle in the
same time is measured before, and taken off.
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
_TICK = os.sysconf("SC_CLK_TCK")
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
            for _ in range(5):  # warms what is made at first use
                send()
        idle = _cost_of_idling(system.pid)
        for name, send in kinds:
            began, before = time.perf_counter(), cpu_seconds(system.pid)
            for _ in range(REQUESTS):
                send()
            spent = cpu_seconds(system.pid) - before
            spent -= idle * (time.perf_counter() - began)
            print(f"CPU per {name}: {spent / REQUESTS * 1000:.1f} ms")


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds of a process and all below it, dead children included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue  # it has just ended
        fields = text.rpartition(")")[2].split()
        parents[int(folder.name)] = int(fields[1])
        ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    return sum(
        count for pid, count in ticks.items() if _is_below(pid, root, parents)
    ) / float(_TICK)


def _is_below(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid and pid != root:
        pid = parents.get(pid, 0)
    return pid == root


def _cost_of_idling(root: int) -> float:
    """Return the CPU seconds that the system spends in a second without requests."""
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
