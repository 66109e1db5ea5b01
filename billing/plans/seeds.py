"""The plans and packs of a new installation.

`manage.py release` adds missing ones. Operators edit existing rows in the admin; a change
here doesn't change them. See docs/plans.md.
"""

from typing import Any

_PLUS: dict[str, Any] = {
    "monthly_allowance": 900_000,
    "rate_synthesis": 60,
    "rate_other": 600,
    "concurrency": 16,
    "retention_days": 90,
    "storage_mb": 20_000,
}
_STUDIO: dict[str, Any] = {
    "monthly_allowance": 5_000_000,
    "rate_synthesis": 240,
    "rate_other": 1_200,
    "concurrency": 48,
    "retention_days": 365,
    "storage_mb": 200_000,
}

PLANS: dict[str, dict[str, Any]] = {
    "plus": _PLUS
    | {
        "name": "Plus",
        "amount": 299,
        "term": "monthly",
        "trial_days": 7,
        "app_store_product": "plus_monthly",
        "play_store_product": "plus_monthly",
    },
    "plus_yearly": _PLUS
    | {
        "name": "Plus, yearly",
        "amount": 2_990,
        "term": "yearly",
        "app_store_product": "plus_yearly",
        "play_store_product": "plus_yearly",
    },
    "studio": _STUDIO
    | {
        "name": "Studio",
        "amount": 1_499,
        "term": "monthly",
        "app_store_product": "studio_monthly",
        "play_store_product": "studio_monthly",
    },
    "studio_yearly": _STUDIO
    | {
        "name": "Studio, yearly",
        "amount": 14_990,
        "term": "yearly",
        "app_store_product": "studio_yearly",
        "play_store_product": "studio_yearly",
    },
}
"""Plans by key; prices without a currency are in USD."""

PACKS: dict[str, dict[str, Any]] = {
    f"credit_pack_{hours}hr": {
        "name": f"{credits:,} credits",
        "credits": credits,
        "amount": amount,
        "app_store_product": f"credit_pack_{hours}hr",
        "play_store_product": f"credit_pack_{hours}hr",
    }
    for hours, credits, amount in (
        (1, 25_000, 299),
        (5, 125_000, 1_199),
        (20, 500_000, 3_999),
    )
}
"""Packs by key; speaking 25,000 characters takes about an hour."""
