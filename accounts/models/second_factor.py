"""The second factor of operators: authenticator apps (TOTP) and recovery codes.

Both are devices of django-otp, whose middleware finds them by the id in the session. It
does that by `int(id)`, so their primary keys have to be integers; a UUID would be ignored
silently. `django_otp.verify_token` locks the row and calls `verify_token`.
"""

import base64
import re
import secrets
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP

from kit.secrets import decrypt, encrypt

_FIRST_WAIT = 2  # seconds after a wrong code; twice as long after each further one
_LONGEST_WAIT = timedelta(minutes=15)
_SEED = 20  # bytes, as RFC 4226 §4 recommends
_TOLERANCE = 1  # time steps of 30 seconds by which a phone's clock may be wrong
_RECOVERY_CODES = 10
_APP_CODE = re.compile("[0-9]{6}")
_RECOVERY_CODE = re.compile("[a-z2-7]{16}")


class OperatorDevice(TimestampMixin, ThrottlingMixin, Device):
    """Base of both devices: after wrong codes, the next try waits, up to 15 minutes."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        # The audit log stores this text, so it contains no email address.
        return f"{self._meta.verbose_name} of {self.user_id}"

    def get_throttle_factor(self) -> int:
        """Return the wait in seconds after the first wrong code."""
        return _FIRST_WAIT

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """Return whether a code may be tried now, and if not, a dict with `locked_until`.

        django-otp doubles the wait without a limit; here it is at most 15 minutes.
        """
        is_allowed, why = super().verify_is_allowed()
        failed_at = self.throttling_failure_timestamp
        if is_allowed or failed_at is None:
            return True, None
        until = min(why["locked_until"], failed_at + _LONGEST_WAIT)
        if until <= timezone.now():
            return True, None
        return False, why | {"locked_until": until}

    def verify_token(self, token: str) -> bool:
        """Spend a code and return True, or count it as wrong; the row must be locked."""
        is_allowed, _ = self.verify_is_allowed()
        if not is_allowed:
            return False
        is_right = self.spend(token)
        if is_right:
            self.throttle_reset(commit=False)
            self.set_last_used_timestamp(commit=False)
        else:
            self.throttle_increment(commit=False)
        self.save()
        return is_right

    def spend(self, token: str) -> bool:
        """Return whether the code is correct; a correct one can't be used again."""
        raise NotImplementedError


class Authenticator(OperatorDevice):
    """An operator's authenticator app.

    One that isn't confirmed waits for its first code. Until then it can't be used, and the
    confirmed one stays valid.
    """

    encrypted_seed = models.BinaryField(help_text="of TOTP (RFC 6238), encrypted")
    last_step = models.BigIntegerField(
        default=0, help_text="time step of the last used code; no code works twice"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "confirmed"], name="one_authenticator_in_force"
            )
        ]

    @property
    def context(self) -> str:
        """Return the encryption context of the seed, which binds it to the user."""
        return f"accounts_authenticator:{self.user_id}:seed"

    @property
    def seed(self) -> bytes:
        """Return the decrypted seed."""
        return decrypt(self.encrypted_seed, context=self.context).reveal()

    def renew_seed(self) -> None:
        """Set a new random seed, without saving."""
        self.encrypted_seed = encrypt(secrets.token_bytes(_SEED), context=self.context)

    def spend(self, token: str) -> bool:
        """Return whether it is the app's current code, and newer than the last used one."""
        if not is_app_code(token):
            return False
        totp = TOTP(self.seed)
        totp.time = time.time()  # the same time for `verify` and `t`
        if not totp.verify(int(token), _TOLERANCE, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True


class RecoveryDevice(OperatorDevice):
    """An operator's set of recovery codes; each replaces a lost authenticator once."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user"], name="one_set_of_recovery_codes")
        ]

    def new_codes(self) -> list[str]:
        """Create ten codes and return them; only their HMACs are stored."""
        codes = [_new_code() for _ in range(_RECOVERY_CODES)]
        RecoveryCode.objects.bulk_create(
            RecoveryCode(device=self, digest=self._digests(code)[0]) for code in codes
        )
        return codes

    def spend(self, token: str) -> bool:
        """Return whether it is an unused recovery code, and delete it."""
        codes = RecoveryCode.objects.filter(
            device=self, digest__in=self._digests(token)
        )
        return codes.delete()[0] > 0

    def _digests(self, code: str) -> list[str]:
        """Return the HMACs of a code with the current secret key and with former ones."""
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        value = f"{self.user_id}:{code.replace('-', '')}"
        return [
            salted_hmac(
                "accounts.recovery", value, secret=key, algorithm="sha256"
            ).hexdigest()
            for key in keys
        ]


class RecoveryCode(models.Model):
    """An unused recovery code."""

    device = models.ForeignKey(RecoveryDevice, models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64, help_text="HMAC of the code, hexadecimal")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "digest"], name="recovery_code_once"
            )
        ]

    def __str__(self) -> str:
        return f"recovery code of device {self.device_id}"


def is_app_code(code: str) -> bool:
    """Return whether this looks like a code of an app."""
    return _APP_CODE.fullmatch(code) is not None


def is_recovery_code(code: str) -> bool:
    """Return whether this looks like a recovery code, without its dashes."""
    return _RECOVERY_CODE.fullmatch(code) is not None


def _new_code() -> str:
    """Return a random recovery code of 80 bits."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
