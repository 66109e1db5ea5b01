"""Errors of authentication and of the rules for users and workspaces."""

from collections.abc import Mapping
from http import HTTPStatus

from kit.errors import AppError, RateLimited


class _Unauthorized(AppError):
    status = HTTPStatus.UNAUTHORIZED

    @property
    def headers(self) -> Mapping[str, str]:
        """Return WWW-Authenticate with the accepted scheme (RFC 9110 §11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class AuthenticationRequired(_Unauthorized):
    """Guests may not do this: a login or an API token is required."""

    code = "authentication_required"
    message = "Log in, or send an API token."


class InvalidToken(_Unauthorized):
    """The API token is unknown, expired or revoked; callers can't tell which."""

    code = "invalid_token"
    message = "This token is not valid."


class Blocked(AppError):
    """An operator has blocked the user or the workspace."""

    code = "blocked"
    status = HTTPStatus.FORBIDDEN
    message = "This account is blocked."


class NotAllowed(AppError):
    """The caller is authenticated but has no permission to do this."""

    code = "permission_denied"
    status = HTTPStatus.FORBIDDEN
    message = "You are not allowed to do this."


class CSRFFailed(NotAllowed):
    """The request has a session cookie but no valid CSRF token."""

    message = "Send the value of the cookie csrftoken as the header X-CSRFToken."


class NotInSandbox(NotAllowed):
    """A token of the sandbox asked for something that production shares."""

    message = "A token of the sandbox can't do this: it concerns production too."


class InvalidEnvironment(AppError):
    """The environment is unknown, ambiguous, or not the token's."""

    code = "invalid_environment"
    message = "The environment must be PRODUCTION or SANDBOX, and match the token's."


class PreferencesTooLarge(AppError):
    """All preferences of a user together are larger than the limit."""

    code = "preferences_too_large"
    message = "Preferences can have at most {limit} bytes as JSON; these have {size}."


class InvalidLink(AppError):
    """The login link was used, has expired, or was not signed by us."""

    code = "invalid_link"
    message = "This link was already used or has expired."


class FreshLoginRequired(AppError):
    """The action requires a recent login; API tokens may not do it."""

    code = "fresh_login_required"
    status = HTTPStatus.FORBIDDEN
    message = "Log in again to do this. API tokens can't do it."


class InvalidCode(AppError):
    """The login code is wrong, expired, of another browser, or was tried too often."""

    code = "invalid_code"
    message = "This code is wrong or has expired. Ask for a new one."


class NotACode(InvalidCode):
    """What was typed can't be a login code; it was compared with none."""

    message = "A code has six digits."


class InvalidSecondFactor(AppError):
    """The code is neither the authenticator's current one nor an unused recovery code."""

    code = "invalid_second_factor"
    message = "This code is wrong or was already used."


class NotASecondFactor(InvalidSecondFactor):
    """What was typed can't be a code of the second factor; it was compared with none."""

    message = (
        "The app's codes have six digits, recovery codes sixteen letters and digits."
    )


class TooManyCodes(RateLimited):
    """There were wrong codes before, so the next try has to wait, longer each time."""

    message = "Too many wrong codes. Try again in {retry_after} seconds."


class TooManyWorkspaces(AppError):
    """The user owns the maximum number of workspaces without a plan."""

    code = "too_many_workspaces"
    status = HTTPStatus.CONFLICT
    message = "One person can own at most {limit} workspaces without a plan."


class PersonalWorkspace(AppError):
    """The action is not possible in a personal workspace, which has one member."""

    code = "personal_workspace"
    status = HTTPStatus.CONFLICT
    message = "A personal workspace is for one person. Create another one for a team."


class OwnerStays(AppError):
    """The owner can't leave or be removed; a workspace always has an owner."""

    code = "owner_stays"
    status = HTTPStatus.CONFLICT
    message = "The owner can't leave. Make another member the owner first."


class StorageLimit(AppError):
    """The files of the workspace have reached its limit."""

    code = "storage_limit"
    status = HTTPStatus.FORBIDDEN
    message = (
        "Your files fill the {limit} MB that your workspace can keep. Delete some jobs, or"
        " choose a larger plan."
    )


class AlreadyMember(AppError):
    """The invited user is a member of the workspace already."""

    code = "already_member"
    status = HTTPStatus.CONFLICT
    message = "This person is already a member."


class WorkspaceInUse(AppError):
    """The user owns a workspace with other members, so the account can't be closed."""

    code = "workspace_in_use"
    status = HTTPStatus.CONFLICT
    message = "Hand over or close these workspaces first: {names}."


class OperatorStays(AppError):
    """The account is an operator's; it can be closed after the operator role is removed."""

    code = "operator_stays"
    status = HTTPStatus.CONFLICT
    message = (
        "This is an operator's account. Another operator has to remove that role first."
    )
