from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0006_models_and_voices_by_hand"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="has_captions",
            field=models.BooleanField(
                default=False,
                help_text="of Kokoro-FastAPI: ask it for word times, too",
                verbose_name="captions",
            ),
        ),
    ]
