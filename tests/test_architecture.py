"""The house rules that a reader can't see in any one file."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

ROOT = Path(settings.BASE_DIR)

# Each app and those that it may import: the arrows of docs/architecture.md, followed to
# their ends. `config` puts everything together, and nothing imports it.
MAY_IMPORT: dict[str, set[str]] = {
    "kit": set(),
    "accounts": {"kit"},
    "webhooks": {"accounts", "kit"},
    "billing": {"webhooks", "accounts", "kit"},
    "providers": {"accounts", "kit"},
    "synthesis": {"billing", "webhooks", "providers", "accounts", "kit"},
    "config": {"synthesis", "billing", "webhooks", "providers", "accounts", "kit"},
}
OURS = set(MAY_IMPORT) | {"tests", "benchmarks"}

# Calls that take the name of a module or a model as text.
_BY_NAME = {
    *("import_module", "import_string", "get_model"),
    *("ForeignKey", "OneToOneField", "ManyToManyField"),
}

# What answers requests: programs, people, operators. Everything else is a rule.
DOORS = {"api", "pages", "admin"}
# These put the doors together.
_OPENS_DOORS = {"config.urls"}

# A manager's methods that reach rows without saying whose. What a request may see goes
# through `for_workspace` first.
_UNSCOPED = {
    *("all", "filter", "exclude", "get", "first", "last", "values", "values_list"),
    *("in_bulk", "raw", "order_by", "select_for_update", "update", "delete"),
}
# Each with the reason why it needs no workspace.
_MAY_ASK_UNSCOPED: dict[str, set[str]] = {
    # The scenes of one job, which came through `for_workspace`.
    "synthesis/api/jobs.py": {"Scene.objects.filter"},
    "synthesis/api/requests.py": {"Scene.objects.filter"},
    # Figures of the whole installation, for operators' monitoring.
    "config/api/metrics.py": {
        *("Gate.objects.order_by", "Upstream.objects.all"),
        "Provider.objects.values_list",
        *("Scene.objects.filter", "Job.objects.filter"),
    },
}
_MOST_ENTRIES = 20  # at the top of an app: a newcomer reads it at one look
_NOT_COUNTED = {"__init__.py", "__pycache__", "management", "migrations"}

# Classes whose subclasses answer requests.
_VIEWS = {
    "APIView",
    "ListAPIView",
    "GenericAPIView",
    "View",
    "TemplateView",
    "FormView",
}
_GOES_OVER_DOORS = {"accounts/audit/mixin.py"}  # a layer on every admin class
_VIEWS |= {"ModelAdmin", "TabularInline", "StackedInline"}

_LONGEST_FILE = 500  # lines
_VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "core"}


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imported_modules(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of what a file imports, wherever in it, and however."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                for alias in node.names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(level=0, module=str(module)):
                yield node.lineno, module
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                function = ast.unparse(node.func).rpartition(".")[2]
                if function in _BY_NAME and "." in name:
                    yield node.lineno, name


def test_imports_are_seen_wherever_they_are():
    code = """
import kit.errors, accounts.models as models
from billing import ledger
def late():
    from providers.contract.base import Adapter
    import_module("synthesis.tasks")
    models.ForeignKey("webhooks.Event", models.CASCADE)
    print("config.settings")
"""
    assert {name for _, name in imported_modules(ast.parse(code))} == {
        *("kit.errors", "accounts.models", "billing", "providers.contract.base"),
        *("synthesis.tasks", "webhooks.Event"),
    }


def test_unscoped_calls_are_seen():
    code = """
queryset = Job.objects.all()
Job.objects.for_workspace(workspace).filter(status="queued")
Job._default_manager.select_for_update().get(pk=1)
get_object_or_404(Job, pk=1)
get_object_or_404(Job.objects.for_workspace(workspace), pk=1)
{}.get("objects")
"""
    assert [call for _, call in unscoped_calls(ast.parse(code))] == [
        "Job.objects.all",
        "get_object_or_404",
        "Job._default_manager.select_for_update",
    ]


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_imports_follow_the_arrows(app):
    allowed = MAY_IMPORT[app] | {app}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files(app)
        for line, name in imported_modules(tree_of(path))
        if name.split(".")[0] in OURS - allowed
    ]
    assert wrong == []


def test_apps_are_installed_in_the_order_of_the_arrows():
    """What they register comes in this order: wallets open before they are spent from."""
    ours = [config.name for config in apps.get_app_configs() if config.name in OURS]
    assert set(ours) == set(MAY_IMPORT)
    for number, app in enumerate(ours):
        assert MAY_IMPORT[app] <= set(ours[:number]), f"{app} comes too early"


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_migrations_follow_the_arrows(app):
    allowed = MAY_IMPORT[app] | {app}
    wrong = [
        f"{path.relative_to(ROOT)}: depends on {label}"
        for path in (ROOT / app).glob("migrations/0*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "dependencies"
        for pair in ast.walk(node.value)
        if isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Constant)
        for label in [pair.elts[0].value]
        if label in OURS - allowed
    ]
    assert wrong == []


def test_what_is_imported_is_chosen():
    """A package that comes along with another can go with it, or change under us."""
    wanted = {
        found
        for name in ("requirements.in", "requirements-voice.in")
        for found in re.findall(r"^[a-z][\w.-]*", (ROOT / name).read_text(), re.M)
    }
    distributions = packages_distributions()
    imported = {
        name.split(".")[0]
        for app in MAY_IMPORT
        for path in python_files(app)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for _, name in imported_modules(ast.Module([node], []))
    }
    foreign = imported - OURS - set(sys.stdlib_module_names)
    wrong = [
        name
        for name in sorted(foreign)
        if not {
            found.lower().replace("_", "-") for found in distributions.get(name, [])
        }
        & wanted
    ]
    assert wrong == [], "add to requirements.in, and run `make pins`"


def test_imports_are_absolute():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for app in MAY_IMPORT
        for path in python_files(app)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert wrong == []


def door_of(module: str) -> str | None:
    """Return the door that a module belongs to, as `app.door`; None for a rule."""
    app, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    return f"{app}.{name}" if app in MAY_IMPORT and name in DOORS else None


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of each thing that a file imports."""
    yield from imported_modules(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def wrong_doors(module: str, tree: ast.Module) -> list[tuple[int, str]]:
    """Return line and name of each import of another door."""
    own = door_of(module)
    return [
        (line, name)
        for line, name in imported_names(tree)
        if door_of(name) not in (None, own) and module not in _OPENS_DOORS
    ]


@pytest.mark.parametrize(
    "code",
    [
        "from billing.api import credits",
        "from billing import api",
        "from billing.api.credits import CreditsView",
        "import billing.api.credits",
        "import_module('billing.api.credits')",
    ],
)
def test_imports_of_doors_are_seen(code):
    tree = ast.parse(code)
    for module in ("billing.pages.credits", "billing.ledger", "synthesis.api.jobs"):
        assert wrong_doors(module, tree) != [], module
    assert wrong_doors("billing.api.usage", tree) == []


def test_no_door_is_imported_but_by_itself():
    """What two doors need is a rule, and rules don't know who calls them."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for app in MAY_IMPORT
        for path in python_files(app)
        for line, name in wrong_doors(name_of(path), tree_of(path))
    ]
    assert wrong == []


def test_doors_are_folders():
    """A view in a file of another name would escape the rules for doors."""
    wrong = [
        str(path.relative_to(ROOT))
        for app in MAY_IMPORT
        for path in python_files(app)
        if door_of(name_of(path)) is None
        and path.relative_to(ROOT).as_posix() not in _GOES_OVER_DOORS
        and (
            path.stem.startswith(("api", "views", "admin", "pages"))
            or any(
                isinstance(node, ast.ClassDef)
                and any(
                    ast.unparse(base).rpartition(".")[2].partition("[")[0] in _VIEWS
                    for base in node.bases
                )
                for node in ast.walk(tree_of(path))
            )
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_the_top_of_an_app_is_read_at_one_look(app):
    entries = {path.name for path in (ROOT / app).iterdir()} - _NOT_COUNTED
    assert len(entries) <= _MOST_ENTRIES, sorted(entries)


def request_modules() -> list[Path]:
    """Return the modules that answer customers' requests; operators see everything."""
    return [
        path
        for app in MAY_IMPORT
        for path in python_files(app)
        if (door := door_of(name_of(path))) and not door.endswith(".admin")
    ]


def unscoped_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each call that reaches rows without saying whose."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        owner, _, method = call.rpartition(".")
        is_manager = owner.endswith((".objects", "._default_manager"))
        if is_manager and method in _UNSCOPED:
            yield node.lineno, call
        takes_rows = call in {"get_object_or_404", "get_list_or_404"}
        if takes_rows and isinstance(node.args[0], ast.Name):
            yield node.lineno, call


def test_requests_reach_rows_through_their_workspace():
    wrong = [
        f"{name}:{line} {call}: use .for_workspace(…)"
        for path in request_modules()
        for name in [str(path.relative_to(ROOT))]
        for line, call in unscoped_calls(tree_of(path))
        if call not in _MAY_ASK_UNSCOPED.get(name, set())
    ]
    assert wrong == []


def test_exceptions_are_still_needed():
    for name, calls in _MAY_ASK_UNSCOPED.items():
        found = {
            ast.unparse(node.func)
            for node in ast.walk(tree_of(ROOT / name))
            if isinstance(node, ast.Call)
        }
        assert calls <= found, name


def test_rules_are_called_and_not_signalled():
    """A signal hides who does what when a row is saved."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.module}"
        for app in MAY_IMPORT
        for path in python_files(app)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom)
        and node.module == "django.db.models.signals"
    ]
    assert wrong == []


def test_connections_are_given_back_in_one_place():
    """A bare `close()` ends the transaction of whoever has one open."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: use kit.db.connections.give_back()"
        for app in MAY_IMPORT
        for path in python_files(app)
        if path != ROOT / "kit/db/connections.py"
        for tree in [tree_of(path)]
        if "django.db.connection" in {name for _, name in imported_names(tree)}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "connection.close"
    ]
    assert wrong == []


def test_decorators_say_who_opens_a_transaction():
    """In prose nobody would hold it."""
    wrong = [
        f"{path.relative_to(ROOT)}: use kit.db.transactions"
        for app in MAY_IMPORT
        for path in python_files(app)
        for text in [path.read_text()]
        if re.search(r"Needs (an open|the|a)\s+transaction", text)
        or ("in_atomic_block" in text and path.parent != ROOT / "kit/db")
    ]
    assert wrong == []


def test_names_say_what_is_in_them():
    wrong = [
        str(path.relative_to(ROOT))
        for folder in OURS
        for path in (ROOT / folder).rglob("*")
        if path.stem in _VAGUE_NAMES and (path.is_dir() or path.suffix == ".py")
    ]
    assert wrong == []


def test_files_are_short():
    """Past this a file has more than one subject: split it by verb."""
    wrong = {
        str(path.relative_to(ROOT)): lines
        for folder in OURS | {"static", "templates"}
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".js", ".css", ".html"}
        and "migrations" not in path.parts
        for lines in [path.read_text().count("\n")]
        if lines > _LONGEST_FILE
    }
    assert wrong == {}
