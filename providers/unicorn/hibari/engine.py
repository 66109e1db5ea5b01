"""The program of `hibari`, a small neural voice: one process for each core.

It loads model and lexicon once, then forks as many processes as there are cores, or as
`ENGINE_PROCESSES` says. Each accepts tasks on the listening socket and works on all that it
has accepted in turn, a phrase at a time: so a sentence waits for a phrase of a book, not
for a piece. A process that dies is replaced within milliseconds.

A task's connection carries one request, a frame of JSON `{"text", "model", "is_british",
"speed"}`: `model` is the path of the voice's model, and `speed` from 0.5 to 2. The frames
of its response:

- `A`: samples, 16-bit signed little-endian mono, 24,000 Hz;
- `W`: words that were spoken since the last such frame, as `(start, end, first sample,
  last sample)`: offsets in the text, in code points; samples from the start of the audio;
- `F`: the start and end of a stretch that this voice can't read: it belongs here;
- `T`: there are no word times: the model doesn't tell them; the first frame;
- `X`: the reason of a failure, in English for our logs; the last frame;
- `.`: success; the last frame.

A frame is one letter, the length of its content in four bytes, and the content. Equal
requests give equal audio, byte for byte. When standard input closes, the program ends, and
with it all of its processes.

Run as `-m providers.unicorn.hibari.engine MODEL LISTENER`: the model that is loaded at
once, and the number of the listening socket.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import selectors
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from hibari import dsp
from numpy.typing import NDArray

from providers.unicorn.hibari.reading import Foreign, Phrase, Reader, vocabulary

RATE = 24_000  # Hz
_STEP = 600  # samples in a step of the model's durations: 25 ms
_DURATIONS = "/Cast_32_output_0"
"""The node of the model that has the duration of each phoneme, in steps.

Measured: the sound of a word begins 6 to 46 ms after the time that it gives.
"""

_OUTPUTS = ["lh", "theta", "ln", "lr", "phi", "f0"]
_MOST_PHONEMES = 200  # in a phrase at normal speed: 12 s; more would take more memory
_QUIET = 0.003  # of 1: -50 dB, heard as silence
_MARGIN = 240  # samples kept around the sound: 10 ms
_CPU_SECONDS = 20.0  # for a phrase; an ordinary one takes a tenth of a second
_MOST_MODELS = 2  # kept by a process
_FIRST_TEXT = "Dr. Ozvena said 42 words."
_FOR_THE_IDLE = 0.01  # seconds that a process with tasks leaves new ones to the idle
_SENT_AT_ONCE = 1 << 16  # bytes


class Model:
    """A voice's model."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            data = file.read()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = False  # it keeps the most that it ever needed
        options.enable_mem_pattern = False

        def load(content: bytes) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )

        try:
            self._session = load(data + _further_output(_DURATIONS))
            self._outputs = [*_OUTPUTS, _DURATIONS]
        except Exception as error:  # noqa: BLE001 - the library's own kinds are not public
            self._session = load(data)
            self._outputs = _OUTPUTS
            sys.stderr.write(
                f"{path} gives no durations: its word times are estimated: {error}\n"
            )

    @property
    def has_durations(self) -> bool:
        """Whether the model says how long each phoneme lasts."""
        return len(self._outputs) > len(_OUTPUTS)

    def speak(
        self, ids: list[int], speed: float, seed: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return samples from -1 to 1, and the sample at which each id ends."""
        answer = self._session.run(
            self._outputs,
            {"ids": np.array([ids]), "speed": np.array([speed], np.float32)},
        )
        wave = dsp.synth(*(part[0] for part in answer[:6]), np.random.default_rng(seed))
        ends = np.zeros(0, np.int64)
        if self.has_durations:
            ends = np.cumsum(answer[6], dtype=np.int64) * _STEP
        return wave, ends


def _further_output(name: str) -> bytes:
    """Return bytes that, after those of a model, make a node one of its outputs.

    In Protocol Buffers, a message that occurs twice is merged, and a repeated field grows:
    here `ModelProto.graph` (7), its `output` (12), and its `name` (1).
    """
    content = name.encode()
    for tag in (1, 12, 7):
        content = bytes([tag << 3 | 2, len(content)]) + content
    return content


class Voices:
    """Models and readers, loaded when they are needed and shared by all forks."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._readers: dict[bool, Reader] = {}
        self._ids = vocabulary()

    def model(self, path: str) -> Model:
        """Return the model at `path`."""
        if path in self._models:
            self._models[path] = self._models.pop(path)  # the last used is the last
        else:
            while len(self._models) >= _MOST_MODELS:
                del self._models[next(iter(self._models))]
            self._models[path] = Model(path)
        return self._models[path]

    def reader(self, *, is_british: bool) -> Reader:
        """Return the reader for an accent."""
        if is_british not in self._readers:
            self._readers[is_british] = Reader(is_british)
        return self._readers[is_british]

    def frames(self, request: dict[str, Any]) -> Iterator[bytes]:
        """Yield the frames of the answer to a request, one phrase at a time."""
        model = self.model(request["model"])
        reader = self.reader(is_british=request["is_british"])
        speed = request["speed"]
        if not model.has_durations:
            yield frame(b"T")
        position = 0
        most = int(_MOST_PHONEMES * min(1.0, speed))
        for seed, part in enumerate(reader.read(request["text"], most)):
            if isinstance(part, Foreign):
                yield frame(b"F", struct.pack("<II", part.start, part.end))
                continue
            wave, found = self._phrase(model, part, speed, seed, position)
            position += len(wave)
            yield frame(b"A", wave.tobytes()) + (frame(b"W", found) if found else b"")
        yield frame(b".")

    def _phrase(
        self, model: Model, phrase: Phrase, speed: float, seed: int, position: int
    ) -> tuple[NDArray[np.int16], bytes]:
        """Return the samples of a phrase with its pause, and its words as in a frame."""
        pause = np.zeros(round(phrase.pause / speed * RATE), np.int16)
        if not phrase.phonemes:
            return pause, b""
        ids = [0, *(self._ids[letter] for letter in phrase.phonemes), 0]
        wave, ends = model.speak(ids, speed, seed)
        loud = np.flatnonzero(np.abs(wave) > _QUIET)
        first = max(0, int(loud[0]) - _MARGIN) if len(loud) else 0
        last = min(len(wave), int(loud[-1]) + 1 + _MARGIN) if len(loud) else len(wave)
        sound = np.clip(wave[first:last] * 32767, -32767, 32767).astype("<i2")
        found = b""
        audible = int(loud[0]) - first if len(loud) else 0
        for word in phrase.words if len(ends) else ():
            # The end of an id is the start of the next; there is a pad before the first.
            begins = min(max(int(ends[word.first]) - first, 0), len(sound))
            if word.first == 0:
                begins = min(begins, audible)  # some letters begin within the pad
            finishes = min(max(int(ends[word.end]) - first, begins), len(sound))
            found += _shared(word.spans, position + begins, position + finishes)
        return np.concatenate([sound, pause]), found


def _shared(spans: list[tuple[int, int]], begins: int, finishes: int) -> bytes:
    """Return words that share a time by their length."""
    total = sum(end - start for start, end in spans)
    found, done = b"", 0
    for start, end in spans:
        first = begins + (finishes - begins) * done // total
        done += end - start
        last = begins + (finishes - begins) * done // total
        found += struct.pack("<IIII", start, end, first, last)
    return found


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """Return a frame."""
    return kind + struct.pack("<I", len(content)) + content


class _Task:
    """A connection, its request and what is to be sent."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames: Iterator[bytes] | None = None
        self.is_done = False
        self.unsent = b""
        self._received = b""

    def receive(self, voices: Voices) -> bool:
        """Read the request; return False if the client is gone."""
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._received += data
        if self.frames is None and len(self._received) >= 5:
            (length,) = struct.unpack("<xI", self._received[:5])
            if len(self._received) >= 5 + length:
                request = json.loads(self._received[5 : 5 + length])
                self.frames = voices.frames(request)
        return bool(data)

    def send(self) -> bool:
        """Send what the client takes; return False if the task has ended."""
        try:
            while self.unsent:
                sent = self.connection.send(self.unsent[:_SENT_AT_ONCE])
                self.unsent = self.unsent[sent:]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return not self.is_done

    def go_on(self) -> None:
        """Make the next frames."""
        assert self.frames is not None
        try:
            signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)  # ends the process
            self.unsent = next(self.frames)
        except StopIteration:
            self.is_done = True
        except Exception as error:  # noqa: BLE001 - it belongs to this task alone
            self.unsent = frame(b"X", f"{type(error).__name__}: {error}".encode())
            self.frames = iter(())
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def work(listener: socket.socket, voices: Voices, parent: int) -> None:
    """Work on tasks until the parent is gone."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    tasks: deque[_Task] = deque()

    def end(task: _Task) -> None:
        selector.unregister(task.connection)
        task.connection.close()
        tasks.remove(task)

    left_since: float | None = None  # since when a connection waits for an idle process
    while os.getppid() == parent:
        is_busy = any(task.frames and not task.unsent for task in tasks)
        ready = selector.select(0 if is_busy else 1)
        if not any(key.fileobj is listener for key, _ in ready):
            left_since = None
        for key, events in ready:
            if key.fileobj is listener:
                now = time.monotonic()
                left_since = left_since or now
                if tasks and now - left_since < _FOR_THE_IDLE:
                    if not is_busy:
                        time.sleep(0.001)  # a client is slow, and so are we
                    continue
                left_since = None
                with contextlib.suppress(OSError):  # another process was faster
                    connection, _address = listener.accept()
                    connection.setblocking(False)
                    task = _Task(connection)
                    selector.register(connection, selectors.EVENT_READ, task)
                    tasks.append(task)
                continue
            task = key.data
            if (events & selectors.EVENT_READ and not task.receive(voices)) or (
                events & selectors.EVENT_WRITE and not task.send()
            ):
                end(task)
        for _ in range(len(tasks)):
            tasks.rotate(-1)
            task = tasks[-1]
            if task.frames and not task.unsent:
                task.go_on()
                if not task.send():
                    end(task)
                break
        for task in tasks:
            wanted = selectors.EVENT_READ | (
                selectors.EVENT_WRITE if task.unsent else 0
            )
            if selector.get_key(task.connection).events != wanted:
                selector.modify(task.connection, wanted, task)


def _fork(listener: socket.socket, voices: Voices) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        work(listener, voices, parent)
    finally:
        os._exit(1)


def main() -> None:
    """Keep as many processes working as there are cores, until standard input closes."""
    listener = socket.socket(fileno=int(sys.argv[2]))
    listener.setblocking(False)
    voices = Voices()
    first = {"text": _FIRST_TEXT, "model": sys.argv[1], "speed": 1, "is_british": False}
    for _ in voices.frames(first):
        pass  # loads what a first task would have to wait for
    gc.collect()
    gc.freeze()  # or collecting would copy what the processes share
    alarm, waker = os.pipe()
    os.set_blocking(alarm, False)
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    count = int(os.environ.get("ENGINE_PROCESSES") or os.cpu_count() or 1)
    working = {_fork(listener, voices) for _ in range(count)}
    while True:
        ready, _, _ = select.select([0, alarm], [], [])
        if 0 in ready:
            break
        with contextlib.suppress(BlockingIOError):
            os.read(alarm, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                working.discard(ended)
                working.add(_fork(listener, voices))
    for process in working:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
