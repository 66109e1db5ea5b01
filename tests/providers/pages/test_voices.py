"""The voice gallery, which works without scripts."""

import re

import pytest
from django.test import Client

from providers.catalogue.languages import name_of
from providers.models import Provider, Voice
from providers.unicorn.voices import voices
from tests import factories, whole_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _synced():
    whole_catalogue.fill()


def ids(query: str = "") -> list[str]:
    response = Client().get(f"/voices{query}")
    assert response.status_code == 200
    return re.findall(r"<code data-copy-text>([^<]+)</code>", response.content.decode())


def test_voices_come_page_by_page():
    pages = [ids(f"?page={number}") for number in (1, 2)]
    assert list(map(len, pages)) == [48, 48]
    assert not set(pages[0]) & set(pages[1])
    page = Client().get("/voices?provider=unicorn&page=2").content.decode()
    assert f"{len(voices())} voices, page 2 of {-(-len(voices()) // 48)}" in page
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
    assert "No voices found." in page
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


def test_disabled_voices_are_not_shown():
    Voice.objects.filter(language="sk").update(is_enabled=False)
    page = Client().get("/voices?language=sk").content.decode()
    assert ">Slovak<" not in page
    Provider.objects.filter(slug="openai").update(is_enabled=False)
    assert ">OpenAI<" not in Client().get("/voices").content.decode()


def test_gallery_is_read_only():
    assert Client().post("/voices").status_code == 405
    assert Client().head("/voices").status_code == 200


def test_languages_have_names():
    assert [
        name_of(tag) for tag in ("en-GB", "zh-CN", "cmn-CN", "mul", "nb", "xx")
    ] == [*("English", "Chinese", "Chinese", "Any language", "Norwegian", "xx")]
    assert all(name_of(v.info.language)[0].isupper() for v in voices().values())


def default_of(page: str) -> str:
    """Return the page's sentence about the default voice."""
    form = re.search(r'<form class="gallery-default".*?</form>', page, re.S)
    assert form
    sentence = re.search(r"<p>(.*?)</p>", form.group(), re.S)
    assert sentence
    return re.sub(r"<[^>]+>", "", sentence.group(1))


def test_default_voice_is_set_and_removed():
    alice = factories.user()
    client = factories.browser(alice)

    def choose(voice: str, **fields: str) -> str:
        wanted = "/voices?language=sk"
        sent = {"voice": voice, "next": wanted} | fields
        answer = client.post("/settings/default-voice", sent)
        assert (answer.status_code, answer["Location"]) == (302, wanted)
        alice.refresh_from_db()
        return client.get(wanted).content.decode()

    page = client.get("/voices?language=sk").content.decode()
    assert default_of(page).endswith("one of the text’s language speaks.")
    assert "Let the language decide" not in page
    assert (page.count('name="voice" value="unicorn:sk'), "Your default" in page) == (
        *(5, False),
    )

    page = choose("unicorn:sk-deep")
    assert alice.preferences == {"voice": "unicorn:sk-deep"}
    assert "Slovak, deep is your default voice now." in page
    assert default_of(page) == "Where you name no voice, Slovak, deep speaks."
    assert page.count('name="voice" value="unicorn:sk') == 4
    assert page.count("<strong>Your default</strong>") == 1
    other = client.get("/voices?language=de").content.decode()
    assert default_of(other) == "Where you name no voice, Slovak, deep speaks."
    assert "<strong>Your default</strong>" not in other

    for wrong in ("unicorn:none", "sk", "\0", "x" * 300):
        page = choose(wrong)
        assert 'class="notice is-error"' in page, wrong
        assert alice.preferences == {"voice": "unicorn:sk-deep"}

    page = choose("")
    assert alice.preferences == {"voice": None}
    assert default_of(page).endswith("one of the text’s language speaks.")
    assert "Let the language decide" not in page


def test_unusable_default_voice_is_named():
    alice = factories.user()
    client = factories.browser(alice)
    for voice, name in [
        ("openai:alloy", "Alloy"),  # its provider is not set up
        ("unicorn:sk", "unicorn:sk"),
        ("<b>", "&lt;b&gt;"),
    ]:
        Voice.objects.filter(pk="unicorn:sk").update(is_enabled=False)
        alice.preferences = {"voice": voice}
        alice.save()
        page = client.get("/voices?provider=openai").content.decode()
        assert default_of(page).startswith(
            f"Your default voice, {name}, can’t be used now."
        )
        assert "Let the language decide" in page
    assert 'name="voice" value="openai:' not in page  # needs a key
    factories.provider_key(factories.workspace(alice), "openai")
    page = client.get("/voices?provider=openai").content.decode()
    assert 'name="voice" value="openai:alloy"' in page


def test_setting_a_default_voice_needs_a_login():
    page = Client().get("/voices").content.decode()
    assert "by default" not in page
    assert "gallery-default" not in page
    answer = Client().post("/settings/default-voice", {"voice": "unicorn:sk"})
    assert answer["Location"].startswith("/login")
    alice = factories.user()
    client = factories.browser(alice)
    assert client.get("/settings/default-voice").status_code == 405
    elsewhere = {"voice": "unicorn:sk", "next": "https://example.com/"}
    answer = client.post("/settings/default-voice", elsewhere)
    assert answer["Location"] == "/voices"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post("/settings/default-voice", {"voice": ""}).status_code == 403
    alice.refresh_from_db()
    assert alice.preferences == {"voice": "unicorn:sk"}
