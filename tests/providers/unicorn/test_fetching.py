"""Fetching further natural voices, from a server on this machine."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEntry
from providers.catalogue import sync
from providers.models import Voice
from providers.unicorn import levels
from providers.unicorn.hibari import fetching, voices
from providers.unicorn.hibari.fetching import FetchFailed
from providers.unicorn.hibari.voices import Model
from tests import factories
from tests.providers.speaking import hear

OWN = voices.models()["heart"]
CONTENT = OWN.path.read_bytes()


@dataclass
class Served:
    """A server with files, and what was asked of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def served(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """Serve one further voice: the model of the one in the package, under another name."""
    served = Served({"/voices/emma.onnx": CONTENT})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            to = served.redirects.get(self.path)
            body = served.files.get(self.path, b"")
            self.send_response(302 if to else 200 if body else 404)
            if to:
                self.send_header("Location", to)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    emma = Model(
        *("emma", "en-GB", "female", "emma.onnx", len(CONTENT)),
        hashlib.sha256(CONTENT).hexdigest(),
        is_in_package=False,
    )
    monkeypatch.setattr(voices, "models", lambda: {"heart": OWN, "emma": emma})
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        settings.VOICES_DIRECTORY = tmp_path / "voices"
        settings.VOICES_URL = f"http://127.0.0.1:{server.server_port}/voices"
        Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.django_db
def test_a_fetched_voice_is_offered_and_speaks(served, settings, capsys):
    sync.sync(["unicorn"])
    assert not Voice.objects.filter(pk="unicorn:emma").exists()  # nothing unasked
    assert served.asked == []
    call_command("fetch_voices")
    assert capsys.readouterr().out == (
        "Fetched emma.\nVoices: 1 added, 0 updated, 0 withdrawn.\n"
    )
    assert left(settings.VOICES_DIRECTORY) == ["emma.onnx", "emma.onnx.gain"]
    voice = Voice.objects.get(pk="unicorn:emma")
    assert (voice.language, voice.engine) == ("en-GB", "hibari")
    assert voice.name == "English (Great Britain), emma"
    assert not voice.is_recommended
    heard = hear("Nobody had told her. She found it out by calling.", "emma")
    assert heard.spoken[:3] == ["Nobody", "had", "told"]
    assert levels.loudness(heard.audio, heard.sample_rate) == pytest.approx(-19, abs=1)
    call_command("fetch_voices")
    assert len(served.asked) == 1
    # Without its model, it is withdrawn.
    (settings.VOICES_DIRECTORY / "emma.onnx").unlink()
    sync.sync(["unicorn"])
    assert not Voice.objects.on_offer().filter(pk="unicorn:emma").exists()


def test_redirects_are_followed_but_not_forever(served):
    (emma,) = fetching.missing()
    served.redirects["/voices/emma.onnx"] = "/elsewhere?x=1"
    served.files["/elsewhere?x=1"] = CONTENT
    fetching.fetch(emma)
    assert emma.path.read_bytes() == CONTENT
    emma.path.unlink()
    served.redirects["/elsewhere?x=1"] = "/voices/emma.onnx"
    with pytest.raises(FetchFailed, match="endlessly"):
        fetching.fetch(emma)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (CONTENT[:-1] + b"?", "its hash differs"),
        (CONTENT[:1000], "its hash differs"),
        (CONTENT + b"?", "emma can't be fetched"),
        (b"", "the server says 404"),
    ],
)
def test_what_is_not_the_voice_is_thrown_away(served, settings, content, told):
    served.files["/voices/emma.onnx"] = content
    (emma,) = fetching.missing()
    with pytest.raises(FetchFailed, match=told):
        fetching.fetch(emma)
    assert left(settings.VOICES_DIRECTORY) == []


@pytest.mark.django_db
def test_a_machine_without_a_network_says_so(served, settings):
    settings.VOICES_URL = "http://127.0.0.1:9/"
    with pytest.raises(CommandError, match="access to the internet"):
        call_command("fetch_voices")


def test_the_author_s_folder_must_be_public(served, settings):
    settings.VOICES_URL = ""
    (emma,) = fetching.missing()
    local = replace(emma, file="x.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "_base_url", lambda: "http://127.0.0.1:9/")
        with pytest.raises(FetchFailed, match="not allowed"):
            fetching.fetch(local)


@pytest.mark.django_db
def test_unknown_voices_are_named(served):
    with pytest.raises(CommandError, match="no voice nobody"):
        call_command("fetch_voices", "nobody")
    assert served.asked == []


@pytest.mark.django_db
def test_operators_fetch_by_a_button_with_a_reason(served):
    sync.sync(["unicorn"])
    operator = factories.browser(
        factories.user("operator@example.com", is_staff=True, is_superuser=True)
    )
    url = reverse("admin:providers_provider_fetch_voices")
    assert "8 MB: emma" in operator.get(url).content.decode()
    assert operator.post(url, {"reason": " "}).status_code == 200
    assert served.asked == []
    done = operator.post(url, {"reason": "wanted"}, follow=True)
    assert "Fetched emma." in done.content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("fetched voices", "wanted")
    assert entry.after is not None
    assert entry.after["fetched"] == ["emma"]
    again = operator.get(url, follow=True)
    assert "All natural voices are here already." in again.content.decode()
