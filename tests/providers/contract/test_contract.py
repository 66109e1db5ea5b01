"""The contract, tested for every adapter in the registry, with faults of its vendor."""

import logging
import re
import time
from dataclasses import astuple
from decimal import Decimal
from functools import partial

import pytest

from kit.http.pool import KEPT
from providers.contract import http
from providers.contract.base import (
    Access,
    Adapter,
    Failure,
    KeyStatus,
    ProviderError,
    SpeechRequest,
    Word,
)
from providers.contract.registry import ADAPTERS, get_adapter
from synthesis.text.splitting import LONGEST_CHARACTER
from tests.cases import cases
from tests.providers.speaking import Heard, check, hear
from tests.providers.vendors.server import Asked, Fault, Reply, Vendor, spoiled
from tests.providers.vendors.stage import VENDORS

REMOTE = sorted(set(ADAPTERS) - {"unicorn"})


@pytest.fixture(params=sorted(ADAPTERS))
def provider(request) -> Adapter:
    return get_adapter(request.param)


@pytest.fixture(params=REMOTE)
def remote(request) -> Adapter:
    return get_adapter(request.param)


@pytest.fixture
def vendor(request, stage) -> Vendor | None:
    """Return the vendor of `provider` or `remote`; None for a local adapter."""
    name = "remote" if "remote" in request.fixturenames else "provider"
    slug = request.getfixturevalue(name).slug
    return stage(slug) if slug in VENDORS else None


@pytest.fixture
def access(vendor: Vendor | None) -> Access:
    return vendor.access if vendor else Access()


@pytest.fixture
def voice(vendor: Vendor | None) -> str:
    return vendor.voice if vendor else "en-us"


def refused(provider: Adapter, text: str, voice: str, access: Access) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        list(provider.speak(SpeechRequest(text, voice), access).parts)
    assert caught.value.kind.is_retryable or caught.value.retry_after is None
    return caught.value


def test_every_remote_adapter_has_a_vendor():
    assert sorted(VENDORS) == REMOTE


def test_it_describes_itself(provider):
    assert provider is get_adapter(provider.slug)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,39}", provider.slug)
    assert provider.name
    for speed in (0.25, 1.0, 4.0):
        limit = provider.limit_for("nobody-at-all", speed, {})
        assert limit.unit == provider.limit.unit
        assert 500 <= limit.amount <= provider.limit.amount
        longest = "\U00020000" + "\U000e0100" * LONGEST_CHARACTER
        assert limit.measure(longest) <= limit.amount
    assert provider.word_timestamps in ("exact", "estimated")
    assert provider.cost_multiplier > Decimal(0)
    at_once = provider.max_concurrent_per_key
    assert at_once is None or at_once > 0
    for flag in (
        *(provider.streaming, provider.own_key, provider.is_local),
        *(provider.needs_key, provider.has_voice_table),
    ):
        assert flag in (True, False)
    for region, address in provider.regions.items():
        assert re.fullmatch(r"([a-z]+(-?[a-z0-9]+)*)?", region)
        assert re.fullmatch(r"https://[a-z0-9.-]+[a-z](/v1)?", address)


def test_it_lists_voices_with_distinct_ids(provider, access, voice):
    voices = provider.voices(access)
    assert voice in {info.id for info in voices}
    assert len({info.id for info in voices}) == len(voices)
    assert all(info.name and info.language for info in voices)


def test_a_table_of_voices_takes_no_call(provider, vendor):
    if provider.has_voice_table:
        assert provider.voices(Access())
        assert vendor is None or vendor.asked == []
    elif provider.needs_key:
        with pytest.raises(ProviderError):
            provider.voices(Access(base_url=vendor.access.base_url))
        assert vendor.asked == []


@pytest.mark.parametrize(
    ("letters", "speed"),
    # Letters of different weight and different speeds, which change the limit.
    [("word", 1.0), ("word", 0.5), ("R&D", 1.0), ("a", 0.5), ("ž", 1.0)],
)
def test_it_speaks_a_text_of_its_limit(provider, voice, access, letters, speed):
    if provider.is_local and letters != "word":
        pytest.skip("it takes a while, and only counts characters")
    limit = provider.limit_for(voice, speed, {})
    sentence = f"{' '.join([letters] * 20)}. "
    text = sentence * limit.amount
    least, most = 0, limit.amount
    while most - least > 1:
        middle = (least + most) // 2
        is_within = limit.measure(text[:middle]) <= limit.amount
        least, most = (middle, most) if is_within else (least, middle)
    text = text[:least].strip(". ")
    assert limit.amount - limit.measure(text) < 25
    heard = hear(text, voice, speed=speed, provider=provider, access=access)
    check(heard)
    assert heard.seconds > len(text) / 100
    if provider.word_timestamps == "exact":
        assert len(heard.words) == len(text.split())


def test_text_above_the_limit_is_rejected(provider, voice, access):
    text = "x" * (provider.limit.amount + 1)
    error = refused(provider, text, voice, access)
    assert error.kind == Failure.TOO_LONG
    assert "xxx" not in str(error)


def test_text_without_words_is_rejected(provider, voice, access):
    assert refused(provider, "… — !", voice, access).kind == Failure.UNSPEAKABLE


def test_unknown_voice_is_rejected(provider, access):
    error = refused(provider, "Hello.", "nobody-at-all", access)
    assert error.kind == Failure.UNKNOWN_VOICE


VOICES = [
    "../../v1/models",
    "a'><break time='1s'/>",
    "a\r\nX-Evil: 1",
    "?x=1#",
    "\u202eab",
    "a" * 400,
]


def test_voice_id_cannot_change_the_request(remote, vendor):
    for voice, case in cases(VOICES):
        with case:
            error = refused(remote, "Hello.", voice, vendor.access)
            assert error.kind == Failure.UNKNOWN_VOICE
            assert vendor.wrong == []


def test_audio_is_streamed(provider, voice, access):
    if not provider.streaming:
        pytest.skip(f"{provider.slug} answers in one piece")
    text = "A sentence that takes a while. " * 20
    parts = iter(provider.speak(SpeechRequest(text, voice), access).parts)
    first = next(part for part in parts if isinstance(part, bytes))
    rest = sum(len(part) for part in parts if not isinstance(part, Word))
    assert len(first) < rest / 10


TEXTS = [
    "Fish & chips <b>cost</b> \"5\" 'pounds' ]]> &amp; </speak>",
    "نص عربي قصير",
    "今天天气很好。",
    "e\u0301te\u0301, nai\u0308ve",
    "Hi 👩‍👩‍👧 there 🎉",
    "Line\none\ttab\u2028end",
    "<mark name='w1'/> {\"a\": 1}\\n \\u0000",
    "</voice></speak><speak>&#0; <![CDATA[x]]> <!-- y --> <?z?>",
    "שלום, \u202bעולם\u202c",
    "ราคาไม่แพง ខ្មែរ தமிழ்",
    "🇸🇰🇸🇰 flags, 👍🏽 thumbs, 👩‍👩‍👧‍👦 family, ☕️ cup",
    "Z\u0351\u036b\u0343a\u0320\u0300lgo and \u200bzero\u200dwidth\ufeff",
]


def test_vendor_receives_the_text_unchanged(remote, vendor):
    for text, case in cases(TEXTS):
        vendor.spoken.clear()
        with case:
            heard = hear(text, vendor.voice, provider=remote, access=vendor.access)
            check(heard)
            assert vendor.spoken[0].split() == text.split()
            assert vendor.wrong == []


def test_word_times_are_the_vendors(remote, vendor):
    text = "It's 12 o'clock — “sing,” she said."
    heard = hear(text, vendor.voice, provider=remote, access=vendor.access)
    check(heard)
    if remote.word_timestamps == "estimated":
        assert heard.words == []
        return
    assert heard.spoken == ["It's", "12", "o'clock", "sing", "she", "said"]
    for word in heard.words:
        assert word.start == pytest.approx(word.char_start * 0.02, abs=0.025)


def test_any_speed_is_within_the_vendors_range(remote, vendor):
    for speed, case in cases([0.25, 0.8, 1.5, 4.0]):
        with case:
            heard: Heard = hear(
                *("Hello there.", vendor.voice),
                speed=speed,
                provider=remote,
                access=vendor.access,
            )
            assert heard.seconds > 0
            assert vendor.wrong == []


def test_malformed_key_is_not_sent(remote, vendor):
    empty = [""] if remote.needs_key else []
    for key, case in cases([*empty, "a\r\nX-Evil: 1", "key with spaces", "ключ"]):
        access = Access(key, vendor.access.base_url, vendor.region)
        with case:
            error = refused(remote, "Hello.", vendor.voice, access)
            assert error.kind == Failure.BAD_KEY
            assert vendor.asked == []


def test_a_wrong_key_is_a_bad_key(remote, vendor):
    if vendor.key == "":
        pytest.skip("it needs none")
    wrong = vendor.key.replace("k3y", "n0t")
    access = Access(wrong, vendor.access.base_url, vendor.region)
    error = refused(remote, "Hello.", vendor.voice, access)
    assert error.kind == Failure.BAD_KEY
    assert wrong not in str(error)
    with pytest.raises(ProviderError) as caught:
        remote.check(access)
    assert caught.value.kind == Failure.BAD_KEY


def test_a_good_key_is_valid(provider, access):
    assert provider.check(access) == KeyStatus.VALID


def test_a_check_speaks_nothing(remote, vendor):
    remote.check(vendor.access)
    assert vendor.spoken == []
    assert len(vendor.asked) == 1


def test_unknown_region_is_rejected(remote):
    for region, case in cases(["eastus.evil.test/#", "nowhere", "a\nb", "@evil"]):
        access = Access("k3y:s3cret", region=region)
        with case:
            with pytest.raises(ProviderError) as caught:
                list(remote.speak(SpeechRequest("Hello.", "alloy"), access).parts)
            assert caught.value.kind in (Failure.BAD_REQUEST, Failure.UNKNOWN_VOICE)


FAULTS = {
    Fault.RATE: {Failure.RATE_LIMITED},
    Fault.RATE_AFTER: {Failure.RATE_LIMITED},
    Fault.BROKEN: {Failure.DOWN},
    Fault.BUSY: {Failure.BUSY},
    Fault.REDIRECT: {Failure.DOWN},
    Fault.TRUNCATED: {Failure.BAD_AUDIO},
    Fault.RESET: {Failure.DOWN, Failure.BAD_AUDIO},
    Fault.HTML: {Failure.BAD_AUDIO},
    Fault.DISGUISED: {Failure.BAD_AUDIO},
    Fault.EMPTY: {Failure.BAD_AUDIO},
    Fault.INSIDE: {Failure.BAD_AUDIO, Failure.DOWN},
    Fault.JSON: {Failure.BAD_AUDIO},
}


def test_each_fault_has_its_kind(remote, vendor, caplog):
    caplog.set_level(logging.DEBUG)
    text = "Nobody else shall read this secret text. " * 12
    for fault, case in cases(FAULTS):
        vendor.fault = fault
        vendor.asked.clear()
        with case:
            error = refused(remote, text, vendor.voice, vendor.access)
            assert error.kind in FAULTS[fault]
            assert error.retry_after == (7 if fault is Fault.RATE_AFTER else None)
            assert len(vendor.asked) == 1  # no second try, no redirect
            seen = caplog.text + str(error)
            assert "secret text" not in seen
            assert not vendor.key or vendor.key not in seen


OF_WRONG_TYPES: list[object] = [
    *(None, "soon", -7, 10**400, float("inf"), float("nan"), True, [], [[]], {}),
]


@pytest.mark.parametrize("whole", [True, False], ids=["lists", "values"])
def test_json_of_wrong_types_is_handled(remote, vendor, whole):
    """The result is bad audio or audio without words; invalid voices are skipped."""
    reply = vendor.reply
    for wrong, case in cases(OF_WRONG_TYPES):
        vendor.reply = partial(_spoil, reply, wrong, whole)
        with case:
            kind = ""
            try:
                heard = hear(
                    "Hello there.", vendor.voice, provider=remote, access=vendor.access
                )
            except ProviderError as error:
                kind = error.kind
            else:
                check(heard)
                assert heard.seconds > 0.2
            assert kind in ("", Failure.BAD_AUDIO)
            for info in remote.voices(vendor.access):
                assert {type(value) for value in astuple(info)} == {str, bool, tuple}
            assert remote.check(vendor.access) in KeyStatus


def _spoil(reply, wrong: object, whole: bool, asked: Asked) -> Reply:
    return spoiled(reply(asked), wrong, whole=whole)


def test_json_of_another_shape_is_handled(remote, vendor):
    for answer, case in cases(["null", "[]", "7", '"a"', "[[1]]", "[null]", "{"]):
        reply = Reply(body=answer.encode() + b"\n")
        vendor.reply = lambda asked, reply=reply: reply
        with case:
            error = refused(remote, "Hello there.", vendor.voice, vendor.access)
            assert error.kind == Failure.BAD_AUDIO
            asks = not remote.has_voice_table and remote.slug != "compatible"
            if asks and answer != "{":
                assert remote.voices(vendor.access) == []


@pytest.mark.parametrize(
    ("fault", "limits"),
    [
        (Fault.DRIP, http.Limits(first_byte=0.3)),
        (Fault.DRIP, http.Limits(total=0.3)),
        (Fault.TRICKLE, http.Limits(total=0.3)),
    ],
    ids=["head, first byte", "head, total", "body, total"],
)
def test_slow_response_times_out(remote, vendor, fault, limits):
    vendor.fault = fault
    began = time.monotonic()
    with http.within(limits):
        error = refused(remote, "Hello there.", vendor.voice, vendor.access)
    # It may end before the timeout, since the bytes are not audio.
    assert error.kind in {Failure.TIMEOUT, Failure.BAD_AUDIO}
    assert fault is Fault.TRICKLE or error.kind == Failure.TIMEOUT
    assert time.monotonic() - began < 5
    assert len(vendor.asked) == 1


def test_calls_for_one_owner_share_a_connection(remote, vendor):
    """So each call reads its response to the end."""
    vendor.keeps_open = True
    with http.within(http.LIMITS, owner="platform"):
        for _ in range(3):
            request = SpeechRequest("Hello there.", vendor.voice)
            assert list(remote.speak(request, vendor.access).parts)
    assert vendor.connections == 1
    KEPT.clear()


def test_unreachable_server_is_down(remote, vendor):
    access = Access(vendor.key, "http://127.0.0.1:9", vendor.region)
    assert refused(remote, "Hello.", vendor.voice, access).kind == Failure.DOWN


def test_closing_ends_the_call(remote, vendor):
    if not remote.streaming:
        pytest.skip(f"{remote.slug} answers in one piece")
    request = SpeechRequest("A sentence that takes a while. " * 10, vendor.voice)
    parts = remote.speak(request, vendor.access).parts
    next(parts)
    parts.close()
    with pytest.raises(StopIteration):
        next(parts)
