"""Tables of small cases, checked in one test: each that fails is told by its name."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

import pytest

Row = TypeVar("Row")


class _Case(AbstractContextManager[None]):
    def __init__(self, row: object, failures: dict[str, BaseException]) -> None:
        self._row = row
        self._failures = failures

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception | pytest.fail.Exception):
            return False
        name = repr(self._row)
        error.add_note(f"in the case {_shortened(name, 400)}")
        self._failures[_shortened(name, 80)] = error
        return True


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def cases(table: Iterable[Row]) -> Iterator[tuple[Row, _Case]]:
    """Yield the rows of a table; those that fail `with` their case fail the test together.

    For cases of milliseconds, where a test each would cost more than what it tests:

        for text, case in cases(["::1", "10.0.0.1"]):
            with case:
                assert not is_public(text)
    """
    failures: dict[str, BaseException] = {}
    count = 0
    for row in table:
        count += 1
        yield row, _Case(row, failures)
    assert count, "the table is empty"
    if failures:
        names = ", ".join(failures)
        raise BaseExceptionGroup(
            f"{len(failures)} of {count} cases: {names}", list(failures.values())
        )
