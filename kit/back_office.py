"""Shared parts of the admin classes of all apps."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.contrib.auth import get_permission_codename
from django.http import HttpRequest


class ReadOnly:
    """Mixin for an admin class that shows rows without forms; put it first in the bases.

    Its actions require the permission to change rows: `permissions=["operate"]`.
    """

    opts: Any  # of the admin class

    def has_operate_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this operator may run actions on rows."""
        name = get_permission_codename("change", self.opts)
        has_perm = getattr(request.user, "has_perm", None)
        return bool(has_perm and has_perm(f"{self.opts.app_label}.{name}"))

    def has_add_permission(self, *args: Any) -> bool:
        """Return False: rows are not added by hand."""
        return False

    def has_change_permission(self, *args: Any) -> bool:
        """Return False: rows are not edited by hand."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Return False: rows are not deleted by hand."""
        return False


def load(package: str, path: Iterable[str]) -> None:
    """Import every module of an `admin` package, which registers its admin classes."""
    for module in pkgutil.iter_modules(path):
        import_module(f"{package}.{module.name}")
