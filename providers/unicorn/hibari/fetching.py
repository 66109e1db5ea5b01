"""Fetch the models of further natural voices, when an operator asks for them.

The package knows their addresses, sizes and hashes. They are fetched by the client of all
other calls, checked, and put into `settings.VOICES_DIRECTORY`. Nothing is fetched unasked.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from urllib.parse import urljoin

from django.conf import settings

from kit import http
from kit.http import addresses
from providers.unicorn import levels
from providers.unicorn.engines import get_engine
from providers.unicorn.hibari import voices
from providers.unicorn.hibari.voices import Model
from providers.unicorn.script import make_script

_LIMITS = http.Limits(connect=10, first_byte=30, quiet=30, total=600)
_MOST_REDIRECTS = 5  # to the servers that hold the files
_TEXT = "Hello. Write something, and I will read it aloud to you. " * 4


class FetchFailed(Exception):
    """A voice could not be fetched; the message is a sentence for operators."""


def missing() -> list[Model]:
    """Return the models that the package knows and this machine lacks."""
    if not voices.is_installed():
        return []
    return [
        model
        for model in voices.models().values()
        if not model.is_in_package and not model.path.exists()
    ]


def fetch(model: Model) -> None:
    """Fetch one model and measure the loudness of its voice. Safe to repeat.

    Raises:
        FetchFailed: the server can't be reached, or sends something else.
    """
    model.path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=model.path.parent, suffix=".part")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = hashlib.sha256()
            for part in _received(model):
                digest.update(part)
                file.write(part)
        if digest.hexdigest() != model.sha256:
            raise FetchFailed(
                f"What was received for {model.voice} is not that voice: its hash differs."
            )
        draft.replace(model.path)
    except (http.CallFailed, TimeoutError) as error:
        raise FetchFailed(
            f"{model.voice} can't be fetched: {error}. This machine needs access to the "
            "internet for it, or VOICES_URL the address of a copy."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    voice = get_engine(voices.NAME).voices()[model.voice]
    parts = get_engine(voices.NAME).speak(make_script(_TEXT), voice, 1.0)
    sound = b"".join(part for part in parts if isinstance(part, bytes))
    levels.keep_gain(voice, sound, get_engine(voices.NAME).sample_rate)


def _received(model: Model) -> Sequence[bytes]:
    url = _base_url() + model.file
    for _ in range(_MOST_REDIRECTS):
        with http.call("GET", url, {}, limits=_LIMITS, resolve=_resolve) as answer:
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, answer.headers.get("Location", ""))
                continue
            if answer.status != 200:
                raise FetchFailed(
                    f"{model.voice} can't be fetched: the server says {answer.status}."
                )
            return list(answer.parts(model.size))
    raise FetchFailed(f"{model.voice} can't be fetched: it is redirected endlessly.")


def _base_url() -> str:
    """Return the address of the folder with the models."""
    if settings.VOICES_URL:
        return f"{settings.VOICES_URL.rstrip('/')}/"
    from hibari.voices import BASE_URL

    return str(BASE_URL)


def _resolve(
    host: str, port: int, seconds: float
) -> Sequence[IPv4Address | IPv6Address]:
    """Return a host's addresses: public ones, or with VOICES_URL also our own."""
    found = http.look_up(host, port, seconds)
    may_connect = (
        addresses.is_server_address if settings.VOICES_URL else addresses.is_public
    )
    return addresses.check_addresses(host, found, may_connect)
