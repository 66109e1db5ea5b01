"""Who is asking: all that the rules need to know about a request's origin."""

from dataclasses import dataclass
from enum import StrEnum

from accounts.models import ApiToken, User, Workspace


class Environment(StrEnum):
    """Which wallet is meant; sandbox money buys nothing in production."""

    PRODUCTION = "PRODUCTION"
    SANDBOX = "SANDBOX"


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's origin; by the time it exists, the door has been passed."""

    workspace: Workspace
    environment: Environment = Environment.PRODUCTION
    user: User | None = None  # None: a guest, or the operators' key
    token: ApiToken | None = None
    address: str = ""  # of the client, textual

    @property
    def is_guest(self) -> bool:
        """Whether nobody vouched for this caller."""
        return self.workspace.kind == Workspace.Kind.GUESTS

    @property
    def is_operator(self) -> bool:
        """Whether this is the operators' key: every provider, no cost, no limits."""
        return self.workspace.kind == Workspace.Kind.OPERATORS
