"""Plans and packs: add the initial ones, and list those on sale."""

from typing import Any

from django.db.models import QuerySet

from billing.models import Pack, Plan, Product
from billing.plans import seeds


def sync() -> int:
    """Add the missing plans and packs of `billing.plans.seeds`; return how many.

    Existing rows are not changed: operators edit them. Safe to repeat, and to run twice at
    the same time.
    """
    return _add_missing(Plan, seeds.PLANS) + _add_missing(Pack, seeds.PACKS)


def _add_missing(model: type[Product], wanted: dict[str, dict[str, Any]]) -> int:
    there = set(model._default_manager.values_list("key", flat=True))
    missing = [model(key=key, **row) for key, row in wanted.items() if key not in there]
    model._default_manager.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def offered_plans() -> QuerySet[Plan]:
    """Return the plans that are on sale, the cheapest first."""
    return Plan.objects.filter(is_offered=True)


def offered_packs() -> QuerySet[Pack]:
    """Return the packs that are on sale, the cheapest first."""
    return Pack.objects.filter(is_offered=True)
