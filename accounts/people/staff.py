"""Tell operators from other users."""

from accounts.models import User


def is_operator(user: User) -> bool:
    """Return whether `user` is an active operator who is not blocked."""
    return user.is_staff and user.is_active and not user.is_blocked
