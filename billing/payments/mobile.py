"""Let callers in by the ID of a mobile customer.

The ID is the credential. RevenueCat's look-up creates the customer that it doesn't find, so
an ID is not proven by being there: it counts if RevenueCat knew it before we asked, or if a
webhook or a purchase has named it since.
"""

import hashlib
import hmac
import re
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db.models import Q
from django.utils import timezone

from accounts.caller import Environment
from accounts.errors import InvalidToken
from accounts.models import Workspace
from billing import ledger
from billing.errors import GatewayFailed, NoSubscription, TooEarly, WeakCustomerId
from billing.ledger.wallets import wallet_of
from billing.models import Lot, MobileCustomer, MobileCustomerId
from billing.payments import customers, posting
from billing.payments.customers import LONGEST_ID, is_uuid
from billing.payments.gateways import subscribers
from billing.payments.gateways.contract import Fact, Unprocessable
from billing.payments.gateways.subscribers import Subscriber
from kit import quotas
from kit.db import connections
from kit.db.transactions import needs_transaction, one_transaction
from kit.errors import AppError, RateLimited
from kit.requests import client_network

FRESH = timedelta(minutes=10)
"""How long an answer of RevenueCat is used, whether it knew the customer or not."""
_ANONYMOUS = "$RCAnonymousID:"
_GUESSABLE = re.compile(r"@|\s|^(.)\1*$")
_SHORTEST_ID = 22


def sign_in(credential: str, address: str) -> MobileCustomer:
    """Return the customer that a caller names, who gets a workspace at the first time.

    `address` is the client's IP address. A customer's plan is read at RevenueCat, at most
    every `FRESH`; one that we know goes on if RevenueCat does not answer.

    Raises:
        WeakCustomerId: the ID could be guessed.
        InvalidToken: its signature is wrong, or RevenueCat does not know it.
        NoSubscription: it is unknown here, and RevenueCat does not answer.
        RateLimited: the address has asked for too many unknown IDs or new customers.
    """
    customer_id = _checked(credential)
    known = customers.with_ids([customer_id])
    if known is None:
        known = _ask(customer_id, address)
    elif _takes_turn_to_read(known):
        _refresh(known, customer_id)
    if known.workspace.closed_at is not None:
        raise InvalidToken
    if known.welcomed_at is None:
        _welcome(known, address)
    return known


def _checked(credential: str) -> str:
    """Return the ID of a credential, after checking its signature, if one is required."""
    customer_id = credential
    if secret := settings.MOBILE_CUSTOMER_SECRET:
        customer_id, _, given = credential.rpartition(".")
        mac = hmac.new(secret.encode(), customer_id.encode(), hashlib.sha256)
        if not hmac.compare_digest(mac.hexdigest().encode(), given.lower().encode()):
            raise InvalidToken
    is_anonymous = customer_id.startswith(_ANONYMOUS)
    if (
        not customer_id.isascii()
        or not customer_id.isprintable()
        or not _SHORTEST_ID <= len(customer_id) <= LONGEST_ID
        or _GUESSABLE.search(customer_id)
        or (is_anonymous and not _is_hex(customer_id.removeprefix(_ANONYMOUS)))
    ):
        raise WeakCustomerId
    if is_uuid(customer_id):
        # The ID of a workspace is seen by all its members.
        rows = Workspace.objects.filter(pk=uuid.UUID(customer_id))
        if rows.exists():
            raise InvalidToken
    return customer_id


def _is_hex(text: str) -> bool:
    return re.fullmatch("[0-9a-fA-F]{32}", text) is not None


def _ask(customer_id: str, address: str) -> MobileCustomer:
    """Ask RevenueCat about an unknown ID; return the customer, if it is one."""
    network = client_network(address)
    refused = "mobile:" + hashlib.sha256(customer_id.encode()).hexdigest()
    if cache.get(refused):
        raise InvalidToken
    _take_look_up(network)
    connections.give_back()
    try:
        subscriber = subscribers.look_up(customer_id)
    except GatewayFailed as error:
        raise NoSubscription from error
    unknown = MobileCustomerId.objects.filter(pk=customer_id, customer=None)
    if subscriber.is_new or (unknown.exists() and not subscriber.has_bought):
        _remember_unknown(customer_id)
        cache.set(refused, True, FRESH.total_seconds())
        raise InvalidToken
    known = _open(customer_id, subscriber, network)
    _post(known, subscriber)
    known.workspace.refresh_from_db()
    return known


@one_transaction
def _open(customer_id: str, subscriber: Subscriber, network: str) -> MobileCustomer:
    """Return the customer that RevenueCat knows, a new one if there is none.

    Raises:
        RateLimited: there were too many new ones today; nothing was counted.
    """
    customers.lock_new()
    ids = [customer_id, subscriber.original_id]
    # A buyer was not made up.
    if customers.with_ids(ids) is None and not subscriber.has_bought:
        _take("mobile customers", network, settings.MOBILE_NEW_PER_ADDRESS)
        _take("mobile customers", "all", settings.MOBILE_NEW_PER_DAY)
    known = customers.open_workspace(ids)
    known.read_at = timezone.now()
    known.save(update_fields=["read_at"])
    return known


@needs_transaction
def _take(name: str, subject: str, limit: int) -> None:
    """Count one use of a daily quota.

    Raises:
        RateLimited: it is used up.
    """
    if not quotas.take(name, subject, limit=limit, period=quotas.today()):
        raise RateLimited(retry_after=quotas.seconds_left_today())


@one_transaction
def _take_look_up(network: str) -> None:
    _take("mobile look-ups", network, settings.MOBILE_LOOK_UPS_PER_ADDRESS)


def _remember_unknown(customer_id: str) -> None:
    MobileCustomerId.objects.bulk_create(
        [MobileCustomerId(id=customer_id)], ignore_conflicts=True
    )


@one_transaction
def _welcome(customer: MobileCustomer, address: str) -> None:
    """Grant the free credits, once; later if too many were granted today."""
    rows = MobileCustomer.objects.filter(pk=customer.pk, welcomed_at=None)
    if not rows.select_for_update().exists():
        return
    if not quotas.take(
        "mobile grants",
        client_network(address),
        limit=settings.MOBILE_NEW_PER_ADDRESS,
        period=quotas.today(),
    ):
        return
    rows.update(welcomed_at=timezone.now())
    if settings.MOBILE_FREE_CREDITS:
        source = f"free_grant:{customer.pk}"
        ledger.grant(
            wallet_of(customer.workspace, Environment.PRODUCTION),
            settings.MOBILE_FREE_CREDITS,
            key=source,
            kind=Lot.Kind.PROMO,
            source=source,
            reason="Welcome",
        )


def _takes_turn_to_read(customer: MobileCustomer) -> bool:
    """Return whether this request has to ask RevenueCat, which one of them does."""
    now = timezone.now()
    if customer.read_at is not None and customer.read_at > now - FRESH:
        return False
    is_old = Q(read_at=None) | Q(read_at__lte=now - FRESH)
    rows = MobileCustomer.objects.filter(is_old, pk=customer.pk)
    return bool(rows.update(read_at=now))


def _refresh(customer: MobileCustomer, customer_id: str) -> None:
    """Read the plan of a known customer again; without an answer it stays as it is."""
    connections.give_back()
    try:
        subscriber = subscribers.look_up(customer_id)
    except GatewayFailed:
        return
    _post(customer, subscriber)
    customer.workspace.refresh_from_db()


def _post(customer: MobileCustomer, subscriber: Subscriber) -> None:
    """Post the periods that RevenueCat lists and no webhook has reported."""
    for environment in Environment:
        facts = subscribers.standing(subscriber, customer.workspace, environment)
        try:
            _post_facts(facts, environment)
        except (TooEarly, Unprocessable, AppError):
            # The webhook will say it, and stays visible if it can't be posted.
            continue


@one_transaction
def _post_facts(facts: Sequence[Fact], environment: Environment) -> None:
    posting.post_all(facts, environment)
