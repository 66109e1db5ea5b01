"""Triggers for rules that constraints can't express.

- The audit log is append-only: rows are inserted, and deleted after two years.
- A personal workspace has one member, its owner. A unique index allows one owner per
  workspace, so concurrent inserts are refused too.
"""

from django.db import migrations

KEEP_AUDIT = """
CREATE FUNCTION accounts_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.created_at < now() - interval '730 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_append_only
    BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION accounts_keep_audit();

CREATE TRIGGER audit_never_emptied
    BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_keep_audit();
"""
DROP_AUDIT = """
DROP TRIGGER audit_never_emptied ON accounts_auditentry;
DROP TRIGGER audit_append_only ON accounts_auditentry;
DROP FUNCTION accounts_keep_audit();
"""

KEEP_PERSONAL = """
CREATE FUNCTION accounts_keep_personal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.role <> 'owner' AND EXISTS (
        SELECT FROM accounts_workspace
        WHERE id = NEW.workspace_id AND kind = 'personal'
    ) THEN
        RAISE EXCEPTION 'a personal workspace has one member'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER personal_has_one_member
    BEFORE INSERT OR UPDATE ON accounts_membership
    FOR EACH ROW EXECUTE FUNCTION accounts_keep_personal();
"""
DROP_PERSONAL = """
DROP TRIGGER personal_has_one_member ON accounts_membership;
DROP FUNCTION accounts_keep_personal();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(KEEP_AUDIT, DROP_AUDIT),
        migrations.RunSQL(KEEP_PERSONAL, DROP_PERSONAL),
    ]
