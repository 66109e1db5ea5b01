"""What the catalogue and the keys of workspaces refuse."""

from http import HTTPStatus

from kit.errors import AppError


class UnknownProvider(AppError):
    """No provider of that name is on offer."""

    code = "unknown_provider"
    message = "There is no provider {provider!r}. GET /api/v1/providers lists them."


class UnknownVoice(AppError):
    """No voice of that name is on offer."""

    code = "unknown_voice"
    message = "There is no voice {voice!r}. GET /api/v1/voices lists them."


class OwnKeyNotTaken(AppError):
    """The provider needs no key, or is a server of the operators'."""

    code = "own_key_not_taken"
    message = "{provider} takes no keys of workspaces."


class InvalidProviderKey(AppError):
    """The provider refuses the key."""

    code = "invalid_provider_key"
    message = "{provider} refuses this key. Nothing was saved."


class KeyNotChecked(AppError):
    """The provider doesn't answer, so nobody knows whether the key is good."""

    code = "provider_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = (
        "{provider} does not answer right now, so the key could not be checked. Nothing"
        " was saved; try again later."
    )


class OwnKeyRefused(AppError):
    """The workspace's own key was good once, and its provider refuses it now."""

    code = "own_key_refused"
    status = HTTPStatus.CONFLICT
    message = (
        "{provider} refuses your own key. Replace it, or remove it to pay with credits."
    )


class OwnKeyMissing(AppError):
    """The workspace's own key was removed before it could speak."""

    code = "own_key_missing"
    status = HTTPStatus.CONFLICT
    message = "Your own key for {provider} was removed. Nothing was charged."
