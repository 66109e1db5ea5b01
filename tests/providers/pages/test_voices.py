"""The gallery as the server sends it: it can be read and searched without scripts."""

import re

import pytest
from django.test import Client

from providers.catalogue import sync
from providers.catalogue.languages import name_of
from providers.models import Provider, Voice
from providers.unicorn.voices import VOICES
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _synced():
    sync.sync()


def ids(query: str = "") -> list[str]:
    response = Client().get(f"/voices{query}")
    assert response.status_code == 200
    return re.findall(r"<code data-copy-text>([^<]+)</code>", response.content.decode())


def test_voices_come_page_by_page():
    pages = [ids(f"?page={number}") for number in (1, 2)]
    assert list(map(len, pages)) == [48, 48]
    assert not set(pages[0]) & set(pages[1])
    page = Client().get("/voices?provider=unicorn&page=2").content.decode()
    assert f"{len(VOICES)} voices, page 2 of {-(-len(VOICES) // 48)}" in page
    assert 'rel="next" href="?provider=unicorn&amp;page=3"' in page
    assert 'rel="prev" href="?provider=unicorn&amp;page=1"' in page
    assert ids("?page=x") == pages[0]
    assert len(ids("?page=9999")) > 0


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?language=sk", 5),
        ("?language=sk&gender=female", 2),
        ("?language=sk&gender=female&q=bright", 1),
        ("?q=west midlands", 5),
        ("?provider=openai&gender=male", 6),
        ("?language=&gender=&provider=&q=nahuatl", 5),
        ("?language=xx", 0),
        ("?gender=robot", 0),
        ("?provider=nobody", 0),
        ("?q=%00", 0),
        ("?q=" + "x" * 101, 0),
        ("?q=<script>alert(1)</script>", 0),
    ],
)
def test_voices_are_searched(query, count):
    assert len(ids(query)) == count


def test_a_search_is_shown_and_can_be_undone():
    page = Client().get('/voices?q="><b>&language=sk').content.decode()
    assert 'value="&quot;&gt;&lt;b&gt;"' in page
    assert '<option value="sk" selected>Slovak</option>' in page
    assert "No voice is like that." in page
    assert "<b>" not in page


def test_samples_are_links_where_there_are_any(monkeypatch):
    page = Client().get("/voices?language=sk").content.decode()
    assert page.count('href="/samples/unicorn%3Ask') == 5
    assert "a credit per character" in page
    page = Client().get("/voices?provider=openai").content.decode()
    assert "/samples/" not in page
    assert "key of your own" in page
    monkeypatch.setenv("OPENAI_API_KEY", "k3y")
    assert (
        "key of your own"
        not in Client().get("/voices?provider=openai").content.decode()
    )


def test_an_own_key_makes_voices_usable():
    alice = factories.user()
    factories.provider_key(factories.workspace(alice), "openai")
    mine = factories.browser(alice).get("/voices?provider=openai")
    assert "key of your own" not in mine.content.decode()
    assert mine["Cache-Control"] == "private"
    other = factories.browser(factories.user()).get("/voices?provider=openai")
    assert "key of your own" in other.content.decode()


def test_what_is_switched_off_is_not_shown():
    Voice.objects.filter(language="sk").update(is_enabled=False)
    page = Client().get("/voices?language=sk").content.decode()
    assert ">Slovak<" not in page
    Provider.objects.filter(slug="openai").update(is_enabled=False)
    assert ">OpenAI<" not in Client().get("/voices").content.decode()


def test_it_is_only_read():
    assert Client().post("/voices").status_code == 405
    assert Client().head("/voices").status_code == 200


def test_languages_have_names():
    assert [
        name_of(tag) for tag in ("en-GB", "zh-CN", "cmn-CN", "mul", "nb", "xx")
    ] == [*("English", "Chinese", "Chinese", "Any language", "Norwegian", "xx")]
    assert all(name_of(v.info.language)[0].isupper() for v in VOICES.values())
