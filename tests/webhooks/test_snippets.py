"""The example code for customers verifies signatures."""

import json
import subprocess
import time
import uuid
from base64 import b64encode
from pathlib import Path

import playwright
from django.conf import settings as django_settings

from kit.secrets import Secret
from webhooks import snippets
from webhooks.sending import signing
from webhooks.snippets.verify import is_genuine

BODY = '{"type":"webhook.test","data":{"title":"Ozvěna"}}'.encode()
SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + b64encode(bytes(32)).decode()


def _request(*, secrets: tuple[str, ...] = (SECRET,), ago: int = 0) -> dict[str, str]:
    event_id, at = uuid.uuid4(), int(time.time()) - ago
    keys = [Secret(text) for text in secrets]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(at),
        "webhook-signature": signing.sign(
            keys, event_id=event_id, timestamp=at, body=BODY
        ),
    }


def _cases() -> list[tuple[str, dict[str, str], bytes, bool]]:
    good = _request()
    cases = [
        ("good", good, BODY, True),
        ("new and old", _request(secrets=(OTHER, SECRET)), BODY, True),
        ("290 s old", _request(ago=290), BODY, True),
        ("old", _request(ago=400), BODY, False),
        ("of the future", _request(ago=-400), BODY, False),
        ("of somebody else", _request(secrets=(OTHER,)), BODY, False),
        ("another body", good, BODY + b" ", False),
        ("another id", good | {"webhook-id": "x"}, BODY, False),
        ("no time", good | {"webhook-timestamp": "soon"}, BODY, False),
        ("no signature", good | {"webhook-signature": ""}, BODY, False),
        ("garbage", good | {"webhook-signature": "v1,ěščř v2 , v1"}, BODY, False),
        ("unknown version first", good | _prefixed(good), BODY, True),
    ]
    for name in good:
        without = {key: value for key, value in good.items() if key != name}
        cases.append((f"without {name}", without, BODY, False))
    return cases


def _prefixed(good: dict[str, str]) -> dict[str, str]:
    return {"webhook-signature": "v1a,abc " + good["webhook-signature"]}


def test_the_python_code() -> None:
    cases = _cases()
    found = {
        name: is_genuine(SECRET, headers, body) for name, headers, body, _ in cases
    }
    assert found == {name: genuine for name, *_, genuine in cases}


def test_the_javascript_code(tmp_path: Path) -> None:
    node = Path(playwright.__file__).parent / "driver" / "node"
    cases = _cases()
    module = tmp_path / "verify.mjs"
    module.write_text(snippets.all_snippets()[1].text)
    program = tmp_path / "run.mjs"
    program.write_text(
        'import { isGenuine } from "./verify.mjs";\n'
        'import { readFileSync } from "node:fs";\n'
        'const cases = JSON.parse(readFileSync(0, "utf8"));\n'
        "console.log(JSON.stringify(cases.map(([headers, body]) =>\n"
        f'  isGenuine("{SECRET}", headers, Buffer.from(body, "base64")))));\n'
    )
    sent = [[headers, b64encode(body).decode()] for _, headers, body, _ in cases]
    done = subprocess.run(
        [node, program],
        input=json.dumps(sent).encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = dict(
        zip((name for name, *_ in cases), json.loads(done.stdout), strict=True)
    )
    assert found == {name: genuine for name, *_, genuine in cases}


def test_the_documentation_shows_the_same_code() -> None:
    page = (django_settings.BASE_DIR / "docs" / "webhooks.md").read_text()
    for snippet in snippets.all_snippets():
        assert snippet.text in page
