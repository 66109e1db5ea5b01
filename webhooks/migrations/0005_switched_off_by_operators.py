from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0004_take_turns")]

    operations = [
        migrations.AlterField(
            model_name="endpoint",
            name="disabled_because",
            field=models.CharField(
                blank=True,
                choices=[
                    ("owner", "switched off by its owner"),
                    ("operator", "switched off by Ozvena"),
                    ("gone", "it answered 410"),
                    ("failing", "it failed for five days"),
                ],
                max_length=8,
            ),
        ),
    ]
