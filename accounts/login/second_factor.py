"""The second factor of operators: an authenticator app (TOTP), or a recovery code.

`accounts.models.second_factor` has the two kinds of device. Seeds are encrypted, bound to
their owner; recovery codes are kept as HMAC. A code works once. Wrong ones make the next
wait, twice as long each time, so that six digits are enough. Another app takes the place
of the one before with its first code, and not earlier: who leaves in between has lost
nothing.
"""

import base64
from typing import TypeVar
from urllib.parse import quote, urlencode

import django_otp
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts import sessions
from accounts.errors import InvalidSecondFactor, NotASecondFactor, TooManyCodes
from accounts.login.spelling import plain
from accounts.models import User
from accounts.models.second_factor import (
    Authenticator,
    OperatorDevice,
    RecoveryDevice,
    is_for_recovery,
    is_of_app,
)
from kit.db.transactions import needs_transaction
from kit.mail import outbox
from kit.rotation import EncryptedColumn

D = TypeVar("D", bound=OperatorDevice)

_ISSUER = "Ozvena"


def begin(user: User) -> Authenticator:
    """Give `user` an authenticator that waits for its first code; the old one stays."""
    new = Authenticator(user=user)
    new.renew_seed()
    device: Authenticator
    device, _ = Authenticator.objects.update_or_create(
        user=user,
        confirmed=False,
        defaults={"name": "authenticator app", "sealed_seed": new.sealed_seed},
    )
    return device


def draft(user: User) -> Authenticator:
    """Return the authenticator that waits for its first code; begin one if need be."""
    return pending(user) or begin(user)


def pending(user: User) -> Authenticator | None:
    """Return the authenticator of `user` that waits for its first code."""
    return Authenticator.objects.filter(user=user, confirmed=False).first()


def keep(user: User) -> None:
    """Drop the authenticator that waits, and go on with the one before."""
    Authenticator.objects.filter(user=user, confirmed=False).delete()


def secret_text(device: Authenticator) -> str:
    """Return the seed as people type it into an app: in Base32."""
    return base64.b32encode(device.seed).decode()


def uri(device: Authenticator) -> str:
    """Return what a QR code carries of the seed (the Key Uri Format)."""
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
    """Return whether `user` has an authenticator that is confirmed."""
    return Authenticator.objects.filter(user=user, confirmed=True).exists()


def confirm(request: HttpRequest, user: User, code: str) -> list[str]:
    """Put the app that waits in force by its first code; the request's login is verified.

    Return new recovery codes, which are shown once.

    Raises:
        NotASecondFactor: it can't be a code of an app; this counts as no try.
        InvalidSecondFactor: it is not the app's present code.
        TooManyCodes: wrong ones came before; it was not looked at.
    """
    code = plain(code)
    if not is_of_app(code):
        raise NotASecondFactor
    with transaction.atomic(durable=True):
        _lock(user)
        device = _verify(user, Authenticator, code, is_confirmed=False)
        codes = _put_in_force(device) if device else []
    if device is None:
        raise InvalidSecondFactor
    sessions.note_verified(request, device)
    return codes


@transaction.atomic
def confirm_unseen(user: User) -> list[str]:
    """Put the app that waits in force without a code; return new recovery codes."""
    _lock(user)
    return _put_in_force(Authenticator.objects.get(user=user, confirmed=False))


def verify(request: HttpRequest, user: User, code: str) -> None:
    """Let the request's login into the back office by an app's code or a recovery code.

    Raises:
        NotASecondFactor: `code` can be neither kind; this counts as no try.
        InvalidSecondFactor: `code` is neither the app's present one nor a recovery code.
        TooManyCodes: wrong ones of its kind came before; it was not looked at.
    """
    code = plain(code)
    if not (is_of_app(code) or is_for_recovery(code)):
        raise NotASecondFactor
    kind = Authenticator if is_of_app(code) else RecoveryDevice
    with transaction.atomic(durable=True):
        _lock(user)
        device = _verify(user, kind, code, is_confirmed=True)
    if device is None:
        raise InvalidSecondFactor
    sessions.note_verified(request, device)


def is_verified(user: User | AnonymousUser) -> bool:
    """Return whether the login of a request's user has shown the second factor.

    The middleware adds the method to users of sessions; those of API tokens lack it.
    """
    check = getattr(user, "is_verified", None)
    return bool(check and check())


@transaction.atomic
def remove(user: User) -> None:
    """Remove the second factor, and the recovery codes: a new one can be set up."""
    _lock(user)
    Authenticator.objects.filter(user=user).delete()
    RecoveryDevice.objects.filter(user=user).delete()


@needs_transaction
def tell_of_removal(user: User) -> None:
    """Mail an operator that another one has removed theirs."""
    outbox.post(
        user.email,
        "Your second factor at Ozvena was removed",
        render_to_string("accounts/mail/second_factor_removed.txt"),
    )


def _lock(user: User) -> None:
    """Make other changes of the devices of `user` wait until the transaction ends.

    They change several rows, in different orders: without it some would end in a deadlock.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _verify(user: User, kind: type[D], code: str, *, is_confirmed: bool) -> D | None:
    """Spend a code at a device of `user`; None: it is wrong, and was counted."""
    device: D | None = kind.objects.filter(user=user, confirmed=is_confirmed).first()
    if device is None:
        return None
    is_allowed, why = device.verify_is_allowed()
    if why and not is_allowed:
        left = why["locked_until"] - timezone.now()
        raise TooManyCodes(retry_after=int(left.total_seconds()) + 1)
    verified: D | None = django_otp.verify_token(user, device.persistent_id, code)
    return verified


def _put_in_force(device: Authenticator) -> list[str]:
    """Put an authenticator in the place of the one before; return new recovery codes.

    The rows of the ones before go, and so do the logins that were verified by them.
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
    EncryptedColumn(Authenticator, "sealed_seed", lambda device: device.context)
]
