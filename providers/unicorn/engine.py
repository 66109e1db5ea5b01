"""The speech engine's own process: eSpeak NG, one fork per task.

eSpeak NG is under the GPL, keeps its state in globals and is not thread-safe. So this is
a program of its own, which shares no code and no memory with the rest: nothing imports
it, and it imports nothing but the standard library. It loads the library once and waits
on a control socket (its standard input). Each byte there brings the socket of one task,
for which it forks; the fork speaks and ends. A fork starts from the same state each
time, which makes equal requests sound equal to the byte, and a crash costs one task.

A task's socket carries one request, a frame of JSON `{"text", "voice", "rate",
"pitch"}`, and back frames of

- `A`: samples, 16-bit signed little-endian mono, 22,050 Hz;
- `E`: events `(kind, place, sample)`; kind 1 begins a word, 5 ends a clause; place
  counts code points from 1; sample counts from the start of the audio;
- `X`: why it can't be spoken, in English for our logs; the last frame;
- `.`: all has been said; the last frame.

A frame is one letter, the length of its content in four bytes, and the content. What
ends without a last frame has crashed. Who closes a task's socket ends its fork; who
closes the control socket, or dies, ends the engine and every fork.

Run as `engine.py LIBRARY DATA`: the paths of the shared library and of its data.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any

RATE = 22_050  # Hz
CPU_SECONDS = 60  # for one task; an ordinary one takes less than one second

# espeak-ng/speak_lib.h, version 1.52
_SYNCHRONOUS = 2  # the callback gets samples on the thread that asked for them
_BY_CHARACTER = 1
_UTF8 = 1  # no flag for SSML or phonemes: markup in a text is text
_RATE_PARAMETER, _PITCH_PARAMETER = 1, 3
_END_OF_LIST, _WORD, _END_OF_CLAUSE = 0, 1, 5
_BUFFER_MS = 200  # of audio at a time
# Words per minute. Slower speech is stretched afterwards, and faster speech pressed: the
# engine would do the latter itself, but then its events are beside the words.
_SLOWEST, _FASTEST = 80, 449


class _Identifier(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("place", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_short),
    ctypes.c_int,
    ctypes.POINTER(_Event),
)


class _Stretched:
    """Makes speech slower or faster by the library's own copy of sonic; the pitch stays."""

    def __init__(self, espeak: ctypes.CDLL, speed: float) -> None:
        self._sonic = espeak
        self._speed = speed
        espeak.sonicCreateStream.restype = ctypes.c_void_p
        self._stream = ctypes.c_void_p(espeak.sonicCreateStream(RATE, 1))
        espeak.sonicSetSpeed(self._stream, ctypes.c_float(speed))
        self._buffer = (ctypes.c_short * RATE)()

    def feed(self, wave: Any, samples: int) -> bytes:
        """Take samples in; return what is ready."""
        self._sonic.sonicWriteShortToStream(self._stream, wave, samples)
        return self._ready()

    def end(self) -> bytes:
        """Return the rest."""
        self._sonic.sonicFlushStream(self._stream)
        return self._ready()

    def place(self, sample: int) -> int:
        """Return where a sample goes to."""
        return round(sample / self._speed)

    def _ready(self) -> bytes:
        ready = b""
        while count := self._sonic.sonicReadShortFromStream(
            self._stream, self._buffer, len(self._buffer)
        ):
            ready += ctypes.string_at(self._buffer, count * 2)
        return ready


class _Plain:
    """Takes sound as it is."""

    def feed(self, wave: Any, samples: int) -> bytes:
        """Return the samples."""
        return ctypes.string_at(wave, samples * 2)

    def end(self) -> bytes:
        """Return the rest, which is nothing."""
        return b""

    def place(self, sample: int) -> int:
        """Return where a sample goes to."""
        return sample


def _load(library: str, data: str) -> ctypes.CDLL:
    # The library cuts long paths off without a word, so it gets a short one.
    os.chdir(os.path.dirname(data))
    espeak = ctypes.CDLL(library)
    espeak.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    rate = espeak.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, b".", 0)
    if rate != RATE:
        sys.exit(f"the speech engine can't be initialised: {rate}")
    return espeak


def _frame(kind: bytes, content: bytes = b"") -> bytes:
    return kind + struct.pack("<I", len(content)) + content


def _read_request(task: socket.socket) -> dict[str, Any]:
    with task.makefile("rb") as stream:
        header = stream.read(5)
        (length,) = struct.unpack("<xI", header)
        request: dict[str, Any] = json.loads(stream.read(length))
    return request


def _speak(espeak: ctypes.CDLL, task: socket.socket) -> None:
    request = _read_request(task)
    text = request["text"].encode()
    rate = request["rate"]
    own_rate = min(max(rate, _SLOWEST), _FASTEST)
    sound = _Plain() if rate == own_rate else _Stretched(espeak, rate / own_rate)

    def hear(wave: Any, samples: int, events: Any) -> int:
        answer = found = b""
        for event in events:
            if event.kind == _END_OF_LIST:
                break
            if event.kind in (_WORD, _END_OF_CLAUSE):
                sample = sound.place(event.sample)
                found += struct.pack("<BII", event.kind, event.place, sample)
        if found:
            answer += _frame(b"E", found)
        if wave and samples > 0 and (heard := sound.feed(wave, samples)):
            answer += _frame(b"A", heard)
        if answer:
            task.sendall(answer)
        return 0

    callback = _Callback(hear)
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        task.sendall(_frame(b"X", b"the engine has no such voice"))
        return
    espeak.espeak_SetParameter(_RATE_PARAMETER, own_rate, 0)
    espeak.espeak_SetParameter(_PITCH_PARAMETER, request["pitch"], 0)
    status = espeak.espeak_Synth(
        text + b"\0", len(text) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None
    )
    if status == 0:
        status = espeak.espeak_Synchronize()
    if status == 0:
        task.sendall(_frame(b"A", sound.end()) + _frame(b"."))
    else:
        task.sendall(_frame(b"X", f"the engine answered {status}".encode()))


def _serve_one(espeak: ctypes.CDLL, task: socket.socket) -> None:
    """Speak in a fork; never returns."""
    status = 1
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody listens: stop at once
        # What fails in the callback ends the fork; else the speaking would go on.
        sys.unraisablehook = lambda _: os._exit(1)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold the text
        _speak(espeak, task)
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Fork for each task until the control socket is closed; then end every fork."""
    control = socket.socket(fileno=0)
    control.setblocking(True)
    espeak = _load(sys.argv[1], sys.argv[2])
    # It complains there about letters that a language lacks; that is no error of ours.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the forks
    while True:
        # One byte at a time: so each comes with its own socket on every system.
        signs, sockets, _flags, _address = socket.recv_fds(control, 1, 1)
        if not signs:
            break
        for descriptor in sockets:
            task = socket.socket(fileno=descriptor)
            task.setblocking(True)  # gevent's are made not to
            try:
                if os.fork() == 0:
                    control.close()
                    _serve_one(espeak, task)
            except OSError:
                pass  # no room for one more process: the client sees the end
            finally:
                task.close()
    os.killpg(os.getpid(), signal.SIGKILL)  # our client made us lead a group


if __name__ == "__main__":
    main()
