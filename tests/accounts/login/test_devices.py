import base64
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.apps import apps
from django.contrib import admin
from django.db.models import BigAutoField
from django_otp import device_classes, verify_token
from django_otp.admin import OTPAdminSite

from accounts.login import second_factor
from accounts.models import LoginSession
from accounts.models.second_factor import Authenticator, RecoveryDevice
from tests import factories


@pytest.fixture
def root(db):
    return factories.user("root+1@example.com", is_staff=True)


def test_there_are_no_devices_but_ours():
    """The plugins of django-otp store seeds and codes unencrypted."""
    assert set(device_classes()) == {Authenticator, RecoveryDevice}
    assert [app.name for app in apps.get_app_configs() if "otp" in app.name] == [
        "django_otp"
    ]


def test_devices_are_found_by_whole_numbers():
    """django-otp finds a device by `int(id)`, and ignores an id for which that fails."""
    for kind in device_classes():
        assert isinstance(kind._meta.pk, BigAutoField)


def test_the_back_office_asks_for_a_device_under_djangos_own_name():
    assert isinstance(admin.site, OTPAdminSite)
    assert admin.site.name == "admin"


def test_an_app_that_reads_the_picture_shows_the_right_code(root):
    app = second_factor.begin(root)
    read = urlsplit(second_factor.uri(app))
    values = {name: value for name, (value,) in parse_qs(read.query).items()}

    assert (read.scheme, read.netloc) == ("otpauth", "totp")
    assert read.path == "/Ozvena:root%2B1%40example.com"
    secret = values.pop("secret")
    assert values == {
        "issuer": "Ozvena",
        "algorithm": "SHA1",
        "digits": "6",
        "period": "30",
    }
    code = TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(time.time()))
    assert verify_token(root, app.persistent_id, code.decode())


def test_a_code_is_written_down_with_its_time(root):
    app = second_factor.begin(root)
    assert not verify_token(root, app.persistent_id, "nothing")
    app.refresh_from_db()
    assert (app.last_used_at, app.throttling_failure_count) == (None, 1)

    (code, *_) = second_factor.confirm_without_code(root)
    recovery = RecoveryDevice.objects.get()
    assert verify_token(root, recovery.persistent_id, code)
    recovery.refresh_from_db()
    assert recovery.last_used_at is not None
    assert recovery.codes.count() == 9
    assert LoginSession.objects.count() == 0


def test_a_device_can_be_used_only_by_its_user(root):
    second_factor.begin(root)
    (code, *_) = second_factor.confirm_without_code(root)
    recovery = RecoveryDevice.objects.get()

    assert verify_token(factories.user(), recovery.persistent_id, code) is None
    assert recovery.codes.count() == 10


def test_another_seed_does_not_end_a_wait(root):
    app = second_factor.begin(root)
    verify_token(root, app.persistent_id, "000000")

    again = second_factor.begin(root)

    assert again.pk == app.pk
    assert not again.verify_is_allowed()[0]


def test_a_device_shows_no_address(root):
    app = second_factor.begin(root)
    assert str(app) == f"authenticator of {root.pk}"
