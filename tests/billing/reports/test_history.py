"""`GET /api/v1/usage/history`: sums over a limited range, as JSON and as CSV."""

import csv
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.db import connection, transaction

from accounts import tokens
from accounts.people import blocking
from billing.models import Split, Usage
from billing.reports import usage
from kit.ids import new_id
from tests import factories

pytestmark = pytest.mark.django_db
HISTORY = "/api/v1/usage/history"
RANGE = "?from=2027-03-01&to=2027-03-31"


@pytest.fixture
def ada():
    return factories.user("ada@example.com")


@pytest.fixture
def workspace(ada):
    return factories.workspace(ada)


def spoken(workspace, day, characters=10, **fields):
    """Write a charge that was made on `day` of March 2027, or at a moment."""
    values = {
        "environment": "PRODUCTION",
        "user_id": None,
        "token_id": None,
        "provider": "unicorn",
        "voice": "unicorn:en-us",
        "split": Split(0, characters),
    } | fields
    at = day if isinstance(day, datetime) else datetime(2027, 3, day, 12, tzinfo=UTC)
    split = values.pop("split")
    Usage.objects.create(
        workspace=workspace,
        job="1",
        scene=str(new_id()),
        render=1,
        characters=characters,
        credits=split.subscription + split.credits,
        from_subscription=split.subscription,
        from_credits=split.credits,
        billed_to="credits" if split.credits else "subscription",
        created_at=at,
        **values,
    )


def get(user, query="", **headers):
    return factories.api(factories.token(user), **headers).get(HISTORY + query)


def test_days_are_summed(ada, workspace):
    spoken(workspace, 2, 10)
    spoken(workspace, 2, 20, split=Split(15, 5))
    spoken(workspace, 31, 7)
    spoken(workspace, datetime(2027, 3, 1, tzinfo=UTC), 1)
    spoken(workspace, datetime(2027, 3, 31, 23, 59, 59, tzinfo=UTC), 2)
    spoken(workspace, datetime(2027, 4, 1, tzinfo=UTC), 100)
    spoken(workspace, datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC), 100)
    spoken(workspace, 3, 100, environment="SANDBOX")
    answer = get(ada, RANGE)
    assert answer.status_code == 200
    assert answer.json() == {
        "from": "2027-03-01",
        "to": "2027-03-31",
        "group": "day",
        "results": [
            row("day", "2027-03-01", 1, 1, 1),
            row("day", "2027-03-02", 2, 30, 30, subscription=15),
            row("day", "2027-03-31", 2, 9, 9),
        ],
    }
    sandbox = get(ada, RANGE, **{"X-Environment": "SANDBOX"}).json()["results"]
    assert sandbox == [row("day", "2027-03-03", 1, 100, 100)]


def row(group, key, scenes, characters, credits, subscription=0, **more):
    return {
        group: key,
        **more,
        "scenes": scenes,
        "characters": characters,
        "credits": credits,
        "split": {"subscription": subscription, "credits": credits - subscription},
    }


def test_other_groups_have_the_largest_first(ada, workspace):
    named = tokens.issue(workspace, ada, name="Robot")[0]
    spoken(workspace, 2, 10, token_id=named.pk)
    spoken(workspace, 3, 30, provider="openai", voice="openai:alloy")
    spoken(workspace, 4, 5, voice="unicorn:en-gb", token_id=named.pk)

    def results(group):
        return get(ada, f"{RANGE}&group={group}").json()["results"]

    assert results("provider") == [
        row("provider", "openai", 1, 30, 30),
        row("provider", "unicorn", 2, 15, 15),
    ]
    assert [one["voice"] for one in results("voice")] == [
        "openai:alloy",
        "unicorn:en-us",
        "unicorn:en-gb",
    ]
    assert results("token") == [
        row("token", None, 1, 30, 30, name=""),
        row("token", str(named.pk), 2, 15, 15, name="Robot"),
    ]


def test_default_range_is_the_last_30_days(ada, workspace):
    today = datetime.now(UTC)
    spoken(workspace, today, 1)
    spoken(workspace, today - timedelta(days=29), 2)
    spoken(workspace, today - timedelta(days=31), 4)
    body = get(ada).json()
    assert sum(one["characters"] for one in body["results"]) == 3
    assert date.fromisoformat(body["to"]) - date.fromisoformat(
        body["from"]
    ) == timedelta(days=29)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?from=yesterday", "from"),
        ("?from=2027-02-30", "from"),
        ("?to=20270301x", "to"),
        ("?from=2027-03-02&to=2027-03-01", "to"),
        ("?from=2026-01-01&to=2027-01-02", "from"),
        ("?to=0001-01-05", "to"),
        ("?from=1999-12-31&to=2000-01-02", "from"),
        ("?from=9999-12-31", "from"),
        ("?from=9999-12-01&to=9999-12-31", "from"),
        ("?from=2100-12-01&to=2101-01-01", "to"),
        ("?group=job", "group"),
        ("?group=day%00", "group"),
        ("?format=pdf", "format"),
    ],
)
def test_invalid_query_is_refused(ada, query, field):
    answer = get(ada, query)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == [field]


def test_a_year_is_the_longest_range(ada):
    assert get(ada, "?from=2027-01-01&to=2027-12-31").status_code == 200
    assert get(ada, "?from=2028-01-01&to=2028-12-31").status_code == 200
    assert get(ada, "?from=2028-01-01&to=2029-01-01").status_code == 400


def test_history_as_csv(ada, workspace):
    evil = tokens.issue(workspace, ada, name='=HYPERLINK("http://x")')[0]
    spoken(workspace, 2, 20, split=Split(15, 5), token_id=evil.pk)
    spoken(workspace, 3, 5)
    answer = get(ada, f"{RANGE}&group=token&format=csv")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == (
        'attachment; filename="usage-2027-03-01-2027-03-31-token.csv"'
    )
    assert answer.streaming
    rows = list(csv.reader(StringIO(b"".join(answer).decode())))
    assert rows == [
        [
            *("token", "name", "scenes", "characters", "credits"),
            *("from_subscription", "from_credits"),
        ],
        [
            str(evil.pk),
            '\'=HYPERLINK("http://x")',
            *("1", "20", "20", "15", "5"),
        ],
        ["", "", "1", "5", "5", "0", "5"],
    ]


@pytest.mark.parametrize(
    "start", [*"=+-@\t\r\n", *"＝＋－＠﹦﹢﹣﹫⁺₌", " =", "\u3000＝", "\u00a0+"]
)
def test_csv_has_no_formulas(ada, workspace, start):
    spoken(workspace, 2, voice=f"{start}cmd")
    answer = get(ada, f"{RANGE}&group=voice&format=csv")
    lines = list(csv.reader(StringIO(b"".join(answer).decode(), newline="")))
    assert lines[1][0] == f"'{start}cmd"


def test_members_see_their_own_usage_only(ada):
    bob = factories.user("bob@example.com")
    team = factories.team(ada, bob)
    spoken(team, 2, 10, user_id=ada.pk)
    spoken(team, 2, 20, user_id=bob.pk)

    def credits(person):
        headers = {"X-Workspace": str(team.pk)}
        answer = factories.browser(person).get(HISTORY + RANGE, headers=headers)
        return [one["credits"] for one in answer.json()["results"]]

    assert credits(ada) == [30]
    assert credits(bob) == [20]


def test_usage_of_other_workspaces_is_not_visible(ada, workspace):
    spoken(workspace, 2, 10)
    eve = factories.user("eve@example.com")
    assert get(eve, RANGE).json()["results"] == []
    headers = {"X-Workspace": str(workspace.pk)}
    assert get(eve, RANGE, **headers).json()["results"] == []
    answer = factories.browser(eve).get(HISTORY + RANGE, headers=headers)
    assert answer.status_code == 404


def test_who_may_read_the_history(ada, workspace):
    assert factories.api().get(HISTORY).json()["code"] == "authentication_required"
    api = factories.api(factories.token(ada))
    assert api.get(HISTORY + "?environment=mars").status_code == 400
    bound = factories.api(factories.token(ada, environment="SANDBOX"))
    assert bound.get(HISTORY + "?environment=production").status_code == 400
    blocking.block(ada)
    assert api.get(HISTORY).json()["code"] == "blocked"


def test_range_uses_an_index(ada, workspace):
    caller = factories.caller(ada)
    rows = usage._visible(caller, usage.Range.of(date(2027, 3, 1), date(2027, 3, 31)))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = rows.explain()
    assert "usage_history" in plan
