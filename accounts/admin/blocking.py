"""Admin actions that block and unblock, for users and workspaces."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.people import blocking
from kit.errors import AppError


class BlockingAdmin(ModelAdmin):
    actions = ["block", "unblock"]

    @admin.action(description="Block", permissions=["change"])
    def block(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Block the chosen rows; see `accounts.people.blocking`."""
        self._apply(request, chosen, blocking.block, "Blocked.")

    @admin.action(description="Unblock", permissions=["change"])
    def unblock(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Unblock the chosen rows."""
        self._apply(request, chosen, blocking.unblock, "Unblocked.")

    def _apply(
        self,
        request: HttpRequest,
        chosen: QuerySet[Any],
        run: Callable[[Any], object],
        note: str,
    ) -> None:
        count = 0
        for one in chosen:
            try:
                with transaction.atomic():
                    run(one)
                    self.log_change(request, one, note)
            except AppError as error:
                self.message_user(request, f"{one}: {error}", messages.WARNING)
            else:
                count += 1
        if count:
            self.message_user(request, f"{note} {count} in all.")
