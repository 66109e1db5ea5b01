"""Compare requests of a login code for known and unknown addresses.

Response times must not reveal which addresses have an account. Codes for both kinds of
address are requested in turn, a thousand times each, through the whole stack of the web
process and without rate limits. The difference of the means, with its confidence interval,
is compared with what can be measured across a network. CPU time is reported too, since
other load on the machine affects it less.
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
    """Print the mean times and their difference, by clock and by CPU time."""
    call_command("migrate", verbosity=0)
    for number in range(CALLS):
        signup.sign_up(_address("known", number))
    times: dict[str, list[tuple[float, float]]] = {"known": [], "unknown": []}
    # No worker sends the mails, so bells would only fill the queue.
    with override_settings(**_UNLIMITED), patch("kit.work.bells.ring"):
        for number in range(20):  # connects and compiles templates
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
    """Return the mean times and whether their difference can be measured."""
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
    """Return an address; all kinds have the same length."""
    return f"{kind:x<8}{number:04}@example.com"


def _ask(email: str) -> tuple[float, float]:
    """Request a code as a new browser; return the elapsed and the CPU time in ms."""
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
