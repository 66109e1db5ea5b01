"""Where sentences end, the same for everything that cuts, speaks or shows a text."""

import regex
from sentencex import get_sentence_boundaries

CLOSERS = r"""["'”“’»«›)\]}」』】〉》）］｣]"""

_END = regex.compile(rf"[.!?…‽]++ {CLOSERS}*+ (?=\s)", regex.VERBOSE)
_NEXT_LETTER = regex.compile(rf"\s++(?:{CLOSERS}|[“„«‘¿¡(\[])*+\p{{Ll}}")
_NEXT_DIGIT = regex.compile(r"\s++\d")
# The library never ends a sentence within quotes and brackets; people do.
_ENCLOSING = str.maketrans(dict.fromkeys('"“”„«»‹›「」『』()[]{}（）【】《》〈〉', " "))

# What the library doesn't know, or not in the language of the voice. Left out are those
# that often end a sentence (etc., Inc.).
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms mx dr prof st mt ft gen col maj capt cmdr lt sgt cpl rev hon
    pres gov sen rep fr br sr jr messrs vs viz cf ca approx al ed eds trans
    vol vols ch chap fig figs eq sec para pp p ff dept univ
    assn bros hr frau bzw ggf evtl inkl exkl vgl sog abs nr bd kap str m
    mme mmes mlle mlles mm mgr av sra sras srta dra ud uds pág núm sig sig.ra dott
    ing dhr mevr bc mudr phdr doc tzv např resp p.s г гг стр рис им ул д т т.е т.д
    т.п проф др пр пл ред св abb hl geb wm geo chas dña
    """.split()
)
_BEFORE_NUMBER = frozenset(
    """
    no nos nº nr art p pp vol ch fig sec jan feb mar apr jun jul aug sep
    sept oct nov dec rs č str s abb tab op
    """.split()
)
_LAST_WORD = regex.compile(r"[\p{L}\p{N}\p{M}.]+$")
_NEXT_WORD = regex.compile(r"[\p{L}\p{N}]")
# "vitamine C." may end a sentence; in "et A. Dumas" and "Victor H. Hugo" it is a name.
_NOUN_BEFORE = regex.compile(r"\p{Ll}{5,}\s$")
_LONGEST_WORD = 24  # characters; holds any listed word, and bounds the time of a search
# What the library sees of the text around a full stop. It would need quadratic time for
# a paragraph of Chinese.
_BEFORE, _AFTER = 60, 30  # characters


def ends_sentence(text: str, start: int, end: int, language: str = "") -> bool:
    """Return whether the stops at `text[start:end]`, closing marks included, end one.

    "Dr." does not. `language` is a BCP 47 tag, or empty if it is unknown.
    """
    if _NEXT_LETTER.match(text, end):
        return False  # "Why?" she asked. Wait... what? e.g. this
    if text[start] != "." or text.startswith("..", start, end):
        return True
    before = _LAST_WORD.search(text, max(0, start - _LONGEST_WORD), start)
    if before is None:
        return True
    word = before.group().lower()
    if word in _BEFORE_NUMBER:
        if _NEXT_DIGIT.match(text, end):
            return False
        if word == "no":
            return True
    if word in _ABBREVIATIONS:
        return False
    if word.isdigit() and (len(word) > 2 or not language):
        return len(word) > 2  # not: 5. Mai; 1. First
    known = language.partition("-")[0] or "en"
    is_letter = len(word) == 1 and before.group().isupper() and word != "i"
    if is_letter and known != "en":  # of which the library knows what begins a sentence
        noun = _NOUN_BEFORE.search(text, max(0, before.start() - 6), before.start())
        if noun is None:
            return False
    return _is_boundary(text, start, end, known)


def _is_boundary(text: str, start: int, end: int, language: str) -> bool:
    """Return whether the library begins a sentence with the first word after `end`."""
    following = _NEXT_WORD.search(text, end, end + _AFTER)
    if following is None:
        return True
    since = max(0, start - _BEFORE)
    around = text[since : end + _AFTER].translate(_ENCLOSING)
    found = get_sentence_boundaries(language, around)
    starts = (since + boundary["start_index"] for boundary in found)
    return any(end <= place <= following.start() for place in starts)


def spoken_sentence_ends(text: str) -> list[int]:
    """Return the offset after each sentence but the last, in a paragraph of English."""
    return [
        match.end()
        for match in _END.finditer(text)
        if ends_sentence(text, *match.span(), "en")
    ]
