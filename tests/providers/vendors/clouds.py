"""Imitations of Google, Azure, Amazon Polly and Deepgram."""

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from xml.etree import ElementTree

from tests.providers.vendors.server import Asked, Reply, Vendor, json_reply, parts
from tests.providers.vendors.tones import PER_CHARACTER, ogg, samples, wav, words

_RATE = 24_000
_SSML = "{http://www.w3.org/2001/10/synthesis}"


class Google(Vendor):
    voice = "en-US-Neural2-F"
    # Its only voice that refuses long sentences, and one of each other family.
    terse = "es-ES-Neural2-F"
    chirp = "en-US-Chirp3-HD-Kore"
    journey = "en-US-Journey-D"

    def has_key(self, asked: Asked) -> bool:
        assert "key" not in asked.query
        return asked.headers["X-Goog-Api-Key"] == self.key

    def refuse(self, status: int, code: str) -> Reply:
        error: dict[str, object] = {"code": status, "message": "No."}
        error["status"] = {"rate": "RESOURCE_EXHAUSTED"}.get(code, "INTERNAL")
        if status == 503:
            error["status"] = "UNAVAILABLE"
        if code == "bad_key":
            status = 400
            error["message"] = "API key not valid. Please pass a valid API key."
            error["status"] = "INVALID_ARGUMENT"
            error["details"] = [{"reason": "API_KEY_INVALID"}]
        return json_reply({"error": error}, status)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/voices"):
            return json_reply(
                {"voices": [self._voice(self.voice), self._voice("Kore")]}
            )
        body = asked.json
        voice, audio = body["voice"]["name"], body["audioConfig"]
        assert body["voice"]["languageCode"] == voice[:5]
        if voice not in (self.voice, self.terse, self.chirp, self.journey):
            return self._refuse(f"Voice '{voice}' does not exist. Is it misspelled?")
        if voice == self.chirp and "pitch" in audio:
            return self._refuse("This voice does not support pitch parameters.")
        if voice == self.journey and audio.keys() & {"pitch", "speakingRate"}:
            return self._refuse("This voice does not support speaking rate or pitch.")
        if voice in (self.chirp, self.journey) and "text" not in body["input"]:
            return self._refuse("This voice currently does not support SSML input.")
        assert audio["audioEncoding"] == "LINEAR16"
        assert audio["sampleRateHertz"] == _RATE
        assert 0.25 <= audio.get("speakingRate", 1) <= 2
        (kind, content) = next(iter(body["input"].items()))
        assert len(body["input"]) == 1
        assert len(content.encode()) <= 5000
        if kind == "text":
            assert (asked.method, asked.path) == ("POST", "/v1/text:synthesize")
            text = content
            points: list[dict[str, object]] = []
        else:
            assert (asked.method, asked.path) == ("POST", "/v1beta1/text:synthesize")
            assert body["enableTimePointing"] == ["SSML_MARK"]
            text, points = self._read(content)
        sentences = re.split(r"[.!?。]\s*|\n", text)
        if voice == self.terse and max(map(len, sentences)) > 300:
            return self._refuse("This request contains sentences that are too long.")
        self.spoken.append(text)
        content = b64encode(wav(text, _RATE)).decode()
        return json_reply({"audioContent": content, "timepoints": points})

    def _refuse(self, message: str) -> Reply:
        error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
        return json_reply({"error": error}, 400)

    def _read(self, ssml: str) -> tuple[str, list[dict[str, object]]]:
        root = ElementTree.fromstring(ssml)
        assert root.tag == "speak"
        text, points = root.text or "", []
        for mark in root:
            assert mark.tag == "mark"
            assert set(mark.attrib) == {"name"}
            seconds = len(text) * PER_CHARACTER
            points.append({"markName": mark.attrib["name"], "timeSeconds": seconds})
            text += mark.tail or ""
        return text, points

    def _voice(self, name: str) -> dict[str, object]:
        return {
            "languageCodes": ["en-US"],
            "name": name,
            "ssmlGender": "FEMALE",
            "naturalSampleRateHertz": _RATE,
        }


class Azure(Vendor):
    voice = "en-US-AvaNeural"
    region = "westeurope"

    def has_key(self, asked: Asked) -> bool:
        return asked.headers["Ocp-Apim-Subscription-Key"] == self.key

    def refuse(self, status: int, code: str) -> Reply:
        if status == 200:
            return json_reply({"error": {"code": "Internal"}})
        return Reply(status, "text/plain")

    def reply(self, asked: Asked) -> Reply:
        assert 0 < len(asked.headers["User-Agent"]) < 255
        if asked.is_get("/cognitiveservices/voices/list"):
            ava = {"ShortName": self.voice, "DisplayName": "Ava", "Locale": "en-US"}
            ava |= {"Gender": "Female", "Status": "GA", "SampleRateHertz": "24000"}
            dear = {**ava, "ShortName": "en-US-Ava:DragonHDLatestNeural"}
            return json_reply([ava, dear])
        assert (asked.method, asked.path) == ("POST", "/cognitiveservices/v1")
        assert asked.headers["Content-Type"] == "application/ssml+xml"
        form = "raw-24khz-16bit-mono-pcm"
        assert asked.headers["X-Microsoft-OutputFormat"] == form
        root = ElementTree.fromstring(asked.body.decode())
        assert root.tag == f"{_SSML}speak"
        assert root.attrib["version"] == "1.0"
        (voice,) = root
        assert voice.tag == f"{_SSML}voice"
        if voice.attrib["name"] != self.voice:
            return Reply(400, "text/plain", b"Unsupported voice.")
        for inner in voice:
            match = re.fullmatch(r"([+-]\d+)%", inner.attrib["rate"])
            assert match
            assert -50 <= int(match[1]) <= 100
        text = "".join(root.itertext())
        self.spoken.append(text)
        return Reply(200, "audio/basic", parts(samples(text, _RATE)))


class Deepgram(Vendor):
    voice = "aura-2-thalia-en"
    # By voice: the version of the API, and the speeds it takes.
    voices: dict[str, tuple[str, list[float]]] = {
        "aura-2-thalia-en": ("v1", [0.7, 1.5]),
        "aura-2-celeste-es": ("v1", [0.7, 1.5]),
        "aura-2-aurelia-de": ("v1", []),
        "aura-asteria-en": ("v1", []),
        "flux-alexis-en": ("v2", [0.5, 1.5]),
    }

    def has_key(self, asked: Asked) -> bool:
        return asked.headers["Authorization"] == f"Token {self.key}"

    def refuse(self, status: int, code: str) -> Reply:
        codes = {"bad_key": "INVALID_AUTH", "rate": "TOO_MANY_REQUESTS"}
        name = "error_code" if status == 503 else "err_code"
        return json_reply({name: codes.get(code, code), "err_msg": "No."}, status)

    def reject(self, message: str) -> Reply:
        return json_reply({"err_code": "Bad Request", "err_msg": message}, 400)

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/projects"):
            return json_reply({"projects": []})
        if asked.is_get("/v2/models"):
            alexis: dict[str, object] = {"name": "alexis", "languages": ["en", "en-US"]}
            alexis |= {"canonical_name": "flux-alexis-en", "metadata": {"tags": None}}
            return json_reply({"stt": [], "tts": [alexis]})
        if asked.is_get("/v1/models"):
            tags = {"accent": "American", "tags": ["feminine"]}
            thalia: dict[str, object] = {"name": "thalia", "canonical_name": self.voice}
            thalia |= {"languages": ["en", "en-US"], "metadata": tags}
            return json_reply({"stt": [{"name": "nova"}], "tts": [thalia]})
        (voice,) = asked.query["model"]
        if voice not in self.voices:
            return self.reject("No such model/version combination found.")
        version, speeds = self.voices[voice]
        assert (asked.method, asked.path) == ("POST", f"/{version}/speak")
        if "speed" in asked.query:
            if not speeds:
                return self.reject("SPEED_NOT_SUPPORTED")
            speed = float(asked.query["speed"][0])
            assert speeds[0] <= speed <= speeds[1]
            assert version == "v1" or round(speed * 20, 6).is_integer()
        assert asked.query.keys() <= {
            *("model", "encoding", "container", "sample_rate", "speed")
        }
        assert asked.query["encoding"] == ["linear16"]
        assert asked.query["container"] == ["none"]
        assert asked.query["sample_rate"] == ["24000"]
        body = asked.json
        assert body.keys() == {"text"}
        if len(body["text"]) > 2000:
            return self.refuse(413, "PAYLOAD_ERROR")
        self.spoken.append(body["text"])
        return Reply(200, "audio/l16;rate=24000", parts(samples(body["text"], _RATE)))


class Polly(Vendor):
    key = "AKIDk3y:s3cretOfATest"
    voice = "Joanna-neural"
    region = "eu-west-1"

    def has_key(self, asked: Asked) -> bool:
        """Compute the signature as documented and compare it."""
        key_id, secret = self.key.split(":")
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+),"
            r" Signature=([0-9a-f]{64})",
            asked.headers["Authorization"],
        )
        assert match
        scope = match[1].split("/")
        date = asked.headers["X-Amz-Date"]
        assert scope[1:] == [date[:8], self.region, "polly", "aws4_request"]
        names = match[2].split(";")
        assert {"host", "x-amz-date"} <= set(names)
        query = "&".join(
            f"{name}={value}" for name, (value,) in sorted(asked.query.items())
        )
        canonical = [asked.method, asked.path, query]
        canonical += [f"{name}:{asked.headers[name]}" for name in names]
        canonical += ["", match[2], hashlib.sha256(asked.body).hexdigest()]
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        signing = f"AWS4{secret}".encode()
        for step in scope[1:]:
            signing = hmac.digest(signing, step.encode(), "sha256")
        parts_ = ["AWS4-HMAC-SHA256", date, "/".join(scope[1:]), digest]
        wanted = hmac.digest(signing, "\n".join(parts_).encode(), "sha256").hex()
        return scope[0] == key_id and match[3] == wanted

    def refuse(self, status: int, code: str) -> Reply:
        codes = {
            "bad_key": (403, "UnrecognizedClientException"),
            "rate": (400, "ThrottlingException"),
            "server": (status, "ServiceFailureException" if status == 500 else ""),
            "bad_request": (400, "InvalidParameter"),
        }
        status, name = codes[code]
        reply = json_reply({"message": "No."}, status)
        reply.headers["x-amzn-ErrorType"] = f"{name}:http://internal.amazon.com/"
        return reply

    def reply(self, asked: Asked) -> Reply:
        if asked.is_get("/v1/voices"):
            joanna = {"Id": "Joanna", "Name": "Joanna", "Gender": "Female"}
            joanna |= {"LanguageCode": "en-US"}
            engines = {
                "SupportedEngines": ["long-form", "neural", "standard", "generative"]
            }
            return json_reply({"Voices": [{**joanna, **engines}], "NextToken": None})
        assert (asked.method, asked.path) == ("POST", "/v1/speech")
        body = asked.json
        assert body["VoiceId"] == "Joanna"
        assert body["Engine"] in ("standard", "neural", "generative", "long-form")
        text = body["Text"]
        assert len(text) <= 6000
        if body["TextType"] == "ssml":
            root = ElementTree.fromstring(text)
            assert root.tag == "speak"
            text = "".join(root.itertext())
        assert len(text) <= 3000
        self.spoken.append(text)
        if body["OutputFormat"] == "json":
            assert body["SpeechMarkTypes"] == ["word"]
            marks = b"".join(self._marks(text, body["Text"]))
            return Reply(200, "application/x-json-stream", marks)
        assert body["OutputFormat"] == "ogg_vorbis"
        assert body["SampleRate"] == "24000"
        return Reply(200, "audio/ogg", parts(ogg(text, _RATE), 1024))

    def _marks(self, text: str, sent: str) -> Iterator[bytes]:
        lead = len(sent.partition(text)[0].encode()) if text in sent else 0
        for word, start, _, first, last in words(text):
            mark = {
                "time": round(start * 1000),
                "type": "word",
                "start": lead + len(text[:first].encode()),
                "end": lead + len(text[:last].encode()),
                "value": word,
            }
            yield json.dumps(mark).encode() + b"\n"
