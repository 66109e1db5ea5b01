from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0005_remember_upstreams"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="model",
            field=models.CharField(
                blank=True,
                help_text="of a compatible server, in its own words; empty: tts-1",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="voice",
            name="is_by_hand",
            field=models.BooleanField(
                default=False, help_text="added by an operator: no sync changes it"
            ),
        ),
    ]
