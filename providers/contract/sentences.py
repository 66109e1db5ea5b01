"""Where sentences end, the same for everything that cuts or speaks a text."""

import regex

CLOSERS = r"""["'”“’»«›)\]}」』】〉》）］｣]"""

_NEXT_LETTER = regex.compile(rf"\s++(?:{CLOSERS}|[“„«‘¿¡(\[])*+\p{{Ll}}")
_END = regex.compile(rf"[.!?…‽]++ {CLOSERS}*+ (?=\s)", regex.VERBOSE)

# Abbreviations within a sentence. Those that often end one (etc., Inc.) are left out. A
# missed sentence end does little harm, since the place still counts as a clause end.
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms mx dr prof st mt ft gen col maj capt cmdr lt sgt cpl rev hon
    pres gov sen rep fr br sr jr messrs vs viz cf ca approx al ed eds trans
    vol vols ch chap fig figs eq sec art para pp p ff ex ext dept est univ
    assn bros hr fr frau bzw ggf evtl inkl exkl vgl sog abs nr bd kap str m
    mme mlle mm mgr av bd sra srta dra ud uds av pág núm sig sig.ra dott ing
    mgr bc mudr phdr doc tzv např resp p.s г гг стр рис им ул д т т.е т.д
    т.п
    """.split()
)
_BEFORE_NUMBER = frozenset(
    """
    no nos nº nr art p pp vol ch fig sec jan feb mar apr jun jul aug sep
    sept oct nov dec rs č str s abb tab op
    """.split()
)
_LAST_WORD = regex.compile(r"[\p{L}\p{N}\p{M}.]+$")


def ends_sentence(text: str, start: int, end: int) -> bool:
    """Return whether the stops at `text[start:end]`, closing marks included, end one.

    "Dr." does not.
    """
    if _NEXT_LETTER.match(text, end):
        return False  # "Why?" she asked. Wait... what? e.g. this
    if text[start] != "." or text.startswith("..", start, end):
        return True
    # 24 characters hold any listed word, and bound the time of the search.
    before = _LAST_WORD.search(text, max(0, start - 24), start)
    if before is None:
        return True
    word = before.group().lower()
    if word in _ABBREVIATIONS or ("." in word.strip(".") and not word[-1].isdigit()):
        return False  # Dr. J.R.R. U.S. p.m.
    if len(word) == 1 and word.isalpha():
        return False  # J. Smith
    if word.isdigit():
        return len(word) > 2  # not: 5. Mai; 1. First
    following = text[end:][:2].lstrip()
    return not (word in _BEFORE_NUMBER and following.isdigit())


def spoken_sentence_ends(text: str) -> list[int]:
    """Return the offset after each sentence but the last, in a paragraph of Latin text."""
    return [
        match.end()
        for match in _END.finditer(text)
        if ends_sentence(text, match.start(), match.end())
    ]
