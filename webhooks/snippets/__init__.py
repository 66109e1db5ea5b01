"""Code that verifies signatures on customers' servers; shown in pages, run by tests."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Snippet:
    """Example code to copy."""

    title: str
    text: str


@cache
def all_snippets() -> list[Snippet]:
    """Return the code that verifies a signature, in each language."""
    return [
        Snippet("Python", (_HERE / "verify.py").read_text()),
        Snippet("JavaScript (Node)", (_HERE / "verify.mjs").read_text()),
    ]
