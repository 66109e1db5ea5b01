from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0007_captions"),
    ]

    operations = [
        migrations.AddField(
            model_name="providerkey",
            name="tried_at",
            field=models.DateTimeField(
                blank=True,
                help_text="when the nightly check last came to it",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="providerkey",
            name="due_at",
            field=models.DateTimeField(
                blank=True,
                help_text="when a worker is called to look at it, if none has come",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="providerkey",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["due_at"],
                name="own_key_due",
            ),
        ),
    ]
