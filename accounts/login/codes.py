"""Log in by a code of six digits, which is mailed and valid for 10 minutes and 5 tries.

The code works only in the browser that asked for it, by a cookie. So an attacker can't log
a user in elsewhere, or guess a code that another browser has asked for. Six digits are few,
so tries are counted before the code is compared: per code, per email address and per
network, by statements that hold for concurrent requests. The answer is the same for a
known, an unknown and a blocked address: the same rows are written, by the same queries, and
a worker sends the mail or does not.

Tries per address are counted separately for each browser in which the user has logged in
before. So an attacker who uses up the tries of an address does not lock its user out.
"""

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import sessions
from accounts.errors import Blocked, InvalidCode, NotACode
from accounts.login.spelling import plain
from accounts.models import LoginChallenge, User
from accounts.people import closing
from accounts.people.signup import normalize_email, sign_up
from kit import quotas
from kit.db.transactions import one_transaction
from kit.errors import RateLimited
from kit.ids import new_id
from kit.mail import outbox
from kit.requests import client_network, is_local_client

VALID_FOR = timedelta(minutes=10)
TRIES = 5
_SUBJECT = "Your code for Ozvena"
_CODE = re.compile("[0-9]{6}")

_SPEND_A_TRY = """
UPDATE accounts_loginchallenge SET tries_left = tries_left - 1
WHERE browser = %s AND email = %s AND tries_left > 0
  AND expires_at > statement_timestamp()
RETURNING id, code
"""


def ask(email: str, *, address: str, device: str = "") -> str:
    """Mail a code to `email`; return the secret for the cookie of the browser that asked.

    `address` is the client's IP address, `device` is from `sessions.device_of`. A new code
    invalidates earlier ones. Codes above the daily limit of an email address are not sent,
    and the answer does not reveal it.

    Raises:
        Invalid: this can't be an address.
        RateLimited: too many were asked for from this network.
    """
    email = normalize_email(email)
    browser = secrets.token_urlsafe(32)
    code = f"{secrets.randbelow(10**6):06d}"
    challenge = LoginChallenge(
        id=new_id(), email=email, browser=_digest(browser), tries_left=TRIES
    )
    challenge.code = _hmac(challenge, code)
    challenge.expires_at = timezone.now() + VALID_FOR
    with transaction.atomic(durable=True):
        _count_request(address)
        is_within = quotas.take(
            "login-codes",
            _subject(email, device),
            limit=settings.LOGIN_CODES_PER_ADDRESS,
            period=quotas.today(),
        )
        is_shut = (
            User.objects.filter(email=email).exclude(is_blocked=False, is_active=True)
        ).exists()
        # Beyond the share nothing is mailed, so the last code that was stays good.
        ended = LoginChallenge.objects.filter(email=email if is_within else "")
        ended.filter(tries_left__gt=0).update(tries_left=0)
        if not is_within:
            challenge.tries_left = 0
        challenge.save(force_insert=True)
        outbox.post(
            email,
            _SUBJECT,
            render_to_string("accounts/mail/code.txt", {"code": code}),
            useful_for=VALID_FOR,
            is_sent=is_within and not is_shut,
        )
    return browser


def pending(browser: str) -> str | None:
    """Return the email address to which this browser's code was sent; None for none."""
    challenges = LoginChallenge.objects.filter(
        browser=_digest(browser), expires_at__gt=Now()
    )
    return challenges.values_list("email", flat=True).first()


def redeem(
    browser: str, email: str, code: str, *, address: str, device: str = ""
) -> User:
    """Check and spend the code; return the user to log in.

    A new email address is signed up, and an account that its user has closed is reopened.

    `address` and `device` are as for `ask`.

    Raises:
        Invalid: `email` can't be an address.
        NotACode: it can't be one; this costs no try.
        InvalidCode: wrong, spent, too old, of another browser, or too many tries.
        Blocked: the user is blocked.
    """
    email = normalize_email(email)
    code = plain(code)
    if not _CODE.fullmatch(code):
        raise NotACode
    found = _spend_a_try(_digest(browser), email, address, device)
    if found is None:
        raise InvalidCode
    challenge, expected = found
    if not hmac.compare_digest(_hmac(challenge, code), expected):
        raise InvalidCode
    with transaction.atomic(durable=True):
        # Of several right answers at once, one finds the row.
        spent, _ = LoginChallenge.objects.filter(pk=challenge.pk).delete()
        if not spent:
            raise InvalidCode
        user = sign_up(email, address=address)
        is_shut = user.is_blocked or not user.is_active
        if not is_shut:
            closing.reopen(user)
    if is_shut:
        raise Blocked
    return user


def prune() -> int:
    """Delete codes that expired more than a day ago; return how many."""
    old = LoginChallenge.objects.filter(expires_at__lt=Now() - timedelta(days=1))
    return old.delete()[0]


@one_transaction
def _spend_a_try(
    browser: str, email: str, address: str, device: str
) -> tuple[LoginChallenge, str] | None:
    """Count a try and return the challenge and its HMAC; None if no try is left.

    The try stays counted, whether the code is right or wrong.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SPEND_A_TRY, [browser, email])
        row = cursor.fetchone()
    if row is None:
        return None
    may_try = quotas.take(
        "login-tries",
        _subject(email, device),
        limit=settings.LOGIN_TRIES_PER_ADDRESS,
        period=quotas.today(),
    ) and (
        is_local_client(address)
        or quotas.take(
            "login-tries-network",
            client_network(address),
            limit=settings.LOGIN_TRIES_PER_NETWORK,
            period=quotas.today(),
        )
    )
    return (LoginChallenge(pk=row[0]), row[1]) if may_try else None


def _count_request(address: str) -> None:
    if is_local_client(address):
        return
    if not quotas.take(
        "login-codes-network",
        client_network(address),
        limit=settings.LOGIN_CODES_PER_NETWORK,
        period=quotas.today(),
    ):
        raise RateLimited(retry_after=quotas.seconds_left_today())


def _subject(email: str, device: str) -> str:
    """Return the quota's subject: a hash of the email address, and of a known device."""
    own = device if sessions.is_known_device(device, email) else ""
    return hashlib.sha256(f"{email} {own}".encode()).hexdigest()


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()


def _hmac(challenge: LoginChallenge, code: str) -> str:
    """Return the HMAC of a code to store; a plain hash of six digits could be guessed."""
    return salted_hmac(
        "accounts.login.codes", f"{challenge.pk}:{code}", algorithm="sha256"
    ).hexdigest()
