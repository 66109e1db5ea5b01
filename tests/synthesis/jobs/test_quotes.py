from dataclasses import fields, replace
from typing import Any

import pytest
from django.db import transaction

from providers.catalogue import sync as catalogue_voices
from synthesis.errors import ProviderUnavailable
from synthesis.jobs import again, quotes
from synthesis.jobs.quotes import Order, RequestedScene
from synthesis.jobs.scenes import requested_of
from synthesis.models import Job, Scene
from synthesis.serializers import (
    JobRequestSerializer,
    SceneRequestSerializer,
    SpeechRequestSerializer,
)
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_provider_that_is_not_set_up_is_refused_before_anything_is_charged(
    voices, monkeypatch
):
    catalogue_voices.sync()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    order = Order([RequestedScene("Hello.", "openai:alloy")])
    with pytest.raises(ProviderUnavailable):
        quotes.quote(factories.caller(), order)
    assert not Job.objects.exists()
    monkeypatch.setenv("OPENAI_API_KEY", "k3y")
    quoted = quotes.quote(factories.caller(), order)
    assert quoted.scenes[0].cost == 6


def test_a_scene_has_the_same_fields_from_the_request_to_the_database():
    requested = {field.name for field in fields(RequestedScene)}
    assert set(SceneRequestSerializer().fields) == requested - {"shifts"}
    assert requested <= {column.name for column in Scene._meta.concrete_fields}


def test_scenes_inherit_missing_fields_from_the_job():
    job = {"voice": "a", "speed": 2.0, "options": {"pitch": 1}}
    scene = {"text": "Two.", "voice": "b", "title": "II", "speed": 0.5, "options": {}}
    requested = [
        RequestedScene("One.", "a", speed=2.0, options={"pitch": 1}),
        RequestedScene("Two.", "b", title="II", speed=0.5, options={}),
    ]

    def scenes(serializer):
        serializer.is_valid(raise_exception=True)
        return serializer.to_order().scenes

    body = job | {"scenes": [{"text": "One."}, scene]}
    assert scenes(JobRequestSerializer(data=body)) == requested
    assert scenes(JobRequestSerializer(data=job | {"text": "One."})) == requested[:1]
    assert (
        scenes(SpeechRequestSerializer(data=job | {"input": "One."})) == requested[:1]
    )
    chapters = job | {"text": "# I\nOne.", "split": "chapters"}
    (chapter,) = scenes(JobRequestSerializer(data=chapters))
    assert chapter == replace(requested[0], title="I", text="I\nOne.", shifts=[[0, 2]])


def test_an_edited_scene_keeps_the_other_fields(submitted, speak_all):
    caller = factories.caller()
    scene = submitted(caller, "  Hello.", "Another.").scenes.get(index=1)
    Scene.objects.filter(pk=scene.pk).update(title="I", speed=2, options={"pitch": 1})
    speak_all()
    first = requested_of(Scene.objects.get(pk=scene.pk))
    assert first == RequestedScene(
        "Hello.", "scripted:one", "I", 2.0, {"pitch": 1}, [[0, 2]]
    )
    cases: list[tuple[dict[str, Any], RequestedScene]] = [
        ({}, first),
        ({"speed": 0.5, "title": ""}, replace(first, speed=0.5, title="")),
        (
            {"text": " New.", "voice": "scripted:two"},
            RequestedScene("New.", "scripted:two", "", 0.5, {}, [[0, 1]]),
        ),
    ]
    for changes, expected in cases:
        with transaction.atomic():
            again.edit(caller, scene.job_id, scene.pk, changes)
        queued = Scene.objects.get(pk=scene.pk)
        assert requested_of(queued) == expected, changes
        assert (queued.status, queued.audio, queued.duration_ms) == ("queued", "", None)
        assert queued.characters == queued.cost == len(expected.text)
        speak_all()
        assert Scene.objects.get(pk=scene.pk).status == "completed"
