"""Follow a text through `hibari`'s normalization: where each character comes from."""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeAlias

# Its package has a function of the same name.
steps = import_module("hibari.g2p.normalize")

Origins: TypeAlias = Sequence[tuple[int, int]]
"""For each character, the start and end of its origin in the original text."""

_WORD = re.compile(r"\S+")


class Traced:
    """A text that is changed step by step, with the origin of each character."""

    def __init__(self, text: str, start: int = 0) -> None:
        """Begin with `text`, which is at `start` in the original."""
        self.text = text
        self.origins: list[tuple[int, int]] = [
            (place, place + 1) for place in range(start, start + len(text))
        ]

    def sub(
        self, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]
    ) -> None:
        """Replace all matches of a pattern."""
        text, origins, place = [], [], 0
        for match in pattern.finditer(self.text):
            start, end = match.span()
            new = change(match)
            text += [self.text[place:start], new]
            origins += self.origins[place:start]
            origins += _carried(match[0], self.origins[start:end], new) or [
                self._here(start)
            ] * len(new)
            place = end
        if text:
            self.origins = origins + self.origins[place:]
            self.text = "".join(text) + self.text[place:]

    def follow(self, text: str) -> None:
        """Take over steps that were not substitutions: letters changed, spaces stripped.

        Raises:
            ValueError: it is none that we know.
        """
        if len(text) == len(self.text):
            self.text = text
            return
        before = len(self.text) - len(self.text.lstrip())
        if len(text) != len(self.text.strip()):
            raise ValueError("an unknown step of normalization")
        self.text, self.origins = text, self.origins[before : before + len(text)]

    def _here(self, place: int) -> tuple[int, int]:
        if place < len(self.origins):
            return self.origins[place]
        return self.origins[-1] if self.origins else (0, 0)


def traced(trace: Traced) -> None:
    """Normalize the text of `trace` as `hibari` does."""
    _now.trace = trace
    trace.follow(steps.normalize(trace.text))


def _carried(old: str, origins: Origins, new: str) -> list[tuple[int, int]]:
    """Return the origins of `new`, which replaces `old`: word by word where they match."""
    if not origins:
        return []
    olds, news = list(_WORD.finditer(old)), list(_WORD.finditer(new))
    carried = [(origins[0][0], origins[-1][1])] * len(new)

    def pair(one: re.Match[str], other: re.Match[str]) -> None:
        span = origins[one.start() : one.end()]
        if one[0] != other[0]:
            span = [(span[0][0], span[-1][1])] * len(other[0])
        carried[other.start() : other.end()] = span

    while olds and news and olds[0][0] == news[0][0]:
        pair(olds.pop(0), news.pop(0))
    while olds and news and olds[-1][0] == news[-1][0]:
        pair(olds.pop(), news.pop())
    if len(olds) == len(news):
        for one, other in zip(olds, news, strict=True):
            pair(one, other)
    elif olds:
        span = (origins[olds[0].start()][0], origins[olds[-1].end() - 1][1])
        for other in news:
            carried[other.start() : other.end()] = [span] * len(other[0])
    return carried


class _Pattern:
    """A pattern of `hibari` whose substitutions are traced."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def sub(self, change: Any, text: str) -> str:
        """Substitute in `text` and in the present trace."""
        trace: Traced = _now.trace
        trace.follow(text)
        call = change if callable(change) else lambda match: match.expand(change)
        trace.sub(self._pattern, call)
        return trace.text


def _sub(pattern: str, change: str, text: str) -> str:
    return _Pattern(re.compile(pattern)).sub(change, text)


_now = SimpleNamespace(trace=Traced(""))  # one thread reads one text at a time
for _name, _value in list(vars(steps).items()):
    if isinstance(_value, re.Pattern):
        setattr(steps, _name, _Pattern(_value))
_TRACED_RE = SimpleNamespace(sub=_sub, escape=re.escape, compile=re.compile)
setattr(steps, "re", _TRACED_RE)  # noqa: B010 - a module has no such attribute
