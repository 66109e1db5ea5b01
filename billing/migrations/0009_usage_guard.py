"""A trigger that keeps usage as it was written, whoever writes to it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_usage")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER usage_append_only"
            " BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_usage"
            " FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()",
            "DROP TRIGGER usage_append_only ON billing_usage",
        )
    ]
