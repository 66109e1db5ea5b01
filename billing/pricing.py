"""The price of speech in whole credits."""

from decimal import Decimal


def price(characters: int, multiplier: Decimal) -> int:
    """Return the price of `characters` in credits, at `multiplier` each, rounded up.

    Exact at any size: it divides integers, not floats or Decimals of limited precision.

    Raises:
        ValueError: an argument is negative.
    """
    if characters < 0 or multiplier < 0:
        raise ValueError("neither characters nor a multiplier can be negative")
    numerator, denominator = multiplier.as_integer_ratio()
    return -(-characters * numerator // denominator)
