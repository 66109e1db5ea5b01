"""Settings that the system checks report, and settings that pass."""

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from config import checks


def found(check) -> list[str | None]:
    return [message.id for message in check()]


@pytest.mark.parametrize("rate", ["20/m", "1/s", "300/10m", "5/h", "1000/d"])
def test_a_rate_is_usable(settings, rate):
    settings.RATE_SYNTHESIS = settings.RATE_OTHER = rate
    assert checks.limits_are_usable() == []


@pytest.mark.parametrize(
    "rate", ["", "20", "20/", "0/m", "20/0m", "20/w", "-1/m", "m/20"]
)
def test_an_invalid_rate_is_reported(settings, rate):
    settings.RATE_SYNTHESIS = rate
    (message,) = checks.limits_are_usable()
    assert message.id == "ozvena.E001"
    assert message.msg == f"RATE_SYNTHESIS={rate!r} is not a rate."


@pytest.mark.parametrize(
    ("name", "value"),
    [("GUEST_PER_DAY", -1), ("WORKSPACE_CONCURRENCY", 0), ("TRUSTED_PROXY_COUNT", -1)],
)
def test_a_setting_below_its_minimum_is_reported(settings, name, value):
    setattr(settings, name, value)
    (message,) = checks.limits_are_usable()
    assert message.id == "ozvena.E002"
    assert message.msg == f"{name} must be at least {value + 1}."


def test_a_home_must_be_a_directory_that_can_be_made(settings, tmp_path):
    settings.OZVENA_HOME = tmp_path / "not" / "yet"
    assert found(checks.home_is_writable) == []
    settings.OZVENA_HOME = tmp_path / "file"
    settings.OZVENA_HOME.touch()
    assert found(checks.home_is_writable) == ["ozvena.E003"]


@pytest.mark.parametrize(
    ("address", "hosts", "expected"),
    [
        ("https://speech.example.com", ["speech.example.com"], []),
        ("https://speech.example.com:8443", [".example.com"], []),
        ("http://[::1]:8000", ["[::1]"], []),
        ("https://speech.example.com", ["*"], []),
        ("https://speech.example.com", ["www.example.com"], ["ozvena.E005"]),
        ("speech.example.com", ["speech.example.com"], ["ozvena.E004"]),
        ("https://", ["*"], ["ozvena.E004"]),
        ("ftp://speech.example.com", ["*"], ["ozvena.E004"]),
        ("https://speech.example.com/path", ["*"], ["ozvena.E004"]),
    ],
)
def test_base_url_must_be_complete_and_an_allowed_host(
    settings, address, hosts, expected
):
    settings.BASE_URL = address
    settings.ALLOWED_HOSTS = hosts
    assert found(checks.address_is_usable) == expected


@pytest.mark.parametrize(
    ("development", "address", "expected"),
    [
        (True, "http://127.0.0.1:8000", []),
        (True, "http://localhost:8000", []),
        (True, "http://0.0.0.0:8000", ["ozvena.E006"]),
        (True, "https://speech.example.com", ["ozvena.E006"]),
        (False, "https://speech.example.com", []),
    ],
)
def test_development_must_be_private(settings, development, address, expected):
    settings.DEVELOPMENT = development
    settings.BASE_URL = address
    assert found(checks.development_is_private) == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, []), (1, ["ozvena.W001"]), (31, ["ozvena.W001"]), (32, [])],
)
def test_a_short_operators_key_is_reported(settings, length, expected):
    settings.ADMIN_ACCESS_KEY = "k" * length
    assert found(checks.operators_key_is_long) == expected


@pytest.mark.parametrize(
    ("key", "secret", "expected"),
    [
        ("", "", []),
        ("sk_live_1", "whsec_1", []),
        ("rk_live_1", "whsec_1", []),
        ("sk_test_1", "whsec_1", ["ozvena.W009"]),
        ("sk_live_1", "", ["ozvena.W010"]),
    ],
)
def test_keys_of_gateways_are_complete(settings, key, secret, expected):
    settings.STRIPE_KEYS = {"PRODUCTION": key, "SANDBOX": ""}
    settings.STRIPE_HOOK_SECRETS = {"PRODUCTION": secret, "SANDBOX": ""}
    assert found(checks.gateways_are_set_up) == expected


def make_sound(settings) -> None:
    settings.DEVELOPMENT = False
    settings.KEEPS_SECRET_KEY = False
    settings.SECURE = True
    settings.TRUSTED_PROXY_COUNT = 1
    settings.ALLOWED_HOSTS = ["speech.example.com"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DEVELOPMENT", False, []),
        ("DEVELOPMENT", True, ["ozvena.W002", "ozvena.W008"]),
        ("KEEPS_SECRET_KEY", True, ["ozvena.W003"]),
        ("SECURE", False, ["ozvena.W004"]),
        ("TRUSTED_PROXY_COUNT", 0, ["ozvena.W005"]),
        ("ALLOWED_HOSTS", ["*"], ["ozvena.W006"]),
        ("EMAIL_BACKEND", "kit.mail.files.FileBackend", ["ozvena.W007"]),
    ],
)
def test_a_deployment_is_warned_of_unsafe_settings(settings, name, value, expected):
    make_sound(settings)
    setattr(settings, name, value)
    assert found(checks.deployment_is_sound) == expected


def test_the_checks_are_registered(settings):
    make_sound(settings)
    settings.ADMIN_ACCESS_KEY = "short"
    settings.SECURE = False
    settings.GUEST_PER_DAY = -1
    always = {message.id for message in run_checks(tags=["security"])}
    assert {"ozvena.E002", "ozvena.W001"} <= always
    assert "ozvena.W004" not in always
    deployed = run_checks(tags=["security"], include_deployment_checks=True)
    assert "ozvena.W004" in {message.id for message in deployed}


@pytest.mark.django_db
def test_no_migration_is_missing(capsys):
    call_command("makemigrations", check_changes=True, dry_run=True)
    assert capsys.readouterr().out == "No changes detected\n"
