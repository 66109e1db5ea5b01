import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _device(*fields):
    """Return the columns that all devices of django-otp have here, and `fields`."""
    return [
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        (
            "name",
            models.CharField(
                help_text="The human-readable name of this device.", max_length=64
            ),
        ),
        (
            "confirmed",
            models.BooleanField(
                default=True, help_text="Is this device ready for use?"
            ),
        ),
        (
            "throttling_failure_timestamp",
            models.DateTimeField(
                blank=True,
                default=None,
                help_text="A timestamp of the last failed verification attempt. Null if last attempt succeeded.",
                null=True,
            ),
        ),
        (
            "throttling_failure_count",
            models.PositiveIntegerField(
                default=0, help_text="Number of successive failed attempts."
            ),
        ),
        (
            "created_at",
            models.DateTimeField(
                auto_now_add=True,
                help_text="The date and time when this device was initially created in the system.",
                null=True,
            ),
        ),
        (
            "last_used_at",
            models.DateTimeField(
                blank=True,
                help_text="The most recent date and time this device was used.",
                null=True,
            ),
        ),
        (
            "user",
            models.ForeignKey(
                help_text="The user that this device belongs to.",
                on_delete=django.db.models.deletion.CASCADE,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        *fields,
    ]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_personal_workspaces")]

    operations = [
        migrations.DeleteModel("RecoveryCode"),
        migrations.DeleteModel("SecondFactor"),
        migrations.CreateModel(
            "Authenticator",
            _device(
                (
                    "sealed_seed",
                    models.BinaryField(help_text="of TOTP (RFC 6238), encrypted"),
                ),
                (
                    "last_step",
                    models.BigIntegerField(
                        default=0,
                        help_text="time step of the last code taken: none works twice",
                    ),
                ),
            ),
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "confirmed"), name="one_authenticator_in_force"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            "RecoveryDevice",
            _device(),
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user",), name="one_set_of_recovery_codes"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            "RecoveryCode",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="HMAC of the code, hexadecimal", max_length=64
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="accounts.recoverydevice",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("device", "digest"), name="recovery_code_once"
                    )
                ]
            },
        ),
    ]
