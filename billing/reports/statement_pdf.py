"""Render a statement as a PDF, with selectable text in a font with most alphabets."""

from functools import cache
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

from billing.reports.statements import Statement

_FONTS = Path(__file__).parent / "fonts"
_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_INK = colors.HexColor("#10211d")
_SOFT = colors.HexColor("#4b5e59")
_LINE = colors.HexColor("#d3ddd9")
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def render(statement: Statement) -> bytes:
    """Return the statement as a PDF."""
    file = BytesIO()
    month = f"{statement.month:%B %Y}"
    workspace = printable(statement.wallet.workspace.name)
    state = "" if statement.is_over else ", so far"
    about = (
        f"{statement.wallet.get_environment_display().capitalize()}. "
        f"{statement.scenes:,} scenes with {statement.characters:,} characters were"
        " spoken."
    )
    content = [
        Paragraph(f"Statement of {month}{state}", paragraph_style(18, bold=True)),
        Spacer(1, 4 * mm),
        Paragraph(escape(workspace), paragraph_style(11, bold=True)),
        Paragraph(about, paragraph_style(9, soft=True)),
        Spacer(1, 8 * mm),
        _credits(statement),
    ]
    if statement.paid:
        content += [Spacer(1, 8 * mm), _payments(statement)]
    document(file, f"statement of {month}").build(content)
    return file.getvalue()


def document(file: BytesIO, title: str) -> SimpleDocTemplate:
    """Return an empty document, which `build` writes to `file`."""
    return SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
        title=f"Ozvena: {title}",
        author="Ozvena",
        lang="en",
        invariant=True,  # the same document is the same file
    )


def printable(text: str) -> str:
    """Replace characters that the font lacks, and remove control characters."""
    known = _load().face.charToGlyph
    return "".join(
        letter if ord(letter) in known else _UNKNOWN
        for letter in text
        if letter.isprintable()
    )


def _credits(statement: Statement) -> Table:
    rows = [
        ["Day", "What", "Credits"],
        ["", "Balance when the month began", f"{statement.opening_balance:,}"],
        *(
            [str(line.day), _cell(line.text), f"{line.credits:+,}"]
            for line in statement.lines
        ),
        ["", "Balance when it ended", f"{statement.closing_balance:,}"],
    ]
    if not statement.is_over:
        rows[-1][1] = "Balance now"
    return table(rows, bold=[0, 1, len(rows) - 1])


def _payments(statement: Statement) -> Table:
    rows = [
        ["Day", "Paid", "Amount"],
        *(
            [str(one.day), _cell(one.name), f"{one.amount:,.2f} {one.currency}"]
            for one in statement.paid
        ),
    ]
    return table(rows, bold=[0])


def table(rows: list[list[object]], bold: list[int]) -> Table:
    """Return a table with a head and the columns day, what and amount."""
    _load()
    style: list[tuple[object, ...]] = [
        ("FONT", (0, 0), (-1, -1), _FONT, 9),
        ("TEXTCOLOR", (0, 0), (-1, -1), _INK),
        ("ALIGN", (2, 0), (2, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, _LINE),
        *(("FONT", (0, row), (-1, row), _BOLD, 9) for row in bold),
    ]
    return Table(
        rows, colWidths=[28 * mm, 107 * mm, 35 * mm], repeatRows=1, style=style
    )


def _cell(text: str) -> Paragraph:
    return Paragraph(escape(printable(text)), paragraph_style(9))


def paragraph_style(
    size: int, *, bold: bool = False, soft: bool = False
) -> ParagraphStyle:
    """Return the style of a paragraph; `size` in points."""
    _load()
    return ParagraphStyle(
        f"{size}{bold}{soft}",
        fontName=_BOLD if bold else _FONT,
        fontSize=size,
        leading=size * 1.35,
        textColor=_SOFT if soft else _INK,
    )


@cache
def _load() -> TTFont:
    """Load the fonts, once per process; return the regular one."""
    fonts = [TTFont(name, _FONTS / f"{name}.ttf") for name in (_FONT, _BOLD)]
    for font in fonts:
        pdfmetrics.registerFont(font)
    return fonts[0]
