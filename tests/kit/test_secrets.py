import pickle
from base64 import b64encode

import pytest
from django.core.exceptions import ImproperlyConfigured

from kit import checks
from kit.secrets import (
    CannotOpen,
    Secret,
    current_head,
    open_sealed,
    parse_keys,
    seal,
)

OLD = "old:" + b64encode(b"o" * 32).decode()
NEW = "new:" + b64encode(b"n" * 32).decode()


def test_what_is_sealed_opens_in_its_place_only() -> None:
    sealed = seal("sk-123", context="webhooks.endpoint/1/secret")

    assert b"sk-123" not in sealed
    assert (
        open_sealed(sealed, context="webhooks.endpoint/1/secret").reveal() == b"sk-123"
    )
    with pytest.raises(CannotOpen):
        open_sealed(sealed, context="webhooks.endpoint/2/secret")


def test_the_same_secret_never_seals_to_the_same_bytes() -> None:
    assert seal("x", context="c") != seal("x", context="c")


@pytest.mark.parametrize("at", [0, 1, 3, 10, -1])
def test_a_changed_byte_is_noticed(settings, at) -> None:
    settings.ENCRYPTION_KEYS = NEW
    sealed = bytearray(seal("secret", context="c"))
    sealed[at] ^= 1
    with pytest.raises(CannotOpen):
        open_sealed(bytes(sealed), context="c")


@pytest.mark.parametrize("nothing", [b"", b"\x01", b"\x01\xff", b"plain text"])
def test_what_was_never_sealed_does_not_open(nothing) -> None:
    with pytest.raises(CannotOpen):
        open_sealed(nothing, context="c")


def test_a_new_key_in_front_writes_and_the_old_one_still_reads(settings) -> None:
    settings.ENCRYPTION_KEYS = OLD
    sealed = seal("secret", context="c")
    settings.ENCRYPTION_KEYS = f"{NEW}, {OLD}"
    resealed = seal(open_sealed(sealed, context="c"), context="c")

    assert not sealed.startswith(current_head())
    assert resealed.startswith(current_head())
    settings.ENCRYPTION_KEYS = NEW
    assert open_sealed(resealed, context="c") == Secret("secret")
    with pytest.raises(CannotOpen):
        open_sealed(sealed, context="c")


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", "a:short", f"{NEW},{NEW}", NEW.replace("new", "n w"), NEW + "*"],
)
def test_keys_that_can_not_be_read_are_refused_without_being_shown(text) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        parse_keys(text)
    assert "bm5u" not in str(refusal.value)


def test_a_secret_hides_wherever_it_is_written() -> None:
    secret = Secret("hunter2")
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!s}"):
        assert "hunter2" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.reveal_text() == "hunter2"


def test_a_deployment_without_keys_of_its_own_is_named(settings) -> None:
    settings.KEEPS_ENCRYPTION_KEYS = True
    assert [found.id for found in checks.encryption_keys_are_given()] == ["kit.W001"]
    settings.KEEPS_ENCRYPTION_KEYS = False
    assert checks.encryption_keys_are_given() == []
    settings.ENCRYPTION_KEYS = "wrong"
    assert [found.id for found in checks.encryption_keys_are_usable()] == ["kit.E001"]
