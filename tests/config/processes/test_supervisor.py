"""The supervisor, on small shell programs."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.embedded import children
from config.embedded.children import StartFailed
from config.processes import supervisor as module
from config.processes.output import Console, Lines
from config.processes.supervisor import Program, Stopped, Supervisor

pytestmark = pytest.mark.system


def shell(name: str, script: str, **options) -> Program:
    def launch(output: int) -> subprocess.Popen[bytes]:
        return children.spawn(
            ["/bin/sh", "-c", script], on_parent_death=signal.SIGKILL, output=output
        )

    return Program(name, launch, **options)


@contextlib.contextmanager
def supervising(
    *names: str, is_abandoned: Callable[[], bool] = lambda: False
) -> Iterator[Supervisor]:
    supervisor = Supervisor(Console(list(names)), is_abandoned)
    with supervisor.running():
        yield supervisor


def exists(pid: str) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def written(path: Path) -> Callable[[], bool]:
    """Return whether a line is in the file: a shell makes it before it writes."""
    return lambda: path.exists() and path.read_text().endswith("\n")


def ends(*pids: str) -> None:
    """Wait for killed processes."""
    deadline = time.monotonic() + 10
    while any(map(exists, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_are_labelled_and_aligned(capsysbinary):
    with supervising("web", "worker-local") as supervisor:
        supervisor.run(shell("web", "echo one; echo; printf two >&2"))
        supervisor.run(shell("worker-local", "echo three"))
    assert capsysbinary.readouterr().out.splitlines() == [
        b"web          | one",
        b"web          | two",
        b"worker-local | three",
    ]


def test_lines_are_joined_from_parts():
    lines = Lines()
    assert lines.feed(b"one\ntw") == [b"one"]
    assert lines.feed(b"o\n\nthree") == [b"two", b""]
    assert lines.end() == [b"three"]
    assert lines.end() == []


def test_a_line_without_end_is_shown_in_parts():
    lines = Lines()
    assert lines.feed(b"x" * 65_536) == []
    assert lines.feed(b"y") == [b"x" * 65_536 + b"y"]
    assert lines.end() == []


def test_a_program_that_prints_much_is_not_held_up(capsysbinary):
    with supervising("loud") as supervisor:
        supervisor.run(shell("loud", "seq 200000"))
    lines = capsysbinary.readouterr().out.splitlines()
    assert len(lines) == 200_000
    assert lines[-1] == b"loud | 200000"


def test_a_failed_program_is_reported():
    with (
        supervising("release") as supervisor,
        pytest.raises(
            StartFailed, match=r"^release failed \(exit code 3\); see its output"
        ),
    ):
        supervisor.run(shell("release", "exit 3"))


def test_a_service_that_ends_at_once_is_reported(tmp_path):
    log = tmp_path / "db.log"
    with (
        supervising("db") as supervisor,
        pytest.raises(
            StartFailed, match=rf"^db did not start \(exit code 2\); see {log}"
        ),
    ):
        supervisor.start_service(
            shell("db", "exit 2", is_ready=lambda: False, log=log),
        )


def test_a_service_that_is_never_ready_is_reported():
    with (
        supervising("db") as supervisor,
        pytest.raises(
            StartFailed, match=r"^db was not ready after 0 s; see its output"
        ),
    ):
        supervisor.start_service(
            shell("db", "sleep 60", is_ready=lambda: False, start_timeout=0.1),
        )


def test_a_program_that_ends_is_restarted(tmp_path, capfd):
    starts = tmp_path / "starts"
    with supervising("worker") as supervisor:
        supervisor.start(shell("worker", f"echo $$ >> {starts}; exec sleep 60"))
        supervisor.wait_until(written(starts), 10)
        os.kill(int(starts.read_text()), signal.SIGKILL)
        assert supervisor.wait_until(lambda: starts.read_text().count("\n") == 2, 10)
        pids = starts.read_text().split()
        assert [exists(pid) for pid in pids] == [False, True]
    assert [exists(pid) for pid in pids] == [False, False]
    assert "worker has ended (by SIGKILL); restarting it." in capfd.readouterr().out


def test_a_program_that_is_killed_often_is_restarted(tmp_path):
    starts = tmp_path / "starts"
    starts.touch()
    with supervising("worker") as supervisor:
        supervisor.start(shell("worker", f"echo $$ >> {starts}; exec sleep 60"))
        for number in range(1, 8):
            assert supervisor.wait_until(
                lambda: starts.read_text().count("\n") == number,  # noqa: B023
                10,
            )
            os.kill(int(starts.read_text().split()[-1]), signal.SIGKILL)
        assert supervisor.wait_until(lambda: starts.read_text().count("\n") == 8, 10)


def test_a_program_that_keeps_failing_stops_the_supervisor(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
    starts = tmp_path / "starts"
    with supervising("worker") as supervisor:
        supervisor.start(shell("worker", f"echo >> {starts}; exit 1"))
        with pytest.raises(
            StartFailed, match=r"^worker has failed 5 times right after"
        ):
            supervisor.pause(30)
    assert starts.read_text().count("\n") == 5


def test_programs_wait_for_the_services_that_they_need(tmp_path):
    up, starts = tmp_path / "up", tmp_path / "starts"
    up.touch()
    with supervising("db", "worker") as supervisor:
        supervisor.start_service(shell("db", "exec sleep 60", is_ready=up.exists))
        supervisor.start(shell("worker", f"echo $$ >> {starts}; exec sleep 60"))
        supervisor.wait_until(written(starts), 10)
        up.unlink()
        os.kill(int(starts.read_text()), signal.SIGKILL)
        supervisor.pause(0.5)
        assert starts.read_text().count("\n") == 1
        up.touch()
        assert supervisor.wait_until(lambda: starts.read_text().count("\n") == 2, 10)


def test_a_signal_stops_all_in_reverse_order(tmp_path):
    order = tmp_path / "order"

    def told(name: str) -> Program:
        script = f"trap 'echo {name} >> {order}; exit' TERM; touch {tmp_path}/{name};"
        return shell(name, f"{script} while :; do sleep 0.01; done")

    with supervising("db", "cache", "web") as supervisor:
        for name in ("db", "cache"):
            supervisor.start_service(told(name))
        supervisor.start(told("web"))
        supervisor.wait_until(
            lambda: all((tmp_path / name).exists() for name in ("db", "cache", "web")),
            10,
        )
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            supervisor.pause(10)
    assert order.read_text().split() == ["web", "cache", "db"]


def test_a_program_that_does_not_stop_is_killed_with_its_children(tmp_path, capfd):
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 61 & echo $! $$ > {pids}; while :; do sleep 1; done"
    with supervising("worker") as supervisor:
        supervisor.start(shell("worker", script, stop_timeout=0.1))
        supervisor.wait_until(written(pids), 10)
        started = pids.read_text().split()
    ends(*started)
    assert "worker had to be killed." in capfd.readouterr().out


def test_a_second_signal_kills_at_once(tmp_path):
    pids = tmp_path / "pids"
    script = f"trap 'kill -INT {os.getpid()}' TERM; echo $$ > {pids}; "
    begun = time.monotonic()
    with supervising("worker") as supervisor:
        supervisor.start(shell("worker", script + "while :; do sleep 0.01; done"))
        supervisor.wait_until(written(pids), 10)
    assert not exists(pids.read_text().strip())
    assert time.monotonic() - begun < Program("", shell("", "").launch).stop_timeout


@pytest.mark.parametrize(("signals", "ends_itself"), [(0, True), (1, True), (2, False)])
def test_who_is_abandoned_stops_all(tmp_path, signals, ends_itself):
    """The first signal after that is the one that made us abandoned."""
    pids, end, abandoned = tmp_path / "pids", tmp_path / "end", tmp_path / "abandoned"
    interrupts = f"kill -INT {os.getpid()}; sleep 0.1; " * signals
    last = (
        f"sleep 0.2; touch {end}; exit" if ends_itself else "while :; do sleep 1; done"
    )
    script = f"trap '{interrupts}{last}' TERM; echo $$ > {pids}; "
    with supervising("worker", is_abandoned=abandoned.exists) as supervisor:
        supervisor.start(shell("worker", script + "while :; do sleep 0.01; done"))
        supervisor.wait_until(written(pids), 10)
        abandoned.touch()
        with pytest.raises(Stopped):
            supervisor.pause(10)
    assert end.exists() is ends_itself
    assert not exists(pids.read_text().strip())


def test_what_a_dead_program_left_behind_is_ended(tmp_path):
    left = tmp_path / "left"
    with supervising("web") as supervisor:
        supervisor.start(shell("web", f"sleep 62 & echo $! > {left}; sleep 0.1"))
        supervisor.wait_until(written(left), 10)
        pid = left.read_text().strip()
        assert supervisor.wait_until(lambda: not exists(pid), 10)


def test_signal_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with supervising("web"):
        pass
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert after == before
