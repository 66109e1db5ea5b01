"""Asking for a login code: a known address against an unknown one.

Whoever watches the clock must not learn who has an account. Both kinds of address are asked
for in turn, each a thousand times, through the whole stack of the web process and with
limits out of the way; what is compared is the difference of their means, with its interval
of confidence, to what could be seen across a network. The time of the processor is told
besides: other work on the machine disturbs it less.
"""

import math
import os
import statistics
import time
from collections.abc import Sequence
from unittest.mock import patch

import django

import tests.services  # noqa: F401 - starts PostgreSQL before the settings are read

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

from accounts.people import signup  # noqa: E402
from benchmarks import verdicts  # noqa: E402

CALLS = 1_000  # of each kind
LIMIT = 5.0  # ms
_CONFIDENCE = 1.96  # standard errors: 95 %
_MANY = 10**9
_UNLIMITED = {
    "ALLOWED_HOSTS": ["testserver"],
    "LOGIN_CODES_PER_ADDRESS": _MANY,
    "LOGIN_CODES_PER_NETWORK": _MANY,
    "RATE_OTHER": f"{_MANY}/s",
}


def main() -> None:
    """Print the means and their difference."""
    call_command("migrate", verbosity=0)
    for number in range(CALLS):
        signup.sign_up(_address("known", number))
    times: dict[str, list[tuple[float, float]]] = {"known": [], "unknown": []}
    # Nobody sends the mails: they would wait in a queue that nobody empties.
    with override_settings(**_UNLIMITED), patch("kit.work.bells.ring"):
        for number in range(20):  # connects, and compiles templates
            _ask(_address("warm", number))
        for number in range(CALLS):
            kinds = ("known", "unknown") if number % 2 else ("unknown", "known")
            for kind in kinds:
                times[kind].append(_ask(_address(kind, number)))
    clocks = zip(*times["known"], strict=True), zip(*times["unknown"], strict=True)
    for clock, known, unknown in zip(("clock", "processor"), *clocks, strict=True):
        compared = _comparison(known, unknown)
        print(f"POST /auth/code, {CALLS} of each, by the {clock}: {compared}")
    print(f"load {os.getloadavg()[0]:.1f}")


def _comparison(known: Sequence[float], unknown: Sequence[float]) -> str:
    """Return what both kinds took, and whether they can be told apart."""
    means = [statistics.fmean(kind) for kind in (known, unknown)]
    difference = means[0] - means[1]
    error = _CONFIDENCE * math.hypot(
        *(statistics.stdev(kind) / math.sqrt(CALLS) for kind in (known, unknown))
    )
    if abs(difference) + error <= LIMIT:
        verdict = verdicts.judge(True)
    elif abs(difference) - error > LIMIT:
        verdict = verdicts.judge(False, "TOO FAR APART")
    else:
        verdict = "the machine is too busy to tell"
    return (
        f"known {means[0]:.2f} ms, unknown {means[1]:.2f} ms, difference "
        f"{difference:+.2f} ± {error:.2f} ms (95 %); limit {LIMIT:.0f} ms: {verdict}"
    )


def _address(kind: str, number: int) -> str:
    """Return an address; those of all kinds have the same length."""
    return f"{kind:x<8}{number:04}@example.com"


def _ask(email: str) -> tuple[float, float]:
    """Ask for a code as a new browser; return ms by clock and by processor."""
    client = Client()
    began, worked = time.perf_counter(), time.thread_time()
    response = client.post(
        "/api/v1/auth/code", {"email": email}, content_type="application/json"
    )
    took = time.perf_counter() - began, time.thread_time() - worked
    assert response.status_code == 202, response.content
    return took[0] * 1000, took[1] * 1000


if __name__ == "__main__":
    main()
    verdicts.exit_if_missed()
