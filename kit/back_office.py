"""What the back office of every app shares."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.contrib.auth import get_permission_codename
from django.http import HttpRequest


class ReadOnly:
    """An admin class that shows rows and has no forms for them; put it first in the bases.

    What its actions do takes the permission to change rows: `permissions=["operate"]`.
    """

    opts: Any  # of the admin class

    def has_operate_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may do more than look."""
        name = get_permission_codename("change", self.opts)
        has_perm = getattr(request.user, "has_perm", None)
        return bool(has_perm and has_perm(f"{self.opts.app_label}.{name}"))

    def has_add_permission(self, *args: Any) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, *args: Any) -> bool:
        """Nobody edits them."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes them."""
        return False


def load(package: str, path: Iterable[str]) -> None:
    """Import every module of an `admin` package, so that its classes are registered."""
    for module in pkgutil.iter_modules(path):
        import_module(f"{package}.{module.name}")
