"""A benchmark whose figure misses its limit fails."""

import pytest

from benchmarks import verdicts


@pytest.fixture(autouse=True)
def missed(monkeypatch):
    monkeypatch.setattr(verdicts, "_missed", [])


def test_figures_that_reach_their_limits_pass():
    assert verdicts.judge(True) == "ok"
    verdicts.exit_if_missed()


def test_one_that_does_not_fails_the_run():
    assert [verdicts.judge(True), verdicts.judge(False)] == ["ok", "TOO SLOW"]
    assert verdicts.judge(False, "TOO MUCH") == "TOO MUCH"
    with pytest.raises(SystemExit, match="2 figures missed their limits"):
        verdicts.exit_if_missed()
