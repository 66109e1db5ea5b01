import base64
import json
from collections.abc import Iterator

from tests.providers.vendors.server import Asked, Reply, Vendor, json_reply, parts
from tests.providers.vendors.tones import samples, wav, words

_FIELDS = {
    *("model", "input", "voice", "instructions", "response_format", "speed"),
    "stream_format",
}
_CODES = {
    "bad_key": "invalid_api_key",
    "rate": "rate_limit_exceeded",
    "server": "server_error",
    "bad_request": "invalid_value",
}


class OpenAI(Vendor):
    base_path = "/v1"
    voice = "alloy"
    models = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")

    def refuse(self, status: int, code: str) -> Reply:
        error = {"message": "No.", "type": "error", "param": None}
        error["code"] = _CODES.get(code, code)
        return json_reply({"error": error}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/models"):
            return json_reply({"object": "list", "data": [{"id": "tts-1"}]})
        assert (asked.method, asked.path) == ("POST", "/v1/audio/speech")
        body = asked.json
        assert body.keys() <= _FIELDS
        assert body["model"] in self.models
        assert 0 < len(body["input"]) <= 4096
        assert isinstance(body["voice"], str) or set(body["voice"]) == {"id"}
        assert 0.25 <= body.get("speed", 1) <= 4
        assert "instructions" not in body or not body["model"].startswith("tts-1")
        self.spoken.append(body["input"])
        assert body["response_format"] == "pcm"
        audio = samples(body["input"], 24_000)
        return Reply(200, "application/octet-stream", parts(audio))


class LemonFox(OpenAI):
    voice = "sarah"

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/models"):
            return json_reply({"data": []})
        assert (asked.method, asked.path) == ("POST", "/v1/audio/speech")
        body = asked.json
        assert body.keys() <= {
            *("input", "voice", "language", "response_format", "speed"),
            "word_timestamps",
        }
        assert (body["voice"], body["language"]) == ("sarah", "en-us")
        assert body["response_format"] == "wav"
        assert body["word_timestamps"] is True
        assert 0.5 <= body.get("speed", 1) <= 4
        self.spoken.append(body["input"])
        content = wav(body["input"], 24_000, size=0xFFFFFFFF)
        timed = [
            {"word": word, "start": start, "end": end}
            for word, start, end, _, _ in words(body["input"])
        ]
        audio = base64.b64encode(content).decode()
        return json_reply({"audio": audio, "word_timestamps": timed})


class Speaches(Vendor):
    """speaches: models are Hugging Face ids and must be installed."""

    base_path = "/v1"
    key = ""
    voice = "af_heart"
    model = "speaches-ai/Kokoro-82M-v1.0-ONNX"

    def has_key(self, asked: Asked) -> bool:
        return "Authorization" not in asked.headers

    def refuse(self, status: int, code: str) -> Reply:
        return json_reply({"detail": "No."}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/models"):
            return json_reply({"data": [{"id": self.model}], "object": "list"})
        if asked.is_get("/v1/audio/voices"):
            voices = [{"id": self.voice, "name": self.voice}]
            return json_reply({"voices": voices, "object": "list"})
        assert (asked.method, asked.path) == ("POST", "/v1/audio/speech")
        body = asked.json
        fields = {"model", "input", "voice", "response_format", "speed", "sample_rate"}
        assert body.keys() <= fields | {"stream_format"}
        assert body["response_format"] == "wav"
        if body["model"] != self.model:
            detail = f"Model '{body['model']}' is not installed locally."
            return json_reply({"detail": detail}, 404)
        assert body["voice"] == self.voice
        self.spoken.append(body["input"])
        audio = wav(body["input"], 24_000, size=0xFFFFFFFF)
        return Reply(200, "audio/wav", parts(audio))


class OpenedAI(Vendor):
    """openedai-speech: two models, the six standard voices, no list of voices."""

    base_path = "/v1"
    key = ""
    voice = "alloy"
    models = ("tts-1", "tts-1-hd")
    voices = ("alloy", "echo", "fable", "nova", "onyx", "shimmer")

    def refuse(self, status: int, code: str) -> Reply:
        return json_reply({"error": {"message": "No.", "code": status}}, status)

    def has_key(self, asked: Asked) -> bool:
        return "Authorization" not in asked.headers

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/models"):
            return json_reply({"object": "list", "data": [{"id": "tts-1"}]})
        if asked.is_get("/v1/audio/voices"):
            return json_reply({"detail": "Not Found"}, 404)
        assert (asked.method, asked.path) == ("POST", "/v1/audio/speech")
        body = asked.json
        assert body.keys() <= {"model", "input", "voice", "response_format", "speed"}
        assert body["model"] in self.models
        assert body["voice"] in self.voices
        assert body["response_format"] == "wav"
        self.spoken.append(body["input"])
        rate = 22_050 if body["model"] == "tts-1" else 24_000
        return Reply(200, "audio/wav", parts(wav(body["input"], rate)))


class Compatible(Vendor):
    """Kokoro-FastAPI."""

    base_path = "/v1"
    key = ""
    voice = "af_bella"
    models = ("kokoro", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")

    def has_key(self, asked: Asked) -> bool:
        return "Authorization" not in asked.headers

    def refuse(self, status: int, code: str) -> Reply:
        error = "processing_error" if code == "server" else "validation_error"
        if code == "rate":
            return json_reply({"detail": "Slow down."}, status)
        if status == 503:
            return json_reply({"detail": "Loading."}, status)
        return json_reply({"detail": {"error": error, "message": "No."}}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/models"):
            return json_reply({"object": "list", "data": [{"id": "kokoro"}]})
        if asked.is_get("/v1/audio/voices"):
            voices = [{"id": "af_bella", "name": "af_bella"}, {"id": "zm_yunxi"}]
            return json_reply({"voices": voices})
        is_captioned = asked.path == "/dev/captioned_speech"
        assert asked.method == "POST"
        assert is_captioned or asked.path == "/v1/audio/speech"
        body = asked.json
        more = {"stream", "return_timestamps"} if is_captioned else set()
        assert body.keys() <= _FIELDS | more
        assert body["model"] in self.models
        if body["voice"] != self.voice:
            message = f"Voice '{body['voice']}' not found. Available voices: af_bella"
            detail = {"error": "validation_error_", "message": message}
            return json_reply({"detail": detail}, 400)
        assert body["response_format"] == "wav"
        self.spoken.append(body["input"])
        audio = wav(body["input"], 24_000, size=0xFFFFFFFF)
        if is_captioned:
            assert body["stream"] is body["return_timestamps"] is True
            return Reply(body=self._captioned(body["input"], audio))
        return Reply(200, "audio/wav", parts(audio))

    def _captioned(self, text: str, audio: bytes) -> Iterator[bytes]:
        """Return lines of audio; the first one has all words and punctuation marks."""
        tokens = [
            {"word": token, "start_time": start, "end_time": end}
            for word, start, end, _, last in words(text)
            for token in (word, text[last : last + 1].strip())
            if token
        ]
        for number, part in enumerate(parts(audio)):
            line: dict[str, object] = {"audio": base64.b64encode(part).decode()}
            line["audio_format"] = "audio/wav"
            line["timestamps"] = None if number else tokens
            yield json.dumps(line).encode() + b"\n"


class OpenRouter(Vendor):
    """OpenRouter: voices in the list of models, mp3 and pcm only."""

    base_path = "/api/v1"
    voice = "flux-alexis-en"
    model = "deepgram/flux-tts"
    content_type = "audio/pcm;rate=24000;channels=1"

    def refuse(self, status: int, code: str) -> Reply:
        return json_reply({"error": {"message": "No.", "code": status}}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/api/v1/models"):
            assert asked.query == {"output_modalities": ["speech"]}
            flux = {"id": self.model, "supported_voices": [self.voice]}
            other = {"id": "other/tts", "supported_voices": ["alloy"]}
            return json_reply({"data": [other, flux, {"id": "mute/tts"}]})
        assert (asked.method, asked.path) == ("POST", "/api/v1/audio/speech")
        body = asked.json
        assert body.keys() <= {"model", "input", "voice", "response_format", "speed"}
        assert (body["model"], body["voice"]) == (self.model, self.voice)
        assert body["response_format"] in ("mp3", "pcm")
        self.spoken.append(body["input"])
        return Reply(200, self.content_type, parts(samples(body["input"], 24_000)))
