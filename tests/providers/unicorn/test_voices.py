import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.contract.base import Access, Failure, ProviderError
from providers.unicorn import Unicorn
from providers.unicorn.espeak.voices import VOICES
from tests.providers.speaking import check, hear

# A greeting for scripts that only some voices can read. All others read numbers.
GREETINGS = {
    "am": "ሰላም ዓለም",
    "ar": "السلام عليكم",
    "bn": "ওহে বিশ্ব",
    "el": "Γειά σου Κόσμε",
    "fa": "سلام دنیا",
    "gu": "નમસ્તે વિશ્વ",
    "he": "שלום עולם",
    "hi": "नमस्ते दुनिया",
    "hy": "Բարեւ աշխարհ",
    "ja": "こんにちは せかい",
    "ka": "გამარჯობა მსოფლიო",
    "kn": "ನಮಸ್ಕಾರ ಪ್ರಪಂಚ",
    "ko": "안녕하세요 세계",
    "ml": "നമസ്കാരം ലോകം",
    "my": "မင်္ဂလာပါ ကမ္ဘာ",
    "ru": "Привет мир",
    "si": "ආයුබෝවන් ලෝකය",
    "ta": "வணக்கம் உலகம்",
    "te": "నమస్కారం ప్రపంచం",
    "th": "สวัสดี ชาวโลก",
    "uk": "Привіт світ",
    "ur": "ہیلو دنیا",
    "yue": "你好 世界",
    "zh-cn": "你好 世界",
}


def spans(text: str, voice: str = "en-us") -> list[str]:
    heard = hear(text, voice)
    check(heard)
    return heard.spoken


def test_it_speaks_at_its_rate_with_exact_words():
    heard = hear("hello world")
    check(heard)
    assert heard.sample_rate == 22_050
    assert heard.spoken == ["hello", "world"]
    assert [(word.char_start, word.char_end) for word in heard.words] == [
        (0, 5),
        (6, 11),
    ]
    hello, world = heard.words
    assert hello.start == 0.0
    assert hello.end == pytest.approx(world.start, abs=0.02)
    assert 0.5 < heard.seconds < 1.5
    assert world.end == pytest.approx(heard.seconds, abs=0.05)


def test_the_silence_after_a_clause_belongs_to_no_word():
    hello, big = hear("Hello. Big").words
    assert big.start - hello.end > 0.2


def test_a_word_that_is_read_in_parts_is_one():
    assert spans("About 12.5% of 1,234,567 euros, $5.20 each") == [
        "About",
        "12.5%",
        "of",
        "1,234,567",
        "euros",
        "$5.20",
        "each",
    ]


def test_words_without_an_event_share_the_time():
    heard = hear("I am in the house")
    assert heard.spoken == ["I", "am", "in", "the", "house"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  “Quoted”—then…more", ["Quoted", "then", "more"]),
        ("don't l’homme rock-'n'-roll", ["don't", "l’homme", "rock-'n'-roll"]),
        ("one\r\ntwo\tthree\u00a0four", ["one", "two", "three", "four"]),
        ("a - b", ["a", "b"]),
        ("C++ & you", ["C++", "&", "you"]),
        ("😀 hi 👨\u200d👩\u200d👧 there", ["😀", "hi", "👨\u200d👩\u200d👧", "there"]),
        ("𝐇ello ｗｏｒｌｄ", ["𝐇ello", "ｗｏｒｌｄ"]),
        ("One.\n\n* * *\n\nTwo.", ["One", "Two"]),
        ("One\n==========\nTwo", ["One", "Two"]),
        ("\ufeffstart \u202eabc\u202c end", ["start", "\u202eabc\u202c", "end"]),
    ],
)
def test_words_are_found_in_the_text_as_sent(text, expected):
    assert spans(text) == expected


@pytest.mark.parametrize(
    ("voice", "text", "expected"),
    [
        (
            "zh-cn",
            "你好世界，我喜欢。hello",
            ["你好", "世", "界", "我", "喜", "欢", "hello"],
        ),
        ("ja", "こんにちは。テスト です", ["こんにちは", "テスト", "です"]),
        ("th", "สวัสดีชาวโลก ทดสอบ", ["สวัสดีชาวโลก", "ทดสอบ"]),
        ("ar", "السلام عليكم", ["السلام", "عليكم"]),
        ("ko", "안녕하세요 세계", ["안녕하세요", "세계"]),
        (
            "ko",
            "노인은 저녁에 걸었다. 노인은",
            ["노인은", "저녁에", "걸었다", "노인은"],
        ),
    ],
)
def test_words_of_other_scripts(voice, text, expected):
    assert spans(text, voice) == expected


@pytest.mark.parametrize(
    "hostile",
    [
        "[[h@l@U]]",
        "<speak>x</speak>",
        '<mark name="x"/>',
        "&lt;b&gt; &amp; &#65;",
        "\x01+10S louder",
        "\x01[",
        "a\x00b",
        "\ud800 \udfff",
        "\ue000\uf8d0\U0010ffff",
        "\u0301\u0302\u0303",
        "\ud800\u0302",
        "`'-ด.",
        "e\u0301" * 50,
        "🏳️‍🌈" * 20,
        "🂡𝔘𓀀",
        "word " * 100,
        "(" * 200 + "x",
        "a" * 800,
    ],
)
@pytest.mark.parametrize("voice", ["en-us", "da", "hi", "zh-cn"])
def test_word_after_any_sign_is_found(voice, hostile):
    heard = hear(f"{hostile} banana", voice)
    check(heard)
    assert heard.spoken[-1] == "banana"


def test_markup_is_text_and_never_a_command():
    plain = hear("hello world")
    assert hear("hello \x01+90A world").seconds > plain.seconds
    assert hear("[[h@l'oU]]").audio != hear("hello").audio
    assert hear("<prosody rate='x-fast'>hello world</prosody>").seconds > plain.seconds


def test_composed_and_decomposed_letters_sound_the_same():
    text = "Un café résumé à l'été."
    decomposed = unicodedata.normalize("NFD", text)
    assert len(decomposed) > len(text)
    assert hear(text, "fr-fr").audio == hear(decomposed, "fr-fr").audio
    assert spans(decomposed, "fr-fr")[1] == unicodedata.normalize("NFD", "café")


# Letters of many scripts, signs, control characters, surrogates, unassigned ones.
_characters = st.one_of(
    st.characters(exclude_categories=()),
    st.sampled_from(
        " \n\t.,;:!?'\"()[]<>&-—…%@#*/\\_~\x00\x01\u0301\u200d\ufe0f😀世ไä5"
    ),
    st.sampled_from("abcdefghijklmnopqrstuvwxyz"),
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.text(_characters, min_size=1, max_size=80),
    st.sampled_from(["en-us", "de-whisper", "fr-fr", "zh-cn", "ru", "hi", "ar", "ja"]),
    st.sampled_from([0.25, 1.0, 4.0]),
)
def test_any_text_is_spoken_or_refused(text, voice, speed):
    try:
        heard = hear(text, voice, speed=speed)
    except ProviderError as error:
        assert error.kind == Failure.UNSPEAKABLE  # noqa: PT017 - both are right
    else:
        check(heard)
        assert heard.loudest > 0


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        ("...", "en-us"),
        ("!!! ??? —", "en-us"),
        (" \n ", "en-us"),
        ("😀👍", "en-us"),
        ("\x00", "en-us"),
        ("\ud800", "en-us"),
    ],
)
def test_a_text_without_words_is_unspeakable(text, voice):
    with pytest.raises(ProviderError) as caught:
        hear(text, voice)
    assert caught.value.kind == Failure.UNSPEAKABLE
    assert not caught.value.kind.is_retryable


@pytest.mark.parametrize(
    "voice", ["", "nobody", "EN-US", "en-us+f2", "../../etc/passwd"]
)
def test_an_unknown_voice_is_refused(voice):
    with pytest.raises(ProviderError) as caught:
        hear("hello", voice)
    assert caught.value.kind == Failure.UNKNOWN_VOICE


@pytest.mark.parametrize("speed", [0.0, 0.24, 4.01, -1.0, float("nan")])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(ProviderError) as caught:
        hear("hello", speed=speed)
    assert caught.value.kind == Failure.BAD_REQUEST


@pytest.mark.parametrize("voice", ["vi", "vi-vn-x-central", "vi-vn-x-south-female"])
@pytest.mark.parametrize(
    "letters", ["\u0a18\u0a09", "\u0a1d\u0a3c", "\u0a95", "\u0960\u0905"]
)
def test_letters_that_crash_a_voice_are_skipped(voice, letters):
    heard = hear(f"xin chào {letters} bạn", voice)
    check(heard)
    assert heard.spoken == ["xin", "chào", "bạn"]
    with pytest.raises(ProviderError) as caught:
        hear(letters, voice)
    assert caught.value.kind == Failure.UNSPEAKABLE


def test_speed_changes_the_pace():
    text = "The quick brown fox jumps over the lazy dog."
    normal = hear(text).seconds
    for speed in (0.25, 0.5, 0.75, 1.5, 2.0, 3.0, 4.0):
        heard = hear(text, speed=speed)
        check(heard)
        assert len(heard.spoken) == 9
        assert normal / heard.seconds == pytest.approx(speed, rel=0.1)


def greeting(voice: str) -> str:
    language = voice
    for suffix in ("-female", "-bright", "-deep", "-whisper"):
        language = language.removesuffix(suffix)
    return GREETINGS.get(language, "1 2 3")


def test_every_voice_speaks(capfd):
    with ThreadPoolExecutor(4) as pool:
        heard = pool.map(lambda voice: hear(greeting(voice), voice), VOICES)
        for name, said in zip(VOICES, heard, strict=True):
            check(said)
            assert len(said.words) >= 2, name
            assert said.seconds > 0.3, name
            assert said.loudest > 2_000, name
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_every_greeting_has_its_voice():
    assert GREETINGS.keys() <= VOICES.keys()


def test_voices_of_a_language_differ():
    text = "The same text for everybody."
    kinds = ["en-us", "en-us-female", "en-us-bright", "en-us-deep", "en-us-whisper"]
    assert len({hear(text, voice).audio for voice in [*kinds, "en-gb"]}) == 6


def test_voices_have_distinct_names_and_well_formed_languages():
    infos = Unicorn().voices(Access())
    assert len({info.id for info in infos}) == len({info.name for info in infos})
    assert len({info.language for info in infos}) >= 100
    assert {info.gender for info in infos} == {"female", "male"}
    for info in infos:
        assert info.id.startswith(info.language.lower()) or info.engine == "hibari"
        assert len(info.id) <= 160
        assert len(info.language) <= 35
    assert {"en-us", "en-gb", "de", "fr-fr", "es-es"} <= {info.id for info in infos}


def test_equal_requests_sound_equal():
    text = "Echo, echo, echo. " * 20
    first = hear(text)
    assert all(hear(text) == first for _ in range(5))
    hear("Something else in between.", "de")
    assert hear(text) == first
