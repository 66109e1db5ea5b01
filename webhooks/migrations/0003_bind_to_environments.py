"""Endpoints and events know their environment; what is there hears of both."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns."""

    dependencies = [("webhooks", "0002_event_guard")]
    operations = [
        migrations.AddField(
            model_name="endpoint",
            name="environment",
            field=models.CharField(
                blank=True,
                default="",
                help_text="it hears of this one; empty: of both",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="event",
            name="environment",
            field=models.CharField(
                blank=True,
                default="",
                help_text="in which it happened; empty: in neither",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(environment__in=["", "PRODUCTION", "SANDBOX"]),
                name="endpoint_environment_known",
            ),
        ),
    ]
