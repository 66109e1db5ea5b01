"""Options: documented, validated, and none that makes a call more expensive."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from providers.contract.options import Choice, Flag, Number, Text
from providers.contract.registry import ADAPTERS, get_adapter

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "providers.md").read_text()


def test_docs_list_all_options():
    table = DOCUMENT.split("| provider | options |")[1].split("\n\n")[0]
    told = {
        match[1]: match[2]
        for match in re.finditer(r"^\| (\w+) \| (.*) \|$", table, re.M)
    }
    for slug in ADAPTERS:
        options = get_adapter(slug).options
        assert (slug in told) == bool(options)
        for name, option in options.items():
            assert f"`{name}`" in told[slug]
            if isinstance(option, Choice):
                assert all(f"`{value}`" in told[slug] for value in option.allowed)


def test_more_expensive_models_cannot_be_requested():
    models = get_adapter("openai").options["model"]
    assert models.problem("tts-1") == ""
    assert models.problem("tts-1-hd").startswith("One of gpt-4o-mini-tts,")
    assert "model" not in get_adapter("compatible").options


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        (Choice(("a", "b")), ["a", "b"], ["c", "", 1, None, ["a"]]),
        (
            Number(0, 1),
            [0, 1, 0.5],
            [-0.1, 1.1, float("nan"), float("inf"), True, "1", None, 10**400],
        ),
        (Flag(), [True, False], [1, 0, "true", "", None]),
        (Text(3), ["a", "abc"], ["", "abcd", 1, None]),
        (Text(3, "[a-z]+", "Letters."), ["abc"], ["a\n", "A", "a b"]),
    ],
)
def test_option_values_are_validated(option, good, bad):
    assert [option.problem(value) for value in good] == [""] * len(good)
    assert all(option.problem(value) for value in bad)
