"""Errors of the catalogue and of workspaces' own provider keys."""

from http import HTTPStatus

from kit.errors import AppError


class UnknownProvider(AppError):
    """No available provider has that name."""

    code = "unknown_provider"
    message = "There is no provider {provider!r}. GET /api/v1/providers lists them."


class UnknownVoice(AppError):
    """No available voice has that name."""

    code = "unknown_voice"
    message = "There is no voice {voice!r}. GET /api/v1/voices lists them."


class OwnKeyNotTaken(AppError):
    """The provider accepts no own keys: it needs none, or operators run it."""

    code = "own_key_not_taken"
    message = "{provider} can't be used with your own key."


class InvalidProviderKey(AppError):
    """The provider rejected a key that a customer wanted to save."""

    code = "invalid_provider_key"
    message = "{provider} rejected this key. Nothing was saved."


class KeyNotChecked(AppError):
    """The provider doesn't answer, so the key can't be checked."""

    code = "provider_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = (
        "{provider} is not answering, so the key could not be checked. Nothing was saved."
        " Try again later."
    )


class OwnKeyRefused(AppError):
    """The provider rejects a saved key that it accepted before."""

    code = "own_key_refused"
    status = HTTPStatus.CONFLICT
    message = (
        "{provider} rejects your own key. Replace it, or remove it to pay with credits."
    )


class OwnKeySuspended(AppError):
    """The provider's address has changed since the workspace's own key was entered."""

    code = "own_key_suspended"
    status = HTTPStatus.CONFLICT
    message = (
        "The address of {provider} has changed, so your own key is not sent there. Enter"
        " it again, or remove it to pay with credits."
    )


class OwnKeyMissing(AppError):
    """The workspace's own key was removed before the scene was spoken."""

    code = "own_key_missing"
    status = HTTPStatus.CONFLICT
    message = "Your own key for {provider} was removed. Nothing was charged."
