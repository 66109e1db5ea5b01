import datetime

import pytest
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client

from config.api import health
from config.celery import HEARTBEAT as WORKER
from config.celery import app
from kit.management.commands.dispatch import HEARTBEAT as DISPATCHER
from tests.threads import in_threads

EVERYTHING = ["database", "broker", "cache", "storage", "worker", "dispatcher"]


@pytest.fixture(autouse=True)
def _heartbeats(monkeypatch):
    monkeypatch.setattr(health._last, "until", 0.0)
    cache.set(WORKER, True)
    cache.set(DISPATCHER, True)


def test_liveness_uses_no_dependency(client, django_assert_num_queries, settings):
    settings.CACHES = {"default": {"BACKEND": "nowhere.Nothing"}}

    response = client.get("/health")  # and this test may not use the database

    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["status", "timestamp"]
    assert body["status"] == "ok"
    stamp = datetime.datetime.fromisoformat(body["timestamp"])
    assert stamp.utcoffset() == datetime.timedelta(0)
    assert "no-store" in response["Cache-Control"]
    assert client.post("/health").status_code == 405
    assert not response.cookies


@pytest.mark.django_db
def test_ready_when_all_answer(client):
    response = client.get("/health/ready")

    assert response.json() == {
        "status": "ok",
        "checks": dict.fromkeys(EVERYTHING, "ok"),
    }
    assert response.status_code == 200


def failed(client):
    response = client.get("/health/ready")
    assert response.status_code == 503
    body = response.json()
    assert body["status"] == "unavailable"
    assert list(body["checks"]) == EVERYTHING
    return [name for name, outcome in body["checks"].items() if outcome != "ok"]


@pytest.mark.parametrize("name", ["worker", "dispatcher"])
def test_readiness_names_a_process_without_a_heartbeat(db, client, name):
    cache.delete(f"heartbeat:{name}")

    assert failed(client) == [name]


def test_readiness_names_a_cache_that_is_down(db, client, settings, tmp_path):
    settings.CACHES = {
        "default": settings.CACHES["default"]
        | {"LOCATION": f"unix://{tmp_path}/nobody-listens.sock"}
    }

    assert failed(client) == ["cache", "worker", "dispatcher"]


def test_readiness_names_a_broker_that_is_down(db, client, monkeypatch, tmp_path):
    monkeypatch.setattr(
        app.conf,
        "broker_write_url",
        f"redis+socket://{tmp_path}/nobody-listens.sock",
    )

    assert failed(client) == ["broker"]


def test_readiness_names_a_database_that_is_down(db, client, monkeypatch, tmp_path):
    monkeypatch.setitem(connection.settings_dict, "HOST", str(tmp_path))

    assert failed(client) == ["database"]


def test_readiness_names_a_full_or_read_only_storage(db, client, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(default_storage, "_location", str(tmp_path / "file"))
    monkeypatch.setattr(default_storage, "location", str(tmp_path / "file"))

    assert failed(client) == ["storage"]


def test_a_full_disk_is_not_ready(db, client, monkeypatch):
    monkeypatch.setattr(health, "_LEAST_SPACE", 2**62)

    assert failed(client) == ["storage"]


def test_a_check_writes_no_file(db, client, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a file is written")

    for name in ("save", "_save", "delete"):
        monkeypatch.setattr(default_storage, name, refuse)

    assert client.get("/health/ready").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_strangers_cause_one_check_a_second(client, monkeypatch):
    """However often they ask, also at the same time."""
    counted = []
    monkeypatch.setitem(health._CHECKS, "cache", lambda: counted.append(1))

    answers = in_threads(20, lambda: Client().get("/health/ready").status_code)
    answers.append(client.get("/health/ready").status_code)

    assert (answers, len(counted)) == ([200] * 21, 1)
    monkeypatch.setattr(health._last, "until", 0.0)
    client.get("/health/ready")
    assert len(counted) == 2
