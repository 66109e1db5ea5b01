"""Set up and verify operators' second factor: authenticator app (TOTP) or recovery codes.

`accounts.models.second_factor` has both kinds of device. Seeds are encrypted and bound to
their user; recovery codes are stored as HMACs. A code works once. After each wrong code the
wait for the next try doubles, so six digits are enough. A new app replaces the old one with
its first code, not earlier, so a setup that is not finished changes nothing.
"""

import base64
from datetime import timedelta
from typing import TypeVar
from urllib.parse import quote, urlencode

import django_otp
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import sessions
from accounts.errors import InvalidSecondFactor, NotASecondFactor, TooManyCodes
from accounts.login.spelling import plain
from accounts.models import User
from accounts.models.second_factor import (
    Authenticator,
    OperatorDevice,
    RecoveryDevice,
    is_app_code,
    is_recovery_code,
)
from kit.db.transactions import needs_transaction
from kit.mail import outbox
from kit.rotation import EncryptedColumn

D = TypeVar("D", bound=OperatorDevice)

_ISSUER = "Ozvena"
_ENROLLMENT = "accounts.enrollment"  # salt of the links
_ENROLLED_WITHIN = timedelta(days=1)
_ENROLLS = "enrolls"  # key in the session: the id of the app that may be confirmed


def begin(user: User) -> Authenticator:
    """Create an unconfirmed authenticator for `user`; a confirmed one stays valid."""
    new = Authenticator(user=user)
    new.renew_seed()
    device: Authenticator
    device, _ = Authenticator.objects.update_or_create(
        user=user,
        confirmed=False,
        defaults={"name": "authenticator app", "encrypted_seed": new.encrypted_seed},
    )
    return device


def get_or_begin(user: User) -> Authenticator:
    """Return the unconfirmed authenticator of `user`; create one if there is none."""
    return pending(user) or begin(user)


def pending(user: User) -> Authenticator | None:
    """Return the unconfirmed authenticator of `user`; None if there is none."""
    return Authenticator.objects.filter(user=user, confirmed=False).first()


def discard_pending(user: User) -> None:
    """Delete the unconfirmed authenticator; a confirmed one stays valid."""
    Authenticator.objects.filter(user=user, confirmed=False).delete()


def enrollment_link(user: User) -> str:
    """Return the path of a page at which `user` can set up the first app, for a day.

    A mailbox alone is not enough for that: a superuser hands the link to the operator by
    another way. It works once, and only for a login of `user`.
    """
    code = signing.dumps([str(user.pk), get_or_begin(user).pk], salt=_ENROLLMENT)
    return f"{reverse('second-factor-set-up')}?{urlencode({'code': code})}"


def may_enroll(request: HttpRequest, user: User) -> bool:
    """Return whether `user` may set up the first app in this browser.

    That takes more than a mailbox: a link by `enrollment_link`, or a login by a link of
    `manage.py login_link`. In development a login is enough.
    """
    if settings.DEVELOPMENT or sessions.is_by_link(request):
        return True
    device = pending(user)
    if device is None:
        return False
    try:
        sent = signing.loads(
            request.GET.get("code", ""), salt=_ENROLLMENT, max_age=_ENROLLED_WITHIN
        )
    except signing.BadSignature:
        sent = None
    if sent == [str(user.pk), device.pk]:
        request.session[_ENROLLS] = device.pk
    return bool(request.session.get(_ENROLLS) == device.pk)


def secret_text(device: Authenticator) -> str:
    """Return the seed in Base32, as users type it into an app."""
    return base64.b32encode(device.seed).decode()


def uri(device: Authenticator) -> str:
    """Return the otpauth URI with the seed, for the QR code (Key Uri Format)."""
    label = f"{_ISSUER}:{quote(device.user.email)}"
    query = urlencode(
        {
            "secret": secret_text(device),
            "issuer": _ISSUER,
            "algorithm": "SHA1",
            "digits": 6,
            "period": 30,
        }
    )
    return f"otpauth://totp/{label}?{query}"


def is_set_up(user: User) -> bool:
    """Return whether `user` has a confirmed authenticator."""
    return Authenticator.objects.filter(user=user, confirmed=True).exists()


def confirm(request: HttpRequest, user: User, code: str) -> list[str]:
    """Confirm the new authenticator by its first code; return new recovery codes.

    The login of the request becomes verified. The recovery codes are shown once.

    Raises:
        NotASecondFactor: it can't be a code of an app; this counts as no try.
        InvalidSecondFactor: it is not the app's present code.
        TooManyCodes: wrong ones came before; it was not looked at.
    """
    code = plain(code)
    if not is_app_code(code):
        raise NotASecondFactor
    with transaction.atomic(durable=True):
        _lock(user)
        device = _verify(user, Authenticator, code, is_confirmed=False)
        codes = _activate(device) if device else []
    if device is None:
        raise InvalidSecondFactor
    sessions.mark_verified(request, device)
    return codes


@transaction.atomic
def confirm_without_code(user: User) -> list[str]:
    """Confirm the new authenticator without a code; return new recovery codes."""
    _lock(user)
    return _activate(Authenticator.objects.get(user=user, confirmed=False))


def verify(request: HttpRequest, user: User, code: str) -> None:
    """Verify the login of the request by an app's code or a recovery code.

    Raises:
        NotASecondFactor: `code` can be neither kind; this counts as no try.
        InvalidSecondFactor: `code` is neither the app's present one nor a recovery code.
        TooManyCodes: wrong ones of its kind came before; it was not looked at.
    """
    code = plain(code)
    if not (is_app_code(code) or is_recovery_code(code)):
        raise NotASecondFactor
    kind = Authenticator if is_app_code(code) else RecoveryDevice
    with transaction.atomic(durable=True):
        _lock(user)
        device = _verify(user, kind, code, is_confirmed=True)
    if device is None:
        raise InvalidSecondFactor
    sessions.mark_verified(request, device)


def is_verified(user: User | AnonymousUser) -> bool:
    """Return whether the login of a request's user has passed the second factor.

    django-otp's middleware adds the method to users of sessions, not to those of tokens.
    """
    check = getattr(user, "is_verified", None)
    return bool(check and check())


@transaction.atomic
def remove(user: User) -> None:
    """Delete the authenticator and the recovery codes, so that new ones can be set up."""
    _lock(user)
    Authenticator.objects.filter(user=user).delete()
    RecoveryDevice.objects.filter(user=user).delete()


@needs_transaction
def notify_removal(user: User) -> None:
    """Notify an operator by mail that another operator removed their second factor."""
    outbox.post(
        user.email,
        "Your second factor at Ozvena was removed",
        render_to_string("accounts/mail/second_factor_removed.txt"),
    )


def _lock(user: User) -> None:
    """Lock `user`, so that changes of their devices run one after the other.

    They change several rows in different orders, and would deadlock otherwise.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _verify(user: User, kind: type[D], code: str, *, is_confirmed: bool) -> D | None:
    """Verify a code and return its device; None if it is wrong, which is counted."""
    device: D | None = kind.objects.filter(user=user, confirmed=is_confirmed).first()
    if device is None:
        return None
    is_allowed, why = device.verify_is_allowed()
    if why and not is_allowed:
        left = why["locked_until"] - timezone.now()
        raise TooManyCodes(retry_after=int(left.total_seconds()) + 1)
    verified: D | None = django_otp.verify_token(user, device.persistent_id, code)
    return verified


def _activate(device: Authenticator) -> list[str]:
    """Put an authenticator in the place of the one before; return new recovery codes.

    The old devices are deleted, so logins that were verified by them are not any more.
    """
    user = device.user
    Authenticator.objects.filter(user=user, confirmed=True).delete()
    RecoveryDevice.objects.filter(user=user).delete()
    device.confirmed = True
    device.save()
    outbox.post(
        user.email,
        "Your second factor at Ozvena was set up",
        render_to_string("accounts/mail/second_factor.txt"),
    )
    recovery = RecoveryDevice(user=user, name="recovery codes")
    recovery.save()
    return recovery.new_codes()


ENCRYPTED_COLUMNS = [
    EncryptedColumn(Authenticator, "encrypted_seed", lambda device: device.context)
]
