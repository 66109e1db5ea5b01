"""The addresses that calls to providers may go to, and who gets no key."""

import ipaddress

import pytest

from providers.checks import check_networks
from providers.contract import http
from providers.contract.base import Failure, ProviderError
from providers.contract.registry import ADAPTERS, get_adapter
from tests.providers.speaking import hear

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111"]
PRIVATE = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "fd00::1"]
SPECIAL = ["100.64.0.1", "198.18.0.1", "::ffff:10.0.0.1"]
NEVER = ["169.254.169.254", "fe80::1", "fd00:ec2::254", "168.63.129.16", "224.0.0.1"]
NEVER += ["0.0.0.0", "::", "::ffff:169.254.169.254"]

REMOTE = sorted(set(ADAPTERS) - {"unicorn"})


def allowed(texts: list[str]) -> list[str]:
    return [text for text in texts if http.may_connect(ipaddress.ip_address(text))]


def test_private_addresses_are_for_development_and_by_setting(settings) -> None:
    every = [*PUBLIC, *PRIVATE, *SPECIAL, *NEVER]
    settings.DEVELOPMENT = False
    assert allowed(every) == PUBLIC

    settings.PROVIDER_PRIVATE_NETWORKS = ["10.0.0.0/8", " ::1/128", "169.254.0.0/16"]
    assert allowed(every) == [*PUBLIC, "::1", "10.0.0.1", "::ffff:10.0.0.1"]

    settings.DEVELOPMENT = True
    assert set(allowed(every)) >= {*PUBLIC, *PRIVATE}
    assert allowed(NEVER) == []


def test_a_network_that_is_none_is_reported(settings) -> None:
    settings.PROVIDER_PRIVATE_NETWORKS = ["10.0.0.0/8", "10.0.0.256"]
    assert [found.id for found in check_networks()] == ["providers.E001"]


@pytest.mark.parametrize("slug", REMOTE)
def test_no_call_of_any_provider_reaches_this_machine(slug, stage, settings) -> None:
    """Speech, lists and checks of keys: nothing is connected to, so no key is sent."""
    settings.DEVELOPMENT = False
    vendor = stage(slug)
    adapter = get_adapter(slug)
    calls = [
        lambda: hear("Hello.", vendor.voice, provider=adapter, access=vendor.access),
        lambda: adapter.check(vendor.access),
    ]
    if not adapter.has_voice_table:
        calls.append(lambda: adapter.voices(vendor.access))
    for call in calls:
        with pytest.raises(ProviderError) as caught:
            call()
        assert caught.value.kind is Failure.DOWN
        assert "not allowed" in str(caught.value)
    assert vendor.asked == []

    settings.PROVIDER_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    adapter.check(vendor.access)
    assert vendor.asked != []
