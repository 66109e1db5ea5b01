"""What is written is what is heard: nothing is dropped, nothing pauses in between."""

from itertools import pairwise

import numpy as np
import pytest

from providers.contract.base import Failure, ProviderError
from providers.unicorn.espeak.numerals import money, numerals, powers
from tests.cases import cases
from tests.providers.speaking import Heard, check, hear

POEM = "窗前明月光\n疑是地上霜\n举头望明月\n低头思故乡"


def heard_steps(heard: Heard) -> np.ndarray:
    """Return for each 10 ms whether it is audible: above 3 % of the peak."""
    samples = np.abs(np.frombuffer(heard.audio, "<i2").astype(np.int32))
    step = heard.sample_rate // 100
    steps = samples[: len(samples) // step * step].reshape(-1, step).max(axis=1)
    audible: np.ndarray = steps > 0.03 * samples.max()
    return audible


def sound(text: str, voice: str) -> float:
    """Return how many seconds of `text` are audible."""
    return float(heard_steps(hear(text, voice)).sum()) / 100


def outside_words(heard: Heard) -> float:
    """Return how many audible seconds lie outside every word."""
    steps = heard_steps(heard)
    rate = heard.sample_rate / (heard.sample_rate // 100)  # steps in a second
    for word in heard.words:
        steps[int(word.start * rate) : int(word.end * rate) + 1] = False
    return float(steps.sum()) / 100


def gap_after(word: str, heard: Heard) -> float:
    """Return the silence between `word` and the one after it, in seconds."""
    index = heard.spoken.index(word)
    return heard.words[index + 1].start - heard.words[index].end


def test_no_word_of_a_long_list_is_dropped():
    table = [
        ("ru", "\n".join(map(str, range(1, 121)))),
        ("de", "\n".join(map(str, range(1900, 1980)))),
        ("de", " ".join(map(str, range(1900, 1980)))),
        ("zh-cn", "\n".join([POEM] * 14)),
        ("zh-cn", POEM.replace("\n", "") * 14),
        ("ko", " ".join(["안녕하세요"] * 60)),
        ("ja", "こんにちは" * 60),
        ("en-us", " ".join(map(str, range(1900, 1980)))),
        ("en-us", "a " * 500),
    ]
    for (voice, text), case in cases(table):
        with case:
            heard = hear(text, voice)
            check(heard)
            lines = text.split("\n")
            if lines == [text]:
                lines = [text[n : n + 60] for n in range(0, len(text), 60)]
            with_stops = sound(". ".join(lines) + ".", voice)
            assert float(heard_steps(heard).sum()) / 100 >= 0.93 * with_stops
            assert min(word.end - word.start for word in heard.words) > 0.04
            assert outside_words(heard) < 0.5


def test_a_long_run_without_spaces_has_words():
    url = f"See https://example.com/{'abc-def_ghi/' * 90} now."
    table = [
        ("en-us", url),
        ("th", "สวัสดีชาวโลกยินดีต้อนรับ" * 20),
        ("ja", "わたしはがくせいです" * 87),
        ("en-us", "♥" * 100 + " hi"),
    ]
    for (voice, text), case in cases(table):
        with case:
            heard = hear(text, voice)
            check(heard)
            assert outside_words(heard) < 0.5
            assert max(word.end - word.start for word in heard.words) < 20


def test_the_name_of_a_sign_belongs_to_the_sign():
    table = [
        ("One. ↩ Two.", "Two"),
        ("I ♥ NY", "NY"),
        ("🙂 hi", "hi"),
        ("½ hi", "hi"),
        ("to → there", "there"),
        ("👨\u200d👩\u200d👧 hi", "hi"),
    ]
    for (text, word), case in cases(table):
        with case:
            last = hear(text).words[-1]
            (alone,) = hear(word).words
            assert text[last.char_start : last.char_end] == word
            assert last.end - last.start <= 1.35 * (alone.end - alone.start)


ABBREVIATIONS = {
    "en-us": (
        "Mr. Mrs. Ms. Dr. Prof. St. Mt. Gen. Col. Capt. Lt. Sgt. Rev. Gov. Sen. Hon. vs.",
        "Smith",
    ),
    "en-gb": ("Fig. No. Jan. Feb. Aug. Sept. Oct. Nov. Dec. Vol. p. pp.", "7"),
    "de": ("Dr. Prof. Hr. Nr. Str. Abb. Kap. bzw. vgl. ggf. Bd. ca. St.", "Müller"),
    "fr-fr": ("M. Mme. Mlle. Dr. St. Mgr. bd.", "Dupont"),
    "es-es": ("Sr. Sra. Srta. Dr. Dra. Ud. Dña. núm. pág.", "Lara"),
    "ru": ("ул. проф. г. стр. рис. им. др.", "Иванов"),
    "it": ("Sig. Dott. Ing. Prof.", "Rossi"),
}


def test_an_abbreviation_does_not_pause():
    table = [
        (voice, abbreviation, following)
        for voice, (words, following) in ABBREVIATIONS.items()
        for abbreviation in words.split()
    ]
    for (voice, word, following), case in cases(table):
        with case:
            heard = hear(f"a {word} {following} a.", voice)
            assert heard.spoken == ["a", word.rstrip("."), following, "a"]
            assert gap_after(word.rstrip("."), heard) <= 0.1


def test_a_sentence_that_ends_like_an_abbreviation_pauses():
    table = [
        ("No. I was not there.", "No"),
        ("It ended at 5 p.m. We left.", "p.m"),
        ("So did I. He was not.", "I"),
        ("We met the St.\n\nLouis came.", "St"),
    ]
    for (text, word), case in cases(table):
        with case:
            assert gap_after(word, hear(text)) > 0.2


def test_some_abbreviations_are_read_as_words():
    table = [
        ("de", "Dr. Müller", "Doktor Müller"),
        ("de", "Am 5. Mai", "Am fünfter Mai"),
        ("fr-fr", "Mme. Dupont", "Madame Dupont"),
        ("en-us", "Gen. Smith", "General Smith"),
    ]
    for (voice, short, full), case in cases(table):
        with case:
            assert sound(short, voice) == pytest.approx(sound(full, voice), rel=0.15)


def test_other_forms_of_letters_sound_as_the_plain_ones():
    table = [
        ("en-us", "The oﬃce waﬄe.", "The office waffle."),
        ("en-us", "5 ㎞", "5 km"),
        ("en-us", "Ⅳ", "IV"),
        ("en-us", "①", "1"),
        ("ar", "ﻣﺮﺣﺒﺎ ﺑﻜﻢ", "مرحبا بكم"),
        ("ar", "ﷺ", "صلى الله عليه وسلم"),
        ("he", "שָׁלוֹם עוֹלָם", "שלום עולם"),
    ]
    for (voice, text, plain), case in cases(table):
        with case:
            heard = hear(text, voice)
            check(heard)
            assert heard.audio == hear(plain, voice).audio
            assert heard.words[-1].char_end == len(text.rstrip("."))


def test_raised_letters_and_fractions_keep_their_sense():
    for (text, plain), case in cases([("½", "12"), ("¼", "1/4"), ("Acme™", "AcmeTM")]):
        with case:
            assert hear(text).audio != hear(plain).audio
    table = [
        ("en-us", "x² + y³ on 10 km².", "x squared + y cubed on 10 km squared."),
        ("de", "x² und 5 m³", "x hoch zwei und 5 m hoch drei"),
        ("fr-fr", "x²", "x au carré"),
        ("ru", "x²", "x в квадрате"),
    ]
    for (voice, text, plain), case in cases(table):
        with case:
            heard = hear(text, voice)
            check(heard)
            assert heard.audio == hear(plain, voice).audio
            assert heard.spoken[0] == "x²"
    assert list(powers("A word² and 1999³ have notes.", "en")) == []


def test_digits_of_every_script_are_read():
    table = [
        ("ur", "سال ۲۰۲۴"),
        ("sd", "سال ۲۰۲۴ ۾"),
        ("ug", "٢٠٢٤"),
        ("ku", "٢٠٢٤"),
        ("ne", "२०२४"),
        ("si", "෨෦෨෪"),
        ("en-us", "In २०२४"),
        ("ar", "٣٫٥"),
    ]
    for (voice, text), case in cases(table):
        with case:
            plain = "".join(
                str(int(sign)) if sign.isdecimal() else sign for sign in text
            ).replace("٫", ".")
            assert sound(text, voice) == sound(plain, voice)


def test_a_line_that_ends_an_item_a_verse_or_a_heading_pauses():
    table = [
        ("- milk\n- bread\n- eggs", ["milk", "bread"]),
        ("Roses are red\nViolets are blue", ["red"]),
        ("Chapter One\nIt was a dark night, and it rained all over town.", ["One"]),
        ("1. milk\n2. bread", ["milk"]),
    ]
    for (text, words), case in cases(table):
        with case:
            heard = hear(text)
            assert all(gap_after(word, heard) >= 0.1 for word in words)
    heard = hear("窗前明月光\n疑是地上霜", "zh-cn")
    assert gap_after("光", heard) >= 0.1


def test_wrapped_prose_does_not_pause():
    text = (
        "It was a bright cold day in spring, and all the clocks of the old town\n"
        "Hall struck thirteen while the people of the place went home through a\n"
        "narrow street that led to the river."
    )
    heard = hear(text)
    assert gap_after("town", heard) < 0.05
    assert gap_after("a", heard) < 0.05


def test_full_width_marks_pause():
    table = ["你好，世界", "你好！世界", "你好？世界", "你好；世界"]
    for text, case in cases(table):
        with case:
            words = hear(text, "zh-cn").words
            assert max(b.start - a.end for a, b in pairwise(words)) >= 0.1


def test_numerals_are_read_as_numbers():
    table = [
        ("en-us", "Chapter IV.", "Chapter four."),
        ("en-us", "Part I ends.", "Part one ends."),
        ("en-us", "World War II", "World War two"),
        ("en-us", "Henry VIII", "Henry the eighth"),
        ("fr-fr", "Louis XIV est mort.", "Louis quatorze est mort."),
        ("fr-fr", "au XIXe siècle", "au dix-neuvième siècle"),
        ("ru", "глава IV", "глава четыре"),
        ("de", "Kapitel XII", "Kapitel zwölf"),
    ]
    for (voice, text, plain), case in cases(table):
        with case:
            heard = hear(text, voice)
            check(heard)
            assert heard.spoken == text.rstrip(".").split()
            assert sound(text, voice) == pytest.approx(sound(plain, voice), rel=0.2)


def test_letters_that_are_no_numerals_stay():
    table = [
        ("en", "I am Malcolm X. The IV drip, a CD MIX, vitamin C, in part I agree."),
        ("fr", "Il dit XV, mais M. X dit CD."),
    ]
    for (language, text), case in cases(table):
        with case:
            assert list(numerals(text, language)) == []


def test_money_is_read_as_people_say_it():
    table = [
        ("en", "$500", "500 dollars"),
        ("en", "$1", "1 dollar"),
        ("en", "£5.20", "5 pounds 20"),
        ("en", "$3.00", "3 dollars"),
        ("en", "€1.5 million", "1.5 million euros"),
        ("en", "$1,500", "1,500 dollars"),
        ("en", "US$5 and $x", None),
        ("de", "12,50 €", "12 Euro 50"),
        ("fr", "$2", "2 dollars"),
        ("es", "5 €", "5 euros"),
        ("ru", "21 ₽", "21 рубль"),
        ("ru", "$2", "2 доллара"),
        ("ru", "11 ₽", "11 рублей"),
        ("ja", "¥500", None),
    ]
    for (language, text, said), case in cases(table):
        with case:
            found = [new for _, _, new in money(text, language)]
            assert found == ([] if said is None else [said])


def test_an_amount_is_one_word():
    heard = hear("It was $500 or 12 € then.")
    check(heard)
    assert heard.spoken == ["It", "was", "$500", "or", "12 €", "then"]
    assert sound("$500", "en-us") == sound("500 dollars", "en-us")


def test_japanese_is_read_as_it_sounds():
    table = [
        ("山", "やま"),
        ("川", "かわ"),
        ("東京へ行く", "トーキョーエ イク"),
        ("私は学生です。", "わたしわ がくせいです。"),
        ("12月", "12ガツ"),
    ]
    for (text, kana), case in cases(table):
        with case:
            heard = hear(text, "ja")
            check(heard)
            assert sound(text, "ja") == pytest.approx(sound(kana, "ja"), abs=0.03)
    assert hear("山", "ja").audio != hear("川", "ja").audio
    assert hear("東京大学へ行く、と私は言った。", "ja").spoken == [
        "東京大学へ",
        "行く",
        "と",
        "私は",
        "言った",
    ]


def test_chinese_characters_that_a_voice_cannot_read_are_refused():
    for (voice, text), case in cases(
        [("hak", "山"), ("hak", "sân 山"), ("ko", "漢字")]
    ):
        with case:
            with pytest.raises(ProviderError) as caught:
                hear(text, voice)
            assert caught.value.kind == Failure.UNSPEAKABLE
    assert hear("sân", "hak").spoken == ["sân"]
    heard = hear("대통령(大統領)의 말", "ko")
    check(heard)
    assert heard.audio == hear("대통령의 말", "ko").audio
