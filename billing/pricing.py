"""What speech costs, in whole credits."""

from decimal import Decimal


def price(characters: int, multiplier: Decimal) -> int:
    """Return the credits for `characters`, at `multiplier` credits each, rounded up.

    Exact at any size: a fraction of integers is divided, never a float or a Decimal of
    limited precision.
    """
    if characters < 0 or multiplier < 0:
        raise ValueError("neither characters nor a multiplier can be negative")
    numerator, denominator = multiplier.as_integer_ratio()
    return -(-characters * numerator // denominator)
