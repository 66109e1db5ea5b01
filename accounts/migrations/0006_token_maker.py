import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_plan_limits")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="maker",
            field=models.ForeignKey(
                blank=True,
                help_text="the token that made it, whose limit holds for both together",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.apitoken",
            ),
        ),
    ]
