"""The voices of `hibari`: the one in its package, and those that were fetched."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from providers.contract.base import VoiceInfo
from providers.unicorn.engines import EngineVoice

NAME = "hibari"
_ACCENTS = {"en-US": "English (America)", "en-GB": "English (Great Britain)"}


@dataclass(frozen=True, slots=True)
class Model:
    """A voice's model, as the package describes it."""

    voice: str
    language: str
    gender: str
    file: str
    size: int  # bytes
    sha256: str
    is_in_package: bool

    @property
    def path(self) -> Path:
        """Where it is, if it is there."""
        if self.is_in_package:
            return _assets() / self.file
        folder: Path = settings.VOICES_DIRECTORY
        return folder / self.file


def is_installed() -> bool:
    """Return whether the package and what it runs on exist on this machine."""
    return all(find_spec(name) is not None for name in ("hibari", "onnxruntime"))


@cache
def models() -> Mapping[str, Model]:
    """Return all voices that the package knows, by name."""
    table = json.loads((_assets() / "voices.json").read_text(encoding="utf-8"))
    return {
        name: Model(
            name,
            row["language"],
            row["gender"],
            row["file"],
            row["bytes"],
            row["sha256"],
            bool(row.get("bundled")),
        )
        for name, row in table.items()
    }


def voices() -> Mapping[str, EngineVoice]:
    """Return the voices whose model is on this machine, by id."""
    return {
        name: EngineVoice(
            VoiceInfo(
                name,
                f"{_ACCENTS[model.language]}, {name}",
                model.language,
                "female" if model.gender == "female" else "male",
                description="A natural voice.",
                engine=NAME,
                is_recommended=model.is_in_package,
                # OpenAI's first voice, which its clients name if their user names none.
                aliases=("alloy",) if model.is_in_package else (),
            ),
            str(model.path),
        )
        for name, model in models().items()
        if model.is_in_package or model.path.exists()
    }


def _assets() -> Path:
    spec = find_spec("hibari")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets"
