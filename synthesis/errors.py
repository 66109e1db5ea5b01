"""What synthesis refuses."""

from http import HTTPStatus

from kit.errors import AppError, Invalid

INTERNAL_ERROR = "internal_error"
"""Why a scene failed when it was our own fault."""
PROVIDER_CEILING = "provider_ceiling"
PROVIDER_UNAVAILABLE = "provider_unavailable"


class EmptyText(AppError):
    """A scene has nothing but white space."""

    code = "empty_text"
    message = "There is no text to speak."


class InvalidOption(Invalid):
    """A voice takes no such option, or not with such a value; `fields` says why."""

    code = "invalid_option"
    message = "Some options are not valid."


class TextTooLong(AppError):
    """More text than this way of asking takes."""

    code = "text_too_long"
    message = "This takes at most {limit} characters; you sent {characters}. {hint}"


class EndlessCharacter(AppError):
    """A character with more marks on it than a call to any provider takes."""

    code = "endless_character"
    message = (
        "The text has a character with more than {limit} marks on it, which no voice can"
        " say. Remove it; nothing was charged."
    )


class TooManyScenes(AppError):
    """More scenes than a job may have."""

    code = "too_many_scenes"
    message = "A job takes at most {limit} scenes; you sent {scenes}."


class GuestProvider(AppError):
    """A visitor asked for a voice that needs an account."""

    code = "guest_provider"
    status = HTTPStatus.FORBIDDEN
    message = (
        "Without an account, only the built-in voices speak. Sign up to use others."
    )


class GuestOption(AppError):
    """A visitor asked for something that needs an account."""

    code = "guest_option"
    status = HTTPStatus.FORBIDDEN
    message = "Sign up to use {option}."


class GuestLimit(AppError):
    """A visitor has used today's tries."""

    code = "guest_limit"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "That was today's last free try from your network. Sign up to go on."


class SandboxProvider(AppError):
    """Sandbox credits buy the built-in voices only; own keys speak there too."""

    code = "sandbox_provider"
    status = HTTPStatus.FORBIDDEN
    message = "In the sandbox, only the built-in voices and keys of your own speak."


class PriceChanged(AppError):
    """The price is above what the customer agreed to."""

    code = "price_changed"
    status = HTTPStatus.CONFLICT
    message = "This costs {cost} credits, more than the {max_cost} that you allowed."


class JobNotCancelable(AppError):
    """The job has ended already."""

    code = "job_not_cancelable"
    status = HTTPStatus.CONFLICT
    message = "This job is {status}; there is nothing to cancel."


class JobFinished(AppError):
    """Only a running job can be paused or resumed."""

    code = "job_finished"
    status = HTTPStatus.CONFLICT
    message = "This job is {status}."


class JobCanceled(AppError):
    """A canceled job stays canceled."""

    code = "job_canceled"
    status = HTTPStatus.CONFLICT
    message = "This job was canceled."


class NothingToRetry(AppError):
    """No scene of the job has failed."""

    code = "nothing_to_retry"
    status = HTTPStatus.CONFLICT
    message = "No scene of this job has failed."


class SceneBusy(AppError):
    """The scene waits or is being spoken."""

    code = "scene_busy"
    status = HTTPStatus.CONFLICT
    message = "This scene is still being spoken. Try again when it is done."


class NotReady(AppError):
    """The file does not exist yet."""

    code = "not_ready"
    status = HTTPStatus.CONFLICT
    message = "This is not spoken yet."


class Expired(AppError):
    """The file was removed after its retention time."""

    code = "expired"
    status = HTTPStatus.GONE
    message = "This audio was kept for its retention time and is gone now."


class ProviderFailed(AppError):
    """The provider could not speak this; nothing was charged."""

    code = "provider_failed"
    status = HTTPStatus.BAD_GATEWAY
    message = "The voice could not speak this. Nothing was charged."


class ProviderUnavailable(AppError):
    """The provider does not answer, or has no room now; nothing was charged."""

    code = PROVIDER_UNAVAILABLE
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The voice is not available right now. Nothing was charged."


class ProviderCeiling(AppError):
    """The provider has cost the operators as much as they allow in a day."""

    code = PROVIDER_CEILING
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The voices of {provider} have spoken enough for today (UTC)."


class FallbackDearer(AppError):
    """A fallback voice costs more than the voice that it would stand in for."""

    code = "fallback_dearer"
    message = "The fallback voice {voice} costs more than a scene's own voice."
