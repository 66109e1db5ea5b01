"""The models of webhooks, one module per subject. Import them from here."""

from webhooks.models.deliveries import (
    Attempt,
    Delivery,
    Event,
    Turn,
    is_success,
    lane_of_url,
)
from webhooks.models.endpoints import DefaultSigner, Endpoint, Signer

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
