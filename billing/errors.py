"""Errors of the ledger, plans, payments, promo codes and token limits."""

from http import HTTPStatus

from accounts.errors import InvalidToken
from kit.errors import AppError


class InsufficientCredits(AppError):
    """Not enough credits in the wallet; nothing was written.

    The answer has no Retry-After: waiting adds no credits.
    """

    code = "insufficient_credits"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "This needs {needed} credits; {available} are available."


class LedgerKeyReused(AppError):
    """A key of the ledger was reused for another posting; nothing was written."""

    code = "ledger_key_reused"
    status = HTTPStatus.CONFLICT
    message = "The key {key} was used for another posting."


class ReservationExhausted(AppError):
    """A capture asked for more than the reservation still holds; nothing was written."""

    code = "reservation_exhausted"
    status = HTTPStatus.CONFLICT
    message = "The reservation holds {left} credits; {needed} were requested."


class TooEarly(AppError):
    """The posting that this refers to does not exist yet: keep it and retry later."""


class NotGranted(TooEarly):
    """A refund came before its grant; nothing was written."""

    code = "not_granted"
    status = HTTPStatus.CONFLICT
    message = "Nothing was granted for {source} yet."


class NotRefunded(TooEarly):
    """The refund to reverse was not posted; nothing was written."""

    code = "not_refunded"
    status = HTTPStatus.CONFLICT
    message = "There is no such refund of {source} yet."


class NotRefundable(AppError):
    """Only purchases can be refunded; nothing was written."""

    code = "not_refundable"
    status = HTTPStatus.CONFLICT
    message = (
        "{source} was not bought, so it can't be refunded. Adjust the wallet instead."
    )


class LedgerBroken(AppError):
    """The entries of a wallet don't add up, so the wallet can't be rebuilt."""

    code = "ledger_broken"
    status = HTTPStatus.CONFLICT
    message = "The entries of {wallet} don't add up; nothing was changed."


class SecondOperatorNeeded(AppError):
    """The operator who made a request may not approve it; nothing was written."""

    code = "second_operator_needed"
    status = HTTPStatus.FORBIDDEN
    message = "You made this request, so another operator must decide."


class RequestDecided(AppError):
    """Another operator has already decided the request; nothing was written."""

    code = "request_decided"
    status = HTTPStatus.CONFLICT
    message = "This request was already {status}."


class SubscriptionInStore(AppError):
    """A store bills the plan, and would undo a change made here."""

    code = "subscription_in_store"
    status = HTTPStatus.CONFLICT
    message = "This plan is billed by {store}. Change or cancel it there."


class SubscriptionElsewhere(AppError):
    """A store's subscription belongs to another workspace; nothing was written."""

    code = "subscription_elsewhere"
    status = HTTPStatus.CONFLICT
    message = "The subscription {external_id} belongs to another workspace."


class TokenLimitReached(AppError):
    """The monthly credit limit of the token, or of one that made it, is reached.

    The answer has no Retry-After: a month is too long to wait.
    """

    code = "token_limit_reached"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = (
        "This needs {needed} credits; {available} are left of the token's monthly"
        " limit of {limit}."
    )


class InvalidPromoCode(AppError):
    """The code does not exist or is disabled. The answer is the same for both."""

    code = "invalid_promo_code"
    message = "This promo code is not valid."


class PromoCodeInSandbox(AppError):
    """Promo codes grant production credits only."""

    code = "promo_code_in_sandbox"
    status = HTTPStatus.FORBIDDEN
    message = "Promo codes can only be redeemed in production."


class PromoCodeRedeemed(AppError):
    """The user or the workspace has already redeemed this code."""

    code = "promo_code_redeemed"
    status = HTTPStatus.CONFLICT
    message = "You or this workspace have already redeemed this code."


class PromoCodeExpired(AppError):
    """The code has expired."""

    code = "promo_code_expired"
    status = HTTPStatus.CONFLICT
    message = "This promo code has expired."


class PromoCodeUsedUp(AppError):
    """The code has reached its maximum number of uses."""

    code = "promo_code_used_up"
    status = HTTPStatus.CONFLICT
    message = "This promo code has been used up."


class GatewayOff(AppError):
    """The gateway is unknown, or its keys are not set."""

    code = "gateway_off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "Payments by {gateway} are switched off."


class GatewayFailed(AppError):
    """A gateway did not answer, or not as it documents; the call can be repeated.

    `detail` names the kind of failure for our logs; it never quotes what was sent.
    """

    code = "gateway_failed"
    status = HTTPStatus.BAD_GATEWAY
    message = "The payment service does not answer. Nothing was charged; try again."

    def __init__(self, detail: str = "") -> None:
        super().__init__()
        self.detail = detail


class WeakCustomerId(InvalidToken):
    """The ID of a mobile customer could be guessed, so it is no credential."""

    code = "weak_customer_id"
    message = "This customer ID is too easy to guess."


class NoSubscription(AppError):
    """A mobile customer is unknown here, and its store can't be asked about it now."""

    code = "no_subscription"
    status = HTTPStatus.FORBIDDEN
    message = "Your purchases can't be verified at the moment. Try again in a minute."


class InvalidSignature(AppError):
    """The signature or the authorization of a callback is wrong; nothing was stored."""

    code = "invalid_signature"
    status = HTTPStatus.UNAUTHORIZED
    message = "The signature is not valid."


class MalformedCallback(AppError):
    """A signed callback is not what the gateway documents; nothing was stored."""

    code = "malformed_callback"
    message = "The callback can't be read."


class UnknownProduct(AppError):
    """There is no plan or pack on sale with this key."""

    code = "unknown_product"
    message = "{product} is not on sale."


class NotSoldThere(AppError):
    """The gateway does not sell the product."""

    code = "not_sold_there"
    status = HTTPStatus.CONFLICT
    message = "{product} can't be paid for by {gateway}."


class NotReportedYet(TooEarly):
    """A payment or a subscription that a fact refers to was not reported yet."""

    code = "not_reported_yet"
    status = HTTPStatus.CONFLICT
    message = "{subject} was not reported yet."


class NotRefundableNow(AppError):
    """The order is not paid, or less of it is left; nothing was written."""

    code = "not_refundable_now"
    status = HTTPStatus.CONFLICT
    message = "{left} {currency}, in minor units, are left to pay back."


class NothingToReview(AppError):
    """The order does not wait for an operator, or can't be accepted as it is."""

    code = "nothing_to_review"
    status = HTTPStatus.CONFLICT
    message = "The order {order} does not wait for that."


class ProductionOnly(AppError):
    """Only the production wallet can have this."""

    code = "production_only"
    status = HTTPStatus.FORBIDDEN
    message = "This is for production only."


class NotBoughtYet(AppError):
    """The workspace has not paid by card yet, so there is no portal."""

    code = "not_bought_yet"
    status = HTTPStatus.CONFLICT
    message = "There is nothing to manage yet: nothing was bought by card."
