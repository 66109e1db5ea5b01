"""Who operators are."""

from accounts.models import User


def is_operator(user: User) -> bool:
    """Whether `user` is an operator who is not suspended."""
    return user.is_staff and user.is_active and not user.is_blocked
