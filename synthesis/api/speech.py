"""API of speech at once: text in, audio out, in one request."""

import base64
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key
from accounts.http.permissions import AllowGuests
from kit import idempotency
from synthesis.api.requests import check_size, respond
from synthesis.models import Job
from synthesis.serializers import SpeechRequestSerializer
from synthesis.text.splitting import words_as_sent
from synthesis.work import speech


class WordSerializer(serializers.Serializer[Any]):
    """The time of a word in the audio. Offsets count code points of the text."""

    word = serializers.CharField()
    start = serializers.FloatField(help_text="seconds")
    end = serializers.FloatField(help_text="seconds")
    char_start = serializers.IntegerField()
    char_end = serializers.IntegerField()


class SplitSerializer(serializers.Serializer[Any]):
    """Credits that paid: of the subscription's allowance, and others."""

    subscription = serializers.IntegerField()
    credits = serializers.IntegerField()


class SpeechSerializer(serializers.Serializer[Any]):
    """The response: audio, word times and cost."""

    audio = serializers.CharField(help_text="base64")
    voice = serializers.CharField(help_text="Id of the voice that was used.")
    format = serializers.CharField()
    duration_ms = serializers.IntegerField()
    word_timestamps = WordSerializer(many=True)
    timing = serializers.ChoiceField(choices=["exact", "estimated"])
    transaction_id = serializers.UUIDField()
    characters = serializers.IntegerField()
    cost = serializers.IntegerField()
    billed_to = serializers.CharField()
    split = SplitSerializer()


class SpeechView(APIView):
    permission_classes = (AllowGuests,)
    throttle_scope = "synthesis"

    @extend_schema(
        operation_id="speech",
        parameters=[IDEMPOTENCY_KEY],
        request=SpeechRequestSerializer,
        responses=SpeechSerializer,
    )
    def post(self, request: Request) -> Response:
        """Speak up to 5,000 characters; return the audio and the word times."""
        check_size(request, Job.Source.SPEECH)
        serializer = SpeechRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        spoken, replayed = speech.speak_now(
            caller_of(request), serializer.to_order(), idempotency_key(request)
        )
        answer = idempotency.Answer(200, _body(spoken), replayed)
        response = respond(request, answer)
        response["X-Voice"] = spoken.receipt.voice
        return response


def _body(spoken: speech.Spoken) -> dict[str, Any]:
    receipt = spoken.receipt
    return {
        "audio": base64.b64encode(spoken.audio).decode(),
        "voice": receipt.voice,
        "format": receipt.format,
        "duration_ms": receipt.duration_ms,
        "word_timestamps": words_as_sent(spoken.words, receipt.shifts),
        "timing": receipt.timing,
        "transaction_id": receipt.job,
        "characters": receipt.characters,
        "cost": receipt.cost,
        "billed_to": receipt.billed_to,
        "split": {
            "subscription": receipt.cost_to_subscription,
            "credits": receipt.cost - receipt.cost_to_subscription,
        },
    }
