"""Tables that are checked in one test."""

import pytest

from tests.cases import cases


def check(*texts: str) -> None:
    for text, case in cases(texts):
        with case:
            if text == "stop":
                raise KeyboardInterrupt
            if text.startswith("10"):
                pytest.fail("private")
            assert "." in text


def test_each_case_that_fails_is_named():
    with pytest.raises(BaseExceptionGroup) as told:
        check("::1", "8.8.8.8", "10.0.0.1")
    assert told.value.message == "2 of 3 cases: '::1', '10.0.0.1'"
    assert [type(error) for error in told.value.exceptions] == [
        AssertionError,
        pytest.fail.Exception,
    ]
    assert told.value.exceptions[0].__notes__ == ["in the case '::1'"]


def test_cases_that_hold_pass():
    check("1.1.1.1", "8.8.8.8")


def test_what_is_no_failure_of_a_case_ends_the_test():
    with pytest.raises(KeyboardInterrupt):
        check("1.1.1.1", "stop", "8.8.8.8")


def test_a_table_has_rows():
    with pytest.raises(AssertionError, match="empty"):
        check()
