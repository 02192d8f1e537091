"""Small tables computed by a cell, shown as tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from IPython.display import Markdown

_WORDS = {True: "yes", False: "no"}


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """A Markdown table; booleans read yes and no. Raises ValueError when a row does not fit the headers."""
    lines = [headers, ["---"] * len(headers)]
    for row in rows:
        if len(row) != len(headers):
            raise ValueError(f"row {list(row)!r} has {len(row)} cells, the table {len(headers)} columns")
        lines.append([_WORDS[cell] if isinstance(cell, bool) else str(cell) for cell in row])
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))
