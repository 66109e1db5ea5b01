"""The voices of eSpeak NG.

Left out are languages whose dictionary is missing from the engine's data, whose voice
can't read numbers (Cherokee, Chuvash, Sindarin), or that have no registered code.
"""

from dataclasses import dataclass
from typing import Literal

from providers.contract.base import VoiceInfo
from providers.unicorn.engines import EngineVoice

NAME = "espeak"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A variant that exists for every language; the measured pitch is for English."""

    suffix: str
    name: str
    variant: str
    pitch: int
    gender: Literal["female", "male"]


_KINDS = (
    _Kind("", "", "", 50, "male"),  # about 100 Hz
    _Kind("-female", ", female", "+f2", 50, "female"),  # 195 Hz
    _Kind("-bright", ", bright", "+Annie", 50, "female"),  # 240 Hz
    _Kind("-deep", ", deep", "+david", 50, "male"),  # 75 Hz
    _Kind("-whisper", ", whisper", "+whisper", 50, "male"),  # without a pitch
)

# BCP 47; its file in the engine's data, whose name may not be unique; name
_LANGUAGES = (
    ("af", "gmw/af", "Afrikaans"),
    ("sq", "ine/sq", "Albanian"),
    ("am", "sem/am", "Amharic"),
    ("ar", "sem/ar", "Arabic"),
    ("an", "roa/an", "Aragonese"),
    ("hy", "ine/hy", "Armenian (Eastern)"),
    ("hyw", "ine/hyw", "Armenian (Western)"),
    ("as", "inc/as", "Assamese"),
    ("az", "trk/az", "Azerbaijani"),
    ("ba", "trk/ba", "Bashkir"),
    ("eu", "eu", "Basque"),
    ("be", "zle/be", "Belarusian"),
    ("bn", "inc/bn", "Bengali"),
    ("bpy", "inc/bpy", "Bishnupriya Manipuri"),
    ("bs", "zls/bs", "Bosnian"),
    ("bg", "zls/bg", "Bulgarian"),
    ("my", "sit/my", "Burmese"),
    ("ca", "roa/ca", "Catalan"),
    ("ca-x-balearic", "roa/ca-ba", "Catalan (Balearic)"),
    ("ca-x-nw", "roa/ca-nw", "Catalan (North-western)"),
    ("ca-valencia", "roa/ca-va", "Catalan (Valencian)"),
    ("yue", "sit/yue", "Chinese (Cantonese)"),
    ("yue-Latn-jyutping", "sit/yue-Latn-jyutping", "Chinese (Cantonese, in Jyutping)"),
    ("hak", "sit/hak", "Chinese (Hakka)"),
    ("zh-CN", "sit/cmn", "Chinese (Mandarin)"),
    ("zh-Latn-pinyin", "sit/cmn-Latn-pinyin", "Chinese (Mandarin, in Pinyin)"),
    ("hr", "zls/hr", "Croatian"),
    ("cs", "zlw/cs", "Czech"),
    ("da", "gmq/da", "Danish"),
    ("nl", "gmw/nl", "Dutch"),
    ("en-US", "gmw/en-US", "English (America)"),
    ("en-029", "gmw/en-029", "English (Caribbean)"),
    ("en-GB", "gmw/en", "English (Great Britain)"),
    ("en-GB-x-gbclan", "gmw/en-GB-x-gbclan", "English (Lancaster)"),
    ("en-US-x-nyc", "gmw/en-US-nyc", "English (New York City)"),
    ("en-GB-x-rp", "gmw/en-GB-x-rp", "English (Received Pronunciation)"),
    ("en-GB-scotland", "gmw/en-GB-scotland", "English (Scotland)"),
    ("en-GB-x-gbcwmd", "gmw/en-GB-x-gbcwmd", "English (West Midlands)"),
    ("eo", "art/eo", "Esperanto"),
    ("et", "urj/et", "Estonian"),
    ("fi", "urj/fi", "Finnish"),
    ("fr-BE", "roa/fr-BE", "French (Belgium)"),
    ("fr-FR", "roa/fr", "French (France)"),
    ("fr-CH", "roa/fr-CH", "French (Switzerland)"),
    ("gd", "cel/gd", "Gaelic (Scotland)"),
    ("ka", "ccs/ka", "Georgian"),
    ("de", "gmw/de", "German"),
    ("el", "grk/el", "Greek"),
    ("grc", "grk/grc", "Greek (Ancient)"),
    ("kl", "esx/kl", "Greenlandic"),
    ("gn", "sai/gn", "Guarani"),
    ("gu", "inc/gu", "Gujarati"),
    ("ht", "roa/ht", "Haitian Creole"),
    ("haw", "map/haw", "Hawaiian"),
    ("he", "sem/he", "Hebrew"),
    ("hi", "inc/hi", "Hindi"),
    ("hu", "urj/hu", "Hungarian"),
    ("is", "gmq/is", "Icelandic"),
    ("io", "art/io", "Ido"),
    ("id", "poz/id", "Indonesian"),
    ("ia", "art/ia", "Interlingua"),
    ("ga", "cel/ga", "Irish"),
    ("it", "roa/it", "Italian"),
    ("ja", "jpx/ja", "Japanese"),
    ("quc", "myn/quc", "K'iche'"),
    ("kn", "dra/kn", "Kannada"),
    ("kk", "trk/kk", "Kazakh"),
    ("kok", "inc/kok", "Konkani"),
    ("ko", "ko", "Korean"),
    ("ku", "ira/ku", "Kurdish"),
    ("ky", "trk/ky", "Kyrgyz"),
    ("ltg", "bat/ltg", "Latgalian"),
    ("la", "itc/la", "Latin"),
    ("lv", "bat/lv", "Latvian"),
    ("lfn", "art/lfn", "Lingua Franca Nova"),
    ("lt", "bat/lt", "Lithuanian"),
    ("jbo", "art/jbo", "Lojban"),
    ("smj", "urj/smj", "Lule Sámi"),
    ("lb", "gmw/lb", "Luxembourgish"),
    ("mk", "zls/mk", "Macedonian"),
    ("ms", "poz/ms", "Malay"),
    ("ml", "dra/ml", "Malayalam"),
    ("mt", "sem/mt", "Maltese"),
    ("mr", "inc/mr", "Marathi"),
    ("mi", "poz/mi", "Māori"),
    ("nci", "azc/nci", "Nahuatl (Classical)"),
    ("ne", "inc/ne", "Nepali"),
    ("nog", "trk/nog", "Nogai"),
    ("nb", "gmq/nb", "Norwegian (Bokmål)"),
    ("or", "inc/or", "Odia"),
    ("om", "cus/om", "Oromo"),
    ("pap", "roa/pap", "Papiamento"),
    ("fa", "ira/fa", "Persian"),
    ("fa-Latn", "ira/fa-Latn", "Persian (in Latin letters)"),
    ("pl", "zlw/pl", "Polish"),
    ("pt-BR", "roa/pt-BR", "Portuguese (Brazil)"),
    ("pt-PT", "roa/pt", "Portuguese (Portugal)"),
    ("pa", "inc/pa", "Punjabi"),
    ("qu", "qu", "Quechua"),
    ("ro", "roa/ro", "Romanian"),
    ("ru", "zle/ru", "Russian"),
    ("ru-LV", "zle/ru-LV", "Russian (Latvia)"),
    ("ru-x-classic", "zle/ru-cl", "Russian (classic)"),
    ("sr", "zls/sr", "Serbian"),
    ("tn", "bnt/tn", "Setswana"),
    ("shn", "tai/shn", "Shan"),
    ("sd", "inc/sd", "Sindhi"),
    ("si", "inc/si", "Sinhala"),
    ("sk", "zlw/sk", "Slovak"),
    ("sl", "zls/sl", "Slovenian"),
    ("es-419", "roa/es-419", "Spanish (Latin America)"),
    ("es-ES", "roa/es", "Spanish (Spain)"),
    ("sw", "bnt/sw", "Swahili"),
    ("sv", "gmq/sv", "Swedish"),
    ("ta", "dra/ta", "Tamil"),
    ("tt", "trk/tt", "Tatar"),
    ("te", "dra/te", "Telugu"),
    ("th", "tai/th", "Thai"),
    ("ti", "sem/ti", "Tigrinya"),
    ("mto", "miz/mto", "Totontepec Mixe"),
    ("tr", "trk/tr", "Turkish"),
    ("tk", "trk/tk", "Turkmen"),
    ("uk", "zle/uk", "Ukrainian"),
    ("ur", "inc/ur", "Urdu"),
    ("ug", "trk/ug", "Uyghur"),
    ("uz", "trk/uz", "Uzbek"),
    ("vi-VN-x-central", "aav/vi-VN-x-central", "Vietnamese (Central)"),
    ("vi", "aav/vi", "Vietnamese (Northern)"),
    ("vi-VN-x-south", "aav/vi-VN-x-south", "Vietnamese (Southern)"),
    ("cy", "cel/cy", "Welsh"),
)


def _voice(language: str, engine_id: str, name: str, kind: _Kind) -> EngineVoice:
    info = VoiceInfo(
        language.lower() + kind.suffix,
        name + kind.name,
        language,
        kind.gender,
        engine=NAME,
    )
    return EngineVoice(info, engine_id + kind.variant, kind.pitch)


VOICES = {
    voice.info.id: voice
    for voice in (_voice(*row, kind) for row in _LANGUAGES for kind in _KINDS)
}
"""The voices by id: the language in lower case, then the kind."""
