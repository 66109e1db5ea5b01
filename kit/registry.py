"""What apps register with those below them, which never import them.

An app names it in an attribute of its AppConfig (`apps.py`): a list of dotted names, of
modules or of what is in them.

| attribute | what it names | who calls or reads it |
|---|---|---|
| `lifecycle` | modules with hooks of workspaces | `accounts.lifecycle` |
| `webhook_events` | modules that declare types of event | `webhooks.events` |
| `encrypted` | lists of columns | `kit.rotation` |
| `swept` | a `kit.work.loop.Work`, or a module, with `sweep()` | `manage.py dispatch` |
"""

from pkgutil import resolve_name
from typing import Any

from django.apps import apps


def registered(attribute: str) -> dict[str, Any]:
    """Return what all apps name in an attribute of theirs, imported, by its dotted name.

    In the order of INSTALLED_APPS: what an app may import comes before it.
    """
    return {
        name: resolve_name(name)
        for app in apps.get_app_configs()
        for name in getattr(app, attribute, ())
    }
