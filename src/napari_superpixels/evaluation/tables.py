"""Tables as markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Any


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a markdown table.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Values; a float is shown with four decimals, the rest as it prints.

    Returns
    -------
    str
        Lines joined by newlines, columns padded so that the source reads as a table too.
    """
    cells = [list(header), *[[_text(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def to_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as CSV.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Values, written in full.

    Returns
    -------
    str
        Lines with a trailing newline each.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
