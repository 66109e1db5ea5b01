"""Convert amounts between our minor units and the decimal numbers of gateways."""

from decimal import Decimal, InvalidOperation

from billing.errors import GatewayFailed

# ISO 4217; all others have two digits after the point.
_DIGITS = dict.fromkeys(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0
) | dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)


def number(value: object) -> Decimal:
    """Return an amount of a gateway's JSON, a number or a text, exactly.

    Raises:
        GatewayFailed: it is no amount, so the answer is not what the gateway documents.
    """
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        if amount.is_finite() and 0 <= amount < Decimal("1e18"):
            return amount
    raise GatewayFailed("no amount")


def from_minor(amount: int, currency: str) -> Decimal:
    """Return minor units of a currency as a decimal number: 299 USD is 2.99."""
    return Decimal(amount).scaleb(-_DIGITS.get(currency, 2))


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in minor units of its currency, rounded half up."""
    units = amount.scaleb(_DIGITS.get(currency, 2))
    return int(units + Decimal("0.5"))
