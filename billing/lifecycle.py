"""Told by accounts what happens to workspaces."""

from accounts.caller import Environment
from accounts.models import User, Workspace
from billing import ledger
from billing.models import Lot
from billing.wallets import wallet_of

SIGN_UP_CREDITS = 5_000
"""Given once to each person, in each environment."""


def opened(workspace: Workspace, user: User | None = None) -> None:
    """Open the workspace's wallets; with a `user` comes the sign-up grant.

    Needs the transaction in which the workspace is made.
    """
    for environment in Environment:
        wallet = wallet_of(workspace, environment)
        if user is not None:
            ledger.grant(
                wallet,
                SIGN_UP_CREDITS,
                key=f"signup:{user.pk}",
                kind=Lot.Kind.PROMO,
                source=f"signup:{user.pk}",
                reason="Sign-up",
            )


def blocked(workspace: Workspace) -> None:
    """Do nothing: what is reserved comes back as the work is canceled."""
