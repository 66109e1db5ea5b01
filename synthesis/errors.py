"""Errors of synthesis that users see, with their codes."""

from http import HTTPStatus

from kit.errors import AppError, Invalid

INTERNAL_ERROR = "internal_error"
"""The error code of a scene that failed because of a bug of ours."""
PROVIDER_CEILING = "provider_ceiling"
PROVIDER_UNAVAILABLE = "provider_unavailable"


class EmptyText(AppError):
    """The text is empty, or holds nothing that the voice can say."""

    code = "empty_text"
    message = "There is no text to speak."


class InvalidOption(Invalid):
    """The voice has no such option, or the value is not allowed; `fields` says why."""

    code = "invalid_option"
    message = "Some options are not valid."


class TextTooLong(AppError):
    """The text is longer than this endpoint takes from this caller."""

    code = "text_too_long"
    message = "At most {limit} characters are allowed; you sent {characters}. {hint}"


class EndlessCharacter(AppError):
    """One character has more combining marks than a call to any provider takes."""

    code = "endless_character"
    message = (
        "The text has a character with more than {limit} combining marks, which no voice"
        " can say. Please remove it. Nothing was charged."
    )


class TooManyScenes(TextTooLong):
    """The job has too many scenes."""

    message = "A job can have at most {limit} scenes."


class GuestProvider(AppError):
    """The voice needs an account, and the caller is a guest."""

    code = "guest_provider"
    status = HTTPStatus.FORBIDDEN
    message = "This voice needs an account. Sign up, or use a built-in voice."


class GuestOption(AppError):
    """The option needs an account, and the caller is a guest."""

    code = "guest_option"
    status = HTTPStatus.FORBIDDEN
    message = "Sign up to use {option}."


class GuestLimit(AppError):
    """The guest has used all free tries of today."""

    code = "guest_limit"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "Your network has used today's free tries. Sign up to continue."


class SandboxProvider(AppError):
    """The voice is not available in the sandbox.

    Sandbox credits pay for built-in voices only. Own keys work in the sandbox too.
    """

    code = "sandbox_provider"
    status = HTTPStatus.FORBIDDEN
    message = (
        "In the sandbox you can use the built-in voices, and others with your own keys."
    )


class PriceChanged(AppError):
    """The price is higher than the customer's `max_cost`."""

    code = "price_changed"
    status = HTTPStatus.CONFLICT
    message = "This costs {cost} credits, more than the {max_cost} that you allowed."


class JobNotCancelable(AppError):
    """The job has ended, so it can't be canceled."""

    code = "job_not_cancelable"
    status = HTTPStatus.CONFLICT
    message = "This job is {status}; there is nothing to cancel."


class JobFinished(AppError):
    """The job has ended, so it can't be paused or resumed."""

    code = "job_finished"
    status = HTTPStatus.CONFLICT
    message = "This job is {status}; only a running job can be paused or resumed."


class JobCanceled(AppError):
    """The job was canceled, so it can't be retried or changed."""

    code = "job_canceled"
    status = HTTPStatus.CONFLICT
    message = "This job was canceled."


class NothingToRetry(AppError):
    """No scene of the job has failed."""

    code = "nothing_to_retry"
    status = HTTPStatus.CONFLICT
    message = "No scene of this job has failed."


class SceneBusy(AppError):
    """The scene is queued or being spoken, so it can't be changed now."""

    code = "scene_busy"
    status = HTTPStatus.CONFLICT
    message = "This scene is still being spoken. Try again when it is done."


class NotReady(AppError):
    """The file does not exist yet, since the text is not spoken."""

    code = "not_ready"
    status = HTTPStatus.CONFLICT
    message = "This file is not ready yet."


class Expired(AppError):
    """The file was deleted after its retention time."""

    code = "expired"
    status = HTTPStatus.GONE
    message = "The retention time of this audio is over, and it was deleted."


class ProviderFailed(AppError):
    """The provider failed with an error that a retry would not solve."""

    code = "provider_failed"
    status = HTTPStatus.BAD_GATEWAY
    message = "The voice could not speak this. Nothing was charged."


class ProviderUnavailable(AppError):
    """The provider does not answer, or is at its limit of concurrent calls."""

    code = PROVIDER_UNAVAILABLE
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The voice is not available right now. Nothing was charged."


class ProviderCeiling(AppError):
    """The operators' daily spending limit for the provider is reached."""

    code = PROVIDER_CEILING
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The daily limit of {provider} is reached. Try again tomorrow (UTC)."


class FallbackDearer(AppError):
    """A fallback voice costs more than the voice that it would replace."""

    code = "fallback_dearer"
    message = "The fallback voice {voice} costs more than the voice of a scene."
