"""The gateways, by name. One line for each; imported when it is first used."""

from functools import cache

from django.utils.module_loading import import_string

from accounts.caller import Environment
from billing.errors import GatewayOff
from billing.payments.gateways.contract import ChargesSavedCards, Gateway, Sells
from kit.errors import NotFound

GATEWAYS: dict[str, str] = {
    "stripe": "billing.payments.gateways.stripe.gateway.Stripe",
    "nowpayments": "billing.payments.gateways.nowpayments.NOWPayments",
    "btcpay": "billing.payments.gateways.btcpay.BTCPay",
    "revenuecat": "billing.payments.gateways.revenuecat.RevenueCat",
    "demo": "billing.payments.gateways.demo.Demo",
}


@cache
def _load(path: str) -> Gateway:
    gateway: Gateway = import_string(path)()
    return gateway


def find(name: str) -> Gateway:
    """Return the gateway with this name.

    Raises:
        NotFound: there is none.
    """
    if name not in GATEWAYS:
        raise NotFound
    return _load(GATEWAYS[name])


def of_store(store: str) -> Gateway | None:
    """Return the gateway that collects for a store; None if it is not one of ours."""
    return _load(GATEWAYS[store]) if store in GATEWAYS else None


def seller(name: str, environment: Environment) -> Sells:
    """Return the gateway with this name, at which orders can be paid.

    Raises:
        GatewayOff: there is none, or it has no keys for the environment.
    """
    if name in GATEWAYS:
        gateway = find(name)
        if isinstance(gateway, Sells) and gateway.is_on(environment):
            return gateway
    raise GatewayOff(gateway=name)


def sellers_by_saved_card(environment: Environment) -> list[ChargesSavedCards]:
    """Return the gateways that can charge a saved card now."""
    return [one for one in sellers(environment) if isinstance(one, ChargesSavedCards)]


def sellers(environment: Environment) -> list[Sells]:
    """Return the gateways at which orders can be paid now, in the order of the registry."""
    return [
        gateway
        for gateway in map(find, GATEWAYS)
        if isinstance(gateway, Sells) and gateway.is_on(environment)
    ]
