"""The table of docs/providers.md matches the adapters."""

import re
from pathlib import Path

from django.conf import settings

from providers.contract.registry import ADAPTERS, get_adapter

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "providers.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in re.findall(r"^\| `[a-z]+` \|.*$", DOCUMENT, re.M)
]


def test_docs_table_matches_the_adapters():
    expected = []
    for slug in ADAPTERS:
        provider = get_adapter(slug)
        expected.append(
            [
                f"`{slug}`",
                provider.word_timestamps,
                "yes" if provider.streaming else "no",
                f"{provider.limit.amount:,} {provider.limit.unit}",
                f"{provider.cost_multiplier}",
                str(provider.max_concurrent_per_key or "no limit"),
            ]
        )
    shortened = [[row[0], row[1].partition(",")[0], *row[2:]] for row in ROWS]
    assert shortened == expected


def test_docs_say_how_to_enable_each_provider():
    for slug in ADAPTERS:
        provider = get_adapter(slug)
        if provider.needs_key:
            assert f"{slug.upper()}_API_KEY=" in DOCUMENT
        if provider.regions.keys() - {""}:
            assert f"{slug.upper()}_REGION=" in DOCUMENT
