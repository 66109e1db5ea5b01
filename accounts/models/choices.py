"""Columns and constraints that several models share."""

from typing import Any

from django.db import models

from accounts.models import second_factor  # noqa: F401 - more tables of this app


def one_of(name: str, **values: list[str]) -> models.CheckConstraint:
    """Return the constraint that a column holds one of its values."""
    known = {f"{column}__in": allowed for column, allowed in values.items()}
    return models.CheckConstraint(condition=models.Q(**known), name=name)


def from_plan(meaning: str) -> Any:
    """Return a column that billing keeps in step with the plan; empty: as settings say."""
    return models.PositiveIntegerField(
        null=True, editable=False, help_text=f"{meaning}; empty: the default"
    )
