"""Triggers that keep the audit log: rows are added, and removed after two years."""

from django.db import migrations

KEEP = """
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
DROP = """
DROP TRIGGER audit_never_emptied ON accounts_auditentry;
DROP TRIGGER audit_append_only ON accounts_auditentry;
DROP FUNCTION accounts_keep_audit();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(KEEP, DROP)]
