"""Imitations of vendors that send audio and word times in one stream."""

import base64
import json
import re
from collections.abc import Iterator

from tests.providers.vendors.server import Asked, Reply, Vendor, json_reply, parts
from tests.providers.vendors.tones import PER_CHARACTER, samples, words

_RATE = 24_000
_STEP = 10  # characters in a line


class ElevenLabs(Vendor):
    voice = "21m00Tcm4TlvDq8ikWAM"
    # By model: the longest text, the settings, and whether it takes the text around.
    _ALL = ("stability", "similarity_boost", "speed")
    models: dict[str, tuple[int, tuple[str, ...], bool]] = {
        "eleven_multilingual_v2": (10_000, _ALL, True),
        "eleven_flash_v2_5": (40_000, _ALL, True),
        "eleven_v3": (5_000, ("stability",), False),
        "eleven_v4": (10_000, ("stability", "similarity_boost"), False),
        "eleven_v4_turbo": (10_000, ("stability", "similarity_boost"), False),
    }

    def has_key(self, asked: Asked) -> bool:
        return asked.headers["xi-api-key"] == self.key

    def refuse(self, status: int, code: str) -> Reply:
        codes = {"bad_key": "invalid_api_key", "rate": "rate_limit_exceeded"}
        code = codes.get(code, code)
        detail = {"type": "error", "code": code, "message": "No.", "status": code}
        return json_reply({"detail": detail}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/user/subscription"):
            return json_reply({"tier": "free", "character_count": 0})
        if asked.is_get("/v2/voices"):
            return self._voices(asked)
        match = re.fullmatch(
            r"/v1/text-to-speech/([^/]+)/stream/with-timestamps", asked.path
        )
        assert match
        assert asked.method == "POST"
        assert asked.query == {"output_format": ["pcm_24000"]}
        body = asked.json
        assert body["model_id"] in self.models
        most, settings, continues = self.models[body["model_id"]]
        around = {"previous_text", "next_text"} if continues else set()
        fields = {"text", "model_id", "language_code", "voice_settings"}
        assert body.keys() <= fields | around
        assert 0 < len(body["text"]) <= most
        assert body.get("voice_settings", {}).keys() <= set(settings)
        assert 0.7 <= body.get("voice_settings", {}).get("speed", 1) <= 1.2
        if match[1] != self.voice:
            return self.refuse(404, "voice_not_found")
        self.spoken.append(body["text"])
        return Reply(200, "application/json", self._lines(body["text"]))

    def _voices(self, asked: Asked) -> Reply:
        assert asked.query["page_size"] == ["100"]
        labels = {"gender": "female", "accent": "american"}
        first: dict[str, object] = {"voice_id": self.voice, "name": "Rachel"}
        first["labels"] = labels
        first["category"] = "premade"
        first["verified_languages"] = [{"language": "en", "locale": "en-US"}]
        second = {"voice_id": "AZnzlk1XvdvUeBnXmlld", "name": "Domi", "labels": {}}
        second["category"] = "cloned"
        if "next_page_token" in asked.query:
            return json_reply({"voices": [second], "has_more": False})
        page = {"voices": [first], "has_more": True, "next_page_token": "two"}
        return json_reply(page)

    def _lines(self, text: str) -> Iterator[bytes]:
        for start in range(0, len(text), _STEP):
            part = text[start : start + _STEP]
            places = range(start, start + len(part))
            alignment = {
                "characters": list(part),
                "character_start_times_seconds": [p * PER_CHARACTER for p in places],
                "character_end_times_seconds": [
                    (p + 1) * PER_CHARACTER for p in places
                ],
            }
            audio = base64.b64encode(samples(part, _RATE)).decode()
            line = {"audio_base64": audio, "alignment": alignment}
            yield json.dumps(line).encode() + b"\n\n"


class Cartesia(Vendor):
    voice = "a0e99841-438c-4a64-b679-ae501e7d6091"

    def has_key(self, asked: Asked) -> bool:
        return super().has_key(asked) and (
            asked.headers["Cartesia-Version"] == "2026-08-14"
        )

    def refuse(self, status: int, code: str) -> Reply:
        codes = {"bad_key": "unauthorized", "rate": "concurrency_limited"}
        error = {"error_code": codes.get(code, code), "title": "No", "message": "No."}
        if status == 200:
            event = {**error, "type": "error", "status_code": 500}
            data = b"data: " + json.dumps(event).encode() + b"\n\n"
            return Reply(200, "text/event-stream", data)
        return json_reply({**error, "request_id": "r"}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/voices"):
            return self._voices(asked)
        assert (asked.method, asked.path) == ("POST", "/tts/sse")
        body = asked.json
        assert body.keys() <= {
            *("model_id", "transcript", "voice", "language", "output_format"),
            *("add_timestamps", "generation_config"),
        }
        assert body["model_id"] == "sonic-3.6"
        assert body["add_timestamps"] is True
        assert set(body["voice"]) == {"id"}
        assert body["language"] == "en"
        assert 0.6 <= body.get("generation_config", {}).get("speed", 1) <= 1.5
        form = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": _RATE}
        assert body["output_format"] == form
        self.spoken.append(body["transcript"])
        return Reply(200, "text/event-stream", self._events(body["transcript"]))

    def _voices(self, asked: Asked) -> Reply:
        english: dict[str, object] = {
            "id": self.voice,
            "name": "Barbershop Man",
            "language": "en",
        }
        english |= {"gender": "masculine", "access": "public"}
        locales = [("en-US", True), ("en-GB", False), ("fr-FR", False)]
        english["locales"] = [
            {"locale": locale, "is_native": is_native} for locale, is_native in locales
        ]
        german = {"id": self.voice.replace("a0", "b1"), "name": "Uwe", "language": "de"}
        if "starting_after" in asked.query:
            assert asked.query["starting_after"] == [self.voice]
            return json_reply({"data": [german], "has_more": False})
        return json_reply({"data": [english], "has_more": True})

    def _events(self, text: str) -> Iterator[bytes]:
        timed = words(text)
        for part in parts(samples(text, _RATE)):
            chunk = {"type": "chunk", "data": base64.b64encode(part).decode()}
            yield _event({**chunk, "done": False, "status_code": 206})
            for word, start, end, _, _ in timed[:1]:
                times = {"words": [word], "start": [start], "end": [end]}
                yield _event({"type": "timestamps", "word_timestamps": times})
            del timed[:1]
        times = {
            "words": [word for word, *_ in timed],
            "start": [start for _, start, *_ in timed],
            "end": [end for _, _, end, *_ in timed],
        }
        yield _event({"type": "timestamps", "word_timestamps": times})
        yield _event({"type": "done", "done": True, "status_code": 200})


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
