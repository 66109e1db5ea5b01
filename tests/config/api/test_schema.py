import json

import pytest
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.people import blocking
from tests import factories

JSON_TYPE = "application/vnd.oai.openapi+json"


@pytest.fixture
def schema(client, db):
    response = client.get("/api/v1/schema/")
    assert response.status_code == 200
    assert response["Content-Type"].startswith(JSON_TYPE)
    return response.json()


def test_the_schema_is_valid_and_says_all_there_is_to_say(capsys):
    call_command("spectacular", "--validate", "--fail-on-warn")

    assert "openapi: 3" in capsys.readouterr().out


def test_every_operation_describes_errors_and_authentication(schema):
    error = {"$ref": "#/components/schemas/Error"}
    operations = [
        operation for path in schema["paths"].values() for operation in path.values()
    ]

    assert len(operations) >= 10
    for operation in operations:
        told = operation["responses"]["default"]["content"]["application/json"]
        assert told == {"schema": error}
        assert operation["security"][:2] == [{"token": []}, {"cookie": []}]
    assert schema["components"]["schemas"]["Error"]["required"] == ["code", "detail"]
    assert list(schema["components"]["securitySchemes"]) == ["cookie", "token"]


def test_operations_for_guests_need_no_authentication(schema):
    assert {} in schema["paths"]["/api/v1/me"]["get"]["security"]
    assert {} not in schema["paths"]["/api/v1/me"]["patch"]["security"]
    assert {} not in schema["paths"]["/api/v1/tokens"]["get"]["security"]


def test_every_route_of_the_api_is_described(schema):
    def routes(patterns, prefix=""):
        for entry in patterns:
            if isinstance(entry, URLResolver):
                yield from routes(entry.url_patterns, prefix + str(entry.pattern))
            elif isinstance(entry, URLPattern):
                yield "/" + prefix + str(entry.pattern)

    def shape(path):
        return [part.startswith(("<", "{")) or part for part in path.split("/")]

    ours = [
        path
        for path in routes(get_resolver().url_patterns)
        if path.startswith("/api/v1/")
        and path not in ("/api/v1/schema/", "/api/v1/docs/")
    ]

    described = [shape(path) for path in schema["paths"]]
    assert [path for path in ours if shape(path) not in described] == []


def test_the_page_needs_no_inline_script_or_style(client, db):
    page = client.get("/api/v1/docs/")

    assert page.status_code == 200
    assert page["Content-Security-Policy"].count("unsafe") == 0
    html = page.content.decode()
    assert "<style" not in html
    assert "<script>" not in html
    script = client.get("/api/v1/docs/?script=")
    assert script["Content-Type"] == "application/javascript"
    assert json.dumps("/api/v1/schema/") in script.content.decode().replace("'", '"')


def test_the_page_needs_no_authentication(db):
    alice = factories.user()
    browser = factories.browser(alice)
    blocking.block(alice)

    assert browser.get("/api/v1/docs/").status_code == 200
    assert browser.get("/api/v1/schema/").json()["code"] == "blocked"


def test_a_voice_is_optional_everywhere(schema):
    shapes = schema["components"]["schemas"]
    for name, needed in {
        "JobRequestRequest": [],
        "SceneRequestRequest": ["text"],
        "SpeechRequestRequest": ["input"],
        "PatchedSceneChangeRequest": [],
    }.items():
        assert "voice" in shapes[name]["properties"]
        assert shapes[name].get("required", []) == needed
    assert {"voice", "voices"} <= set(shapes["Estimate"]["required"])
    assert "voice" in shapes["Speech"]["required"]
