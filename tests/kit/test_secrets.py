import pickle
from base64 import b64encode

import pytest
from django.core.exceptions import ImproperlyConfigured

from kit import checks
from kit.secrets import (
    CannotDecrypt,
    Secret,
    current_head,
    decrypt,
    encrypt,
    parse_keys,
)

OLD = "old:" + b64encode(b"o" * 32).decode()
NEW = "new:" + b64encode(b"n" * 32).decode()


def test_values_are_decrypted_only_in_their_context() -> None:
    encrypted = encrypt("sk-123", context="webhooks.endpoint/1/secret")

    assert b"sk-123" not in encrypted
    assert (
        decrypt(encrypted, context="webhooks.endpoint/1/secret").reveal() == b"sk-123"
    )
    with pytest.raises(CannotDecrypt):
        decrypt(encrypted, context="webhooks.endpoint/2/secret")


def test_the_same_secret_is_never_encrypted_to_the_same_bytes() -> None:
    assert encrypt("x", context="c") != encrypt("x", context="c")


@pytest.mark.parametrize("at", [0, 1, 3, 10, -1])
def test_a_changed_byte_can_not_be_decrypted(settings, at) -> None:
    settings.ENCRYPTION_KEYS = NEW
    encrypted = bytearray(encrypt("secret", context="c"))
    encrypted[at] ^= 1
    with pytest.raises(CannotDecrypt):
        decrypt(bytes(encrypted), context="c")


@pytest.mark.parametrize("nothing", [b"", b"\x01", b"\x01\xff", b"plain text"])
def test_a_value_without_the_format_is_not_decrypted(nothing) -> None:
    with pytest.raises(CannotDecrypt):
        decrypt(nothing, context="c")


def test_a_new_first_key_encrypts_and_the_old_one_still_decrypts(settings) -> None:
    settings.ENCRYPTION_KEYS = OLD
    encrypted = encrypt("secret", context="c")
    settings.ENCRYPTION_KEYS = f"{NEW}, {OLD}"
    encrypted_again = encrypt(decrypt(encrypted, context="c"), context="c")

    assert not encrypted.startswith(current_head())
    assert encrypted_again.startswith(current_head())
    settings.ENCRYPTION_KEYS = NEW
    assert decrypt(encrypted_again, context="c") == Secret("secret")
    with pytest.raises(CannotDecrypt):
        decrypt(encrypted, context="c")


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", "a:short", f"{NEW},{NEW}", NEW.replace("new", "n w"), NEW + "*"],
)
def test_invalid_keys_are_refused_without_being_shown(text) -> None:
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
