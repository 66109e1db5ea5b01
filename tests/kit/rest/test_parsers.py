"""A body may hold so many values, however they are written."""

import json
from io import BytesIO
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import MalformedJSON
from kit.rest import parsers
from kit.rest.parsers import MAX_VALUES, StrictJSONParser


def read(body: bytes):
    request = SimpleNamespace(_request=SimpleNamespace(body=body))
    return StrictJSONParser().parse(BytesIO(), None, {"request": request})


@pytest.mark.parametrize(
    "value", [[0] * MAX_VALUES, [[]] * (MAX_VALUES // 2), [{"a": ""}] * 70_000]
)
def test_too_many_values_are_refused(value):
    with pytest.raises(MalformedJSON) as refused:
        read(json.dumps({"a": value}).encode())
    assert str(refused.value) == (
        "The body must be a JSON object: it holds more than 100000 values."
    )


def test_what_only_looks_like_values_is_not_counted():
    text = ',[{"\\' * MAX_VALUES
    assert read(json.dumps({"a": text}).encode()) == {"a": text}
    assert read(b'{"a": [%s0]}' % (b"0," * (MAX_VALUES - 2)))["a"] == [0] * (
        MAX_VALUES - 1
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\,[{ \n', max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('a"\\,[{'), inner),
    max_leaves=10,
)


def separators(value) -> int:
    """Count what opens and separates, by looking at every value."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return max(len(value), 1) + sum(map(separators, inner))
    return 0


@given(st.dictionaries(st.text('a"\\,[{'), JSON))
def test_values_are_counted_as_they_are(value):
    count = separators(value)
    for indent in (None, 1):
        body = json.dumps(value, indent=indent).encode()
        for most in (count - 1, count):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(parsers, "MAX_VALUES", most)
                assert parsers._has_too_many_values(body) is (count > most)


@pytest.mark.parametrize("body", [b'"' * 900_000, b'{"a": "' + rb"\"" * 900_000])
def test_quotes_without_end_are_no_object(body):
    with pytest.raises(MalformedJSON):
        read(body)
