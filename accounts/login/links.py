"""Links that log one person in, once."""

import datetime

from django.core import signing
from django.db import transaction
from django.utils import timezone

from accounts.errors import Blocked, InvalidLink
from accounts.models import User
from accounts.people import closing

VALID_FOR = datetime.timedelta(minutes=15)
_SALT = "accounts.login.links"


def make(user: User) -> str:
    """Return the secret of a new link for `user`; it ends with their next login."""
    return signing.dumps([str(user.pk), _last_login(user)], salt=_SALT)


def check(secret: str) -> User:
    """Return whom the link is for, and leave it good.

    Raises:
        InvalidLink: it was used, is too old, or was not made here.
        Blocked: the person may not log in.
    """
    try:
        pk, last_login = signing.loads(secret, salt=_SALT, max_age=VALID_FOR)
    except signing.BadSignature as error:
        raise InvalidLink from error
    user = User.objects.filter(pk=pk).first()
    if (
        user is None
        or _last_login(user) != last_login
        or closing.is_gone(user.closed_at)
    ):
        raise InvalidLink
    if user.is_blocked or not user.is_active:
        raise Blocked
    return user


def redeem(secret: str) -> User:
    """Return whom to log in, and spend the link; of several who race, one is let in.

    Raises:
        InvalidLink: it was used, is too old, or was not made here.
        Blocked: the person may not log in.
    """
    user = check(secret)
    with transaction.atomic():
        spent = User.objects.filter(pk=user.pk, last_login=user.last_login).update(
            last_login=timezone.now()
        )
        if not spent:
            raise InvalidLink
        closing.reopen(user)
    return user


def _last_login(user: User) -> str:
    return user.last_login.isoformat() if user.last_login else ""
