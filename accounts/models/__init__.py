"""Database models of accounts, one module per subject; import them from this package."""

from accounts.models.audit import AuditEntry
from accounts.models.choices import from_plan, one_of
from accounts.models.exports import Export
from accounts.models.logins import LoginChallenge, LoginSession
from accounts.models.second_factor import (
    Authenticator,
    OperatorDevice,
    RecoveryCode,
    RecoveryDevice,
    is_app_code,
)
from accounts.models.tokens import ApiToken
from accounts.models.users import User
from accounts.models.welcome import MailDomain, WelcomedPerson
from accounts.models.workspaces import (
    Invitation,
    Membership,
    StorageUsage,
    Workspace,
)

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Authenticator",
    "Export",
    "Invitation",
    "LoginChallenge",
    "LoginSession",
    "MailDomain",
    "Membership",
    "OperatorDevice",
    "RecoveryCode",
    "RecoveryDevice",
    "StorageUsage",
    "User",
    "WelcomedPerson",
    "Workspace",
    "from_plan",
    "is_app_code",
    "one_of",
]
