"""Measure the memory of a book: workers, the web and the engines, while it is spoken.

The system runs as `make run` starts it. Each built-in engine speaks one scene of
`CHARACTERS` characters to its MP3. The resident memory of every process is read twice a
second; flat means that no process of a kind needs much more in the second half than any
did in the first.
"""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import requests

from benchmarks import verdicts
from benchmarks.cpu import family
from benchmarks.system import System

CHARACTERS = int(os.environ.get("CHARACTERS", "100000"))
MOST = 300  # MB of a process
GROWTH = 16  # MB
_SENTENCE = (
    "The echo comes back before you have turned around, number {}, as echoes do. "
)
_KINDS = {
    "hibari": "unicorn.hibari.engine",
    "espeak": "espeak/engine.py",
    "worker": "celery",
    "web": "gunicorn",
}


def main() -> None:
    """Print the most memory of each kind of process, and its growth."""
    text = ""
    while len(text) < CHARACTERS:
        text += "".join(_SENTENCE.format(n) for n in range(20)).strip() + "\n\n"
    for voice in ("en-us", "heart"):
        with System() as system:
            _measure(system, f"unicorn:{voice}", text[:CHARACTERS])


def _measure(system: System, voice: str, text: str) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {system.token()}"
    body = {"text": text, "voice": voice, "format": "mp3"}
    job = _ok(session.post(f"{system.url}/api/v1/jobs", json=body))
    began = time.perf_counter()
    samples: list[dict[str, float]] = []
    while job["status"] not in ("completed", "failed", "partial"):
        for _ in range(10):
            samples.append(_largest(system.pid))
            time.sleep(0.5)
        job = _ok(session.get(job["links"]["self"]))
    assert job["status"] == "completed", job
    print(f"{voice}: {len(text):,} characters in {time.perf_counter() - began:.0f} s")
    half = len(samples) // 2
    for kind in _KINDS:
        first = max(sample.get(kind, 0) for sample in samples[:half])
        second = max(sample.get(kind, 0) for sample in samples[half:])
        is_flat = max(first, second) <= MOST and second - first <= GROWTH
        print(
            f"    {kind}, at most: {first:.0f} MB in the first half, {second:.0f} MB in "
            f"the second; limits {MOST} MB, {GROWTH} MB more: "
            f"{verdicts.judge(is_flat, 'TOO MUCH')}"
        )


def _largest(root: int) -> dict[str, float]:
    """Return the resident memory (MB) of the largest process of each kind."""
    found: dict[str, float] = defaultdict(float)
    for pid in family(root):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue  # it has just ended
        for kind, part in _KINDS.items():
            if part in command:
                size = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
                found[kind] = max(found[kind], size)
                break
    return found


def _ok(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json()
