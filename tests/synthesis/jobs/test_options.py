"""Options are validated for the voice's provider, and sent to that provider only."""

import json

import pytest

from billing.ledger.wallets import summary, wallet_of
from providers.contract import registry
from providers.contract.base import Failure, ProviderError
from providers.models import Provider, Voice
from synthesis.models import Job, Scene
from tests import factories
from tests.synthesis import scripted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
JOB = {"text": "Hello there.", "voice": "scripted:one"}
SPEECH = {"input": "Hello there.", "voice": "scripted:one"}


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


@pytest.fixture
def send(owner):
    client = factories.api(factories.token(owner))

    def ask(path: str, body: object, method: str = "post"):
        return getattr(client, method)(
            f"/api/v1/{path}", json.dumps(body), content_type="application/json"
        )

    return ask


def test_a_scene_uses_its_own_options_or_those_of_the_job(send, speak_all) -> None:
    answer = send(
        "jobs",
        {
            "voice": "scripted:one",
            "options": {"pitch": 2.5, "style": "merry"},
            "scenes": [
                {"text": "One."},
                {"text": "Two.", "options": {"style": "calm"}},
                {"text": "Three.", "options": {}},
            ],
        },
    )
    assert answer.status_code == 202
    assert answer.json()["cost"] == 14
    speak_all()
    assert scripted.calls == ["One.", "Two.", "Three."]
    assert scripted.options_sent == [
        {"pitch": 2.5, "style": "merry"},
        {"style": "calm"},
        {},
    ]


def test_chapters_use_the_options_of_the_job(send, speak_all) -> None:
    text = "# One\n\nHello.\n\n# Two\n\nHello again."
    body = JOB | {"text": text, "split": "chapters", "options": {"pitch": 1}}
    assert send("jobs", body).status_code == 202
    speak_all()
    assert scripted.options_sent == [{"pitch": 1}] * 2


def test_speech_at_once_accepts_options(send) -> None:
    answer = send("speech", SPEECH | {"options": {"language": "en"}})
    assert (answer.status_code, answer.json()["cost"]) == (200, 12)
    assert scripted.options_sent == [{"language": "en"}]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (
            {"volume": 3},
            {
                "volume": [
                    "Unknown option. Options of scripted:one: pitch, style, language."
                ]
            },
        ),
        ({"pitch": 21}, {"pitch": ["A number from -20 to 20."]}),
        ({"pitch": "2"}, {"pitch": ["A number from -20 to 20."]}),
        ({"pitch": True}, {"pitch": ["A number from -20 to 20."]}),
        ({"style": "angry"}, {"style": ["One of calm, merry."]}),
        ({"style": ["calm"]}, {"style": ["One of calm, merry."]}),
        ({"language": "eng"}, {"language": ["Two letters, such as en."]}),
        ({"language": ""}, {"language": ["Two letters, such as en."]}),
        ({"language": "EN\n"}, {"language": ["Two letters, such as en."]}),
        (
            {"style": None, "pitch": 0, "language": {}},
            {
                "style": ["One of calm, merry."],
                "language": ["Two letters, such as en."],
            },
        ),
    ],
)
def test_invalid_options_are_listed_and_nothing_is_written(
    send, credits, options, wrong
) -> None:
    scenes = {"scenes": [{"text": "Hello.", "options": options}], "voice": JOB["voice"]}
    for path, body in (
        ("jobs", JOB | {"options": options}),
        ("jobs", scenes),
        ("estimate", JOB | {"options": options}),
        ("speech", SPEECH | {"options": options}),
    ):
        answer = send(path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
        assert answer.json()["fields"] == {"options": wrong}
    assert (Job.objects.count(), credits(), scripted.calls) == (0, (5000, 0), [])


@pytest.mark.parametrize("options", [None, [], "pitch", 3])
def test_options_must_be_an_object(send, options) -> None:
    answer = send("jobs", JOB | {"options": options})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["fields"]) == ["options"]
    assert Job.objects.count() == 0


def test_built_in_voices_have_no_options(send) -> None:
    body = JOB | {"voice": "unicorn:en-us", "options": {"pitch": 1}}
    answer = send("jobs", body)
    assert answer.json()["fields"] == {
        "options": {"pitch": ["Unknown option. Options of unicorn:en-us: none."]}
    }
    guest = factories.api().post(
        "/api/v1/jobs", json.dumps(body), content_type="application/json"
    )
    assert (guest.status_code, guest.json()["code"]) == (400, "invalid_option")
    assert send("jobs", body | {"options": {}}).status_code == 202


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"text": "New."}, {"pitch": 3}),
        ({"voice": "scripted:one"}, {"pitch": 3}),
        ({"options": {"style": "calm"}}, {"style": "calm"}),
        ({"options": {}}, {}),
        ({"voice": "scripted:two"}, {}),
        ({"voice": "scripted:two", "options": {"pitch": 1}}, {"pitch": 1}),
    ],
)
def test_an_edited_scene_keeps_its_options_with_its_voice(
    send, submitted, owner, speak_all, change, kept
) -> None:
    job = send("jobs", JOB | {"options": {"pitch": 3}}).json()
    speak_all()
    url = f"jobs/{job['transaction_id']}/scenes/1"
    assert send(url, change, "patch").status_code == 202
    speak_all()
    assert scripted.options_sent == [{"pitch": 3}, kept]
    assert Scene.objects.get().options == kept


def test_an_invalid_edit_changes_nothing(send, speak_all, credits) -> None:
    job = send("jobs", JOB | {"options": {"pitch": 3}}).json()
    speak_all()
    url = f"jobs/{job['transaction_id']}/scenes/1"
    answer = send(url, {"options": {"pitch": 99}}, "patch")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
    scene = Scene.objects.get()
    assert (scene.options, scene.status, scene.render) == ({"pitch": 3}, "completed", 1)
    assert credits() == (4988, 0)


def test_a_retry_keeps_the_options(send, speak_all) -> None:
    scripted.failures.append(ProviderError(Failure.UNKNOWN_VOICE))
    job = send("jobs", JOB | {"options": {"pitch": 3}}).json()
    speak_all()
    assert send(f"jobs/{job['transaction_id']}/retry", {}).status_code == 202
    speak_all()
    assert scripted.options_sent == [{"pitch": 3}] * 2


def test_a_fallback_voice_of_another_provider_gets_no_options(
    send, speak_all, monkeypatch
) -> None:
    monkeypatch.setitem(
        registry.ADAPTERS, "second", "tests.synthesis.scripted.Scripted"
    )
    row = Provider.objects.create(slug="second", name="Second")
    Voice.objects.create(
        id="second:one", provider=row, provider_voice="one", name="S", language="en"
    )
    body = JOB | {"options": {"pitch": 3}, "fallback": ["scripted:two", "second:one"]}
    assert send("jobs", body).status_code == 202
    scripted.failures += [ProviderError(Failure.UNKNOWN_VOICE)] * 2
    speak_all()
    assert scripted.options_sent == [{"pitch": 3}, {"pitch": 3}, {}]
    scene = Scene.objects.get()
    assert (scene.status, scene.speaker) == ("completed", "second:one")
    assert scene.options == {
        "pitch": 3
    }  # for a retry with the voice that was asked for


@pytest.mark.parametrize(
    ("name", "more", "fields"),
    [
        (
            "en-US-Chirp3-HD-Kore",
            {"options": {"pitch": 2}},
            {"options": {"pitch": ["This voice has only its own pitch."]}},
        ),
        (
            "en-US-Journey-D",
            {"options": {"pitch": 2}, "speed": 1.5},
            {
                "speed": ["This voice has only its normal speed."],
                "options": {"pitch": ["This voice has only its own pitch."]},
            },
        ),
    ],
)
def test_what_a_voice_does_not_take_is_refused_before_the_call(
    send, credits, monkeypatch, name, more, fields
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "k3y-of-a-test")
    row = Provider.objects.create(slug="google", name="Google")
    voice = f"google:{name}"
    Voice.objects.create(
        id=voice, provider=row, provider_voice=name, name=name, language="en-US"
    )
    for path, body in (
        ("jobs", {"text": "Hello there.", "voice": voice}),
        ("estimate", {"text": "Hello there.", "voice": voice}),
        ("speech", {"input": "Hello there.", "voice": voice}),
    ):
        answer = send(path, body | more)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
        assert answer.json()["fields"] == fields
    assert (Job.objects.count(), credits()) == (0, (5000, 0))
