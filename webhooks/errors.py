"""Errors of webhooks."""

from http import HTTPStatus

from kit.errors import AppError, Invalid


class UnusableURL(Invalid):
    """The URL is not allowed for webhooks."""

    def __init__(self, reason: str) -> None:
        super().__init__({"url": [reason]})
        self.reason = reason


class TooManyEndpoints(AppError):
    """The workspace has the maximum number of endpoints."""

    code = "too_many_endpoints"
    message = "A workspace has at most {limit} endpoints."


class EndpointDisabled(AppError):
    """Nothing is sent to a disabled endpoint."""

    code = "endpoint_disabled"
    status = HTTPStatus.CONFLICT
    message = "This endpoint is switched off. Switch it on first."


class RotationInProgress(AppError):
    """The secret was changed recently, and the old one is still in use."""

    code = "rotation_in_progress"
    status = HTTPStatus.CONFLICT
    message = (
        "The old secret still signs until {until}. Change the secret again after that."
    )


class DeliveryBusy(AppError):
    """The delivery is being sent now."""

    code = "delivery_busy"
    status = HTTPStatus.CONFLICT
    message = "This delivery is being sent right now."
