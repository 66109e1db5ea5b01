"""How codes are typed: in other scripts, with dashes, pasted with invisible marks."""

import unicodedata

_PARTING = {"Zs", "Zl", "Zp", "Cc", "Cf", "Pd", "Mn", "Me"}  # Unicode's categories
_DASHES = {"\N{MINUS SIGN}", "\N{KATAKANA-HIRAGANA PROLONGED SOUND MARK}"}


def plain(code: str) -> str:
    """Return a typed code as we write it: its letters and digits in ASCII, in lower case.

    Decimal digits of every script and full-width letters become ASCII; spaces, dashes and
    characters without a width are left out. Whatever else was typed stays in.
    """
    return "".join(
        str(unicodedata.decimal(character, character))
        for character in unicodedata.normalize("NFKC", code)
        if unicodedata.category(character) not in _PARTING and character not in _DASHES
    ).lower()
