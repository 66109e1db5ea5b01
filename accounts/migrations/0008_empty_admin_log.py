from django.db import migrations


def empty(apps, schema_editor):
    """Our audit log has it all; this one kept people's addresses for ever."""
    apps.get_model("admin", "LogEntry").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_pending_second_factor"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [migrations.RunPython(empty, migrations.RunPython.noop)]
