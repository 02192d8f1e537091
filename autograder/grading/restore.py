"""From what was handed in to what is run: the learner's cells, and everything else as it was released."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Iterator
from typing import Any

import nbformat
import nbformat.reader
from nbformat import NotebookNode

from .verdict import is_locked

#: Where an autograded notebook says what it was made from, and how. Nothing that is handed in gets in there.
RECORD = "two_switches"
#: Bytes of a notebook file. A released problem set has about 40,000.
MOST_BYTES = 20 << 20
MISSING = "*The next cell was missing from the submission. It was put back as it was released.*"


class UnreadableNotebook(ValueError):
    """A file that is no notebook; the message says why, in words for the learner."""


def read_notebook(data: bytes) -> NotebookNode:
    """A notebook of any version of the format as one of version 4.

    Raises:
        UnreadableNotebook: if it is none.
    """
    if not data.strip():
        raise UnreadableNotebook("the file is empty")
    if len(data) > MOST_BYTES:
        raise UnreadableNotebook(f"the file has {len(data):,} bytes; a notebook may have {MOST_BYTES:,}")
    try:
        tree = json.loads(data)  # UTF-8, with or without a mark, UTF-16 or UTF-32
    except UnicodeDecodeError as error:
        raise UnreadableNotebook("the file is not text in UTF-8") from error
    except RecursionError as error:
        raise UnreadableNotebook("the file is nested too deeply") from error
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableNotebook(f"the file is not JSON{where}; it may be cut off") from error
    if not isinstance(tree, dict) or "nbformat" not in tree or not ("cells" in tree or "worksheets" in tree):
        raise UnreadableNotebook("the file is JSON, but no notebook: it has no cells")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat tells what is repaired below
            notebook = nbformat.convert(nbformat.reader.reads(json.dumps(_without_results(_printable(tree)))), 4)
        notebook.nbformat_minor = max(int(notebook.get("nbformat_minor", 0)), 5)
        notebook.cells = [_tidy(cell) for cell in notebook.cells]
        notebook.metadata = nbformat.from_dict({RECORD: {"submission": hashlib.sha256(data).hexdigest()}})
        for cell, name in zip(notebook.cells, _names(notebook.cells), strict=True):
            cell.id = name
        nbformat.validate(notebook)
    except Exception as error:
        raise UnreadableNotebook(f"the file is no valid notebook: {str(error).partition(chr(10))[0][:200]}") from error
    return notebook


def restore(submitted: NotebookNode, released: NotebookNode) -> NotebookNode:
    """What is run and graded: a new notebook, without outputs.

    Cells of the release that a learner may not change (graded cells, locked cells) have their released source, type
    and metadata, whatever was handed in; cells that a learner fills in have their released type and metadata. What is
    missing is put back behind the released cell that it followed. Where a cell is there more than once, the last one
    is taken for it and the others become cells like any other, as do cells that claim to be graded and are not in the
    release.
    """
    masters = {name: cell for cell in released.cells if (name := _grade_id(cell))}
    cells = [copy.deepcopy(cell) for cell in submitted.cells]
    last = {name: place for place, cell in enumerate(cells) if (name := _grade_id(cell)) in masters}
    ours = {place: name for name, place in last.items()}
    restored: list[NotebookNode] = []
    for place, cell in enumerate(cells):
        if name := ours.get(place):
            restored.append(_as_released(masters[name], cell))
        else:
            cell.metadata.pop("nbgrader", None)
            restored.append(_without_outputs(cell))

    before = ""
    for name, master in masters.items():
        if name not in last:
            place = next((n for n, cell in enumerate(restored) if _grade_id(cell) == before), -1)
            note = nbformat.v4.new_markdown_cell(MISSING, id=f"{master.id[:50]}-missing")
            restored[place + 1 : place + 1] = [note, _without_outputs(copy.deepcopy(master))]
        before = name

    taken: set[str] = {cell.id for cell in restored if _grade_id(cell)}
    for number, cell in enumerate(restored):
        if not _grade_id(cell) and cell.id in taken:
            cell.id = _unused(f"cell-{number}", taken)
        taken.add(cell.id)
    record = {key: value for key, value in submitted.metadata.items() if key == RECORD}
    return nbformat.v4.new_notebook(metadata={**copy.deepcopy(released.metadata), **record}, cells=restored)


def digest_of(restored: NotebookNode) -> str:
    """Names what was handed in: the same for the same cells, whatever their outputs are."""
    content = [[cell.cell_type, cell.source, _grade_id(cell)] for cell in restored.cells]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook file."""
    return (nbformat.v4.writes(notebook) + "\n").encode()


def _grade_id(cell: NotebookNode) -> str:
    """The name under which nbgrader knows a cell, if it is one that nbgrader looks at."""
    settings = cell.metadata.get("nbgrader")
    if not isinstance(settings, dict) or not isinstance(settings.get("grade_id"), str):
        return ""
    kinds = (settings.get(kind) is True for kind in ("grade", "solution", "locked", "task"))
    return settings["grade_id"] if any(kinds) else ""


def _as_released(master: NotebookNode, cell: NotebookNode) -> NotebookNode:
    result = copy.deepcopy(master)
    if not is_locked(master):
        result.source = cell.source
    return _without_outputs(result)


def _without_outputs(cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _tidy(cell: NotebookNode) -> NotebookNode:
    """A cell with the keys of the format and no others; outputs are not read at all."""
    kind = cell.get("cell_type") if cell.get("cell_type") in ("code", "markdown") else "raw"
    source = cell.get("source", "")
    source = "".join(map(str, source)) if isinstance(source, list) else str(source)
    # not `nbformat.v4.new_code_cell`, which validates each cell: the notebook is validated as a whole
    more = {"outputs": [], "execution_count": None} if kind == "code" else {}
    tidy = nbformat.from_dict({"cell_type": kind, "source": source, "metadata": {}, **more})
    metadata, tags = cell.get("metadata"), []
    if isinstance(metadata, dict):
        tags = metadata.get("tags", [])
        tidy.metadata = nbformat.from_dict({k: v for k, v in metadata.items() if k in ("nbgrader", "tags")})
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        del tidy.metadata["tags"]
    if tidy.cell_type != "code" and isinstance(cell.get("attachments"), dict):
        tidy.attachments = cell["attachments"]
    tidy.id = cell.get("id", "")
    return tidy


def _names(cells: list[NotebookNode]) -> Iterator[str]:
    """Cell ids that are well-formed and different, those of the file where possible."""
    taken: set[str] = set()
    for number, cell in enumerate(cells):
        known = cell.id if isinstance(cell.id, str) and cell.id.isascii() and 0 < len(cell.id) <= 64 else ""
        known = known if known.replace("-", "").replace("_", "").isalnum() else ""
        yield known if known and known not in taken else (known := _unused(f"cell-{number}", taken))
        taken.add(known)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "x"
    return name


def _without_results(tree: dict[str, Any]) -> dict[str, Any]:
    """What was handed in as results is not even read; nor is what stands for the notebook's metadata."""
    sheets = [sheet for sheet in _list(tree.get("worksheets")) if isinstance(sheet, dict)]
    for cell in [*_list(tree.get("cells")), *(cell for sheet in sheets for cell in _list(sheet.get("cells")))]:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            cell["outputs"] = []
    tree["metadata"] = {}
    return tree


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _printable(value: Any) -> Any:
    """The same tree without lone surrogates, which JSON can say and no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, dict):
        return {_printable(key): _printable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_printable(part) for part in value]
    return value
