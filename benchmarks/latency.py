"""Measure the time from submit to audio on an idle machine with the built-in voice.

The system runs as `make run` starts it. A plain HTTP client submits a job with a short
sentence, polls it every 10 ms and downloads the audio. A second figure is the same
sentence with `POST /api/v1/speech`.
"""

import statistics
import time
from typing import Any

import requests

from benchmarks import verdicts
from benchmarks.system import System

RUNS = 20
LIMIT = 0.5  # seconds
_TEXT = "The echo comes back before you have turned around."


def main() -> None:
    """Print the median times of a job and of speech at once."""
    with System() as system:
        token = system.token()
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        _job(session, system.url)  # warms up caches and connections
        jobs = [_job(session, system.url) for _ in range(RUNS)]
        at_once = [_speech(session, system.url) for _ in range(RUNS)]
    for name, seconds in (("job", jobs), ("speech at once", at_once)):
        middle = statistics.median(seconds)
        verdict = verdicts.judge(middle <= LIMIT)
        print(
            f"submit to audio, {name}: median of {RUNS} {middle * 1000:.0f} ms "
            f"(min {min(seconds) * 1000:.0f}, max {max(seconds) * 1000:.0f}); "
            f"limit {LIMIT * 1000:.0f} ms: {verdict}"
        )


def _job(session: requests.Session, url: str) -> float:
    began = time.perf_counter()
    body = {"text": _TEXT, "voice": "unicorn:heart"}
    job = _ok(session.post(f"{url}/api/v1/jobs", json=body))
    while job["status"] not in ("completed", "failed"):
        time.sleep(0.01)
        job = _ok(session.get(job["links"]["self"]))
    audio = session.get(job["scenes"][0]["audio_url"])
    audio.raise_for_status()
    return time.perf_counter() - began


def _speech(session: requests.Session, url: str) -> float:
    began = time.perf_counter()
    body = {"input": _TEXT, "voice": "unicorn:heart"}
    _ok(session.post(f"{url}/api/v1/speech", json=body))
    return time.perf_counter() - began


def _ok(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json()
