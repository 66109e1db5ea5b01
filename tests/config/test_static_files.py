"""Static files as a deployment serves them."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import RequestFactory
from pytest_django import Settings

NAMES: Any = staticfiles_storage  # the storage that the settings name at the time


@pytest.fixture
def collected(settings: Settings, tmp_path: Path) -> Path:
    """A folder into which our own files were collected, under their hashed names."""
    settings.STATIC_ROOT = tmp_path
    settings.STATICFILES_FINDERS = [
        "django.contrib.staticfiles.finders.FileSystemFinder"
    ]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "config.static_files.HashedStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_pages_name_files_by_their_content(collected: Path) -> None:
    page = render_to_string("landing.html", request=RequestFactory().get("/"))
    named = re.findall(r'(?:href|src)="/static/([^"]+)"', page)
    assert len(named) > 10
    for name in named:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", name), name
        assert (collected / name).exists(), name


def test_modules_import_modules_by_their_content(collected: Path) -> None:
    entry = collected / NAMES.stored_name("js/demo.js")
    imported = re.findall(r'from "\./(\S+)"', entry.read_text())
    assert len(imported) > 5
    for name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
        assert (entry.parent / name).exists(), name


def test_the_page_for_failures_stands_without_the_list_of_names(
    collected: Path,
) -> None:
    (collected / "staticfiles.json").unlink()
    NAMES.hashed_files.clear()
    page = render_to_string("500.html")
    for name in re.findall(r'(?:href|src)="/static/([^"]+)"', page):
        assert (collected / name).exists(), name
