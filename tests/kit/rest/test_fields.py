"""Fields that are cheap to refuse."""

import pytest
from rest_framework import serializers

from kit.rest.fields import CountedDictField, CountedListField


class Counting(serializers.Field):
    """Counts how often it is asked; takes 1 alone."""

    asked = 0

    def to_internal_value(self, data):
        Counting.asked += 1
        if data != 1:
            raise serializers.ValidationError("Not 1.")
        return data


@pytest.fixture(autouse=True)
def nothing_asked():
    Counting.asked = 0


def refusal(field, data):
    with pytest.raises(serializers.ValidationError) as refused:
        field.run_validation(data)
    return refused.value.detail


def test_a_list_is_counted_before_it_is_looked_at():
    field = CountedListField(child=Counting(), max_length=3)
    assert field.run_validation([1, 1, 1]) == [1, 1, 1]
    assert Counting.asked == 3
    assert refusal(field, [1] * 4) == ["Ensure this field has no more than 3 elements."]
    assert Counting.asked == 3
    assert refusal(field, {"a": 1}) == ['Expected a list of items but got type "dict".']


def test_a_list_is_not_complained_about_without_end():
    field = CountedListField(child=Counting(), max_length=1000)
    told = refusal(field, [1] * 5 + [0] * 900)
    assert told == {number: ["Not 1."] for number in range(5, 25)}
    assert Counting.asked == 25


def test_an_object_is_counted_before_it_is_looked_at():
    field = CountedDictField(child=Counting(), max_length=2)
    assert field.run_validation({"a": 1, "b": 1}) == {"a": 1, "b": 1}
    assert refusal(field, {"a": 1, "b": 1, "c": 1}) == [
        "Ensure this field has no more than 2 entries."
    ]
    assert Counting.asked == 2
    assert refusal(field, {"a": 1, "b": 0}) == {"b": ["Not 1."]}
