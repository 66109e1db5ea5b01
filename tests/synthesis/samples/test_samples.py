"""Voice samples are made once for all users, and guests can't make them cost money."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from kit import quotas
from kit.models import QuotaCounter
from providers.catalogue import samples as asking
from providers.contract import http
from providers.contract.base import Failure, ProviderError
from providers.limits import ceilings, upstreams
from providers.models import Provider, Sample, Upstream, Voice
from providers.unicorn.espeak.voices import VOICES
from synthesis import tasks
from synthesis.models import Scene
from synthesis.pages import samples as pages_samples
from synthesis.samples import making
from synthesis.samples.texts import text_for
from synthesis.work import claiming, dispatch
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim
from tests.synthesis.decoded import milliseconds_of
from tests.threads import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]

URL = "/samples/unicorn%3Aen-us.mp3"


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    """A worker that starts when it is rung for; `at_work` can disable it."""
    state = {"at_work": True, "bells": 0}

    def ring(task, queue, count=1, *, args=()):
        state["bells"] += 1
        if task == making.MAKE and state["at_work"]:
            making.work(*args)

    monkeypatch.setattr("kit.work.bells.ring", ring)
    monkeypatch.setattr("kit.work.bells.ring_soon", ring)
    monkeypatch.setattr(pages_samples, "_PATIENCE", 0.2)
    return state


def ask(*voices: str, again: bool = False) -> int:
    with transaction.atomic():
        return asking.queue(Voice.objects.filter(pk__in=voices), again=again)


def content(answer) -> bytes:
    return b"".join(answer) if answer.streaming else answer.content


def test_the_first_request_makes_the_sample_for_all():
    first = Client().get(URL)
    assert first.status_code == 200
    assert first["Content-Type"] == "audio/mpeg"
    assert first["Cache-Control"] == "public, max-age=86400"
    assert "Vary" not in first
    assert "Set-Cookie" not in first
    audio = content(first)
    assert 2_000 < milliseconds_of(audio) < 8_000
    sample = Sample.objects.get()
    assert (sample.voice_id, sample.status) == ("unicorn:en-us", "completed")
    assert default_storage.exists(sample.file)

    again = factories.api(factories.token()).get(URL)
    assert content(again) == audio
    assert Sample.objects.get().fence == 1
    part = Client().get(URL, headers={"Range": "bytes=100-199"})
    assert (part.status_code, content(part)) == (206, audio[100:200])
    assert part["Content-Range"] == f"bytes 100-199/{len(audio)}"
    known = Client().get(URL, headers={"If-None-Match": first["ETag"]})
    assert known.status_code == 304
    assert Client().head(URL).status_code == 200
    assert Client().post(URL).status_code == 405


def test_concurrent_requests_make_one_sample(worker, monkeypatch):
    monkeypatch.setattr(pages_samples, "_PATIENCE", 20.0)
    statuses = in_threads(6, lambda: Client().get(URL).status_code)
    assert statuses == [200] * 6
    sample = Sample.objects.get()
    assert (sample.fence, sample.attempts) == (1, 0)
    assert QuotaCounter.objects.get(name="sample").used <= 6


def test_a_sample_that_is_not_ready_is_a_202_with_retry_after(worker):
    worker["at_work"] = False
    answer = Client().get(URL)
    assert (answer.status_code, answer["Retry-After"]) == (202, "1")
    assert answer["Cache-Control"] == "no-store"
    assert Sample.objects.get().status == "queued"
    assert Client().get(URL).status_code == 202
    assert worker["bells"] == 1
    tasks.make_samples("remote")
    assert Client().get(URL).status_code == 202
    tasks.make_samples("local")
    assert Client().get(URL).status_code == 200


def test_requests_for_samples_are_limited_per_day(worker, monkeypatch):
    monkeypatch.setattr(making, "MAX_PER_DAY", 1)
    assert Client().get(URL).status_code == 200
    other = "/samples/unicorn%3Aen-gb.mp3"
    refused = Client().get(other)
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 86_401
    assert Sample.objects.count() == 1
    assert Client().get(URL).status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.7").get(other).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["unicorn%3Anobody", "scripted%3Aone", "nobody", "..%2f..%2fetc%2fpasswd", "%00"],
)
def test_a_voice_without_a_sample_is_a_404(path):
    assert Client().get(f"/samples/{path}.mp3").status_code == 404
    assert Sample.objects.count() == 0
    assert scripted.calls == []


def test_samples_of_disabled_voices_are_not_served():
    assert Client().get(URL).status_code == 200
    Voice.objects.filter(pk="unicorn:en-us").update(is_enabled=False)
    assert Client().get(URL).status_code == 404


def test_only_operators_request_samples_that_cost_money():
    url = "/samples/scripted%3Aone.mp3"
    listed = {v["id"]: v for v in Client().get("/api/v1/voices").json()}
    assert listed["scripted:one"]["sample_url"] is None
    assert Client().get(url).status_code == 404
    assert ask("scripted:one", "scripted:two") == 2
    assert ask("scripted:one") == 0
    assert Client().get(url).status_code == 404  # not made yet
    assert making.work("local") == 0
    assert making.work("remote") == 2
    assert scripted.calls == [text_for("en-US")] * 2
    listed = {v["id"]: v for v in Client().get("/api/v1/voices").json()}
    assert listed["scripted:one"]["sample_url"] == f"http://testserver{url}"
    assert Client().get(url).status_code == 200
    assert len(scripted.calls) == 2


def test_a_new_sample_replaces_the_old_one():
    ask("scripted:one")
    making.work("remote")
    before = Sample.objects.get()
    assert ask("scripted:one", again=True) == 1
    scripted.failures.append(ProviderError(Failure.UNKNOWN_VOICE))
    making.work("remote")
    failed = Sample.objects.get()
    assert (failed.status, failed.error_code) == ("failed", "unknown_voice")
    assert failed.file == before.file  # the old sample is still served
    assert Client().get("/samples/scripted%3Aone.mp3").status_code == 200
    assert ask("scripted:one", again=True) == 1
    making.work("remote")
    after = Sample.objects.get()
    assert (after.status, after.error_code) == ("completed", "")
    assert after.file != before.file
    assert not default_storage.exists(before.file)


def test_a_failure_is_retried_and_then_given_up():
    ask("scripted:one")
    scripted.failures += [ProviderError(Failure.DOWN)] * 3
    for attempt in (1, 2):
        assert making.work("remote") == 1
        sample = Sample.objects.get()
        assert (sample.status, sample.attempts) == ("queued", attempt)
        assert sample.ready_at > timezone.now() + timedelta(seconds=30)
        assert making.work("remote") == 0
        Sample.objects.update(ready_at=timezone.now())
    assert making.work("remote") == 1
    sample = Sample.objects.get()
    assert (sample.status, sample.error_code, sample.file) == ("failed", "down", "")
    Sample.objects.update(voice="unicorn:en-gb")
    url = "/samples/unicorn%3Aen-gb.mp3"
    assert Client().get(url).status_code == 404
    assert ask("unicorn:en-gb") == 1
    assert making.work("local") == 1
    assert Client().get(url).status_code == 200


def test_a_provider_without_our_key_makes_no_sample(monkeypatch):
    monkeypatch.setattr(scripted.Scripted, "needs_key", True)
    factories.provider_key(factories.workspace(factories.user()), "scripted")
    ask("scripted:one")
    making.work("remote")
    assert Sample.objects.get().error_code == "bad_key"
    assert scripted.calls == []


def test_a_sample_of_a_killed_worker_is_claimed_again(monkeypatch, worker):
    worker["at_work"] = False
    monkeypatch.setattr("kit.work.bells.ring_unless_queued", lambda *args, **more: None)
    ask("unicorn:en-us")
    past = timezone.now() - timedelta(seconds=1)
    for crashes in (1, 2, 3):
        assert making.works["local"].take()  # its worker dies
        Sample.objects.update(lease_until=past)
        making.sweep()
        assert Sample.objects.get().crashes == crashes
    sample = Sample.objects.get()
    assert (sample.status, sample.error_code) == ("failed", "internal_error")


def open_upstream() -> None:
    row = upstreams.upstream_of(Provider.objects.get(slug="scripted"))
    permit = upstreams.Permit(row, is_probe=False, is_retry=False)
    upstreams.record_failure(permit, Failure.QUOTA, seconds=0)


def test_samples_count_like_any_call():
    ask("scripted:one")
    making.work("remote")
    assert Sample.objects.get().status == "completed"
    assert ceilings.spent_today("scripted") == len(text_for("en-US"))
    assert Upstream.objects.get().calls == 1


def test_a_sample_waits_for_tomorrow_if_the_ceiling_is_reached():
    Provider.objects.filter(slug="scripted").update(daily_ceiling=10)
    ask("scripted:one")
    assert making.work("remote") == 1
    sample = Sample.objects.get()
    assert (sample.status, sample.attempts) == ("queued", 0)
    assert sample.ready_at == quotas.next_day()
    assert (scripted.calls, ceilings.spent_today("scripted")) == ([], 0)


def test_a_sample_waits_for_an_open_breaker():
    open_upstream()
    ask("scripted:one")
    assert making.work("remote") == 0
    assert (Sample.objects.get().status, scripted.calls) == ("queued", [])
    upstreams.reset(Upstream.objects.get())
    assert making.work("remote") == 1
    assert Sample.objects.get().status == "completed"


def test_our_refused_key_counts_no_try_of_a_sample():
    ask("scripted:one")
    scripted.failures.append(ProviderError(Failure.BAD_KEY))
    making.work("remote")
    sample = Sample.objects.get()
    assert (sample.status, sample.attempts) == ("queued", 0)
    assert sample.ready_at == Upstream.objects.get().open_until


@pytest.mark.parametrize("limit", ["max_concurrent", "max_concurrent_per_key"])
def test_scenes_and_samples_share_the_limit_of_a_provider(submitted, limit):
    Provider.objects.filter(slug="scripted").update(**{limit: 1})
    submitted(factories.caller(), "A scene.")
    ask("scripted:one")
    scene = claim()
    assert making.work("remote") == 0
    Scene.objects.filter(pk=scene.pk).update(status="canceled", lease_until=None)
    submitted(factories.caller(), "Another scene.")
    assert making.works["remote"].take()
    assert claiming.claim_next("remote") is None


def test_time_limits_of_providers_apply_to_samples(monkeypatch):
    Provider.objects.filter(slug="scripted").update(total_seconds=7)
    seen = []
    speak = scripted.Scripted.speak

    def look(self, request, access):
        seen.append(http._terms.get().limits)
        return speak(self, request, access)

    monkeypatch.setattr(scripted.Scripted, "speak", look)
    ask("scripted:one")
    making.work("remote")
    assert [limits.total for limits in seen] == [7]


def test_the_probe_of_a_killed_worker_is_released(monkeypatch):
    open_upstream()
    Upstream.objects.update(open_until=timezone.now())
    ask("scripted:one")
    held = making.works["remote"].take()
    assert held is not None
    upstreams.admit(Upstream.objects.get(), held.holder, is_retry=False)
    dispatch.release_dead_probes()
    assert Upstream.objects.get().probe == held.holder  # its worker is alive
    Sample.objects.update(status="queued", lease_until=None)
    dispatch.release_dead_probes()
    assert Upstream.objects.get().probe == ""


def test_at_most_two_samples_are_made_at_once():
    for voice in ("unicorn:en-us", "unicorn:en-gb"):
        ask(voice)
    Voice.objects.create(
        id="unicorn:de",
        provider_id="unicorn",
        provider_voice="de",
        name="German",
        language="de",
    )
    ask("unicorn:de", "scripted:one")
    assert making.works["local"].take()
    assert making.works["local"].take()
    assert making.works["local"].take() is None
    assert making.works["remote"].take()  # another kind


def test_constraints_of_samples():
    for fields in ({"status": "completed"}, {"status": "processing"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Sample.objects.create(voice_id="unicorn:en-us", **fields)


def test_every_language_has_a_sample_text():
    for voice in VOICES.values():
        assert any(map(str.isalnum, text_for(voice.info.language)))
    assert text_for("en-GB-x-rp") == text_for("en")
    assert text_for("mul") == text_for("en")
    assert text_for("zh-Latn-pinyin") == text_for("xx") == text_for("")
    assert text_for("cmn-CN") == text_for("zh")
    assert len({text_for(tag) for tag in ("sk", "cs", "de", "uk", "ja")}) == 5


def test_an_admin_action_requests_samples(back_office):
    url = "/admin/providers/voice/"
    chosen = {
        "_selected_action": ["unicorn:en-us", "scripted:one"],
        "reason": "New voices",
    }
    for action, count in (("make_samples", 2), ("make_samples", 0)):
        answer = back_office.post(url, {"action": action, **chosen}, follow=True)
        assert f"{count} samples will be made." in answer.content.decode()
    assert making.work("local") + making.work("remote") == 2
    answer = back_office.post(
        url, {"action": "make_samples_again", **chosen}, follow=True
    )
    assert "2 samples will be made." in answer.content.decode()
    assert connection.in_atomic_block is False
    assert Provider.objects.count() == 2
