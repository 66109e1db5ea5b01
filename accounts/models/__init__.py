"""The records of accounts, one module per subject; each is imported from here."""

from accounts.models.users import (
    ApiToken,
    AuditEntry,
    Export,
    Invitation,
    LoginChallenge,
    LoginSession,
    MailDomain,
    Membership,
    RecoveryCode,
    SecondFactor,
    User,
    WelcomedPerson,
    Workspace,
)

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Export",
    "Invitation",
    "LoginChallenge",
    "LoginSession",
    "MailDomain",
    "Membership",
    "RecoveryCode",
    "SecondFactor",
    "User",
    "WelcomedPerson",
    "Workspace",
]
