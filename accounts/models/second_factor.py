"""The devices of the operators' second factor: an authenticator app, and recovery codes.

They are devices of django-otp: its middleware looks them up by the id that the session has.
Their primary keys have to be integers, since it does that by `int(id)`: a UUID would be
refused without a word. `django_otp.verify_token` locks the row and calls `verify_token`.
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
_TOLERANCE = 1  # time steps of 30 seconds that a phone's clock may be off
_RECOVERY_CODES = 10
_OF_APP = re.compile("[0-9]{6}")
_FOR_RECOVERY = re.compile("[a-z2-7]{16}")


class OperatorDevice(TimestampMixin, ThrottlingMixin, Device):
    """What both kinds share: wrong codes make the next one wait, 15 minutes at most."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        # The audit log keeps it: no address in it.
        return f"{self._meta.verbose_name} of {self.user_id}"

    def get_throttle_factor(self) -> int:
        """Return how many seconds the first wrong code makes the next one wait."""
        return _FIRST_WAIT

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """Return whether a code may be tried now, and else `locked_until` when it may not.

        django-otp doubles the wait without end; here it ends at 15 minutes.
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
        """Spend a code and return True, or count it as wrong; its row has to be locked."""
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
        """Return whether the code is right, and make sure that it never is again."""
        raise NotImplementedError


class Authenticator(OperatorDevice):
    """An operator's authenticator app.

    One that isn't confirmed waits for its first code: it opens nothing, and leaves the
    confirmed one in force.
    """

    sealed_seed = models.BinaryField(help_text="of TOTP (RFC 6238), encrypted")
    last_step = models.BigIntegerField(
        default=0, help_text="time step of the last code taken: none works twice"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "confirmed"], name="one_authenticator_in_force"
            )
        ]

    @property
    def context(self) -> str:
        """Return what the encrypted seed is bound to: its owner."""
        return f"accounts_authenticator:{self.user_id}:seed"

    @property
    def seed(self) -> bytes:
        """Return the seed in the clear."""
        return decrypt(self.sealed_seed, context=self.context).reveal()

    def renew_seed(self) -> None:
        """Take a new random seed, unsaved."""
        self.sealed_seed = encrypt(secrets.token_bytes(_SEED), context=self.context)

    def spend(self, token: str) -> bool:
        """Return whether it is the app's present code, newer than the last one taken."""
        if not is_of_app(token):
            return False
        totp = TOTP(self.seed)
        totp.time = time.time()  # it must not go on between `verify` and `t`
        if not totp.verify(int(token), _TOLERANCE, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True


class RecoveryDevice(OperatorDevice):
    """The recovery codes of an operator: each stands in for a lost authenticator, once."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user"], name="one_set_of_recovery_codes")
        ]

    def new_codes(self) -> list[str]:
        """Add ten codes and return them; nothing but their HMAC is kept."""
        codes = [_new_code() for _ in range(_RECOVERY_CODES)]
        RecoveryCode.objects.bulk_create(
            RecoveryCode(device=self, digest=self._digests(code)[0]) for code in codes
        )
        return codes

    def spend(self, token: str) -> bool:
        """Return whether it is a code that was left, and remove it."""
        codes = RecoveryCode.objects.filter(
            device=self, digest__in=self._digests(token)
        )
        return codes.delete()[0] > 0

    def _digests(self, code: str) -> list[str]:
        """Return the HMAC of a code under our key, and under former ones."""
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        value = f"{self.user_id}:{code.replace('-', '')}"
        return [
            salted_hmac(
                "accounts.recovery", value, secret=key, algorithm="sha256"
            ).hexdigest()
            for key in keys
        ]


class RecoveryCode(models.Model):
    """One recovery code that is left."""

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


def is_of_app(code: str) -> bool:
    """Return whether this looks like a code of an app."""
    return _OF_APP.fullmatch(code) is not None


def is_for_recovery(code: str) -> bool:
    """Return whether this looks like a recovery code, without its dashes."""
    return _FOR_RECOVERY.fullmatch(code) is not None


def _new_code() -> str:
    """Return a recovery code of 80 bits."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))
