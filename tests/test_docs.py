"""The documents name all that there is, and nothing else."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from kit.errors import AppError

ROOT = Path(settings.BASE_DIR)
APPS = ("kit", "accounts", "webhooks", "billing", "providers", "synthesis", "config")

# What the system or another program sets, not the one who runs Ozvena.
_NOT_OURS = {"DJANGO_SETTINGS_MODULE", "NO_COLOR", "PATH"}
# Importing these has effects of its own, and they declare nothing.
_NOT_IMPORTED = {"config.processes.gunicorn", "config.wsgi"}
# How `manage.py up` hands its port to the web process.
_INTERNAL = {"OZVENA_LISTEN_FD"}


def rows(document: str) -> list[tuple[str, ...]]:
    """Return the cells of all tables, heads left out; code loses its quotes."""
    lines = re.findall(r"^\| (`.*) \|$", (ROOT / "docs" / document).read_text(), re.M)
    return [
        tuple(cell.strip().strip("`") for cell in line.split(" | ")) for line in lines
    ]


def variables_read() -> Iterator[str]:
    """Yield the name of each environment variable that some line reads."""
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=reader),
                        args=[ast.Constant(value=str(name)), *_],
                    ) if ast.unparse(reader) in {"env", "os.environ"}:
                        yield name
                    case ast.Subscript(
                        value=ast.Attribute(attr="environ"),
                        slice=ast.Constant(value=str(name)),
                    ):
                        yield name
    yield from re.findall(r"\$\{(\w+)", (ROOT / "Procfile").read_text())


def errors() -> set[type[AppError]]:
    """Return every refusal that any module declares."""
    for app in APPS:
        for module in pkgutil.walk_packages([str(ROOT / app)], f"{app}."):
            if "migrations" not in module.name and module.name not in _NOT_IMPORTED:
                importlib.import_module(module.name)
    found: set[type[AppError]] = set()
    waiting = [AppError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.add(kind)
            waiting.append(kind)
    # A class that only gathers others keeps the code of AppError itself. Tests may declare
    # some of their own.
    return {
        kind
        for kind in found
        if kind.code != AppError.code and kind.__module__.split(".")[0] in APPS
    }


def test_every_variable_is_documented():
    documented = {name for name, *_ in rows("settings.md")}
    missing = set(variables_read()) - documented - _NOT_OURS - _INTERNAL
    assert not missing, f"Add to a table of docs/settings.md: {sorted(missing)}"


def test_every_documented_variable_is_read():
    documented = {name for name, *_ in rows("settings.md")}
    gone = documented - set(variables_read())
    assert not gone, f"Nothing reads these; remove them from docs/settings.md: {gone}"


def test_every_error_is_documented():
    documented = {(code, status) for code, status, _ in rows("errors.md")}
    missing = [
        f"| `{kind.code}` | {int(kind.status)} | {kind.message} |"
        for kind in sorted(errors(), key=lambda kind: (kind.status, kind.code))
        if (kind.code, str(int(kind.status))) not in documented
    ]
    assert not missing, "Add to docs/errors.md, in plain words:\n" + "\n".join(missing)


def test_every_documented_error_exists():
    known = {(kind.code, str(int(kind.status))) for kind in errors()}
    gone = [row[:2] for row in rows("errors.md") if row[:2] not in known]
    assert not gone, f"Nothing raises these; remove them from docs/errors.md: {gone}"


def test_errors_are_in_order():
    found = [(status, code) for code, status, _ in rows("errors.md")]
    assert found == sorted(found)


def test_links_between_documents_lead_somewhere():
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


def test_requirements_are_exact():
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [
            line
            for line in (ROOT / name).read_text().splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
        assert lines
        assert [
            line for line in lines if not re.match(r"[\w.-]+(\[\w+\])?==", line)
        ] == []


def test_what_is_required_is_documented():
    """Each package that we chose has its licence in docs/dependencies.md."""
    documented = {name for name, *_ in rows("dependencies.md")}
    chosen = set()
    for name in ("requirements.in", "requirements-dev.in"):
        for line in (ROOT / name).read_text().splitlines():
            if found := re.match(r"[a-z][\w.-]*", line):
                chosen.add(found.group())
    assert documented == chosen
