"""Render the receipt of an order as a PDF."""

from io import BytesIO
from xml.sax.saxutils import escape

from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, Spacer

from billing.models import Order, Store
from billing.reports.statement_pdf import document, paragraph_style, printable, table


def render(order: Order) -> bytes:
    """Return the receipt of a paid order as a PDF."""
    assert order.paid_at is not None
    file = BytesIO()
    about = (
        f"Order {order.pk}, paid on {order.paid_at:%-d %B %Y} by"
        f" {Store(order.store).label}, {order.environment.lower()}."
    )
    if order.store == Store.DEMO:
        about += " A demo: no money was charged."
    workspace = printable(order.workspace.name)
    rows: list[list[object]] = [["", "", "Amount"]]
    rows += [["", name, amount] for name, amount in order.amounts]
    document(file, f"receipt {order.pk}").build(
        [
            Paragraph("Receipt", paragraph_style(18, bold=True)),
            Spacer(1, 4 * mm),
            Paragraph(escape(workspace), paragraph_style(11, bold=True)),
            Paragraph(about, paragraph_style(9, soft=True)),
            Spacer(1, 8 * mm),
            table(rows, bold=[0, len(rows) - 1]),
        ]
    )
    return file.getvalue()
