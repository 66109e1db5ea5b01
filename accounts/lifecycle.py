"""Telling the apps above about what happens to a workspace.

Each module of `settings.LIFECYCLE` has the functions below under the same names. They run
in the caller's transaction, so what they refuse is refused as a whole.
"""

from importlib import import_module

from django.conf import settings

from accounts.models import User, Workspace


def opened(workspace: Workspace, user: User | None = None) -> None:
    """Tell of a new workspace: wallets are made, and `user` is given the sign-up grant.

    `user` is None for a workspace with which no grant comes.
    """
    for module in settings.LIFECYCLE:
        import_module(module).opened(workspace, user)


def blocked(workspace: Workspace) -> None:
    """Tell that a workspace, or one of its members, was suspended: work is canceled."""
    for module in settings.LIFECYCLE:
        import_module(module).blocked(workspace)
