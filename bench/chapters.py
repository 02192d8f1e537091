"""What is in each page of the book that runs code, and how long it takes: the pages are executed here, one by one."""

from __future__ import annotations

import datetime
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import click
import nbclient
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
sys.path.insert(0, str(ROOT))

from bench import _record
from tests.book.source import cells, prose, read

COLUMNS = ("experiments", "figures", "explorables", "claims", "questions", "words", "seconds", "slowest_cell")


def sections_that_measure(text: str) -> int:
    """Sections with a cell that readers see and run: the experiments."""
    return sum(any(not cell.hidden for cell in cells(part)) for part in re.split(r"^##+ ", text, flags=re.M))


def shown(notebook: NotebookNode, mark: str) -> int:
    """How often this stands in the HTML that the cells show."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return sum(output.get("data", {}).get("text/html", "").count(mark) for output in outputs)


def seconds_of(cell: NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    ends = [times.get(f"iopub.{event}") or times.get(f"shell.{event}") for event in ("execute_input", "execute_reply")]
    if None in ends:
        return 0.0
    start, end = (datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")) for stamp in ends)
    return (end - start).total_seconds()


def measure(page: Path) -> dict[str, Any]:
    notebook = myst_nb_reader_plugin(str(page))
    start = time.perf_counter()
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(BOOK)}}).execute()
    seconds = time.perf_counter() - start
    text = read(page)
    explorables = shown(notebook, 'class="explorable"')
    slowest = max(map(seconds_of, notebook.cells))
    return {
        "experiments": sections_that_measure(text),
        # an explorable has one too, for places without scripts
        "figures": shown(notebook, 'class="house-figure"') - explorables,
        "explorables": explorables,
        "claims": shown(notebook, "data-claim="),
        "questions": shown(notebook, 'class="question"'),
        "words": sum(len(line.split()) for line in prose(text)),
        "seconds": round(seconds, 1),
        "slowest_cell": round(slowest, 1),
    }


@click.command(help=__doc__)
def main() -> None:
    rows = {}
    print(f"{'page':24}" + "".join(f"{column:>14}" for column in COLUMNS))
    for page in sorted(BOOK.glob("*.md")):
        if is_myst_markdown_notebook(read(page)):
            rows[page.stem] = measure(page)
            print(f"{page.stem:24}" + "".join(f"{rows[page.stem][column]:14}" for column in COLUMNS), flush=True)
    _record.write("chapters", machine={"cores": os.cpu_count(), "load": os.getloadavg()}, pages=rows)


if __name__ == "__main__":
    main()
