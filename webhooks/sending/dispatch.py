"""What the dispatcher does for webhooks every second."""

from kit.work import bells, claims
from webhooks.emit import DELIVER, QUEUE
from webhooks.models import Delivery
from webhooks.sending import claiming

_MOST = 16  # lanes that one sweep rings for


def sweep() -> None:
    """Take back what silent senders left, then ring for what may be sent now."""
    claims.take_back(Delivery.objects.all())
    if lanes := claiming.open_lanes(limit=_MOST):
        wanted = min(len(lanes) * claiming.PER_ENDPOINT, lanes[0].slots)
        bells.ring_if_quiet(DELIVER, QUEUE, wanted)
