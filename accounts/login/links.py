"""Login links: signed links that log one user in, once."""

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
    """Return the secret of a new link for `user`; their next login invalidates it."""
    return signing.dumps([str(user.pk), _last_login(user)], salt=_SALT)


def check(secret: str) -> User:
    """Return the user of the link without using it up.

    Raises:
        InvalidLink: it was used, has expired, or was not signed by us.
        Blocked: the user is blocked.
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
    """Use up the link and return the user to log in; of concurrent calls, one succeeds.

    Raises:
        InvalidLink: it was used, has expired, or was not signed by us.
        Blocked: the user is blocked.
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
