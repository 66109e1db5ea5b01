"""`manage.py release`."""

import pytest
from django.core.management import call_command

from providers.models import Provider, Voice


@pytest.mark.django_db
def test_it_fills_the_catalogue_and_may_be_repeated(settings, tmp_path, capsys):
    settings.DEVELOPMENT = True
    settings.STATIC_ROOT = tmp_path
    Provider.objects.all().delete()
    call_command("release", verbosity=0)
    voices = set(Voice.objects.values_list("id", flat=True))
    assert voices
    call_command("release", verbosity=0)
    assert set(Voice.objects.values_list("id", flat=True)) == voices
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
def test_a_public_installation_gets_its_static_files(settings, tmp_path):
    settings.DEVELOPMENT = False
    settings.STATIC_ROOT = tmp_path
    # Only our own files: collecting those of other packages takes seconds.
    settings.STATICFILES_FINDERS = [
        "django.contrib.staticfiles.finders.FileSystemFinder"
    ]
    call_command("release", verbosity=0)
    assert (tmp_path / "css" / "base.css").exists()
