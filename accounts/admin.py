"""People, workspaces, tokens and the audit log in the back office."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts import blocking, tokens
from accounts.models import (
    ApiToken,
    AuditEntry,
    MailDomain,
    Membership,
    User,
    Workspace,
)
from accounts.signup import known_form, sign_up
from kit.admin import ReadOnly
from kit.errors import Invalid

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
        act: Callable[[Any], None],
        note: str,
    ) -> None:
        for one in chosen:
            with transaction.atomic():
                act(one)
                self.log_change(request, one, note)
        self.message_user(request, f"{note} {len(chosen)} in all.")


@admin.register(User)
class UserAdmin(BlockingAdmin):
    """People. They are never deleted by hand: what they own would go with them."""

    form = PersonForm
    list_display = ["email", "is_staff", "is_blocked", "created_at", "last_login"]
    list_filter = ["is_staff", "is_blocked", "is_active"]
    search_fields = ["email", "=id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [
        "email",
        "is_blocked",
        "is_active",
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
        shown = ["email", "is_blocked", "preferences", "created_at", "last_login"]
        if not getattr(request.user, "is_superuser", False):
            shown += ["is_staff", "is_superuser", "groups"]
        return shown

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

    list_display = ["name", "id", "kind", "tier", "is_blocked", "created_at"]
    list_filter = ["kind", "tier", "is_blocked"]
    search_fields = ["name", "=id", "members__email"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = ["name", "id", "kind", "tier", "is_blocked", "created_at"]
    readonly_fields = ["id", "kind", "tier", "is_blocked", "created_at"]
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

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        """End the chosen tokens at once, for good."""
        for token in chosen:
            with transaction.atomic():
                tokens.revoke(token)
                self.log_change(request, token, "Revoked.")
        self.message_user(request, f"Revoked. {len(chosen)} in all.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may end tokens."""
        user = request.user
        return isinstance(user, User) and user.has_perm("accounts.change_apitoken")


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
