"""The second factor of operators: an authenticator app (TOTP), or a recovery code.

Seeds are encrypted, bound to their owner's row; recovery codes are kept as HMAC. A code
works once: the time step of the last one is kept. Wrong ones make the next wait, twice as
long each time, so that six digits are enough. Another app takes the place of the one before
with its first code, and not earlier: whoever leaves in between has lost nothing.
"""

import base64
import hmac
import secrets
import time
from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import sessions
from accounts.errors import InvalidSecondFactor, TooManyCodes
from accounts.models import RecoveryCode, SecondFactor, User
from kit.mail import outbox
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
    """Give a second factor a new seed that waits for its first code; the old one stays."""
    seed = secrets.token_bytes(_SEED)
    sealed = seal(seed, context=_context(user.pk, "pending"))
    factor, _ = SecondFactor.objects.update_or_create(
        user=user, defaults={"pending_seed": sealed}
    )
    return factor


def draft(user: User) -> SecondFactor:
    """Return the second factor whose new seed waits; give it one if need be."""
    return pending(user) or begin(user)


def pending(user: User) -> SecondFactor | None:
    """Return the second factor if a new seed of it waits for its first code."""
    return SecondFactor.objects.filter(user=user).exclude(pending_seed=b"").first()


def keep(user: User) -> None:
    """Drop the seed that waits, and go on with the one before."""
    SecondFactor.objects.filter(user=user).update(pending_seed=b"")


def secret_text(factor: SecondFactor) -> str:
    """Return the seed that waits, as people type it into an app."""
    return base64.b32encode(_seed(factor, is_pending=True)).decode()


def uri(factor: SecondFactor) -> str:
    """Return what a QR code carries of the seed that waits (the Key Uri Format)."""
    return _totp(factor, is_pending=True).get_provisioning_uri(
        factor.user.email, "Ozvena"
    )


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
    return _use(user, code, is_confirmed=False)


@transaction.atomic
def confirm_unseen(user: User) -> list[str]:
    """Take the app's word for set up; return new recovery codes, which are shown once."""
    factor = SecondFactor.objects.select_for_update().get(user=user)
    return _take_pending(factor, step=0)


def _take_pending(factor: SecondFactor, *, step: int) -> list[str]:
    """Put the seed that waits in the place of the one before; return recovery codes."""
    user = factor.user
    seed = _seed(factor, is_pending=True)
    factor.sealed_seed = seal(seed, context=_context(user.pk))
    factor.pending_seed = b""
    factor.confirmed_at = timezone.now()
    factor.last_step, factor.failures, factor.rests_until = step, 0, None
    factor.save()
    RecoveryCode.objects.filter(user=user).delete()
    codes = [_new_code() for _ in range(_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digests(user, code)[0]) for code in codes
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
    request.session[_VERIFIED_AT] = time.time()
    sessions.renew_key(request)


def is_verified(request: HttpRequest, user: User) -> bool:
    """Whether the login has shown the second factor that `user` has now."""
    at = request.session.get(_VERIFIED_AT, 0)
    if time.time() - at > VALID_FOR.total_seconds():
        return False
    confirmed = (
        SecondFactor.objects.filter(user=user).values_list("confirmed_at").first()
    )
    # One that was set up anew ends the logins that showed the one before.
    return bool(confirmed and confirmed[0] and confirmed[0].timestamp() <= at)


@transaction.atomic
def remove(user: User) -> None:
    """Forget the second factor, and the recovery codes: a new one can be set up."""
    SecondFactor.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()


def tell_of_removal(user: User) -> None:
    """Mail an operator that another one has removed theirs. Needs an open transaction."""
    outbox.post(
        user.email,
        "Your second factor at Ozvena was removed",
        render_to_string("accounts/mail/second_factor_removed.txt"),
    )


def _use(user: User, code: str, *, is_confirmed: bool) -> list[str]:
    """Spend a code of the app in force, or the first one of the app that waits.

    Wrong ones are counted, and stay counted, for both together. Return new recovery codes
    where an app was set up.
    """
    code = "".join(code.split()).replace("-", "").lower()
    codes: list[str] = []
    with transaction.atomic(durable=True):
        factors = SecondFactor.objects.select_for_update().filter(user=user)
        if is_confirmed:
            factor = factors.exclude(confirmed_at=None).first()
        else:
            factor = factors.exclude(pending_seed=b"").first()
        if factor is None:
            raise InvalidSecondFactor
        if factor.rests_until and (left := factor.rests_until - timezone.now()) > (
            timedelta()
        ):
            raise TooManyCodes(retry_after=int(left.total_seconds()) + 1)
        step = _matching_step(factor, code, is_pending=not is_confirmed)
        is_right = step is not None or (is_confirmed and _spend(user, code))
        if not is_right:
            factor.failures += 1
            rest = min(2 ** min(factor.failures, 20), _LONGEST_REST)
            factor.rests_until = timezone.now() + timedelta(seconds=rest)
        elif is_confirmed:
            factor.failures, factor.rests_until = 0, None
            factor.last_step = step or factor.last_step
        else:
            codes = _take_pending(factor, step=step or 0)
        factor.save(update_fields=["failures", "rests_until", "last_step"])
    if not is_right:
        raise InvalidSecondFactor
    return codes


def _matching_step(factor: SecondFactor, code: str, *, is_pending: bool) -> int | None:
    now = int(time.time()) // _STEP
    totp = _totp(factor, is_pending=is_pending)
    last = 0 if is_pending else factor.last_step
    found = None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        expected = totp.generate(step * _STEP)
        is_equal = hmac.compare_digest(expected, code.encode())
        if is_equal and step > last:
            found = step
    return found


def _spend(user: User, code: str) -> bool:
    codes = RecoveryCode.objects.filter(user=user, digest__in=_digests(user, code))
    return codes.delete()[0] > 0


def _new_code() -> str:
    """Return a recovery code of 80 bits."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _digests(user: User, code: str) -> list[str]:
    """Return what is kept of a recovery code: under our key, and under former ones."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    value = f"{user.pk}:{code.replace('-', '')}"
    return [
        salted_hmac(
            "accounts.recovery", value, secret=key, algorithm="sha256"
        ).hexdigest()
        for key in keys
    ]


def _totp(factor: SecondFactor, *, is_pending: bool) -> TOTP:
    seed = _seed(factor, is_pending=is_pending)
    return TOTP(seed, 6, SHA1(), _STEP)  # noqa: S303 - what apps understand


def _seed(factor: SecondFactor, *, is_pending: bool) -> bytes:
    sealed = factor.pending_seed if is_pending else factor.sealed_seed
    context = _context(factor.user_id, "pending" if is_pending else "seed")
    return open_sealed(sealed, context=context).reveal()


def _context(user_id: UUID, which: str = "seed") -> str:
    return f"accounts_secondfactor:{user_id}:{which}"


SEALED = [
    Sealed(SecondFactor, "sealed_seed", lambda factor: _context(factor.user_id)),
    Sealed(
        SecondFactor,
        "pending_seed",
        lambda factor: _context(factor.user_id, "pending"),
    ),
]
