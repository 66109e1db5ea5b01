"""Start, watch, restart and stop the processes of one machine.

One thread starts the child processes, prints their output, restarts those that ended, and
stops them in reverse order. It has to be one thread: the kernel ends the children when the
thread that started them ends, so they also end if the supervisor is killed.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from config.embedded import children
from config.embedded.children import StartFailed
from config.processes.output import Console, Lines

_TICK = 0.1  # seconds between two checks of the children, when nothing else happens
_QUICK = 10.0  # seconds; a child that ends sooner has failed at its start
_MOST_FAILURES = 5  # quick failures in a row, after which the supervisor stops
_LONGEST_PAUSE = 5.0  # seconds before a child is restarted
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked the supervisor to stop."""


@dataclass(frozen=True)
class Program:
    """A program to run. `launch` is called with the descriptor for its output."""

    name: str
    launch: Callable[[int], subprocess.Popen[bytes]]
    is_ready: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0  # seconds
    start_timeout: float = 60.0  # seconds until it is ready
    log: Path | None = None  # its log file, if it does not print its log


@dataclass
class _Child:
    """A program and its current process, if it is running."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    output: int | None = None  # descriptor of the pipe with its output
    lines: Lines = field(default_factory=Lines)
    started: float = 0.0  # time.monotonic()
    start_at: float | None = None  # when to restart it
    quick_ends: int = 0
    failures: int = 0  # quick ends that it caused itself


class Supervisor:
    """Run services, and the programs that need them."""

    def __init__(
        self, console: Console, is_abandoned: Callable[[], bool] = lambda: False
    ) -> None:
        self._console = console
        self._is_abandoned = is_abandoned
        self._services: list[_Child] = []
        self._programs: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._requests = 0  # to stop, by signals
        self._answered = 0  # of them, when all begins to stop

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Handle signals while the block runs; stop all children when it ends.

        A signal raises Stopped in the block, at the next of our methods; so does
        `is_abandoned`, once it is true.
        """
        alarm, waker = os.pipe()
        os.set_blocking(alarm, False)
        os.set_blocking(waker, False)
        self._selector.register(alarm, selectors.EVENT_READ, None)
        old = {
            number: signal.signal(number, self._note)
            for number in _SIGNALS
            # Under nohup, SIGHUP stays ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        # The end of a child, or a signal to stop, ends the wait of `_look` at once.
        old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        try:
            yield
        finally:
            self._stop_all()
            signal.set_wakeup_fd(old_waker)
            for number, handler in old.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(alarm)
            os.close(waker)

    def start_service(self, program: Program) -> None:
        """Start a service that programs need, and wait until it is ready.

        Raises:
            StartFailed: it ended, or was not ready before its timeout.
        """
        child = _Child(program)
        self._services.append(child)
        self._start(child)
        process = child.process
        assert process is not None
        deadline = time.monotonic() + program.start_timeout
        while not program.is_ready():
            self._look(0.01)
            if process.poll() is not None:
                raise StartFailed(
                    f"{program.name} did not start ({_end(process)}); {_log_hint(program)}."
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{program.name} was not ready after {program.start_timeout:.0f} s; "
                    f"{_log_hint(program)}."
                )

    def run(self, program: Program) -> None:
        """Run a program to its end.

        Raises:
            StartFailed: it failed.
        """
        child = _Child(program)
        self._programs.append(child)
        self._start(child)
        process = child.process
        assert process is not None
        while process.poll() is None:
            self._look()
        self._programs.remove(child)
        self._clean_up(child)
        if process.returncode != 0:
            raise StartFailed(
                f"{program.name} failed ({_end(process)}); {_log_hint(program)}."
            )

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        child = _Child(program)
        self._programs.append(child)
        self._start(child)

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Watch until `condition` is true; return False at the timeout."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.watch()
            if time.monotonic() > deadline:
                return False
        return True

    def pause(self, seconds: float) -> None:
        """Watch for `seconds`."""
        self.wait_until(lambda: False, seconds)

    def watch(self) -> None:
        """Print output for a moment, and restart children that have ended.

        Raises:
            StartFailed: a child has failed several times right after its start.
        """
        self._look()
        for child in (*self._services, *self._programs):
            if child.process is not None and child.process.poll() is not None:
                self._plan_restart(child)
        for child in filter(_is_due, self._services):
            self._start(child)
        # Programs would only fail while a service is down.
        due = list(filter(_is_due, self._programs))
        if due and self._has_services():
            for child in due:
                self._start(child)

    def _has_services(self) -> bool:
        return all(child.process for child in self._services) and all(
            child.program.is_ready() for child in self._services
        )

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._requests += 1

    def _start(self, child: _Child) -> None:
        child.start_at = None
        child.started = time.monotonic()
        child.output, end = os.pipe()
        os.set_blocking(child.output, False)
        self._selector.register(child.output, selectors.EVENT_READ, child)
        try:
            child.process = child.program.launch(end)
        except OSError as error:
            raise StartFailed(
                f"{child.program.name} can't be started: {error}."
            ) from error
        finally:
            os.close(end)

    def _plan_restart(self, child: _Child) -> None:
        """Decide when to restart a child that has ended."""
        process, name = child.process, child.program.name
        assert process is not None
        self._clean_up(child)
        if time.monotonic() - child.started >= _QUICK:
            child.quick_ends = child.failures = 0
        pause = 0.1
        # A child that was killed from outside has not failed, however often it happens.
        if process.returncode not in (-signal.SIGKILL, -signal.SIGTERM):
            pause = min(_LONGEST_PAUSE, 0.25 * 2**child.quick_ends)
            child.quick_ends += 1
            child.failures += process.returncode != 0
        if child.failures >= _MOST_FAILURES:
            raise StartFailed(
                f"{name} has failed {child.failures} times right after its start "
                f"({_end(process)}); {_log_hint(child.program)}."
            )
        self._console.say(f"{name} has ended ({_end(process)}); restarting it.")
        child.start_at = time.monotonic() + pause

    def _clean_up(self, child: _Child) -> None:
        """Print the last output of a process that has ended, and kill its children."""
        assert child.process is not None
        children.kill_group(child.process)
        child.process.wait()
        self._read(child)
        for line in child.lines.end():
            self._console.write(child.program.name, line)
        self._close(child)
        child.process = None

    def _look(self, timeout: float = _TICK) -> None:
        """Print the children's output, for at most `timeout` seconds.

        Raises:
            Stopped: a signal asked the supervisor to stop.
        """
        self._pass_on(timeout)
        if self._requests:
            raise Stopped
        if self._is_abandoned():
            self._answered = 1  # the same Ctrl-C may be on its way to us
            raise Stopped

    def _pass_on(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)
            else:
                self._read(key.data)

    def _read(self, child: _Child) -> None:
        """Print the output of a child; limited, as one child may print without a pause."""
        for _ in range(16):
            if child.output is None:
                return
            try:
                data = os.read(child.output, 65_536)
            except BlockingIOError:
                return
            if not data:
                self._close(child)
                return
            for line in child.lines.feed(data):
                self._console.write(child.program.name, line)

    def _close(self, child: _Child) -> None:
        if child.output is not None:
            self._selector.unregister(child.output)
            os.close(child.output)
            child.output = None

    def _stop_all(self) -> None:
        """Stop the programs together, then the services one by one, last first."""
        alive = [child for child in reversed(self._programs) if child.process]
        self._stop(alive)
        for child in reversed(self._services):
            if child.process:
                self._stop([child])

    def _stop(self, alive: Sequence[_Child]) -> None:
        begun, answered = time.monotonic(), max(self._answered, self._requests)
        for child in alive:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(child.program.stop_signal)
        waiting = list(alive)
        while waiting:
            self._pass_on(0.02)
            spent = time.monotonic() - begun
            for child in tuple(waiting):
                process = child.process
                assert process is not None
                hasty = self._requests > answered and child in self._programs
                if process.poll() is None and (
                    hasty or spent > child.program.stop_timeout
                ):
                    self._console.say(f"{child.program.name} had to be killed.")
                    children.kill_group(process)
                    process.wait()
                if process.poll() is not None:
                    self._clean_up(child)
                    waiting.remove(child)


def _is_due(child: _Child) -> bool:
    return child.start_at is not None and child.start_at <= time.monotonic()


def _log_hint(program: Program) -> str:
    """Return where the output of a program is, for messages."""
    return f"see {program.log}" if program.log else "see its output above"


def _end(process: subprocess.Popen[bytes]) -> str:
    """Return how a process ended, for messages."""
    code = process.returncode
    if code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"
