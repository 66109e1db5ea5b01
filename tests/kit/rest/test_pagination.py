"""Cursor pagination, with invalid cursors of clients."""

import base64

import pytest

from tests import factories

NOT_FOUND = b'{"code":"not_found","detail":"There is nothing here.","params":{}}'


@pytest.mark.parametrize("path", ["tokens", "workspaces", "credits/entries"])
@pytest.mark.parametrize(
    "text", ["p=nonsense", "p=%00", "p=9e9", f"p={'9' * 40}", "r=1&p=é", "o=x"]
)
def test_an_invalid_cursor_is_not_found(db, path, text) -> None:
    client = factories.api(factories.token())
    cursor = base64.b64encode(text.encode()).decode()

    response = client.get(f"/api/v1/{path}", {"cursor": cursor})

    assert (response.status_code, response.content) == (404, NOT_FOUND)


def test_cursors_lead_through_all_pages(db) -> None:
    alice = factories.user()
    client = factories.api(factories.token(alice))
    for _ in range(4):
        factories.token(alice)
    first = client.get("/api/v1/tokens?limit=2").json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()

    names = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert len(names) == 5
    assert names == sorted(names, reverse=True)
    assert client.get(second["previous"]).json()["results"] == first["results"]
