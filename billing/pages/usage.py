"""The page of usage, with a chart and a CSV download."""

import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import (
    require_safe,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.people.storage import storage_of
from billing.pages import charts
from billing.pages.credits import GROUP_LABELS
from billing.pages.requests import can_see_money, last_days, parse_number
from billing.reports import standing, usage
from billing.reports.usage_csv import csv_response

_RANGES = (7, 30, 90)  # days


@login_required
@require_safe
def usage_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the account standing of the workspace, and its usage by day."""
    length = parse_number(request.GET.get("days"), _RANGES) or 30
    group = request.GET.get("group", "voice")
    if group not in GROUP_LABELS:
        raise Http404
    days = last_days(length)
    by_day = list(usage.history(caller, days, "day"))
    credits = {datetime.date.fromisoformat(r["day"]): r["credits"] for r in by_day}
    context = {
        "standing": standing.of(caller),
        "storage": storage_of(caller.workspace),
        "days": days,
        "length": length,
        "ranges": _RANGES,
        "bars": charts.bars(days.days, credits),
        "chart": {"width": charts.WIDTH, "height": charts.HEIGHT},
        "largest": max(credits.values(), default=0),
        "total": {
            name: sum(row[name] for row in by_day)
            for name in ("scenes", "characters", "credits")
        },
        "by_day": by_day[::-1],
        "group": group,
        "groups": GROUP_LABELS,
        "rows": [
            {"key": row.get("name") or row[group] or "", **row}
            for row in usage.history(caller, days, group)
        ][:100],
        "can_see_all": can_see_money(caller),
    }
    return render(request, "billing/usage.html", context)


@login_required
@require_safe
def usage_file(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Send the usage history as CSV."""
    length = parse_number(request.GET.get("days"), _RANGES) or 30
    group = request.GET.get("group", "day")
    if group not in usage.GROUPS:
        raise Http404
    return csv_response(caller, last_days(length), group)
