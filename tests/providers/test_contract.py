"""What every adapter in the registry must hold, whatever its vendor does."""

import re

import pytest

from providers.base import Access, Failure, Provider, ProviderError, SpeechRequest, Word
from providers.registry import PROVIDERS, get_provider
from tests.providers.speaking import check, hear


@pytest.fixture(params=sorted(PROVIDERS))
def provider(request) -> Provider:
    return get_provider(request.param)


@pytest.fixture
def voice(provider: Provider) -> str:
    return provider.voices(Access())[0].id


def test_it_describes_itself(provider):
    assert provider is get_provider(provider.slug)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,39}", provider.slug)
    assert provider.name
    assert provider.limit.amount >= 500
    assert provider.word_timestamps in ("exact", "estimated")
    for flag in (provider.streaming, provider.own_key, provider.is_local):
        assert flag in (True, False)


def test_it_lists_voices_with_distinct_ids(provider):
    voices = provider.voices(Access())
    assert voices
    assert len({info.id for info in voices}) == len(voices)
    assert all(info.name and info.language for info in voices)


def test_it_speaks_a_text_of_its_limit(provider, voice):
    limit = provider.limit.amount
    text = ("word " * (limit // 5 + 1))[: limit - 1] + "."
    assert provider.limit.measure(text) == limit
    heard = hear(text, voice, provider=provider)
    check(heard)
    assert heard.seconds > limit / 100
    if provider.word_timestamps == "exact":
        assert len(heard.words) == len(text.split())


def test_it_refuses_one_character_more(provider, voice):
    request = SpeechRequest("x" * (provider.limit.amount + 1), voice)
    with pytest.raises(ProviderError) as caught:
        list(provider.speak(request, Access()).parts)
    assert caught.value.kind == Failure.TOO_LONG
    assert "xxx" not in str(caught.value)


def test_it_refuses_a_voice_that_it_lacks(provider):
    with pytest.raises(ProviderError) as caught:
        list(provider.speak(SpeechRequest("Hello.", "nobody-at-all"), Access()).parts)
    assert caught.value.kind == Failure.UNKNOWN_VOICE


def test_bytes_leave_before_all_is_made(provider, voice):
    if not provider.streaming:
        pytest.skip(f"{provider.slug} answers in one piece")
    text = "A sentence that takes a while. " * 20
    parts = iter(provider.speak(SpeechRequest(text, voice), Access()).parts)
    first = next(part for part in parts if isinstance(part, bytes))
    rest = sum(len(part) for part in parts if not isinstance(part, Word))
    assert len(first) < rest / 10
