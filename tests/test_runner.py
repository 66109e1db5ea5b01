"""What the runner of the tests itself does."""

import pytest

from tests import runner


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/browser/test_demo.py::test_a_reload", "browser"),
        ("tests/browser/test_access.py::test_a_page[x::y]", "browser"),
        (
            "tests/kit/work/test_bells.py::test_a_bell[a]",
            "tests/kit/work/test_bells.py",
        ),
    ],
)
def test_a_file_is_run_as_a_whole_and_so_are_browsers(test, group):
    assert runner.group_of(test) == group


def test_what_takes_too_long_is_told_the_longest_first():
    took = {"quick": [0.4, 2.0], "computes": [0.5, 0.6], "waits": [0.1, 2.5]}
    assert runner.told(took) == [
        "   0.5 s    0.6 s  computes",
        "   0.1 s    2.5 s  waits",
    ]


def test_a_long_list_is_cut():
    took = {str(number): [1.0, 1.0] for number in range(runner.MOST_TOLD + 5)}
    lines = runner.told(took)
    assert len(lines) == runner.MOST_TOLD + 1
    assert lines[-1] == "... and 5 more"
