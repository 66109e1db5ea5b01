"""Whose key calls the provider of a scene."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("synthesis", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="scene",
            name="credential",
            field=models.CharField(
                default="platform",
                help_text="whose key calls the provider",
                max_length=80,
            ),
        ),
        migrations.AddConstraint(
            model_name="scene",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credential", "platform"), ("cost", 0), _connector="OR"
                ),
                name="scene_by_own_key_is_free",
            ),
        ),
    ]
