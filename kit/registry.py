"""The registry by which an app is called by lower apps, which never import it.

An app registers modules, or objects in them, by their dotted names in a list attribute of
its AppConfig (`apps.py`).

| attribute | what it lists | used by |
|---|---|---|
| `lifecycle` | modules with hooks of workspaces | `accounts.lifecycle` |
| `webhook_events` | modules that declare types of event | `webhooks.events` |
| `invariants` | lists of invariants of credits | `billing.ledger.invariants` |
| `encrypted` | lists of columns | `kit.rotation` |
| `swept` | a `kit.work.loop.Work`, or a module, with `sweep()` | `manage.py dispatch` |
"""

from pkgutil import resolve_name
from typing import Any

from django.apps import apps


def registered(attribute: str) -> dict[str, Any]:
    """Return the objects that all apps list in `attribute`, keyed by dotted name.

    They are in the order of INSTALLED_APPS: an app comes after the apps that it imports.
    """
    return {
        name: resolve_name(name)
        for app in apps.get_app_configs()
        for name in getattr(app, attribute, ())
    }
