"""The landing page and error pages, without a browser."""

import datetime
import json
import re
import shlex
import shutil
import subprocess

import pytest
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import Settings

from kit import quotas
from tests import factories, whole_catalogue


@pytest.mark.django_db
def test_the_first_page_is_private_and_brings_a_csrf_cookie() -> None:
    response = Client().get("/")
    assert response.status_code == 200
    assert response["Cache-Control"] == "private"
    assert response.cookies["csrftoken"].value
    assert response["Content-Security-Policy"].count("default-src 'self'") == 1
    assert "unsafe" not in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_the_first_page_counts_a_networks_tries(settings: Settings) -> None:
    settings.GUEST_PER_DAY = 3
    today = datetime.datetime.now(datetime.UTC).date()
    for _ in range(2):
        quotas.take("guest", "203.0.113.7/32", limit=3, period=today)
    used = Client(REMOTE_ADDR="203.0.113.7").get("/").content.decode()
    fresh = Client(REMOTE_ADDR="203.0.113.8").get("/").content.decode()
    assert "1 of 3 tries left today" in used
    assert "3 of 3 tries left today" in fresh
    tomorrow = today + datetime.timedelta(days=1)
    assert f'data-resets="{tomorrow}T00:00:00+00:00"' in used


@pytest.mark.django_db
def test_the_first_page_names_only_voices_that_are_there() -> None:
    assert " voices in " not in Client().get("/").content.decode()
    whole_catalogue.fill()
    found = re.search(
        r"(\d+) voices in (\d+) languages", Client().get("/").content.decode()
    )
    assert found is not None
    voices, languages = map(int, found.groups())
    assert voices >= languages >= 20


@pytest.mark.django_db
def test_somebody_signed_in_is_told_what_it_costs() -> None:
    page = factories.browser(factories.user()).get("/").content.decode()
    assert "You are logged in. Each character costs one credit." in page
    assert "tries left" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_first_page_is_only_read(method: str) -> None:
    assert getattr(Client(), method)("/").status_code == 405


@pytest.mark.django_db
def test_a_wrong_address_is_answered_with_a_page() -> None:
    response = Client().get("/nowhere")
    assert response.status_code == 404
    assert "Page not found." in response.content.decode()


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_error_pages_need_nothing_to_be_shown(name: str) -> None:
    page = render_to_string(f"{name}.html")
    assert page.startswith("<!doctype html>")
    assert page.count("<h1>") == 1


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500", "landing"])
def test_no_page_has_anything_inline(name: str) -> None:
    page = render_to_string(f"{name}.html")
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    assert re.findall(r'(?:src|href)="https?://', page) == []


@pytest.mark.django_db
def test_an_icon_is_where_browsers_look_for_it() -> None:
    response = Client().get("/favicon.ico")
    assert response.status_code == 302
    assert response["Location"] == "/static/img/favicon.svg"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_command_on_the_first_page_works_as_it_stands(live_server: object) -> None:
    whole_catalogue.fill()
    address = live_server.url  # type: ignore[attr-defined]
    page = Client(headers={"host": address.removeprefix("http://")}).get("/")
    found = re.search(r"<code data-copy-text>(.*?)</code>", page.content.decode(), re.S)
    assert found is not None
    command = re.sub(r"<[^>]+>", "", found[1]).replace("\\\n", " ")
    answer = subprocess.run(
        [*shlex.split(command), "--silent", "--show-error"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    body = json.loads(answer.stdout)
    assert (body["format"], body["timing"], body["characters"]) == ("mp3", "exact", 25)
    assert [word["word"] for word in body["word_timestamps"]] == [
        "The",
        "valley",
        "answers",
        "twice",
    ]
