"""English names of languages, and the codes that vendors use for them."""

from functools import cache

from providers.unicorn.espeak.voices import VOICES

# Languages that the built-in voices don't have.
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
# Languages for which vendors use several codes.
_SPELLINGS = {
    "ar": ("ar", "arb"),
    "fil": ("fil", "tl"),
    "nb": ("nb", "no", "nn"),
    "zh": ("zh", "cmn"),
}


def primary(tag: str) -> str:
    """Return the language of a BCP 47 tag without its region: `en` for `en-GB`."""
    return tag.partition("-")[0].lower()


def name_of(tag: str) -> str:
    """Return the English name of a tag's language; the tag itself if it is unknown."""
    language = primary(tag)
    return _names().get(_SAME.get(language, language), tag)


def spellings(language: str) -> tuple[str, ...]:
    """Return the codes that voices of `language` may have, the usual one first."""
    return _SPELLINGS.get(language, (language,))


def is_known(language: str) -> bool:
    """Return whether `language`, a BCP 47 code without a region, has a name here."""
    return language in _names()


@cache
def _names() -> dict[str, str]:
    names = dict(_OTHERS)
    for voice in VOICES.values():
        # "English (Scotland), whisper" is a voice of English.
        name = voice.info.name.partition(" (")[0].partition(",")[0]
        names.setdefault(primary(voice.info.language), name)
    return names
