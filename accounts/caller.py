"""The caller of a request: workspace, environment, user, token and role."""

from dataclasses import dataclass
from enum import StrEnum

from rest_framework.request import Request

from accounts.errors import AuthenticationRequired, NotAllowed
from accounts.models import ApiToken, User, Workspace
from kit.requests import client_network


class Environment(StrEnum):
    """The environment of a request; each workspace has a wallet in both."""

    PRODUCTION = "PRODUCTION"
    SANDBOX = "SANDBOX"


class Role(StrEnum):
    """The role of a caller in the product as a whole, not in a workspace."""

    GUEST = "guest"
    USER = "user"
    PAID = "paid"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller, or a guest."""

    workspace: Workspace
    environment: Environment = Environment.PRODUCTION
    user: User | None = None  # None: a guest, or the operators' key; see `person`
    token: ApiToken | None = None
    address: str = ""  # the client's IP address
    member_role: str = ""  # the user's role in the workspace: a Membership.Role

    @property
    def person(self) -> User:
        """Return the user, authenticated by cookie or by token.

        Raises:
            AuthenticationRequired: the caller is a guest.
            NotAllowed: the caller uses the operators' key, which belongs to no user.
        """
        if self.is_guest:
            raise AuthenticationRequired
        if self.user is None:
            raise NotAllowed
        return self.user

    @property
    def is_guest(self) -> bool:
        """Whether the caller is not authenticated."""
        return self.workspace.kind == Workspace.Kind.GUESTS

    @property
    def is_operator(self) -> bool:
        """Whether the caller uses the operators' key: all providers, no cost, no limits."""
        return self.workspace.kind == Workspace.Kind.OPERATORS

    @property
    def role(self) -> Role:
        """Return the caller's role in the product as a whole."""
        if self.is_guest:
            return Role.GUEST
        if self.is_operator or (self.user and self.user.is_staff):
            return Role.ADMIN
        if self.workspace.tier == Workspace.Tier.PAID:
            return Role.PAID
        return Role.USER

    @property
    def subject(self) -> str:
        """Return the name under which limits and idempotency keys are counted.

        Guests share one workspace, so their name is their network.
        """
        if self.is_guest:
            return f"guest:{client_network(self.address)}"
        return str(self.workspace.pk)


def caller_of(request: Request) -> Caller:
    """Return the caller of `request`, as it was authenticated."""
    caller = request.auth
    assert isinstance(caller, Caller)
    return caller
