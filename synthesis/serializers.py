"""Serializers for the requests and responses of jobs, scenes and speech."""

from itertools import islice
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request

from kit.rest.fields import (
    CountedDictField,
    CountedListField,
    TextField,
    WholeNumberField,
)
from synthesis.errors import (
    INTERNAL_ERROR,
    PROVIDER_CEILING,
    PROVIDER_UNAVAILABLE,
)
from synthesis.jobs.quotes import MAX_SCENES, Order, RequestedScene
from synthesis.models import Job, Scene
from synthesis.text.chapters import chapters_of
from webhooks.errors import UnusableURL
from webhooks.sending import addresses

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
SCENES_SHOWN = 200  # scenes in the body of a job; all are listed at `…/scenes`
_MAX_METADATA = 16_384  # characters
_MAX_OPTIONS = 32  # no provider has as many


class SpeedField(serializers.FloatField):
    """The speed of speech: 1.0 is the voice's normal speed."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "1.0 is the voice's normal speed, the default.")
        super().__init__(min_value=0.25, max_value=4.0, **kwargs)

    def to_internal_value(self, data: Any) -> float:
        """Return `data` as float; strings and booleans are refused."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class OptionsField(CountedDictField):
    """Options of the voice's provider, by name. `synthesis.jobs.quotes` validates them."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "help_text",
            "Options of the voice's provider, such as `model` or `pitch`. Unknown options"
            " are refused. See docs/providers.md.",
        )
        super().__init__(required=False, max_length=_MAX_OPTIONS, **kwargs)


class VoiceRequestSerializer(serializers.Serializer[Any]):
    """How a text is spoken. In a job, these are defaults for its scenes."""

    voice = TextField(
        required=False,
        max_length=200,
        help_text="Default: your preferred voice, else one for the text's language.",
    )
    speed = SpeedField(required=False)
    options = OptionsField()

    def to_scene(self, **fields: Any) -> RequestedScene:
        """Return a scene of the validated request; `fields` override the defaults."""
        data = self.validated_data
        shared = {name: data[name] for name in _VOICE_FIELDS if name in data}
        return RequestedScene(**shared | fields)


_VOICE_FIELDS = tuple(VoiceRequestSerializer().fields)


class SceneRequestSerializer(VoiceRequestSerializer):
    """One scene of a new job. Each field is also a field of `RequestedScene`."""

    text = TextField(is_free=True, allow_blank=True)
    title = TextField(required=False, allow_blank=True, max_length=200)


class JobRequestSerializer(VoiceRequestSerializer):
    """A job to submit or to estimate."""

    title = TextField(required=False, allow_blank=True, max_length=200)
    text = TextField(is_free=True, required=False, allow_blank=True)
    split = serializers.ChoiceField(choices=["chapters"], required=False)
    scenes = CountedListField(
        child=SceneRequestSerializer(), required=False, max_length=MAX_SCENES
    )
    format = serializers.ChoiceField(choices=FORMATS, default="mp3")
    fallback = CountedListField(
        child=TextField(max_length=200), required=False, max_length=5
    )
    webhook_url = TextField(
        is_free=True, required=False, allow_blank=True, max_length=2048
    )
    max_cost = WholeNumberField(required=False, min_value=0)
    metadata = serializers.JSONField(required=False, allow_null=True)
    markup = serializers.BooleanField(default=False)

    def validate_markup(self, value: bool) -> bool:
        """Refuse markup until it is supported, so that tags are not spoken and charged."""
        if value:
            raise serializers.ValidationError("Markup is not supported yet.")
        return value

    def validate_metadata(self, value: Any) -> Any:
        """Refuse more than 16 KB, since every response about the job contains it."""
        if len(str(value)) > _MAX_METADATA:
            raise serializers.ValidationError(
                "Metadata can have at most 16 KB.", code="max_length"
            )
        return value

    def validate_webhook_url(self, value: str) -> str:
        """Refuse URLs that webhooks may not call."""
        if value:
            try:
                addresses.parse(value)
            except UnusableURL as error:
                raise serializers.ValidationError(error.reason) from error
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one of `text` and `scenes`; `split` needs `text`."""
        if ("text" in attrs) == ("scenes" in attrs):
            raise serializers.ValidationError(
                {"text": "Send either text or scenes."}, code="required"
            )
        if "split" in attrs and "text" not in attrs:
            raise serializers.ValidationError(
                {"split": "Only text can be split, not scenes."}, code="invalid"
            )
        return attrs

    def to_order(self) -> Order:
        """Return the validated request as an order."""
        data = self.validated_data
        if "scenes" in data:
            scenes = [self.to_scene(**scene) for scene in data["scenes"]]
        elif "split" in data:
            scenes = [
                self.to_scene(
                    text=chapter.text, title=chapter.title, shifts=chapter.shifts
                )
                # One more than allowed is refused later.
                for chapter in islice(chapters_of(data["text"]), MAX_SCENES + 1)
            ]
        else:
            scenes = [self.to_scene(text=data["text"])]
        return Order(
            scenes=scenes,
            title=data.get("title", ""),
            format=data["format"],
            fallback=data.get("fallback", ()),
            webhook_url=data.get("webhook_url", ""),
            metadata=data.get("metadata"),
            max_cost=data.get("max_cost"),
        )


class SceneChangeSerializer(SceneRequestSerializer):
    """The fields of a scene to change, all optional."""

    max_cost = WholeNumberField(required=False, min_value=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, partial=True, **kwargs)


class RetryRequestSerializer(serializers.Serializer[Any]):
    """The highest price that the customer accepts for a retry."""

    max_cost = WholeNumberField(required=False, min_value=0)


class SpeechRequestSerializer(VoiceRequestSerializer):
    """A request for speech at once."""

    input = TextField(is_free=True, allow_blank=True)
    format = serializers.ChoiceField(choices=FORMATS, default="mp3")

    def to_order(self) -> Order:
        """Return the validated request as an order of one scene."""
        data = self.validated_data
        return Order(
            scenes=[self.to_scene(text=data["input"])],
            format=data["format"],
            source=Job.Source.SPEECH,
        )


class SceneSerializer(serializers.ModelSerializer[Scene]):
    """A scene in responses and events."""

    spoken_by = serializers.SerializerMethodField(
        help_text="The voice that is heard: `voice`, a fallback, or the one before a"
        " change that is not spoken yet. Null while there is no audio."
    )
    duration_ms = serializers.IntegerField(source="heard.duration_ms", allow_null=True)
    audio_url = serializers.SerializerMethodField()
    words_url = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField(
        help_text="Why the scene failed. Of a completed scene: why its last change could"
        " not be spoken; it is what it was before."
    )

    class Meta:
        model = Scene
        fields = [
            "id",
            "index",
            "title",
            "voice",
            "spoken_by",
            "status",
            "characters",
            "duration_ms",
            "audio_url",
            "words_url",
            "error",
        ]

    def get_spoken_by(self, scene: Scene) -> str | None:
        """Return the voice that is heard; None while there is no audio."""
        return scene.heard.speaker if scene.heard.audio else None

    def get_audio_url(self, scene: Scene) -> str | None:
        """Return the URL of the audio; None while there is none."""
        return self._url("scene-audio", scene)

    def get_words_url(self, scene: Scene) -> str | None:
        """Return the URL of the word times; None while there are none."""
        return self._url("scene-words", scene)

    def get_error(self, scene: Scene) -> dict[str, str] | None:
        """Return code and description of the scene's failure; None without one."""
        if not scene.error_code:
            return None
        detail = _FAILURES.get(scene.error_code, "The voice could not speak this.")
        return {"code": scene.error_code, "detail": detail}

    def _url(self, name: str, scene: Scene) -> str | None:
        if not scene.heard.audio:
            return None
        return absolute(
            self.context.get("request"), name, scene.job_id, str(scene.index)
        )


_FAILURES = {
    "unspeakable": "The text has nothing that the voice can say.",
    INTERNAL_ERROR: "An internal error occurred.",
    "quota": "The provider's quota is used up.",
    "bad_key": "The provider refused the key.",
    "own_key_refused": "The provider refused your own key. Replace it, or remove it.",
    "own_key_suspended": "The provider's address has changed. Enter your own key again.",
    "own_key_missing": "Your own key for the provider was removed.",
    "rate_limited": "The provider was busy.",
    "busy": "The provider was busy.",
    "down": "The provider did not answer.",
    "timeout": "The provider took too long.",
    "aborted": "The connection to the provider was lost.",
    "switched_off": "The voice was disabled.",
    "unknown_voice": "The provider no longer has this voice.",
    "too_long": "The text is too long for the provider.",
    "bad_audio": "The provider sent damaged or incomplete audio.",
    "no_speech": "The provider sent audio that doesn't match the text.",
    "incomplete": "The voice left out some of the text. Try another voice.",
    PROVIDER_UNAVAILABLE: "The provider was unavailable for too long.",
    PROVIDER_CEILING: "The provider's daily limit is reached.",
}


class JobSerializer(serializers.ModelSerializer[Job]):
    """A job in responses and events; lists and events omit `scenes`."""

    transaction_id = serializers.UUIDField(source="id")
    paused = serializers.BooleanField(source="is_paused")
    progress = serializers.SerializerMethodField()
    scenes = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = [
            "transaction_id",
            "title",
            "status",
            "environment",
            "format",
            "characters",
            "cost",
            "charged",
            "refunded",
            "billed_to",
            "progress",
            "scenes",
            "paused",
            "reason",
            "metadata",
            "created_at",
            "finished_at",
            "links",
        ]

    def __init__(self, *args: Any, with_scenes: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_scenes:
            self.fields.pop("scenes")

    def get_progress(self, job: Job) -> dict[str, int]:
        """Return the number of scenes, of completed scenes, and the percentage ended."""
        counts = self.context.get("scene_counts") or Scene.objects.progress([job.pk])
        total, done, ended = counts[job.pk]
        percent = 100 * ended // total if total else 100
        return {"scenes_total": total, "scenes_done": done, "percent": percent}

    def get_scenes(self, job: Job) -> list[dict[str, Any]]:
        """Return the first `SCENES_SHOWN` scenes; all are listed at `…/scenes`."""
        rows = Scene.objects.filter(job=job).without_text().order_by("index")
        serializer = SceneSerializer(
            rows[:SCENES_SHOWN], many=True, context=self.context
        )
        return list(serializer.data)

    def get_links(self, job: Job) -> dict[str, str]:
        """Return the URLs of the job and its files. They never change."""
        request = self.context.get("request")
        names = {"self": "job", **{kind: f"job-{kind}" for kind in _FILES}}
        return {key: absolute(request, name, job.pk) for key, name in names.items()}


_FILES = ("zip", "audio", "m4b", "srt", "vtt")


def absolute(request: Request | None, name: str, *args: object) -> str:
    """Return the absolute URL of a route, on the host that `request` was sent to.

    Without a request, as in events, the host is that of `settings.BASE_URL`.
    """
    path = reverse(name, args=[str(arg) for arg in args])
    if request is None:
        return f"{settings.BASE_URL}{path}"
    return request.build_absolute_uri(path)
