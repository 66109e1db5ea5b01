"""The webhook events of credits and subscriptions."""

from accounts.roles import Permission
from webhooks.events import EventType

_CREDITS = {
    "environment": "PRODUCTION",
    "available": 70_000,
    "reserved": 1200,
}

CREDITS_GRANTED = EventType(
    "credits.granted",
    "Credits were added: bought, given, or renewed with a plan.",
    _CREDITS | {"granted": 25_000, "bucket": "pack", "reason": "credit_pack_1hr"},
    Permission.SEE_MONEY,
)
CREDITS_LOW = EventType(
    "credits.low",
    "The credits that can be spent are running low.",
    _CREDITS | {"available": 2400},
)
CREDITS_EXPIRING = EventType(
    "credits.expiring",
    "Credits will lapse soon unless they are used.",
    _CREDITS | {"expiring": 20_000, "expires_at": "2026-12-01T00:00:00Z"},
)
SUBSCRIPTION_CHANGED = EventType(
    "subscription.changed",
    "A subscription began, was renewed, changed its plan, or ended.",
    {
        "environment": "PRODUCTION",
        "plan_key": "plus",
        "status": "active",
        "renews_at": "2026-12-05T00:00:00Z",
    },
    Permission.SEE_MONEY,
)
