"""Captions in SubRip and WebVTT."""

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthesis.outputs.captions import LINE, CaptionScene, srt, vtt

CUE = re.compile(
    r"(?:(\d+)\n)?(\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d+):(\d\d):(\d\d)[,.](\d{3})\n"
    r"((?:.+\n)+)\n"
)


def timed(text: str, *, pace: float = 0.3, pause: float = 0.0) -> list[dict[str, Any]]:
    """Give each word `pace` seconds, and `pause` more after a full stop."""
    words, now = [], 0.0
    for match in re.finditer(r"\w+(?:['’-]\w+)*", text):
        words.append(
            {
                "start": round(now, 3),
                "end": round(now + pace, 3),
                "char_start": match.start(),
                "char_end": match.end(),
            }
        )
        now += pace
        if text[match.end() : match.end() + 1] in (".", "!", "?"):
            now += pause
    return words


def scene(text: str, offset: float = 0.0, **times: float) -> CaptionScene:
    return CaptionScene(text, timed(text, **times), offset)


def cues(file: str) -> list[tuple[float, float, list[str]]]:
    found = []
    for match in CUE.finditer(file):
        numbers = [int(group) for group in match.groups()[1:9]]
        start, end = (
            hours * 3600 + minutes * 60 + seconds + ms / 1000
            for hours, minutes, seconds, ms in (numbers[:4], numbers[4:])
        )
        found.append((start, end, match.group(10).rstrip("\n").split("\n")))
    return found


def texts(*scenes: CaptionScene) -> list[str]:
    return [" / ".join(lines) for _, _, lines in cues("".join(srt(scenes)))]


def test_subrip_format() -> None:
    assert "".join(srt([scene("Hello there. How are you?", pace=0.5)])) == (
        "1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n"
        "2\n00:00:01,000 --> 00:00:02,500\nHow are you?\n\n"
    )


def test_webvtt_format() -> None:
    assert "".join(vtt([scene("Fish & <b>chips</b>.", pace=0.5)])) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\nFish &amp; &lt;b&gt;chips&lt;/b&gt;.\n\n"
    )


def test_an_arrow_in_the_text_does_not_break_webvtt() -> None:
    (cue,) = cues("".join(vtt([scene("From A --> to B now then.")])))
    assert cue[2] == ["From A --&gt; to B now then."]


def test_no_words_make_an_empty_file() -> None:
    assert "".join(srt([CaptionScene("Hello.", [], 0.0)])) == ""
    assert "".join(vtt([])) == "WEBVTT\n\n"


def test_scenes_follow_each_other_by_their_offsets() -> None:
    found = cues("".join(srt([scene("One two three."), scene("Four five.", 3600.25)])))
    assert [(start, end) for start, end, _ in found] == [(0.0, 1.0), (3600.25, 3601.25)]


def test_a_long_sentence_fills_two_lines_of_similar_width() -> None:
    (first, *_) = texts(
        scene(
            "The quick brown fox jumps over the lazy dog and runs away again.", pace=0.2
        )
    )
    assert first == "The quick brown fox jumps over / the lazy dog and runs away again."


def test_lines_break_at_clauses_if_possible() -> None:
    (first,) = texts(
        scene("When it is raining, it pours on everybody alike.", pace=0.2)
    )
    assert first == "When it is raining, / it pours on everybody alike."


def test_a_sentence_that_is_too_long_is_cut_at_a_clause() -> None:
    text = (
        "It was the best of times, it was the worst of times, it was the age of the "
        "greatest foolishness, and of wisdom."
    )
    assert texts(scene(text, pace=0.2)) == [
        "It was the best of times, / it was the worst of times,",
        "it was the age of the greatest / foolishness, and of wisdom.",
    ]


def test_short_sentences_share_a_caption() -> None:
    assert texts(scene("Yes. No. Why? Because I say so.", pace=0.3)) == [
        "Yes. No. Why? Because I say so."
    ]


def test_a_quotation_and_its_speaker_share_a_caption() -> None:
    assert texts(scene("“Why did you do it?” she asked him. He left.", pace=0.4)) == [
        "“Why did you do it?” she asked him.",
        "He left.",
    ]


def test_quotation_marks_and_brackets_go_with_their_words() -> None:
    found = texts(
        scene('He had said it before. "Go (now) away." ¿Qué pasa aquí?', pace=0.4)
    )
    assert found == ["He had said it before.", '"Go (now) away."', "¿Qué pasa aquí?"]


def test_white_space_of_the_text_does_not_show() -> None:
    assert texts(scene("One  two\nthree\tfour.", pace=0.2)) == ["One two / three four."]


def test_words_joined_by_a_hyphen_stay_joined() -> None:
    words = [
        {"start": 0.0, "end": 0.5, "char_start": 0, "char_end": 4},
        {"start": 0.5, "end": 1.0, "char_start": 5, "char_end": 10},
    ]
    assert texts(CaptionScene("well-known.", words, 0.0)) == ["well-known."]


def test_a_caption_ends_at_a_long_silence() -> None:
    found = cues("".join(srt([scene("One two three. Four five six.", pause=5.0)])))
    assert [(start, end) for start, end, _ in found] == [(0.0, 1.0), (5.9, 6.9)]


def test_a_caption_stays_for_a_second_if_the_next_lets_it() -> None:
    found = cues("".join(srt([scene("Yes.", pace=0.2), scene("No.", 0.5, pace=0.2)])))
    assert [(start, end) for start, end, _ in found] == [(0.0, 0.5), (0.5, 1.5)]


def test_a_slow_word_is_shown_for_seven_seconds_at_most() -> None:
    found = cues("".join(srt([scene("Ommm.", pace=30.0)])))
    assert [(start, end) for start, end, _ in found] == [(0.0, 7.0)]


def test_a_word_wider_than_a_line_is_cut_and_its_time_shared() -> None:
    word = {"start": 0.0, "end": 10.0, "char_start": 0, "char_end": 100}
    found = cues("".join(srt([CaptionScene("x" * 100, [word], 0.0)])))
    assert [lines for _, _, lines in found] == [["x" * 42], ["x" * 42, "x" * 16]]
    assert [start for start, _, _ in found] == [0.0, 4.2]


def test_ideographs_take_two_columns_and_no_spaces() -> None:
    text = "这是一个很长的句子没有空格所以必须在任何地方切开才能放进一行字幕里面。"
    word = {"start": 0.0, "end": 6.0, "char_start": 0, "char_end": len(text) - 1}
    found = cues("".join(srt([CaptionScene(text, [word], 0.0)])))
    assert [lines for _, _, lines in found] == [[text[:21], text[21:]]]


def test_text_without_times_is_not_lost() -> None:
    words = timed("One two three four five.")
    text = "First, One two three four five. And so on."
    shifted = [
        {**word, "char_start": word["char_start"] + 7, "char_end": word["char_end"] + 7}
        for word in words
    ]
    assert " ".join(texts(CaptionScene(text, shifted, 0.0))) == text


@pytest.mark.parametrize("offset", [0.0, 359_999.5])
def test_long_books_count_more_than_99_hours(offset: float) -> None:
    ((start, _, _),) = cues("".join(srt([scene("Late hours.", offset)])))
    assert start == offset


@given(
    st.lists(
        st.tuples(
            st.text("aébc-'", min_size=1, max_size=60)
            | st.sampled_from(["句子", "I", "x" * 90]),
            st.sampled_from([" ", ". ", ", ", "! ", ".” “", "\n\n", " — ", "", "… "]),
            st.floats(0, 9),
        ),
        min_size=1,
        max_size=60,
    ),
    st.floats(0, 1e6),
)
def test_captions_never_overlap_and_always_fit(
    spoken: list[tuple[str, str, float]], offset: float
) -> None:
    text, words, now = "", [], 0.0
    for word, mark, length in spoken:
        words.append(
            {
                "start": now,
                "end": now + length,
                "char_start": len(text),
                "char_end": len(text) + len(word),
            }
        )
        text += word + mark
        now += length

    found = cues("".join(srt([CaptionScene(text, words, offset)] * 2)))

    assert found
    for (_, end, _), (start, _, _) in pairwise(found):
        assert end <= start
    for start, end, lines in found:
        assert start < end
        assert end - start <= 7.001
        assert 1 <= len(lines) <= 2
        assert all(0 < len(line) <= LINE for line in lines)
    shown = "".join("".join(lines) for _, _, lines in found)
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", text) * 2


def test_a_line_holds_text_of_one_paragraph_verse_or_item() -> None:
    assert texts(scene("Chapter One\n\nIt was a dark night.", pace=0.4)) == [
        "Chapter One / It was a dark night."
    ]
    assert texts(scene("Chapter One Hundred\n\nIt was a dark night.", pace=0.4)) == [
        "Chapter One Hundred",
        "It was a dark night.",
    ]
    assert texts(scene("- milk\n- two loaves of bread\n- eggs", pace=0.4)) == [
        "- milk / - two loaves of bread",
        "- eggs",
    ]
    verses = "Roses are red,\nviolets are blue,\nsugar is sweet\nAnd so are you."
    assert texts(scene(verses, pace=0.4)) == verses.split("\n")
    assert texts(scene(verses, pace=0.2)) == [
        "Roses are red, / violets are blue,",
        "sugar is sweet / And so are you.",
    ]
    wrapped = "It was a bright cold day in the spring of\nthat year."
    assert texts(scene(wrapped, pace=0.2)) == [
        "It was a bright cold day / in the spring of that year."
    ]


def test_no_line_is_broken_where_readers_stumble() -> None:
    chinese = "他说：“你好，世界。”她答：“再见。”（他笑了。）《红楼梦》是一本书。"
    english = (
        "And then the very old lawyer met young Dr. Smith and his friend Mr. Tolkien "
        "at the station of St. Louis."
    )
    thai = "เขาไปโรงเรียนและทำการบ้านในห้องสมุดแล้วจะกลับบ้านไปหาแม่ของเขาทุกวันในตอนเย็น" * 2
    for pace in (0.1, 0.2, 0.3, 0.5, 1.0):
        for text, pattern in (
            (chinese, r"\w"),
            (chinese, r"\w+"),
            (chinese, ".+"),
            (english, r"\w+"),
            (thai, r"."),
            (thai, ".{7}"),
            (thai, ".+"),
        ):
            words = [
                {
                    "start": pace * number,
                    "end": pace * (number + 1),
                    "char_start": match.start(),
                    "char_end": match.end(),
                }
                for number, match in enumerate(re.finditer(pattern, text))
            ]
            found = [
                line
                for _, _, lines in cues("".join(srt([CaptionScene(text, words, 0.0)])))
                for line in lines
            ]
            assert "".join("".join(found).split()) == "".join(text.split())
            for line in found:
                assert line[-1] not in "“（《เแโใไ", found
                assert line[0] not in "，。”）》：ะาำๅๆ", found
                assert not line.endswith((" Dr.", " Mr.", " St.")), found


@pytest.mark.parametrize(
    "text",
    [
        "This is Dr. Novak and Ms. Green.",
        "I met J. R. R. Tolkien at 3.30 p.m. once.",
        "No. 5 is from St. Ives, e.g. the one here.",
    ],
)
def test_a_caption_goes_on_after_an_abbreviation(text) -> None:
    assert len(texts(scene(text, pace=0.5))) == 1


def test_a_caption_ends_with_its_sentence() -> None:
    text = "He saw the Dr. first. Then came Ms. Green. “Why?” she asked. 好。再见。"
    assert texts(scene(text, pace=0.6)) == [
        "He saw the Dr. first.",
        "Then came Ms. Green.",
        "“Why?” she asked.",
        "好。再见。",
    ]
