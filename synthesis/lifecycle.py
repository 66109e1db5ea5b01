"""Told by accounts when a workspace opens."""

from accounts.models import User, Workspace


def opened(workspace: Workspace, user: User | None = None) -> None:
    """Do nothing yet."""
