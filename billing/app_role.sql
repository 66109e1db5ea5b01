-- A role for the web processes, the workers, the dispatcher and Celery beat. It can't change
-- or delete append-only rows: postings, their entries, and usage. Triggers refuse that too,
-- but the owner of the tables can disable triggers; this role can't.
--
-- Run it as the owner, after `manage.py migrate`, which the owner also runs. Safe to repeat.
-- Then: CREATE ROLE web LOGIN PASSWORD '...' IN ROLE ozvena_app;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ozvena_app') THEN
        CREATE ROLE ozvena_app NOLOGIN;
    END IF;
END $$;

GRANT USAGE ON SCHEMA public TO ozvena_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ozvena_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ozvena_app;
REVOKE UPDATE, DELETE, TRUNCATE ON
    billing_ledgertransaction, billing_ledgerentry, billing_usage
FROM ozvena_app;

-- Tables that later migrations create.
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ozvena_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO ozvena_app;
