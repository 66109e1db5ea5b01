"""`manage.py postgres`, and with it the backup that docs/running.md tells of."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from accounts.models import User
from config.management.commands import postgres
from tests import factories, processes

MANAGE = f"{sys.executable} {settings.BASE_DIR / 'manage.py'}"


def run(line: str, directory: Path, **variables: str) -> str:
    """Run a line of a shell in the home of the tests, which is no default one."""
    done = subprocess.run(
        line,
        shell=True,
        cwd=directory,
        env=processes.environment() | variables,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_the_documented_backup_is_made_and_put_back(tmp_path):
    document = (settings.BASE_DIR / "docs" / "running.md").read_text()
    dump, restore = (
        line.replace(".venv/bin/python manage.py", MANAGE)
        for line in re.findall(
            r"^\S+ manage.py postgres pg_.*$", document, re.MULTILINE
        )
    )
    alice = factories.user()
    name = connection.settings_dict["NAME"]

    run(dump, tmp_path)
    assert (tmp_path / "ozvena.dump").stat().st_size > 100_000
    bob = factories.user()
    User.objects.filter(pk=alice.pk).update(preferences={"voice": "another"})
    connection.close()
    assert restore.count(" postgres ozvena.dump") == 1
    run(restore.replace(" postgres ozvena.dump", f" {name} ozvena.dump"), tmp_path)

    assert [user.pk for user in User.objects.all()] == [alice.pk]
    assert User.objects.get().preferences == alice.preferences != {"voice": "another"}
    assert bob.pk != alice.pk


@pytest.mark.django_db
def test_programs_find_the_database_in_use(tmp_path):
    asked = "select current_database(), current_user"
    found = run(f'{MANAGE} postgres psql -Atc "{asked}"', tmp_path)
    assert found == f"{connection.settings_dict['NAME']}|postgres\n"


def test_a_server_of_ones_own_is_reached_with_its_password(monkeypatch):
    database = {
        "HOST": "db.example.com",
        "PORT": 5433,
        "USER": "ozvena",
        "PASSWORD": "hidden",
        "NAME": "speech",
        "OPTIONS": {"sslmode": "require", "pool": {}},
    }
    monkeypatch.setitem(settings.DATABASES, "default", database)
    assert postgres._access() == {
        "PGHOST": "db.example.com",
        "PGPORT": "5433",
        "PGUSER": "ozvena",
        "PGDATABASE": "speech",
        "PGPASSWORD": "hidden",
        "PGSSLMODE": "require",
    }


def test_other_names_are_refused():
    with pytest.raises(CommandError, match=r"^There is no pg_nothing among"):
        call_command("postgres", "pg_nothing")
