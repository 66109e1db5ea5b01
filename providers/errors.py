"""What the catalogue refuses."""

from kit.errors import AppError


class UnknownProvider(AppError):
    """No provider of that name is on offer."""

    code = "unknown_provider"
    message = "There is no provider {provider!r}. GET /api/v1/providers lists them."


class UnknownVoice(AppError):
    """No voice of that name is on offer."""

    code = "unknown_voice"
    message = "There is no voice {voice!r}. GET /api/v1/voices lists them."
