"""Starts, watches and stops the processes of one machine.

One thread does it all: it starts the children (the kernel ties their lives to the thread
that did), passes on what they print, starts again what died, and stops them in reverse
order. Should it be killed itself, the kernel ends the children.
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

_TICK = 0.1  # seconds between two looks at the children, when nothing else happens
_QUICK = 10.0  # seconds; who ends sooner after its start has not really run
_PATIENCE = 5  # quick failures in a row, then it is given up
_LONGEST_PAUSE = 5.0  # seconds before a child is started again
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """We were asked to stop."""


@dataclass(frozen=True)
class Program:
    """Something to run. `launch` gets the descriptor to print to."""

    name: str
    launch: Callable[[int], subprocess.Popen[bytes]]
    is_ready: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0  # seconds
    start_timeout: float = 60.0  # seconds until it is ready
    log: Path | None = None  # where it writes, if not to us


@dataclass
class _Child:
    """A program with the process that runs it at the moment, if one does."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    output: int | None = None  # descriptor of the pipe that it prints to
    lines: Lines = field(default_factory=Lines)
    started: float = 0.0  # time.monotonic()
    start_at: float | None = None  # when to start it again
    quick_ends: int = 0
    failures: int = 0  # quick ends that were its own fault


class Supervisor:
    """Runs `services`, that the others need, and `programs`."""

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
        """Take signals while the block runs; stop everything when it ends.

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
            # Under nohup the end of the terminal is not to be noticed.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        # A death or a request ends the wait of `_look` at once.
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
        """Start what the others need, and wait until it is ready.

        Raises:
            StartFailed: it ended, or was not ready in time.
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
                    f"{program.name} did not start ({_end(process)}); {_words(program)}."
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{program.name} was not ready after {program.start_timeout:.0f} s; "
                    f"{_words(program)}."
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
        self._bury(child)
        if process.returncode != 0:
            raise StartFailed(
                f"{program.name} failed ({_end(process)}); {_words(program)}."
            )

    def start(self, program: Program) -> None:
        """Start a program that is to run from now on."""
        child = _Child(program)
        self._programs.append(child)
        self._start(child)

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Watch until `condition` comes true; return whether it did in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.watch()
            if time.monotonic() > deadline:
                return False
        return True

    def pause(self, seconds: float) -> None:
        """Watch for some time."""
        self.wait_until(lambda: False, seconds)

    def watch(self) -> None:
        """Pass on output for a moment, and start again what has ended.

        Raises:
            StartFailed: a child fails right after its start again and again.
        """
        self._look()
        for child in (*self._services, *self._programs):
            if child.process is not None and child.process.poll() is not None:
                self._plan_restart(child)
        for child in filter(_is_due, self._services):
            self._start(child)
        # What needs the services would only fail while they are away.
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
        """Decide when to start again a child that has ended."""
        process, name = child.process, child.program.name
        assert process is not None
        self._bury(child)
        if time.monotonic() - child.started >= _QUICK:
            child.quick_ends = child.failures = 0
        pause = 0.1
        # Whoever was killed from outside has not failed, however often it happens.
        if process.returncode not in (-signal.SIGKILL, -signal.SIGTERM):
            pause = min(_LONGEST_PAUSE, 0.25 * 2**child.quick_ends)
            child.quick_ends += 1
            child.failures += process.returncode != 0
        if child.failures >= _PATIENCE:
            raise StartFailed(
                f"{name} has failed {child.failures} times right after its start "
                f"({_end(process)}); {_words(child.program)}."
            )
        self._console.say(f"{name} has ended ({_end(process)}); it is started again.")
        child.start_at = time.monotonic() + pause

    def _bury(self, child: _Child) -> None:
        """Take the last words of a process that has ended, and end what it left behind."""
        assert child.process is not None
        children.kill_group(child.process)
        child.process.wait()
        self._read(child)
        for line in child.lines.end():
            self._console.write(child.program.name, line)
        self._close(child)
        child.process = None

    def _look(self, timeout: float = _TICK) -> None:
        """Pass on what the children print, for at most `timeout` seconds.

        Raises:
            Stopped: we were asked to stop.
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
        """Show what has arrived. A child that never pauses must not keep us here."""
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
                    self._bury(child)
                    waiting.remove(child)


def _is_due(child: _Child) -> bool:
    return child.start_at is not None and child.start_at <= time.monotonic()


def _words(program: Program) -> str:
    """Say where a program's own words are."""
    return f"see {program.log}" if program.log else "what it said is above"


def _end(process: subprocess.Popen[bytes]) -> str:
    """Say how a process ended."""
    code = process.returncode
    if code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"
