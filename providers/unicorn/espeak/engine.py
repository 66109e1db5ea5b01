"""The program of eSpeak NG: one fork per task.

eSpeak NG is licensed under the GPL, keeps its state in globals and is not thread-safe. So
this is a separate program, which shares no code and no memory with the rest: nothing
imports it, and it imports only the standard library. It loads the library once and accepts
tasks on a listening socket. It forks for each task; the fork speaks and exits. All forks
start from the same state. So equal requests give equal audio, byte for byte, and a crash
costs one task.

A task's connection carries one request, a frame of JSON `{"text", "voice", "rate",
"pitch"}`, and these frames as its response:

- `A`: samples, 16-bit signed little-endian mono, 22,050 Hz;
- `E`: events `(kind, place, sample)`; kind 1 begins a word, 5 ends a clause; place
  counts code points from 1; sample counts from the start of the audio;
- `X`: the reason of a failure, in English for our logs; the last frame;
- `.`: success; the last frame.

A frame is one letter, the length of its content in four bytes, and the content. A task
whose connection closes without a last frame has crashed. Closing a task's connection ends
its fork. When standard input closes, also by the death of the service, the program ends
itself and all forks.

Run as `engine.py LIBRARY DATA LISTENER`: the paths of the shared library and of its data,
and the number of the listening socket.
"""

import ctypes
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from typing import Any

RATE = 22_050  # Hz
CPU_SECONDS = 60  # for one task; an ordinary one takes less than one second

# espeak-ng/speak_lib.h, version 1.52
_SYNCHRONOUS = 2  # calls the callback on the calling thread
_BY_CHARACTER = 1
_UTF8 = 1  # without the flags for SSML and phonemes: markup is read as text
_RATE_PARAMETER, _PITCH_PARAMETER = 1, 3
_END_OF_LIST, _WORD, _END_OF_CLAUSE = 0, 1, 5
_BUFFER_MS = 200  # of audio at a time
# Words per minute. Other speeds are made by stretching the audio afterwards. The engine
# could speak faster itself, but then the times of its events are wrong.
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
    """Changes the speed of audio with the library's copy of sonic, at the same pitch."""

    def __init__(self, espeak: ctypes.CDLL, speed: float) -> None:
        self._sonic = espeak
        self._speed = speed
        espeak.sonicCreateStream.restype = ctypes.c_void_p
        self._stream = ctypes.c_void_p(espeak.sonicCreateStream(RATE, 1))
        espeak.sonicSetSpeed(self._stream, ctypes.c_float(speed))
        self._buffer = (ctypes.c_short * RATE)()

    def feed(self, wave: Any, samples: int) -> bytes:
        """Add samples; return the output that is ready."""
        self._sonic.sonicWriteShortToStream(self._stream, wave, samples)
        return self._ready()

    def end(self) -> bytes:
        """Return the remaining output."""
        self._sonic.sonicFlushStream(self._stream)
        return self._ready()

    def position(self, sample: int) -> int:
        """Return the position of a sample in the output."""
        return round(sample / self._speed)

    def _ready(self) -> bytes:
        ready = b""
        while count := self._sonic.sonicReadShortFromStream(
            self._stream, self._buffer, len(self._buffer)
        ):
            ready += ctypes.string_at(self._buffer, count * 2)
        return ready


class _Plain:
    """Passes audio on unchanged."""

    def feed(self, wave: Any, samples: int) -> bytes:
        """Return the samples as bytes."""
        return ctypes.string_at(wave, samples * 2)

    def end(self) -> bytes:
        """Return the remaining output, which is empty."""
        return b""

    def position(self, sample: int) -> int:
        """Return the position of a sample in the output."""
        return sample


def _load(library: str, data: str) -> ctypes.CDLL:
    # The library silently cuts off long paths, so it gets a short one.
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
        sys.exit(f"the speech engine can't be initialized: {rate}")
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

    def on_audio(wave: Any, samples: int, events: Any) -> int:
        answer = found = b""
        for event in events:
            if event.kind == _END_OF_LIST:
                break
            if event.kind in (_WORD, _END_OF_CLAUSE):
                sample = sound.position(event.sample)
                found += struct.pack("<BII", event.kind, event.place, sample)
        if found:
            answer += _frame(b"E", found)
        if wave and samples > 0 and (output := sound.feed(wave, samples)):
            answer += _frame(b"A", output)
        if answer:
            task.sendall(answer)
        return 0

    callback = _Callback(on_audio)
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
    """Run one task in a fork; never returns."""
    status = 1
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # without a client, stop
        # An error in the callback ends the fork; the synthesis would go on otherwise.
        sys.unraisablehook = lambda _: os._exit(1)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        # A core dump would contain the text.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _speak(espeak, task)
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Fork for each task until the standard input is closed; then end every fork."""
    listener = socket.socket(fileno=int(sys.argv[3]))
    listener.setblocking(False)
    espeak = _load(sys.argv[1], sys.argv[2])
    # The library prints warnings there about letters that a language lacks.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps the forks
    while True:
        ready, _, _ = select.select([0, listener.fileno()], [], [])
        if 0 in ready:
            break
        try:
            task, _address = listener.accept()
        except OSError:
            continue  # the client is gone
        task.setblocking(True)
        try:
            if os.fork() == 0:
                listener.close()
                _serve_one(espeak, task)
        except OSError:
            pass  # no more processes allowed: the client sees its connection close
        finally:
            task.close()
    # The service started this process in its own group.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
