"""What the ledger refuses."""

from http import HTTPStatus

from kit.errors import AppError


class InsufficientCredits(AppError):
    """The wallet can't pay for it now; nothing was written.

    Answered without Retry-After: waiting alone brings no credits.
    """

    code = "insufficient_credits"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "This needs {needed} credits; {available} are available."


class LedgerKeyReused(AppError):
    """A key of the ledger came again for something else; nothing was written."""

    code = "ledger_key_reused"
    status = HTTPStatus.CONFLICT
    message = "The key {key} was used for another posting."


class ReservationExhausted(AppError):
    """More was to be captured than the reservation still holds; nothing was written."""

    code = "reservation_exhausted"
    status = HTTPStatus.CONFLICT
    message = "The reservation holds {left} credits, {needed} were to be captured."


class TooEarly(AppError):
    """What this refers to is not posted yet: keep it, and try again later."""


class NotGranted(TooEarly):
    """A refund came before the grant of what is refunded; nothing was written."""

    code = "not_granted"
    status = HTTPStatus.CONFLICT
    message = "Nothing was granted for {source} yet."


class NotRefunded(TooEarly):
    """A refund is to be undone that was not posted; nothing was written."""

    code = "not_refunded"
    status = HTTPStatus.CONFLICT
    message = "There is no such refund of {source} yet."


class NotRefundable(AppError):
    """Only what was bought can be refunded; nothing was written."""

    code = "not_refundable"
    status = HTTPStatus.CONFLICT
    message = "{source} was not bought, so it can't be refunded: adjust the wallet."


class LedgerBroken(AppError):
    """The entries of a wallet don't add up, so nothing can be rebuilt from them."""

    code = "ledger_broken"
    status = HTTPStatus.CONFLICT
    message = "The entries of {wallet} don't add up; nothing was changed."


class SecondOperatorNeeded(AppError):
    """Whoever asked for so many credits does not decide; nothing was written."""

    code = "second_operator_needed"
    status = HTTPStatus.FORBIDDEN
    message = "You asked for it, so another operator decides."


class RequestDecided(AppError):
    """A second operator was there before; nothing was written."""

    code = "request_decided"
    status = HTTPStatus.CONFLICT
    message = "This request was {status} already."


class SubscriptionInStore(AppError):
    """A store collects for the plan; it would undo what we change here."""

    code = "subscription_in_store"
    status = HTTPStatus.CONFLICT
    message = "This plan is paid for by {store}; it is changed and ended there."


class SubscriptionElsewhere(AppError):
    """A store's subscription belongs to one workspace; nothing was written."""

    code = "subscription_elsewhere"
    status = HTTPStatus.CONFLICT
    message = "The subscription {external_id} belongs to another workspace."


class TokenLimitReached(AppError):
    """The token, or one that made it, has no room left in this month's credit limit.

    Answered without Retry-After: a month is no time to wait.
    """

    code = "token_limit_reached"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = (
        "This needs {needed} credits; the token's limit of {limit} a month leaves"
        " {available}."
    )


class InvalidPromoCode(AppError):
    """There is no such code, or it is switched off; nobody can tell which."""

    code = "invalid_promo_code"
    message = "This promo code is not valid."


class PromoCodeInSandbox(AppError):
    """Promo codes bring production credits."""

    code = "promo_code_in_sandbox"
    status = HTTPStatus.FORBIDDEN
    message = "Promo codes are redeemed in production."


class PromoCodeRedeemed(AppError):
    """The person, or the workspace, has had the credits of this code."""

    code = "promo_code_redeemed"
    status = HTTPStatus.CONFLICT
    message = "You, or this workspace, have redeemed this code before."


class PromoCodeExpired(AppError):
    """The code has ended."""

    code = "promo_code_expired"
    status = HTTPStatus.CONFLICT
    message = "This promo code has ended."


class PromoCodeUsedUp(AppError):
    """Others have had all there was."""

    code = "promo_code_used_up"
    status = HTTPStatus.CONFLICT
    message = "This promo code is used up."
