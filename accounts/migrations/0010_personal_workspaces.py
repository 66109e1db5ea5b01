"""A trigger that keeps personal workspaces to one person: only an owner may be in one.

Of owners there is one each, by an index of their own, so two who race are refused too.
"""

from django.db import migrations

KEEP = """
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
DROP = """
DROP TRIGGER personal_has_one_member ON accounts_membership;
DROP FUNCTION accounts_keep_personal();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_known_values")]

    operations = [migrations.RunSQL(KEEP, DROP)]
