"""The documents name all that there is, and nothing else."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from kit.errors import AppError

ROOT = Path(settings.BASE_DIR)
APPS = ("kit", "accounts", "webhooks", "billing", "providers", "synthesis", "config")

# What the system or another program sets, not the one who runs Ozvena.
_NOT_OURS = {"DJANGO_SETTINGS_MODULE", "NO_COLOR", "PATH"}
# Importing these has effects of its own, and they declare nothing.
_NOT_IMPORTED = {"config.processes.gunicorn", "config.wsgi"}
# How `manage.py up` hands its port to the web process.
_INTERNAL = {"OZVENA_LISTEN_FD"}

ARCHITECTURE = ROOT / "docs" / "architecture.md"
_FOLDERS = (*APPS, "tests", "benchmarks", "docs", "templates", "static")
_OURS = "|".join(("<app>", *_FOLDERS))
# `<app>/api/<noun>.py` stands for many; "(new)" follows a place that is not there yet.
_PATH = re.compile(rf"(?<![\w./-])((?:{_OURS})/[\w./<>*-]*[\w>*/])(`? \(new\))?")
_DOTTED = re.compile(rf"(?<![\w./-])((?:{'|'.join(APPS)}|settings)(?:\.\w+)+)(?![\w/])")
_SUFFIXES = (".py", ".md", ".css", ".js", ".html", ".txt", ".sql")
_ROUTE = re.compile(
    r"\b(?:GET|POST|PUT|PATCH|DELETE)\s(/(?:api|health|metrics)[\w/{}.-]*)"
)
_ID = "019a9e61-5e3c-7b1d-8f35-b2a0ce51a7d1"
# Explained once, for all apps.
_IN_EVERY_APP = {"migrations", "management", "management/commands"}


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


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def anchors(document: Path) -> set[str]:
    """Return what links can lead to within a document: its headings, as GitHub has them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-")
        for heading in headings
    }


def test_links_between_documents_lead_somewhere():
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents()
        for target in re.findall(r"\]\(([^)\s]+)", document.read_text())
        if "://" not in target
        for path, _, anchor in [target.partition("#")]
        for found in [document.parent / path if path else document]
        if not found.exists() or (anchor and anchor not in anchors(found))
    ]
    assert broken == []


@cache
def our_files() -> frozenset[str]:
    """Return the paths of all files that are ours, with a slash in front."""
    below = [path for name in _FOLDERS for path in (ROOT / name).rglob("*")]
    files = [path for path in [*ROOT.iterdir(), *below] if path.is_file()]
    return frozenset(f"/{path.relative_to(ROOT).as_posix()}" for path in files)


@cache
def text_of_code() -> str:
    files = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    return "\n".join(path.read_text() for path in files)


def quoted(text: str) -> list[str]:
    """Return what stands between backticks, outside of blocks of code."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def is_file(name: str) -> bool:
    return any(path.endswith(f"/{name}") for path in our_files())


def is_path(name: str) -> bool:
    found = ROOT.glob(re.sub(r"<\w+>", "*", name.rstrip("/")))
    return any(path.is_dir() or not name.endswith("/") for path in found)


def is_importable(name: str) -> bool:
    """Whether there is such a module, or such a thing in one."""
    if name.startswith("settings."):
        return hasattr(settings, name.removeprefix("settings."))
    if name in _NOT_IMPORTED:
        return is_path(name.replace(".", "/") + ".py")
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def is_route(path: str) -> bool:
    try:
        resolve(re.sub(r"\{\w+\}", _ID, path))
    except Resolver404:
        return False
    return True


def untrue_names(text: str) -> Iterator[str]:
    """Yield each path, dotted name, command and route of a document that there isn't."""
    for name, is_new in _PATH.findall(text):
        if is_new and is_path(name):
            yield f"{name}: it is there now; drop the (new)"
        elif not is_new and not is_path(name):
            yield name
    prose = re.sub(r"^ *```python.*?^ *```", "", text, flags=re.S | re.M)
    for name in _DOTTED.findall(prose):  # an example in code has names of its own
        if not name.endswith(_SUFFIXES) and not is_importable(name):
            yield name
    for name in quoted(text):
        is_path_of_ours = _PATH.fullmatch(name) or not re.fullmatch(r"[\w./-]+", name)
        if name.endswith(_SUFFIXES) and not is_path_of_ours and not is_file(name):
            yield name
    for name in re.findall(r"manage\.py ([a-z]\w*)", text):
        if name not in get_commands():
            yield f"manage.py {name}"
    for name in re.findall(r"`make ([\w-]+)", text):
        if not re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.M):
            yield f"make {name}"
    for path in _ROUTE.findall(text):
        if not is_route(path):
            yield path


def test_untrue_names_are_seen():
    text = """
`kit/lost.py` and kit/errors.py, `<app>/api/<noun>.py`, `<app>/lost/<noun>.py`,
`billing/gone/<name>.py` (new), `kit/ids.py` (new), `kit/errors.py/`, `lost.css`, `base.css`
```
kit.errors.AppError ──► kit.errors.Lost, settings.LOST, settings.BASE_URL
manage.py up, manage.py lost
```
`make run`, `make lost`, `GET /api/v1/jobs/{id}`, `GET /api/v1/lost`, accounts.
"""
    assert list(untrue_names(text)) == [
        *("kit/lost.py", "<app>/lost/<noun>.py"),
        "kit/ids.py: it is there now; drop the (new)",
        *("kit/errors.py/", "kit.errors.Lost", "settings.LOST"),
        "lost.css",
        *("manage.py lost", "make lost", "/api/v1/lost"),
    ]


def test_names_in_documents_are_true():
    """Whoever moves or renames something finds here which pages still say the old name."""
    wrong = [
        f"{document.relative_to(ROOT)}: {name}"
        for document in documents()
        if document.name != "CHANGELOG.md"  # it tells of what was
        for name in untrue_names(document.read_text())
    ]
    assert wrong == []


def test_words_in_the_architecture_are_those_of_the_code():
    words = set(re.findall(r"\w+", text_of_code()))
    folders = {f"{path.rpartition('/')[0]}/" for path in our_files()}
    wrong = [
        name
        for name in quoted(ARCHITECTURE.read_text())
        if re.fullmatch(r"[\w/]+", name)
        and not _PATH.fullmatch(name)
        and name not in words
        and not any(folder.endswith(f"/{name}") for folder in folders)
        and not (name.startswith("/") and is_route(name))
    ]
    assert wrong == []


def test_every_folder_is_in_the_architecture():
    known = set(quoted(ARCHITECTURE.read_text()))
    folders = {path[1:].rpartition("/")[0] for path in our_files()}
    missing = [
        f"{folder}/"
        for folder in sorted(folders)
        if folder.split("/")[0] in APPS
        and folder.partition("/")[2] not in _IN_EVERY_APP
        and "__pycache__" not in folder
        and f"{folder}/" not in known
    ]
    assert missing == [], "docs/architecture.md says what goes where; add a line"


def test_terms_of_the_glossary_are_those_of_the_code():
    glossary = ARCHITECTURE.read_text().partition("## Glossary")[2]
    terms = re.findall(r"^\| ([a-z ]+) \|", glossary, re.M)[1:]
    assert terms == sorted(terms)
    used = text_of_code().replace("_", " ").lower()
    assert [term for term in terms if not re.search(rf"\b{term}s?\b", used)] == []


def test_requirements_are_exact():
    for name in (
        "requirements.txt",
        "requirements-voice.txt",
        "requirements-dev.txt",
    ):
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
    for name in ("requirements.in", "requirements-voice.in", "requirements-dev.in"):
        for line in (ROOT / name).read_text().splitlines():
            if found := re.match(r"[a-z][\w.-]*", line):
                chosen.add(found.group())
    assert documented == chosen
