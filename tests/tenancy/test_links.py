"""Signed links work without a login, for their own job only."""

import json
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts.models import User, Workspace
from synthesis.models import Job
from tests.tenancy.asking import (
    ask,
    body_of,
    changed_since,
    code_of,
    comparable,
    snapshot,
)
from tests.tenancy.table import ROWS
from tests.tenancy.test_ids import by_name, url_of, values_of
from tests.tenancy.world import Asker, Tenant, World

_FILES = {"audio", "words", "zip", "m4b", "srt", "vtt"}
FILES = [row for row in ROWS if row.route.rpartition("/")[2] in _FILES]


def links_of(tenant: Tenant, asker: Asker) -> str:
    """Return the query string of a signed link to a tenant's job."""
    url = f"/api/v1/jobs/{tenant.things['job']}/links"
    signed = json.loads(body_of(ask(asker, "POST", url)))
    queries = {urlsplit(signed[name]).query for name in ("zip", "audio", "srt")}
    queries |= {urlsplit(scene["audio_url"]).query for scene in signed["scenes"]}
    (query,) = queries
    return str(query)


@pytest.fixture
def link(world: World) -> str:
    return links_of(world.alice, world.askers["owner"][1])


@pytest.mark.parametrize("row", FILES, ids=by_name)
def test_a_link_opens_a_file_for_all_but_blocked_users(world, link, row) -> None:
    url = f"{url_of(row, values_of(row, world.alice.things))}?{link}"

    for name in ("guest", "stranger", "operators", "sandbox", "owner"):
        for asker in world.askers[name]:
            response = ask(asker, "GET", url)
            assert response.status_code == row.owner, (name, asker.name)
            kept = response.headers["Cache-Control"]
            assert kept.startswith("private") or kept == "no-store"
    for asker in world.askers["blocked"]:
        response = ask(asker, "GET", url)
        assert (response.status_code, code_of(response)) == (403, "blocked")


@pytest.mark.parametrize("row", FILES, ids=by_name)
@pytest.mark.parametrize("whom", ["owner", "workspace", "deleted"])
def test_a_link_ends_with_its_owner_and_with_the_job(world, link, row, whom) -> None:
    tenant = world.alice
    url = url_of(row, values_of(row, tenant.things))
    missing = comparable(ask(world.askers["guest"][0], "GET", url))
    if whom == "owner":
        User.objects.filter(pk=tenant.owner.pk).update(is_blocked=True)
    elif whom == "workspace":
        Workspace.objects.filter(pk=tenant.team.pk).update(is_blocked=True)
    else:
        Job.objects.filter(pk=tenant.things["job"]).update(
            is_deleted=True, deleted_at=timezone.now()
        )
    before = snapshot()

    for name in ("guest", "stranger"):
        for asker in world.askers[name]:
            response = ask(asker, "GET", f"{url}?{link}")
            assert response.status_code == 404, (name, asker.name)
            if name == "guest":
                assert comparable(response) == missing
    for asker in world.askers["owner"]:
        shut = 404 if whom == "deleted" else 403
        assert ask(asker, "GET", f"{url}?{link}").status_code == shut
    assert changed_since(before) == set()


@pytest.mark.parametrize("row", FILES, ids=by_name)
def test_running_jobs_of_a_blocked_customer_are_not_shown(world, row) -> None:
    things = world.alice.things | {"job": world.alice.things["running_job"]}
    url = url_of(row, values_of(row, things | {"scene_id": "1"}))
    made = ask(world.askers["owner"][1], "POST", f"/api/v1/jobs/{things['job']}/links")
    query = urlsplit(json.loads(body_of(made))["zip"]).query
    User.objects.filter(pk=world.alice.owner.pk).update(is_blocked=True)

    for asker in world.askers["owner"]:
        assert ask(asker, "GET", url).status_code == 403
    assert ask(world.askers["guest"][0], "GET", f"{url}?{query}").status_code == 404


@pytest.mark.parametrize("row", FILES, ids=by_name)
def test_a_link_opens_no_other_job_and_can_not_be_changed(world, link, row) -> None:
    stranger, guest = world.askers["stranger"][1], world.askers["guest"][0]
    url = url_of(row, values_of(row, world.alice.things))
    theirs = links_of(world.mallory, stranger)
    name, _, secret = link.partition("=")
    data, _, rest = secret.partition(":")
    wrong = [
        theirs,
        f"{name}=",
        f"{name}=x",
        f"{name}={secret[:-1]}",
        f"{name}={data[:-1]}{'A' if data[-1] != 'A' else 'B'}:{rest}",
        f"{name}={secret}%00",
        f"{name}=%FF",
        f"{name}={'x' * 5000}",
        f"{name}={theirs.partition('=')[2]}&{name}={theirs.partition('=')[2]}",
    ]

    for query in wrong:
        response = ask(guest, "GET", f"{url}?{query}")
        assert response.status_code == 404, query


def test_a_link_does_not_open_the_job_itself(world, link) -> None:
    job = world.alice.things["job"]
    guest = world.askers["guest"][0]
    before = snapshot()

    for method, path, status in [
        ("GET", "", 404),
        ("GET", "/scenes", 404),
        ("GET", "/scenes/1", 404),
        ("DELETE", "", 401),
        ("POST", "/cancel", 404),
        ("POST", "/links", 401),
        ("POST", "/zip", 405),
    ]:
        url = f"/api/v1/jobs/{job}{path}?{link}"
        assert ask(guest, method, url).status_code == status, (method, path)
    assert changed_since(before) == set()
