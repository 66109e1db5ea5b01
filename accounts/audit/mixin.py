"""A mixin for all admin classes that records operators' actions in the audit log."""

from typing import Any
from urllib.parse import urlencode

import unfold.forms
from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.db.models import CharField, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.audit import log
from kit.rest.lines import one_line

_MOST = 1_000  # rows of one action


class ActionForm(unfold.forms.ActionForm):
    """The form of an action on chosen rows, with a reason."""

    reason = forms.CharField(
        label="",
        required=False,  # `Audited` checks it, with a message of its own
        max_length=500,
        validators=[one_line],
        widget=forms.TextInput({"placeholder": "Reason", "aria-label": "Reason"}),
    )


class ReasonForm(forms.Form):
    """A reason, for admin pages that are not about chosen rows."""

    reason = forms.CharField(
        max_length=500,
        validators=[one_line],
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the audit log.",
    )


class Audited(ModelAdmin):  # type: ignore[type-arg]
    """Record each addition, change, deletion and action with the states before and after.

    What operators type into a text field of a row has one line (`kit.rest.lines`).

    An action requires a reason; in a form it is optional. Rows are deleted one by one, on a
    page that shows what else would be deleted. Django and our actions call `log_…` after
    each change. Rows that an action did not log, such as one of a third-party app, are
    recorded after it. The state before is taken when the row is loaded, or just before it
    is saved; loading and logging happen in one request.
    """

    action_form = ActionForm
    change_form_after_template = "admin/reason.html"

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **options: Any
    ) -> Any:
        """Return the form field of a column; a text has one line, but for text areas."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if isinstance(db_field, CharField) and isinstance(field, forms.CharField):
            field.validators = [*field.validators, one_line]
        return field

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions of the class without Django's "delete selected".

        Actions without permissions, as of third-party apps, require the one to change rows.
        """
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        may_change = self.has_change_permission(request)
        return {
            name: action
            for name, action in actions.items()
            if may_change or getattr(action[0], "allowed_permissions", None)
        }

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Model | None:
        """Return the row, and keep a snapshot of its state before a change."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST":
            _before(request)[_key(row)] = log.snapshot(row)
        return row

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **options: Any
    ) -> HttpResponse | None:
        """Run an action on chosen rows; require a reason and record the change."""
        if not request.POST.get("reason", "").strip():
            self.message_user(request, "Enter a reason.", messages.ERROR)
            return None
        rows = queryset
        if request.POST.get("select_across", "0") in ("", "0", "False", "false"):
            chosen = request.POST.getlist("_selected_action")[: _MOST + 1]
            rows = queryset.filter(pk__in=chosen)
        before = {_key(row): log.snapshot(row) for row in rows[: _MOST + 1]}
        if len(before) > _MOST:
            self.message_user(request, f"Choose at most {_MOST} rows.", messages.ERROR)
            return None
        _before(request).update(before)
        what = _description(self.get_actions(request), request)
        keys = list(rows.values_list("pk", flat=True)) if what else []
        # No transaction here: an action uses one for each row and its audit entry.
        try:
            return super().response_action(request, queryset, *args, **options)
        finally:
            for row in self.model._default_manager.filter(pk__in=keys):
                if _key(row) not in _recorded(request):
                    _record_change(request, f"Asked: {what}", row)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Save a row, and keep a snapshot of its state before the change."""
        was = type(obj)._default_manager.filter(pk=obj.pk).first() if change else None
        if was is not None:
            _before(request).setdefault(_key(was), log.snapshot(was))
        super().save_model(request, obj, form, change)

    # Django's own log would keep names of rows, and so email addresses, forever.

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Record an added row."""
        _record(request, "added", obj, after=log.snapshot(obj))

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Record a changed row; a `message` of type str names the action."""
        what = message if isinstance(message, str) else "changed"
        now = type(obj)._default_manager.filter(pk=obj.pk).first() or obj
        _record_change(request, what, now)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Record rows that are about to be deleted."""
        for row in queryset:
            _record(request, "deleted", row, before=log.snapshot(row))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Redirect to the audit entries of the row."""
        about = {
            "model__exact": self.model._meta.label,
            "object_id__exact": unquote(object_id),
        }
        listing = reverse("admin:accounts_auditentry_changelist")
        return redirect(f"{listing}?{urlencode(about)}")


def audited(admin_class: "type[ModelAdmin[Any]] | None") -> "type[ModelAdmin[Any]]":
    """Return `admin_class` with `Audited` as its first base."""
    base = admin_class or ModelAdmin
    if issubclass(base, Audited):
        return base
    return type(base.__name__, (Audited, base), {"__module__": base.__module__})


def _before(request: HttpRequest) -> dict[str, dict[str, Any]]:
    if not hasattr(request, "audited"):
        request.audited = {}  # type: ignore[attr-defined]
    kept: dict[str, dict[str, Any]] = request.audited  # type: ignore[attr-defined]
    return kept


def _recorded(request: HttpRequest) -> set[str]:
    if not hasattr(request, "audited_rows"):
        request.audited_rows = set()  # type: ignore[attr-defined]
    keys: set[str] = request.audited_rows  # type: ignore[attr-defined]
    return keys


def _key(row: Model) -> str:
    return f"{row._meta.label} {row.pk}"


def _description(actions: dict[str, Any], request: HttpRequest) -> str:
    """Return the description of the chosen action; empty if it is none of `actions`."""
    try:
        chosen = request.POST.getlist("action")[int(request.POST.get("index", 0))]
    except (IndexError, ValueError):
        chosen = request.POST.get("action", "")
    return str(actions[chosen][2]) if chosen in actions else ""


def _record_change(request: HttpRequest, what: str, row: Model) -> None:
    before = _before(request).get(_key(row))
    _record(request, what, row, before=before, after=log.snapshot(row))


def _record(request: HttpRequest, action: str, row: Model, **states: Any) -> None:
    reason = request.POST.get("reason", "")
    _recorded(request).add(_key(row))
    log.record(action, row, request=request, reason=reason, **states)
