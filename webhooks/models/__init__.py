"""The records of webhooks, one module per subject; each is imported from here."""

from webhooks.models.endpoints import (
    Attempt,
    DefaultSigner,
    Delivery,
    Endpoint,
    Event,
    Signer,
    Turn,
    is_success,
    lane_of_url,
)

__all__ = [
    "Attempt",
    "DefaultSigner",
    "Delivery",
    "Endpoint",
    "Event",
    "Signer",
    "Turn",
    "is_success",
    "lane_of_url",
]
