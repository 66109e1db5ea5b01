"""Who is asking: all that the rules need to know about a request's origin."""

from dataclasses import dataclass
from enum import StrEnum

from rest_framework.request import Request

from accounts.errors import AuthenticationRequired, NotAllowed
from accounts.models import ApiToken, User, Workspace
from kit.requests import client_network


class Environment(StrEnum):
    """Which wallet is meant; sandbox money buys nothing in production."""

    PRODUCTION = "PRODUCTION"
    SANDBOX = "SANDBOX"


class Role(StrEnum):
    """What somebody is to the product as a whole."""

    GUEST = "guest"
    USER = "user"
    PAID = "paid"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's origin; by the time it exists, the door has been passed."""

    workspace: Workspace
    environment: Environment = Environment.PRODUCTION
    user: User | None = None  # None: a guest, or the operators' key; see `person`
    token: ApiToken | None = None
    address: str = ""  # of the client, textual
    member_role: str = ""  # of the user in the workspace: a Membership.Role

    @property
    def person(self) -> User:
        """Return the user who asks, by cookie or by token.

        Raises:
            AuthenticationRequired: it is a guest.
            NotAllowed: it is the operators' key.
        """
        if self.is_guest:
            raise AuthenticationRequired
        if self.user is None:
            raise NotAllowed
        return self.user

    @property
    def is_guest(self) -> bool:
        """Whether nobody vouched for this caller."""
        return self.workspace.kind == Workspace.Kind.GUESTS

    @property
    def is_operator(self) -> bool:
        """Whether this is the operators' key: every provider, no cost, no limits."""
        return self.workspace.kind == Workspace.Kind.OPERATORS

    @property
    def role(self) -> Role:
        """What this caller is to the product as a whole."""
        if self.is_guest:
            return Role.GUEST
        if self.is_operator or (self.user and self.user.is_staff):
            return Role.ADMIN
        if self.workspace.tier == Workspace.Tier.PAID:
            return Role.PAID
        return Role.USER

    @property
    def subject(self) -> str:
        """Name whose limits and repeated requests are counted together.

        Guests share a workspace, so they are told apart by their network.
        """
        if self.is_guest:
            return f"guest:{client_network(self.address)}"
        return str(self.workspace.pk)


def caller_of(request: Request) -> Caller:
    """Return who sent `request`, as `TwoDoors` found out."""
    caller = request.auth
    assert isinstance(caller, Caller)
    return caller
