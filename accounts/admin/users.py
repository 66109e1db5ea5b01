"""Users in the admin."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin.blocking import BlockingAdmin
from accounts.errors import NotAllowed
from accounts.login import second_factor
from accounts.models import (
    Membership,
    User,
)
from accounts.people import closing, exports, staff
from accounts.people.signup import normalize_email, sign_up
from kit.back_office import ReadOnly
from kit.errors import Invalid

admin.site.unregister(Group)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin, ModelAdmin):
    """Groups of permissions, for operators who are not superusers.

    Only superusers change them: others could give their own group every permission.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the operator is a superuser."""
        return _is_superuser(request)

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the operator is a superuser."""
        return _is_superuser(request)

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the operator is a superuser."""
        return _is_superuser(request)


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean_email(self) -> str:
        """Return the normalized email address."""
        try:
            return normalize_email(self.cleaned_data["email"])
        except Invalid as error:
            raise forms.ValidationError("This is not a valid email address.") from error


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
    """Users. Operators close accounts, but don't delete them; the purge does."""

    form = UserForm
    actions = [*BlockingAdmin.actions, "close", "reopen", "export", "enroll"]
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
        """Show only the email address for a new user."""
        return self.fields if obj else ["email"]

    def get_inlines(
        self, request: HttpRequest, obj: Model | None
    ) -> list[type[TabularInline]]:
        """Show no memberships for a new user."""
        return self.inlines if obj else []

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Let only superusers change permissions; others could grant themselves any."""
        if obj is None:
            return []
        # Users are blocked only by the action, which also cancels their work.
        shown = ["email", "is_blocked", "is_active", "closed_at", "preferences"]
        shown += ["created_at", "last_login"]
        if not _is_superuser(request):
            shown += ["is_staff", "is_superuser", "groups"]
        return shown

    def _apply(
        self,
        request: HttpRequest,
        chosen: QuerySet[Any],
        run: Callable[[Any], object],
        note: str,
    ) -> None:
        """Apply an action to users; only superusers may apply it to superusers."""

        def guarded(person: User) -> None:
            if person.is_superuser and not _is_superuser(request):
                raise NotAllowed
            run(person)

        super()._apply(request, chosen, guarded, note)

    @admin.action(description="Close the account", permissions=["change"])
    def close(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Close the chosen accounts, as their users could."""
        self._apply(request, chosen, closing.close, "Closed.")

    @admin.action(description="Reopen the account", permissions=["change"])
    def reopen(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Reopen the chosen accounts, as a login would."""
        self._apply(request, chosen, closing.reopen, "Reopened.")

    @admin.action(description="Export the data", permissions=["change"])
    def export(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Queue archives of the chosen users' data; they are notified by mail."""
        self._apply(request, chosen, exports.begin_for, "Data is being exported.")

    def has_enroll_permission(self, request: HttpRequest) -> bool:
        """Return whether the operator is a superuser."""
        return _is_superuser(request)

    @admin.action(description="Make an enrollment link", permissions=["enroll"])
    def enroll(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Show the link at which an operator sets up the first authenticator app."""
        for person in chosen:
            if not staff.is_operator(person):
                why = f"{person} is not an operator."
                self.message_user(request, why, messages.WARNING)
            elif second_factor.is_set_up(person):
                why = f"{person} has a second factor. Remove it first if it is lost."
                self.message_user(request, why, messages.WARNING)
            else:
                with transaction.atomic():
                    path = second_factor.enrollment_link(person)
                    self.log_change(request, person, "Made an enrollment link.")
                link = f"{settings.BASE_URL}{path}"
                self.message_user(
                    request,
                    f"Give {person} this link, not by mail. It works for a day: {link}",
                )

    def has_delete_permission(self, *args: Any) -> bool:
        """Return False: only the purge deletes users."""
        return False

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        """Save a user; a new one is signed up, with a personal workspace."""
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = sign_up(obj.email).pk
