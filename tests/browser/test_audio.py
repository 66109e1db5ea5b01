"""What a browser makes of the files: it must hear exactly what was encoded."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from synthesis import audio
from tests.synthesis.sounds import blocks, lag, voice

RATE = 22_050
SPOKEN = voice(3 * RATE + 77)

_DECODE = """async (file) => {
  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
  const context = new OfflineAudioContext(1, 1, 22050);
  const sound = await context.decodeAudioData(bytes.buffer);
  const samples = Array.from(sound.getChannelData(0).slice(0, 60000));
  return [sound.length, samples.map((sample) => Math.round(sample * 32768))];
}"""
_DURATION = """async ([file, type]) => {
  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
  const player = new Audio(URL.createObjectURL(new Blob([bytes], {type})));
  return await new Promise((resolve, reject) => {
    player.onloadedmetadata = () => resolve(player.duration);
    player.onerror = () => reject(player.error.message);
  });
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    yield page
    page.close()


def encoded(kind: str, folder: Path) -> str:
    target = folder / kind
    audio.encode(blocks(SPOKEN), rate=RATE, format=kind, target=target)
    return base64.b64encode(target.read_bytes()).decode()


@pytest.mark.parametrize("kind", ["mp3", "wav", "flac", "opus", "m4b"])
def test_a_browser_hears_every_sample_in_its_place(
    kind: str, page: Page, tmp_path: Path
) -> None:
    file = encoded(kind, tmp_path)
    length, samples = page.evaluate(_DECODE, file)
    duration = page.evaluate(_DURATION, [file, audio.FORMATS[kind].content_type])

    assert length == len(SPOKEN)
    # Opus is resampled from 48 kHz by the browser.
    late = lag(SPOKEN[:60_000], np.array(samples).astype(np.int16))
    assert abs(late) <= (1 if kind == "opus" else 0)
    # What the player shows for Opus counts the encoder's start: 6.5 ms.
    assert duration == pytest.approx(
        len(SPOKEN) / RATE, abs=0.007 if kind == "opus" else 1e-5
    )


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "wav"])
def test_a_browser_plays_what_was_streamed(kind: str, page: Page) -> None:
    encoder = audio.StreamEncoder(kind, RATE)
    data = b"".join(map(encoder.feed, blocks(SPOKEN))) + encoder.finish()
    file = base64.b64encode(data).decode()
    duration = page.evaluate(_DURATION, [file, audio.FORMATS[kind].content_type])
    assert -1e-5 < duration - len(SPOKEN) / RATE < 0.1
