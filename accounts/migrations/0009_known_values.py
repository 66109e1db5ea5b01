from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_empty_admin_log"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="invitation",
            name="nobody_is_invited_to_own",
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["admin", "member"])),
                name="invitation_role_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="loginsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("method__in", ["code", "link", "other"])),
                name="login_method_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "admin", "member"])),
                name="membership_role_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["personal", "team", "guests", "operators"])
                ),
                name="workspace_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(("tier__in", ["free", "paid"])),
                name="workspace_tier_known",
            ),
        ),
    ]
