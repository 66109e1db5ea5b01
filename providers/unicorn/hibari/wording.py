"""What a reader says for signs that `hibari` passes over or takes for something else."""

import re
from collections.abc import Callable

_TOP = (
    "com|org|net|edu|gov|io|co|uk|us|ca|au|eu|de|fr|es|it|sk|cz|info|app|dev|ai|me|tv"
)
_ADDRESS = re.compile(
    rf"(?:https?://|www\.)[^\s<>\"]*[\w/]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    rf"|\b(?:[\w-]+\.)+(?:{_TOP})\b(?:/[^\s<>\"]*[\w/])?"
    r"|\b\w{2,}\.[a-z][a-z0-9]{1,3}\b(?!\.)",  # a file
    re.ASCII,
)
_IN_ADDRESS = {
    ".": " dot ",
    "/": " slash ",
    "@": " at ",
    ":": " colon ",
    "-": " dash ",
    "_": " underscore ",
    "?": " question mark ",
    "=": " equals ",
    "&": " and ",
    "#": " hash ",
    "%": " percent ",
    "+": " plus ",
    "~": " tilde ",
}
_SPELLED = re.compile(r"\b(?:https?|www)\b")
_ROMAN = {
    **{"II": "second", "III": "third", "IV": "fourth", "V": "fifth", "VI": "sixth"},
    **{"VII": "seventh", "VIII": "eighth", "IX": "ninth", "X": "tenth"},
    **{"XI": "eleventh", "XII": "twelfth", "XIII": "thirteenth", "XIV": "fourteenth"},
    **{"XV": "fifteenth", "XVI": "sixteenth", "XVII": "seventeenth"},
    **{"XVIII": "eighteenth", "XIX": "nineteenth", "XX": "twentieth"},
    **{"XXI": "twenty-first", "XXII": "twenty-second"},
}
_UNITS = {
    "m": "meters",
    "m²": "square meters",
    "L": "liters",
    "W": "watts",
    "V": "volts",
}
_MONEY = {"USD": "dollars", "EUR": "euros", "GBP": "pounds"}

Change = Callable[[re.Match[str]], str]

CHANGES: list[tuple[re.Pattern[str], Change]] = [
    (_ADDRESS, lambda match: _address(match[0])),
    # 2.0.1, 192.168.0.1
    (re.compile(r"\b\d+(?:\.\d+){2,}\b"), lambda match: match[0].replace(".", " dot ")),
    # A number before the stop of a sentence is read like one before a comma.
    (re.compile(r"(?<=\d)\.(?=\s|$)"), lambda _: " ."),
    (re.compile(r"\bp\. ?(?=\d)"), lambda _: "page "),
    (re.compile(r"\bC#"), lambda _: "C sharp"),
    (re.compile(r"\bCtrl\b"), lambda _: "Control"),
    (re.compile(r"~(?=\d)"), lambda _: "about "),
    (re.compile(r"(?<=\d) x (?=\d)"), lambda _: " times "),
    (re.compile(r"\b(24/7|50/50)\b"), lambda match: match[0].replace("/", " ")),
    (
        re.compile(r"(?<=\d) (m²|m|L|W|V)(?![\w²³/'])"),
        lambda match: f" {_UNITS[match[1]]}",
    ),
    (re.compile(r"(?<=\d) (USD|EUR|GBP)\b"), lambda match: f" {_MONEY[match[1]]}"),
    (
        re.compile(
            rf"\b({'|'.join(sorted(_ROMAN, key=len, reverse=True))})(?= century\b)"
        ),
        lambda match: _ROMAN[match[1]],
    ),
]
"""Patterns and what is read for them, in this order."""


def _address(address: str) -> str:
    """Return a URL, a mail address or the name of a file as a reader spells it."""
    said = _SPELLED.sub(lambda match: " ".join(match[0].upper()) + " ", address)
    return "".join(_IN_ADDRESS.get(character, character) for character in said)
