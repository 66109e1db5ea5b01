"""Code for customers' servers: shown in the pages and the documentation, run by tests."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of code to copy."""

    title: str
    text: str


@cache
def all_snippets() -> list[Snippet]:
    """Return how to check a signature, in each language."""
    return [
        Snippet("Python", (_HERE / "verify.py").read_text()),
        Snippet("JavaScript (Node)", (_HERE / "verify.mjs").read_text()),
    ]
