"""People, workspaces, tokens and the audit log in the back office."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts import tokens
from accounts.errors import NotAllowed
from accounts.models import (
    ApiToken,
    AuditEntry,
    Export,
    MailDomain,
    Membership,
    User,
    Workspace,
)
from accounts.people import blocking, closing, exports
from accounts.people.signup import known_form, sign_up
from kit.back_office import ReadOnly
from kit.errors import AppError, Invalid

admin.site.unregister(Group)


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin, ModelAdmin):
    """Sets of rights that operators who are no superusers may have."""


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person, under the one form of their address."""

    def clean_email(self) -> str:
        """Return the address as people are known by it."""
        try:
            return known_form(self.cleaned_data["email"])
        except Invalid as error:
            raise forms.ValidationError("This is no usable address.") from error


class PlacesInline(ReadOnly, TabularInline):
    """Who is in which workspace."""

    model = Membership
    fields = ["user", "workspace", "role", "created_at"]
    readonly_fields = fields
    show_change_link = False
    extra = 0
    verbose_name_plural = "memberships"


class BlockingAdmin(ModelAdmin):
    """Actions for what can be suspended."""

    actions = ["block", "unblock"]

    @admin.action(description="Block", permissions=["change"])
    def block(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Suspend the chosen ones."""
        self._apply(request, chosen, blocking.block, "Blocked.")

    @admin.action(description="Unblock", permissions=["change"])
    def unblock(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Let the chosen ones in again."""
        self._apply(request, chosen, blocking.unblock, "Unblocked.")

    def _apply(
        self,
        request: HttpRequest,
        chosen: QuerySet[Any],
        act: Callable[[Any], object],
        note: str,
    ) -> None:
        count = 0
        for one in chosen:
            try:
                with transaction.atomic():
                    act(one)
                    self.log_change(request, one, note)
            except AppError as error:
                self.message_user(request, f"{one}: {error}", messages.WARNING)
            else:
                count += 1
        if count:
            self.message_user(request, f"{note} {count} in all.")


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
    inlines = [PlacesInline]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Ask but for the address of somebody new."""
        return self.fields if obj else ["email"]

    def get_inlines(
        self, request: HttpRequest, obj: Model | None
    ) -> list[type[TabularInline]]:
        """Show no places of somebody who is not there yet."""
        return self.inlines if obj else []

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Keep rights to superusers: others could give themselves any."""
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
        act: Callable[[Any], object],
        note: str,
    ) -> None:
        """Do it to the chosen people; superusers are touched by superusers alone."""

        def guarded(person: User) -> None:
            if person.is_superuser and not getattr(request.user, "is_superuser", False):
                raise NotAllowed
            act(person)

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


@admin.register(Workspace)
class WorkspaceAdmin(BlockingAdmin):
    """Tenants. The tier follows from the subscription."""

    list_display = [
        "name",
        "id",
        "kind",
        "tier",
        "is_blocked",
        "closed_at",
        "created_at",
    ]
    list_filter = [
        "kind",
        "tier",
        "is_blocked",
        ("closed_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["name", "=id", "members__email"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "name",
        "id",
        "kind",
        "tier",
        "is_blocked",
        "closed_at",
        "purged_at",
        "created_at",
    ]
    readonly_fields = fields[1:]
    inlines = [PlacesInline]

    def has_add_permission(self, *args: Any) -> bool:
        """Nobody makes workspaces by hand."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes them by hand."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly, ModelAdmin):
    """API tokens; their texts are nowhere."""

    list_display = [
        "name",
        "beginning_and_end",
        "workspace",
        "created_by",
        "environment",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    list_filter = ["environment", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["workspace", "created_by"]
    search_fields = ["name", "=last4", "=prefix", "created_by__email", "=workspace__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "name",
        "beginning_and_end",
        "workspace",
        "created_by",
        "environment",
        "monthly_credit_limit",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    readonly_fields = fields
    actions = ["revoke"]

    @admin.display(description="Token")
    def beginning_and_end(self, token: ApiToken) -> str:
        """Return what tells a token apart."""
        return f"{token.prefix}…{token.last4}"

    @admin.action(description="Revoke", permissions=["act"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        """End the chosen tokens at once, for good."""
        for token in chosen:
            with transaction.atomic():
                tokens.revoke(token)
                self.log_change(request, token, "Revoked.")
        self.message_user(request, f"Revoked. {len(chosen)} in all.")


@admin.register(Export)
class ExportAdmin(ReadOnly, ModelAdmin):
    """Archives of people's data. They open for their owners alone, in the pages."""

    list_display = ["user", "workspace", "status", "attempts", "created_at"]
    list_filter = ["status"]
    list_select_related = ["user", "workspace"]
    search_fields = ["user__email", "=user__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "user",
        "workspace",
        "environment",
        "status",
        "attempts",
        "crashes",
        "created_at",
        "finished_at",
    ]
    readonly_fields = fields


@admin.register(MailDomain)
class MailDomainAdmin(ModelAdmin):
    """Hosts of mail addresses about which operators know better than our lists."""

    list_display = ["domain", "kind", "note", "created_at"]
    list_filter = ["kind"]
    search_fields = ["domain", "note"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Keep the domain: another one is another row."""
        return ["domain"] if obj else []


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, ModelAdmin):
    """What operators did."""

    list_display = ["created_at", "actor_email", "action", "model", "object_name", "ip"]
    list_filter = ["model"]
    search_fields = ["actor_email", "=object_id", "=request_id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "created_at",
        "actor_email",
        "actor_id",
        "ip",
        "request_id",
        "action",
        "model",
        "object_id",
        "object_name",
        "before",
        "after",
        "reason",
    ]
    readonly_fields = fields
