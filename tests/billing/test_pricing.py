from decimal import Decimal

import pytest

from billing.pricing import price


@pytest.mark.parametrize(
    ("characters", "multiplier", "credits"),
    [
        (0, "1.000", 0),
        (11, "1.000", 11),
        (11, "0", 0),
        (1, "0.001", 1),
        (1000, "0.001", 1),
        (1001, "0.001", 2),
        (3, "1.1", 4),  # 3.3000000000000003 in binary floating point
        (10, "1.1", 11),  # 11.000000000000002
        (10**30, "0.333", 333 * 10**27),
        (10**30 + 1, "0.333", 333 * 10**27 + 1),  # beyond a Decimal's 28 digits
        (1_000_000, "9999.999", 9_999_999_000),
    ],
)
def test_price_rounds_up_exactly(characters, multiplier, credits):
    assert price(characters, Decimal(multiplier)) == credits


@pytest.mark.parametrize(("characters", "multiplier"), [(-1, "1"), (1, "-0.5")])
def test_negative_values_are_refused(characters, multiplier):
    with pytest.raises(ValueError, match="negative"):
        price(characters, Decimal(multiplier))
