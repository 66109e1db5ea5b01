"""Users in the back office."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin.blocking import BlockingAdmin
from accounts.errors import NotAllowed
from accounts.models import (
    Membership,
    User,
)
from accounts.people import closing, exports
from accounts.people.signup import normalize_email, sign_up
from kit.back_office import ReadOnly
from kit.errors import Invalid

admin.site.unregister(Group)


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin, ModelAdmin):
    """Sets of permissions that operators who are no superusers may have."""


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person, under the one form of their address."""

    def clean_email(self) -> str:
        """Return the address as people are known by it."""
        try:
            return normalize_email(self.cleaned_data["email"])
        except Invalid as error:
            raise forms.ValidationError("This is no usable address.") from error


class MembershipInline(ReadOnly, TabularInline):
    """Who is in which workspace."""

    model = Membership
    fields = ["user", "workspace", "role", "created_at"]
    readonly_fields = fields
    show_change_link = False
    extra = 0
    verbose_name_plural = "memberships"


@admin.register(User)
class UserAdmin(BlockingAdmin):
    """People. They are closed, never deleted by hand: a purge removes what they leave."""

    form = PersonForm
    actions = [*BlockingAdmin.actions, "close", "reopen", "export"]
    list_display = [
        "email",
        "is_staff",
        "is_blocked",
        "closed_at",
        "created_at",
        "last_login",
    ]
    list_filter = [
        "is_staff",
        "is_blocked",
        "is_active",
        ("closed_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["email", "=id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "email",
        "is_blocked",
        "is_active",
        "closed_at",
        "is_staff",
        "is_superuser",
        "groups",
        "preferences",
        "created_at",
        "last_login",
    ]
    filter_horizontal = ["groups"]
    inlines = [MembershipInline]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Ask but for the address of somebody new."""
        return self.fields if obj else ["email"]

    def get_inlines(
        self, request: HttpRequest, obj: Model | None
    ) -> list[type[TabularInline]]:
        """Show no memberships of a user who is not there yet."""
        return self.inlines if obj else []

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Keep permissions to superusers: others could give themselves any."""
        if obj is None:
            return []
        # Blocking is the one way to suspend people: it cancels their work, too.
        shown = ["email", "is_blocked", "is_active", "closed_at", "preferences"]
        shown += ["created_at", "last_login"]
        if not getattr(request.user, "is_superuser", False):
            shown += ["is_staff", "is_superuser", "groups"]
        return shown

    def _apply(
        self,
        request: HttpRequest,
        chosen: QuerySet[Any],
        run: Callable[[Any], object],
        note: str,
    ) -> None:
        """Do it to the chosen people; superusers are touched by superusers alone."""

        def guarded(person: User) -> None:
            if person.is_superuser and not getattr(request.user, "is_superuser", False):
                raise NotAllowed
            run(person)

        super()._apply(request, chosen, guarded, note)

    @admin.action(description="Close the account", permissions=["change"])
    def close(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Close the chosen accounts, as their owners could."""
        self._apply(request, chosen, closing.close, "Closed.")

    @admin.action(description="Open the account again", permissions=["change"])
    def reopen(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Open the chosen accounts again, as a login would."""
        self._apply(request, chosen, closing.reopen, "Opened again.")

    @admin.action(description="Pack their data", permissions=["change"])
    def export(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Have archives of the chosen people's data made; they are told by mail."""
        self._apply(request, chosen, exports.begin_for, "Data is being packed.")

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes people by hand."""
        return False

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        """Sign up somebody new, with a workspace and all that belongs to it."""
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = sign_up(obj.email).pk
