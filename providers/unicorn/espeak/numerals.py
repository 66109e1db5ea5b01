"""Write numerals, powers and money as people say them; eSpeak NG reads the digits.

eSpeak reads "Louis XIV" as "Roman fourteen", and "$500" as "dollar 500".
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN = re.compile(
    r"(?<![\w'’.-])(?P<before>[^\W\d_]+)(?P<space>[ \u00a0]+)"
    r"(?P<roman>M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))"
    r"(?![\w'’-])"
)
_CENTURY = re.compile(
    r"(?<![\w'’.-])(?P<roman>[XVI]{1,5})(?P<ending>e|ème)?(?=\s(?:siècle|век))"
)
# After a variable or a unit; after a word it is the number of a note.
_POWER = re.compile(r"(?<![^\W\d])(?P<what>[cdkmfi]?[^\W\d_²³])(?P<sign>[²³])(?!\w)")
_POWERS = {
    "de": {"²": "hoch zwei", "³": "hoch drei"},
    "en": {"²": "squared", "³": "cubed"},
    "es": {"²": "al cuadrado", "³": "al cubo"},
    "fr": {"²": "au carré", "³": "au cube"},
    "it": {"²": "al quadrato", "³": "al cubo"},
    "pt": {"²": "ao quadrado", "³": "ao cubo"},
    "ru": {"²": "в квадрате", "³": "в кубе"},
}
# A single letter is a numeral only after these; a name may be one (Malcolm X).
_NUMBERED = frozenset(
    """
    act appendix article book canto chapter class division figure part phase section
    table title type volume war akt band buch kapitel teil acte chapitre livre partie
    tome acto capítulo libro parte tomo atto capitolo глава книга часть том раздел
    """.split()
)
_RULERS = frozenset(
    """
    alexander alfonso benedict catherine charles christian clement constantine edward
    elizabeth francis frederick george gregory gustav henry innocent james john leo louis
    mary nicholas otto paul peter philip pius ramesses richard william
    """.split()
)
_ARTICLES = frozenset(
    "the a an this that my his her our der die das le la el il".split()
)
_ORDINALS = {1: "1st", 2: "2nd", 3: "3rd"}


class _Currency(NamedTuple):
    one: str
    few: str  # 2 to 4, where the language tells them apart
    many: str


def _same(name: str) -> _Currency:
    return _Currency(name, name, name)


def _plural(one: str, many: str) -> _Currency:
    return _Currency(one, many, many)


_CURRENCIES = {
    "en": {
        "$": _plural("dollar", "dollars"),
        "€": _plural("euro", "euros"),
        "£": _plural("pound", "pounds"),
        "¥": _same("yen"),
        "₽": _plural("ruble", "rubles"),
        "₹": _plural("rupee", "rupees"),
    },
    "de": {
        "$": _same("Dollar"),
        "€": _same("Euro"),
        "£": _same("Pfund"),
        "¥": _same("Yen"),
    },
    "fr": {
        "$": _plural("dollar", "dollars"),
        "€": _plural("euro", "euros"),
        "£": _plural("livre", "livres"),
        "¥": _plural("yen", "yens"),
    },
    "es": {
        "$": _plural("dólar", "dólares"),
        "€": _plural("euro", "euros"),
        "£": _plural("libra", "libras"),
        "¥": _plural("yen", "yenes"),
    },
    "it": {
        "$": _plural("dollaro", "dollari"),
        "€": _same("euro"),
        "£": _plural("sterlina", "sterline"),
        "¥": _same("yen"),
    },
    "pt": {
        "$": _plural("dólar", "dólares"),
        "€": _plural("euro", "euros"),
        "£": _plural("libra", "libras"),
        "¥": _plural("iene", "ienes"),
    },
    "ru": {
        "$": _Currency("доллар", "доллара", "долларов"),
        "€": _same("евро"),
        "£": _Currency("фунт", "фунта", "фунтов"),
        "¥": _Currency("иена", "иены", "иен"),
        "₽": _Currency("рубль", "рубля", "рублей"),
    },
}
_AMOUNT = r"""
    (?P<whole{n}> \d{{1,3}}(?:[,.\u00a0\u202f]\d{{3}})+ | \d+ ) (?: [.,](?P<rest{n}>\d+) )?
"""
_SCALE = r"""
    (?: [ ](?P<scale{n}> thousand | million | billion | trillion | Millionen | Milliarden
    | millions | milliards | millones | milioni | milhões | тысяч | миллионов
    | миллиардов)(?!\w) )?
"""
_SIGNS = "$€£¥₽₹"
_MONEY = re.compile(
    rf"""
    (?<! [\w{_SIGNS}.,])
    (?: (?P<sign1>[{_SIGNS}]) [ ]? {_AMOUNT.format(n=1)} (?![\w{_SIGNS}])
        {_SCALE.format(n=1)}
      | {_AMOUNT.format(n=2)} {_SCALE.format(n=2)} [ \u00a0\u202f]? (?P<sign2>[{_SIGNS}])
        (?![\w{_SIGNS}]) )
    """,
    re.VERBOSE,
)


def numerals(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Yield replacements of Roman numerals by digits: (start, end, digits)."""
    for match in _ROMAN.finditer(text):
        roman, before = match["roman"], match["before"]
        name = before.lower()
        is_capital = before[:1].isupper()
        is_numbered = name in _NUMBERED and (is_capital or len(roman) > 1)
        # After a name only small ones: "DVD CD" and "the MIX" are none.
        is_name = is_capital and len(roman) > 1 and not set(roman) - set("IVX")
        if not roman or not (is_numbered or is_name) or name in _ARTICLES:
            continue
        number = _value(roman)
        said = str(number)
        if language == "en" and name in _RULERS:
            said = f"the {_ORDINALS.get(number) or f'{number}th'}"
        yield *match.span("roman"), said


def powers(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Yield replacements of small raised numbers by what they mean: x², km²."""
    known = _POWERS.get(language, {})
    for match in _POWER.finditer(text) if known else ():
        yield *match.span(), f"{match['what']} {known[match['sign']]}"


def centuries(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield replacements of the numerals of centuries: XIXe siècle, XIX век."""
    for match in _CENTURY.finditer(text):
        yield *match.span(), f"{_value(match['roman'])}{match['ending'] or ''}"


def _value(roman: str) -> int:
    total = 0
    for letter, following in zip(roman, roman[1:] + " ", strict=True):
        value = _VALUES[letter]
        total += -value if _VALUES.get(following, 0) > value else value
    return total


def money(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Yield replacements of amounts of money: $5.20 becomes 5 dollars 20."""
    names = _CURRENCIES.get(language)
    if not names:
        return
    for match in _MONEY.finditer(text):
        currency = names.get(match["sign1"] or match["sign2"])
        if currency is None:
            continue
        side = 1 if match["sign1"] else 2
        whole, rest = match[f"whole{side}"], match[f"rest{side}"]
        scale = match[f"scale{side}"]
        number = int("".join(filter(str.isdecimal, whole)))
        if rest and len(rest) == 2 and not scale:  # dollars and cents
            cents = rest.lstrip("0")
            said = f"{whole} {_name(currency, number)} {cents}".rstrip()
        else:
            figure = match[0].strip(f"{_SIGNS} \u00a0\u202f")
            is_plain = not rest and not scale
            said = f"{figure} {_name(currency, number if is_plain else None)}"
        yield *match.span(), said


def _name(currency: _Currency, number: int | None) -> str:
    """Return the name of a currency after a number; None: one that is not small."""
    if number is None or number % 100 in range(11, 20):
        return currency.many
    if number == 1 or (number % 10 == 1 and currency.few != currency.many):
        return currency.one
    return currency.few if number % 10 in (2, 3, 4) else currency.many
