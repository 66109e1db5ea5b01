"""`GET /metrics`: metrics for monitoring, in the text format of Prometheus.

All numbers come from the database and none from memory. So each process returns the same
ones, and restarts don't reset them. The customers' own keys are summed under one label,
because there may be thousands.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.payments import attention
from providers.limits import ceilings
from providers.models import Provider, Upstream
from providers.models.querysets import PLATFORM
from synthesis.models import Gate, Job, Scene

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES = ("closed", "half-open", "open")
Sample = tuple[Mapping[str, str], float]


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics to a client with METRICS_TOKEN; 404 if that is not set."""
    token: str = settings.METRICS_TOKEN
    if not token:
        raise Http404
    expected = f"Bearer {token}".encode()
    given = request.headers.get("Authorization", "").encode(errors="replace")
    if not secrets.compare_digest(given, expected):
        return HttpResponse(
            "Send METRICS_TOKEN as a bearer token.\n",
            content_type="text/plain; charset=utf-8",
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
        )
    return HttpResponse("".join(_families()), content_type=CONTENT_TYPE)


def _families() -> Iterator[str]:
    yield from _of_providers(list(Upstream.objects.all()))
    in_flight = (
        Scene.objects.filter(status=Scene.Status.PROCESSING)
        .order_by()
        .values_list("provider")
        .annotate(scenes=Count("pk"))
    )
    yield from _family(
        "ozvena_scenes_in_flight",
        "gauge",
        "Scenes that are being spoken now.",
        (({"provider": slug}, count) for slug, count in in_flight),
    )
    waiting = dict.fromkeys(Scene.Queue.values, 0) | dict(
        Scene.objects.filter(status=Scene.Status.QUEUED)
        .order_by()
        .values_list("queue")
        .annotate(scenes=Count("pk"))
    )
    yield from _family(
        "ozvena_scenes_waiting",
        "gauge",
        "Scenes that wait to be spoken.",
        (({"queue": queue}, count) for queue, count in waiting.items()),
    )
    yield from _of_gates(list(Gate.objects.order_by("queue")))
    unfinished = dict(
        Job.objects.filter(status__in=[Job.Status.QUEUED, Job.Status.PROCESSING])
        .order_by()
        .values_list("status")
        .annotate(jobs=Count("pk"))
    )
    yield from _family(
        "ozvena_jobs_unfinished",
        "gauge",
        "Jobs that have not ended.",
        (
            ({"status": str(status)}, unfinished.get(status, 0))
            for status in (Job.Status.QUEUED, Job.Status.PROCESSING)
        ),
    )
    yield from _family(
        "ozvena_payments_attention",
        "gauge",
        "Payments that wait for an operator, by what is wrong.",
        (({"what": what}, count) for what, count in attention.counts().items()),
    )


def _of_gates(gates: list[Gate]) -> Iterator[str]:
    yield from _family(
        "ozvena_claims_total",
        "counter",
        "Scenes that workers have claimed, each time.",
        (({"queue": gate.queue}, gate.claims) for gate in gates),
    )
    yield from _family(
        "ozvena_claim_gate_holds_total",
        "counter",
        "How often the gate was held under which a queue's scenes are claimed.",
        (({"queue": gate.queue}, gate.holds) for gate in gates),
    )
    yield from _family(
        "ozvena_claim_gate_seconds_total",
        "counter",
        "Seconds for which it was held.",
        (({"queue": gate.queue}, round(gate.seconds, 3)) for gate in gates),
    )


def _of_providers(rows: list[Upstream]) -> Iterator[str]:
    calls: Counter[tuple[str, str, str]] = Counter()
    seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    failures: Counter[tuple[str, str, str, str]] = Counter()
    states: Counter[tuple[str, str, str, str]] = Counter()
    for row in rows:
        key = (row.provider_id, row.region, _whose(row))
        calls[key] += row.calls
        seconds[key] += row.seconds
        for state in _STATES:
            states[*key, state] += row.state == state
        for kind, count in row.failures.items():
            failures[*key, kind] += count
    names = ("provider", "region", "credential")
    yield from _family(
        "ozvena_provider_calls_total",
        "counter",
        "Calls of remote providers that have ended.",
        _samples(calls, *names),
    )
    yield from _family(
        "ozvena_provider_call_seconds_total",
        "counter",
        "Seconds that these calls took.",
        _samples(seconds, *names),
    )
    yield from _family(
        "ozvena_provider_failures_total",
        "counter",
        "Calls that failed, by kind.",
        _samples(failures, *names, "kind"),
    )
    yield from _family(
        "ozvena_provider_upstreams",
        "gauge",
        "Upstreams whose breaker is in that state.",
        _samples(states, *names, "state"),
    )
    slugs = Provider.objects.values_list("slug", flat=True)
    yield from _family(
        "ozvena_provider_spend_today",
        "gauge",
        "Credits' worth of calls with our own keys today (UTC).",
        (({"provider": slug}, ceilings.spent_today(slug)) for slug in slugs),
    )


def _whose(row: Upstream) -> str:
    return PLATFORM if row.credential == PLATFORM else "own"


def _samples(values: Mapping[Any, float], *names: str) -> Iterator[Sample]:
    """Yield the samples of `values`, keyed by tuples of the labels `names`."""
    for labels, value in values.items():
        yield dict(zip(names, labels, strict=True)), value


def _family(
    name: str, kind: str, description: str, samples: Iterable[Sample]
) -> Iterator[str]:
    yield f"# HELP {name} {description}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        pairs = ",".join(
            f'{label}="{_escaped(text)}"' for label, text in labels.items()
        )
        yield f"{name}{{{pairs}}} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
