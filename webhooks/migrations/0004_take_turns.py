"""Whose turn it is to be sent to."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the table."""

    dependencies = [("webhooks", "0003_bind_to_environments")]
    operations = [
        migrations.CreateModel(
            name="Turn",
            fields=[
                (
                    "name",
                    models.CharField(max_length=60, primary_key=True, serialize=False),
                ),
                ("served_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["served_at"], name="turn_age")],
            },
        )
    ]
