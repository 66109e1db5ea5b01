"""Pages of monthly statements, and their PDF download."""

import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import (
    require_safe,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from billing.models import Wallet
from billing.pages.requests import own_wallet, require_money_permission
from billing.reports import statements


@login_required
@require_safe
def statements_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the months that have a statement."""
    require_money_permission(caller)
    months = statements.months(own_wallet(caller))
    return render(request, "billing/statements.html", {"months": months})


@login_required
@require_safe
def statement_page(
    request: HttpRequest, caller: Caller, month: datetime.date
) -> HttpResponse:
    """Show the statement of a month."""
    context = {"statement": statements.of(_wallet_in(caller, month), month)}
    return render(request, "billing/statement.html", context)


@login_required
@require_safe
def statement_file(
    request: HttpRequest, caller: Caller, month: datetime.date
) -> HttpResponse:
    """Send the statement of a month as a PDF."""
    # Imported here: loading it takes half a second, which would slow every process start.
    from billing.reports import statement_pdf

    statement = statements.of(_wallet_in(caller, month), month)
    name = f"ozvena-{caller.environment.lower()}-{month:%Y-%m}.pdf"
    return HttpResponse(
        statement_pdf.render(statement),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _wallet_in(caller: Caller, month: datetime.date) -> Wallet:
    """Return the wallet if the caller may see the statement of that month.

    Raises:
        PermissionDenied: the caller may not see money.
        Http404: there is no statement of that month.
    """
    require_money_permission(caller)
    wallet = own_wallet(caller)
    if month not in statements.months(wallet):
        raise Http404
    return wallet
