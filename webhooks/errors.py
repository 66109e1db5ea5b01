"""What the rules about webhooks refuse."""

from http import HTTPStatus

from kit.errors import AppError, Invalid


class UnusableURL(Invalid):
    """The address is not one that we would ever call."""

    def __init__(self, reason: str) -> None:
        super().__init__({"url": [reason]})
        self.reason = reason


class TooManyEndpoints(AppError):
    """The workspace has as many endpoints as one can have."""

    code = "too_many_endpoints"
    message = "A workspace has at most {limit} endpoints."


class EndpointDisabled(AppError):
    """Nothing is sent to an endpoint that is off."""

    code = "endpoint_disabled"
    status = HTTPStatus.CONFLICT
    message = "This endpoint is switched off. Switch it on first."


class RotationInProgress(AppError):
    """The secret before the last one is still in use."""

    code = "rotation_in_progress"
    status = HTTPStatus.CONFLICT
    message = (
        "The secret was changed already; until {until} the one before it signs too."
    )


class DeliveryBusy(AppError):
    """The delivery is being sent at this moment."""

    code = "delivery_busy"
    status = HTTPStatus.CONFLICT
    message = "This delivery is just being sent."
