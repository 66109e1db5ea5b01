"""The second factor of operators: an authenticator app (TOTP), or a recovery code.

Seeds are encrypted, bound to their owner's row; recovery codes are kept as HMAC. A code
works once: the time step of the last one is kept. Wrong ones make the next wait, twice as
long each time, so that six digits are enough.
"""

import base64
import hmac
import secrets
import time
from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import logins
from accounts.errors import InvalidSecondFactor, TooManyCodes
from accounts.models import RecoveryCode, SecondFactor, User
from kit import outbox
from kit.rotation import Sealed
from kit.secrets import open_sealed, seal

VALID_FOR = timedelta(hours=12)
"""How long a login stays verified."""
_STEP = 30  # seconds, as authenticator apps have it
_DRIFT = 1  # steps that a phone's clock may be off
_SEED = 20  # bytes, as RFC 4226 §4 recommends
_CODES = 10
_LONGEST_REST = 900  # seconds
_VERIFIED_AT = "second_factor_at"  # in the session, Unix time


def begin(user: User) -> SecondFactor:
    """Return a second factor with a new seed, to be confirmed; the one before is gone."""
    factor, _ = SecondFactor.objects.update_or_create(
        user=user,
        defaults={
            "sealed_seed": seal(secrets.token_bytes(_SEED), context=_context(user.pk)),
            "confirmed_at": None,
            "last_step": 0,
            "failures": 0,
            "rests_until": None,
        },
    )
    return factor


def draft(user: User) -> SecondFactor:
    """Return the second factor that waits for its confirmation; make one if need be."""
    waiting = SecondFactor.objects.filter(user=user, confirmed_at=None).first()
    return waiting or begin(user)


def secret_text(factor: SecondFactor) -> str:
    """Return the seed as people type it into an app."""
    return base64.b32encode(_seed(factor)).decode()


def uri(factor: SecondFactor) -> str:
    """Return the address that a QR code carries (the Key Uri Format)."""
    return _totp(factor).get_provisioning_uri(factor.user.email, "Ozvena")


def is_set_up(user: User) -> bool:
    """Whether `user` has a second factor that is confirmed."""
    confirmed = SecondFactor.objects.filter(user=user)
    return confirmed.exclude(confirmed_at=None).exists()


def confirm(user: User, code: str) -> list[str]:
    """Take a first code from the app; return new recovery codes, which are shown once.

    Raises:
        InvalidSecondFactor: it is not the app's present code.
        TooManyCodes: wrong ones came before; it was not looked at.
    """
    _use(user, code, is_confirmed=False)
    return confirm_unseen(user)


@transaction.atomic
def confirm_unseen(user: User) -> list[str]:
    """Take the app's word for set up; return new recovery codes, which are shown once."""
    SecondFactor.objects.filter(user=user).update(confirmed_at=timezone.now())
    RecoveryCode.objects.filter(user=user).delete()
    codes = [_new_code() for _ in range(_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(user, code)) for code in codes
    )
    outbox.post(
        user.email,
        "Your second factor at Ozvena was set up",
        render_to_string("accounts/mail/second_factor.txt"),
    )
    return codes


def verify(request: HttpRequest, user: User, code: str) -> None:
    """Let the request's login into the back office.

    Raises:
        InvalidSecondFactor: `code` is neither the app's present one nor a recovery code.
        TooManyCodes: wrong ones came before; it was not looked at.
    """
    _use(user, code, is_confirmed=True)
    note_verified(request)


def note_verified(request: HttpRequest) -> None:
    """Write into the session that the second factor was shown."""
    request.session[_VERIFIED_AT] = int(time.time())
    logins.renew_key(request)


def is_verified(request: HttpRequest, user: User) -> bool:
    """Whether the login has shown the second factor that `user` has now."""
    at = request.session.get(_VERIFIED_AT, 0)
    if time.time() - at > VALID_FOR.total_seconds():
        return False
    confirmed = (
        SecondFactor.objects.filter(user=user).values_list("confirmed_at").first()
    )
    # One that was set up anew ends the logins that showed the one before.
    return bool(confirmed and confirmed[0] and int(confirmed[0].timestamp()) <= at)


@transaction.atomic
def remove(user: User) -> None:
    """Forget the second factor, and the recovery codes: a new one can be set up."""
    SecondFactor.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()


def _use(user: User, code: str, *, is_confirmed: bool) -> None:
    """Spend a code; wrong ones are counted, and stay counted."""
    code = "".join(code.split()).replace("-", "").lower()
    with transaction.atomic(durable=True):
        factor = (
            SecondFactor.objects.select_for_update()
            .filter(user=user, confirmed_at__isnull=not is_confirmed)
            .first()
        )
        if factor is None:
            raise InvalidSecondFactor
        if factor.rests_until and (left := factor.rests_until - timezone.now()) > (
            timedelta()
        ):
            raise TooManyCodes(retry_after=int(left.total_seconds()) + 1)
        step = _matching_step(factor, code)
        is_right = step is not None or (is_confirmed and _spend(user, code))
        if is_right:
            factor.failures, factor.rests_until = 0, None
            factor.last_step = step or factor.last_step
        else:
            factor.failures += 1
            rest = min(2 ** min(factor.failures, 20), _LONGEST_REST)
            factor.rests_until = timezone.now() + timedelta(seconds=rest)
        factor.save(update_fields=["failures", "rests_until", "last_step"])
    if not is_right:
        raise InvalidSecondFactor


def _matching_step(factor: SecondFactor, code: str) -> int | None:
    now = int(time.time()) // _STEP
    totp = _totp(factor)
    found = None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        expected = totp.generate(step * _STEP)
        is_equal = hmac.compare_digest(expected, code.encode())
        if is_equal and step > factor.last_step:
            found = step
    return found


def _spend(user: User, code: str) -> bool:
    codes = RecoveryCode.objects.filter(user=user, digest=_digest(user, code))
    return codes.delete()[0] > 0


def _new_code() -> str:
    """Return a recovery code of 80 bits."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _digest(user: User, code: str) -> str:
    return salted_hmac(
        "accounts.recovery", f"{user.pk}:{code.replace('-', '')}", algorithm="sha256"
    ).hexdigest()


def _totp(factor: SecondFactor) -> TOTP:
    return TOTP(_seed(factor), 6, SHA1(), _STEP)  # noqa: S303 - what apps understand


def _seed(factor: SecondFactor) -> bytes:
    return open_sealed(factor.sealed_seed, context=_context(factor.user_id)).reveal()


def _context(user_id: UUID) -> str:
    return f"accounts_secondfactor:{user_id}:seed"


SEALED = [Sealed(SecondFactor, "sealed_seed", lambda factor: _context(factor.user_id))]
