"""A trigger that refuses to change an event: its body is signed."""

from django.db import migrations

GUARD = """
CREATE FUNCTION webhooks_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an event is never changed'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER event_never_changes
    BEFORE UPDATE ON webhooks_event
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_refuse_change();
"""
DROP = """
DROP TRIGGER event_never_changes ON webhooks_event;
DROP FUNCTION webhooks_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial")]
    operations = [migrations.RunSQL(GUARD, DROP)]
