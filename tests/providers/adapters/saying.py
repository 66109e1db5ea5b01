"""Call an adapter with its imitated vendor, for tests."""

import json

import pytest

from providers.contract.base import Failure, ProviderError
from providers.contract.registry import get_adapter
from tests.providers.speaking import check, hear


def asked_of(vendor):
    return json.loads(vendor.asked[0].body)


def say(slug, stage, text="Hello there.", **more):
    vendor = stage(slug)
    voice = more.pop("voice", vendor.voice)
    heard = hear(text, voice, provider=get_adapter(slug), access=vendor.access, **more)
    check(heard)
    return vendor, heard


def refused(slug, stage, **more) -> Failure:
    with pytest.raises(ProviderError) as caught:
        say(slug, stage, **more)
    return caught.value.kind
