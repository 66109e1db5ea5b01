"""Functions that return columns and constraints for several models."""

from typing import Any

from django.db import models

from accounts.models import second_factor  # noqa: F401 - more tables of this app


def one_of(name: str, **values: list[str]) -> models.CheckConstraint:
    """Return a CHECK constraint that allows only the given values of each column."""
    known = {f"{column}__in": allowed for column, allowed in values.items()}
    return models.CheckConstraint(condition=models.Q(**known), name=name)


def from_plan(meaning: str) -> Any:
    """Return a column that billing copies from the plan; NULL for the settings' default."""
    return models.PositiveIntegerField(
        null=True, editable=False, help_text=f"{meaning}; empty: the default"
    )
