from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_closing_and_exports"),
    ]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="concurrency",
            field=models.PositiveIntegerField(
                editable=False,
                help_text="scenes spoken at once; empty: the default",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="workspace",
            name="rate_other",
            field=models.PositiveIntegerField(
                editable=False,
                help_text="other requests a minute; empty: the default",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="workspace",
            name="rate_synthesis",
            field=models.PositiveIntegerField(
                editable=False,
                help_text="synthesis requests a minute; empty: the default",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="workspace",
            name="retention_days",
            field=models.PositiveIntegerField(
                editable=False,
                help_text="how long the files of a job are kept; empty: the default",
                null=True,
            ),
        ),
    ]
