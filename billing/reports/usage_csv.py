"""Export usage as CSV."""

import csv
import unicodedata
from collections.abc import Iterator

from django.http import StreamingHttpResponse

from accounts.caller import Caller
from billing.reports import usage


def csv_response(
    caller: Caller, days: usage.Range, group: str
) -> StreamingHttpResponse:
    """Return the usage history as a CSV download, streamed."""
    name = f"usage-{days.first}-{days.last}-{group}.csv"
    return StreamingHttpResponse(
        _lines(caller, days, group),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(caller: Caller, days: usage.Range, group: str) -> Iterator[str]:
    writer = csv.writer(_Echo())
    names = [group, "name"] if group == "token" else [group]
    counts = ["scenes", "characters", "credits"]
    paid = ["subscription", "credits"]
    yield writer.writerow([*names, *counts, *(f"from_{name}" for name in paid)])
    for row in usage.history(caller, days, group):
        yield writer.writerow(
            [
                *(plain(row[name] or "") for name in names),
                *(row[name] for name in counts),
                *(row["split"][name] for name in paid),
            ]
        )


def plain(text: str) -> str:
    """Escape `text` that a spreadsheet would run as a formula (CSV injection).

    Some also take the full-width forms of the signs, or skip white space before them.
    """
    seen = unicodedata.normalize("NFKC", text).lstrip()
    is_formula = seen.startswith(("=", "+", "-", "@")) or text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if text and is_formula else text


class _Echo:
    """A file for csv.writer whose `write` returns the line."""

    def write(self, line: str) -> str:
        return line
