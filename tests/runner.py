"""Pytest plugin: who runs what, and which tests take more time than they may.

Loaded by `-p tests.runner`. What it measures it tells, and fails nobody: a machine that
is busy with something else must not turn a test red.
"""

import os
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

COMPUTING = 0.4  # seconds of processor time in the test's own process
IN_ALL = 2.0  # seconds, waiting included
MOST_TOLD = 30

_SHARED_REDIS = 7  # workers: it has 16 databases, and each takes two


# --- Who runs what -----------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each processor: one computes while the other waits."""
    return min(2 * (os.cpu_count() or 1), _SHARED_REDIS)


def group_of(test: str) -> str:
    """Return the name of what one worker runs as a whole, with `test` in it."""
    file = test.partition("::")[0]
    return "browser" if file.startswith("tests/browser/") else file


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a file to one worker as a whole, and all tests in a browser, too.

    So what a file builds for itself is built once, and there is one Chromium.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Distribute by file."""
    config.option.loadscopereorder = False  # we know better what takes long
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Let what takes longest begin first, so that nobody works alone at the end."""
    if not hasattr(config, "workerinput"):
        return
    slow: Counter[object] = Counter()
    count: Counter[object] = Counter()
    for item in items:
        count[item.path] += 1
        slow[item.path] += item.get_closest_marker("slow") is not None
    items.sort(
        key=lambda item: (
            item.get_closest_marker("browser") is None,
            -slow[item.path],
            -count[item.path],
            str(item.path),
        )
    )


# --- What takes too long -----------------------------------------------------------------

_took: dict[str, list[float]] = {}
"""By test: processor time of its process, and time, without what others share."""


class _Clock:
    """Measures what one test takes, fixtures of its own included."""

    def __init__(self) -> None:
        self.is_paused = False
        self.spent = [0.0, 0.0]

    @contextmanager
    def running(self, sign: int = 1) -> Iterator[None]:
        """Add what the block takes; or take it away."""
        began = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            ended = time.process_time(), time.perf_counter()
            for which in (0, 1):
                self.spent[which] += sign * (ended[which] - began[which])


_clock = _Clock()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Begin to measure."""
    _clock.spent = [0.0, 0.0]
    with _clock.running():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[Any]:
    """Leave out a fixture that other tests have, too."""
    if fixturedef.scope == "function" or _clock.is_paused:
        return (yield)
    _clock.is_paused = True
    try:
        with _clock.running(-1):
            return (yield)
    finally:
        _clock.is_paused = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Measure the test itself."""
    with _clock.running():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: Any) -> Generator[None, Any, Any]:
    """Send along what was measured, from whichever worker."""
    report = yield
    if call.when == "call":
        report.took = _clock.spent
    return report


def pytest_runtest_logreport(report: Any) -> None:
    """Note what a test took."""
    if hasattr(report, "took") and "slow" not in report.keywords:
        _took[report.nodeid] = report.took


def told(took: dict[str, list[float]]) -> list[str]:
    """Return a line for each test that took more than it may, the longest first."""
    long = sorted(
        (
            (computed, in_all, name)
            for name, (computed, in_all) in took.items()
            if computed > COMPUTING or in_all > IN_ALL
        ),
        reverse=True,
    )
    lines = [
        f"{computed:6.1f} s {in_all:6.1f} s  {name}" for computed, in_all, name in long
    ]
    if len(lines) > MOST_TOLD:
        lines[MOST_TOLD:] = [f"... and {len(lines) - MOST_TOLD} more"]
    return lines


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell which tests took more than they may."""
    if lines := told(_took):
        terminalreporter.section(
            f"over {COMPUTING} s of computing, or {IN_ALL} s in all"
        )
        for line in lines:
            terminalreporter.write_line(line)
        terminalreporter.write_line(
            'Make them quicker, or say why they can not be: @pytest.mark.slow("why").'
        )
