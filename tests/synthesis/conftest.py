"""Fixtures for tests of synthesis: a catalogue with a scripted provider, and jobs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.caller import Caller
from providers.contract import registry
from synthesis.jobs import quotes
from synthesis.jobs.quotes import Order, RequestedScene
from synthesis.jobs.submit import submit
from synthesis.models import Job
from synthesis.work import worker
from tests import factories
from tests.synthesis import catalogue, scripted

VOICE = "scripted:one"


@pytest.fixture
def voices(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small catalogue: two of the built-in voices, and the scripted provider."""
    scripted.reset()
    catalogue.fill(monkeypatch)
    yield
    scripted.reset()
    registry.get_adapter.cache_clear()


@pytest.fixture
def submitted(voices: None) -> Callable[..., Job]:
    """A function that submits texts as a job of one scene each."""

    def make(caller: Caller, *texts: str, voice: str = VOICE, **order: Any) -> Job:
        scenes = [RequestedScene(text, voice) for text in texts]
        with transaction.atomic():
            return submit(caller, quotes.quote(caller, Order(scenes, **order)))

    return make


@pytest.fixture
def speak_all() -> Callable[[], int]:
    """A function that works like all workers until no scene waits."""

    def speak() -> int:
        return sum(worker.work(queue) for queue in ("remote", "local", "files"))

    return speak


@pytest.fixture
def back_office(db: None) -> Client:
    """The browser of an operator."""
    return factories.browser(factories.user(is_staff=True, is_superuser=True))
