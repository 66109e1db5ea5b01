"""What languages are called in English."""

from functools import cache

from providers.unicorn.voices import VOICES

# Those that the built-in voices don't have.
_OTHERS = {
    "fil": "Filipino",
    "gl": "Galician",
    "jv": "Javanese",
    "km": "Khmer",
    "lo": "Lao",
    "mn": "Mongolian",
    "mul": "Any language",
    "no": "Norwegian",
    "ps": "Pashto",
    "so": "Somali",
    "su": "Sundanese",
    "zu": "Zulu",
}
_SAME = {"cmn": "zh", "arb": "ar", "nn": "nb"}
# Each with how vendors also write it.
_SPELLINGS = {
    "ar": ("ar", "arb"),
    "fil": ("fil", "tl"),
    "nb": ("nb", "no", "nn"),
    "zh": ("zh", "cmn"),
}


def primary(tag: str) -> str:
    """Return the language alone of a BCP 47 tag: `en` of `en-GB`."""
    return tag.partition("-")[0].lower()


def name_of(tag: str) -> str:
    """Return the English name of a tag's language; the tag itself if it has none here."""
    language = primary(tag)
    return _names().get(_SAME.get(language, language), tag)


def spellings(language: str) -> tuple[str, ...]:
    """Return the codes under which voices of `language` may be, the usual one first."""
    return _SPELLINGS.get(language, (language,))


def is_known(language: str) -> bool:
    """Return whether a voice may be of `language`, as BCP 47 names it alone."""
    return language in _names()


@cache
def _names() -> dict[str, str]:
    names = dict(_OTHERS)
    for voice in VOICES.values():
        # "English (Scotland), whisper" is a voice of English.
        name = voice.info.name.partition(" (")[0].partition(",")[0]
        names.setdefault(primary(voice.info.language), name)
    return names
