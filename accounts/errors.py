"""What the two doors and the rules about people refuse."""

from collections.abc import Mapping
from http import HTTPStatus

from kit.errors import AppError, RateLimited


class _Unauthorized(AppError):
    status = HTTPStatus.UNAUTHORIZED

    @property
    def headers(self) -> Mapping[str, str]:
        """Name the scheme that would be accepted (RFC 9110 §11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class AuthenticationRequired(_Unauthorized):
    """Guests may not do this."""

    code = "authentication_required"
    message = "Log in, or send an API token."


class InvalidToken(_Unauthorized):
    """The Authorization header names nobody: unknown, expired and revoked look alike."""

    code = "invalid_token"
    message = "This token is not valid."


class Blocked(AppError):
    """An operator has suspended the person or the workspace."""

    code = "blocked"
    status = HTTPStatus.FORBIDDEN
    message = "This account is blocked."


class NotAllowed(AppError):
    """Known, but without the permission to do this."""

    code = "permission_denied"
    status = HTTPStatus.FORBIDDEN
    message = "You are not allowed to do this."


class CSRFFailed(NotAllowed):
    """A cookie came without the proof that our own page sent the request."""

    message = "Send the value of the cookie csrftoken as the header X-CSRFToken."


class InvalidEnvironment(AppError):
    """The environment is unknown, named twice differently, or not the token's."""

    code = "invalid_environment"
    message = "The environment is PRODUCTION or SANDBOX, and the one of the token."


class PreferencesTooLarge(AppError):
    """All preferences together are longer than we keep."""

    code = "preferences_too_large"
    message = "Preferences may have {limit} bytes as JSON; these have {size}."


class InvalidLink(AppError):
    """A login link that was used, is too old, or was never made here."""

    code = "invalid_link"
    message = "This link was used already, or is too old."


class FreshLoginRequired(AppError):
    """Only a person who has just logged in may do this; no token may."""

    code = "fresh_login_required"
    status = HTTPStatus.FORBIDDEN
    message = "Log in again to do this; API tokens can't."


class InvalidCode(AppError):
    """The code is wrong, too old, was asked for elsewhere, or has been tried too often."""

    code = "invalid_code"
    message = "This code is wrong or too old. Ask for a new one."


class NotACode(InvalidCode):
    """What was typed can't be a login code; it was compared with none."""

    message = "A code has six digits."


class InvalidSecondFactor(AppError):
    """The code is not the authenticator's present one, nor an unused recovery code."""

    code = "invalid_second_factor"
    message = "This code is wrong, or was used already."


class NotASecondFactor(InvalidSecondFactor):
    """What was typed can't be a code of the second factor; it was compared with none."""

    message = (
        "The app's codes have six digits, recovery codes sixteen letters and digits."
    )


class TooManyCodes(RateLimited):
    """After wrong codes, the next one has to wait, longer each time."""

    message = "Too many wrong codes. Try again in {retry_after} seconds."


class TooManyWorkspaces(AppError):
    """A person owns as many workspaces without a plan as one can have."""

    code = "too_many_workspaces"
    status = HTTPStatus.CONFLICT
    message = "One person can own {limit} workspaces without a plan."


class PersonalWorkspace(AppError):
    """A personal workspace has one member for ever."""

    code = "personal_workspace"
    status = HTTPStatus.CONFLICT
    message = "A personal workspace is for one person. Make another one for a team."


class OwnerStays(AppError):
    """Each workspace has an owner; ownership is handed over, not given up."""

    code = "owner_stays"
    status = HTTPStatus.CONFLICT
    message = "The owner can leave after somebody else has become owner."


class AlreadyMember(AppError):
    """Whoever is invited is in the workspace."""

    code = "already_member"
    status = HTTPStatus.CONFLICT
    message = "This person is a member already."


class WorkspaceInUse(AppError):
    """Others are in a workspace that would be closed with its owner's account."""

    code = "workspace_in_use"
    status = HTTPStatus.CONFLICT
    message = "Hand over these workspaces first, or close them: {names}."


class OperatorStays(AppError):
    """An operator's account holds up the back office; it ends as an operator's first."""

    code = "operator_stays"
    status = HTTPStatus.CONFLICT
    message = "This is an operator's account. Another operator has to end that first."
