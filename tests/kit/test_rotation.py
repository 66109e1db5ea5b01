"""Rotation of the encryption key: all columns, while the service works, after crashes."""

import subprocess
import sys
import time
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import BinaryField
from django.utils import timezone

from accounts.login import second_factor
from accounts.models.second_factor import Authenticator
from kit import rotation
from kit.mail import outbox
from kit.models import Mail
from kit.secrets import CannotDecrypt, Secret, decrypt, encrypt
from providers.keys import using
from providers.models import Provider, ProviderKey
from tests import factories, processes
from tests.webhooks import factories as hooks
from webhooks.models import DefaultSigner, Endpoint
from webhooks.sending import signing

pytestmark = pytest.mark.django_db(transaction=True)

OLD = "old:" + b64encode(b"o" * 32).decode()
NEW = "new:" + b64encode(b"n" * 32).decode()
MAILS = 40


def test_every_binary_column_is_declared_or_holds_no_secret():
    declared = {str(column) for column in rotation.columns()}
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, BinaryField)
    }
    assert found - declared == {
        "webhooks.Event.body",
        # Hashes of what is in other columns:
        "billing.LedgerTransaction.chain_hash",
        "billing.Usage.content_hash",
        "billing.Wallet.chain_hash",
    }
    assert declared - found == set()


@pytest.fixture
def encrypted(settings):
    """Rows with a value in every encrypted column, encrypted with the old key."""
    settings.ENCRYPTION_KEYS = OLD
    owner = factories.user("alice@example.com")
    workspace = factories.workspace(owner)
    Provider.objects.create(slug="openai", name="OpenAI")
    factories.provider_key(workspace, "openai", "k3y-of-alice")
    endpoint = hooks.endpoint(workspace)
    signing.rotate(endpoint)
    signing.default_signer(workspace.pk)
    second_factor.begin(owner)
    second_factor.confirm_without_code(owner)
    second_factor.begin(owner)
    Mail.objects.all().delete()
    with transaction.atomic():
        for number in range(MAILS):
            outbox.post("alice@example.com", f"Mail {number}", f"Text {number}")
    settled = Mail.objects.create(
        to="a@example.com", subject="x", encrypted_text=b"", send_until=timezone.now()
    )
    settings.ENCRYPTION_KEYS = f"{NEW},{OLD}"
    return {"workspace": workspace, "endpoint": endpoint, "settled": settled}


def readable(encrypted) -> dict[str, Any]:
    """Decrypt everything, by the functions that use it."""
    endpoint = Endpoint.objects.get()
    credential = using.credential_of(encrypted["workspace"].pk)
    provider = Provider.objects.get()
    return {
        "key": using.access_for_credential(provider, credential).key,
        "hooks": signing.keys_of(endpoint),
        "default": signing.secret_of(DefaultSigner.objects.get()),
        "seeds": [app.seed for app in Authenticator.objects.order_by("pk")],
        "mails": [
            decrypt(mail.encrypted_text, context=outbox._context(mail))
            for mail in Mail.objects.exclude(encrypted_text=b"").order_by("pk")
        ],
    }


def test_rotation_re_encrypts_all_values_with_the_first_key(
    encrypted, settings, capsys
):
    before = readable(encrypted)
    call_command("rotate_keys", batch=7)
    told = capsys.readouterr().out
    assert told.splitlines() == [
        f"kit.Mail.encrypted_text: {MAILS} re-encrypted, 0 left.",
        "accounts.Authenticator.encrypted_seed: 2 re-encrypted, 0 left.",
        "webhooks.Endpoint.secret: 1 re-encrypted, 0 left.",
        "webhooks.Endpoint.old_secret: 1 re-encrypted, 0 left.",
        "webhooks.DefaultSigner.secret: 1 re-encrypted, 0 left.",
        "webhooks.DefaultSigner.old_secret: 0 re-encrypted, 0 left.",
        "providers.ProviderKey.encrypted_key: 1 re-encrypted, 0 left.",
        "No value needs an older key.",
    ]
    settings.ENCRYPTION_KEYS = NEW
    assert readable(encrypted) == before
    call_command("rotate_keys")
    assert capsys.readouterr().out.count(" 0 re-encrypted, 0 left.") == 7


def test_after_rotation_the_old_key_decrypts_nothing(encrypted, settings):
    call_command("rotate_keys", verbosity=0)
    settings.ENCRYPTION_KEYS = OLD
    with pytest.raises(CannotDecrypt):
        signing.secret_of(Endpoint.objects.get())


def test_an_interrupted_rotation_is_continued(encrypted, settings, monkeypatch):
    before = readable(encrypted)
    monkeypatch.setenv("ENCRYPTION_KEYS", settings.ENCRYPTION_KEYS)
    column = rotation.columns()[0]
    middle = Mail.objects.exclude(encrypted_text=b"").order_by("pk")[MAILS // 2]
    with transaction.atomic():
        # It can't get past a row that is locked: there it is killed.
        Mail.objects.select_for_update().get(pk=middle.pk)
        process = processes.start("manage.py", "rotate_keys", "--batch", "5")
        deadline = time.monotonic() + 60
        while rotation.outdated(column).count() > MAILS // 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes.kill(process)
    # The server may still run the statement that waited for the row.
    halves = (MAILS // 2 - 1, MAILS // 2)
    assert rotation.outdated(column).count() in halves
    assert readable(encrypted) == before

    done = subprocess.run(
        [sys.executable, "manage.py", "rotate_keys"],
        cwd=django_settings.BASE_DIR,
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    first = done.stdout.splitlines()[0]
    assert first in {
        f"kit.Mail.encrypted_text: {count} re-encrypted, 0 left." for count in halves
    }
    settings.ENCRYPTION_KEYS = NEW
    assert readable(encrypted) == before


def test_values_that_no_key_decrypts_are_left_and_counted(encrypted, settings, capsys):
    settings.ENCRYPTION_KEYS = NEW
    with pytest.raises(CommandError, match=f"{MAILS + 6} values"):
        call_command("rotate_keys")
    assert (
        f"{MAILS} left, {MAILS} can't be decrypted by any key."
        in capsys.readouterr().out
    )
    settings.ENCRYPTION_KEYS = f"{NEW},{OLD}"
    assert len(readable(encrypted)["mails"]) == MAILS


def test_a_value_that_is_written_meanwhile_stays(encrypted, monkeypatch):
    row = ProviderKey.objects.get()
    new = using.encrypt_key(Secret("new-k3y-of-alice"), row.workspace_id, "openai")

    def slow(*args, **more):
        ProviderKey.objects.update(encrypted_key=new)
        return encrypt(*args, **more)

    monkeypatch.setattr("kit.rotation.encrypt", slow)
    call_command("rotate_keys", verbosity=0)
    assert bytes(ProviderKey.objects.get().encrypted_key) == new


def test_a_setting_that_was_rotated_long_ago_ends_too(encrypted, settings):
    # Expired secrets are re-encrypted too: a row may be read before it is emptied.
    Endpoint.objects.update(old_secret_until=timezone.now() - timedelta(days=9))
    call_command("rotate_keys", verbosity=0)
    settings.ENCRYPTION_KEYS = NEW
    assert len(signing.keys_of(Endpoint.objects.get())) == 1
