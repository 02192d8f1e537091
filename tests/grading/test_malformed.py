"""Notebooks that are damaged, odd or none at all: each has an outcome that an instructor would expect."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.grading.execution import Limits
from autograder.grading.restore import MOST_BYTES, UnreadableNotebook, digest_of, read_notebook, restore
from autograder.grading.runner import Submission, _start
from autograder.grading.submission import files_beside, grade_submission
from tests.conftest import LEVEL
from tests.grading.classes import RELEASE, as_bytes, ps0, right

LIVE, TABLE = "switches.live_modules", "switches.truth_table"
ALL = 7.0
GOOD = as_bytes(ps0({LIVE: right(LIVE), TABLE: right(TABLE)}))


def tree() -> dict[str, Any]:
    return json.loads(GOOD)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    notebook = tree()
    change(notebook)
    return json.dumps(notebook).encode()


def place(notebook: dict[str, Any], grade_id: str) -> int:
    return next(
        n for n, c in enumerate(notebook["cells"]) if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )


def drop(*grade_ids: str) -> bytes:
    def change(notebook: dict[str, Any]) -> None:
        for grade_id in grade_ids:
            del notebook["cells"][place(notebook, grade_id)]

    return changed(change)


def version_3() -> bytes:
    cells = []
    for cell in tree()["cells"]:
        kept = {key: cell[key] for key in ("cell_type", "metadata")}
        if cell["cell_type"] == "code":
            kept |= {
                "input": cell["source"],
                "language": "python",
                "outputs": [],
                "collapsed": False,
                "prompt_number": 1,
            }
        else:
            kept |= {"source": cell["source"]}
        cells.append(kept)
    return json.dumps(
        {
            "nbformat": 3,
            "nbformat_minor": 0,
            "metadata": {"name": "ps0"},
            "worksheets": [{"cells": cells, "metadata": {}}],
        }
    ).encode()


def split(notebook: dict[str, Any]) -> None:
    """What splitting a cell in JupyterLab leaves: two cells with the same metadata."""
    at = place(notebook, "switches-live_modules-solution")
    second = copy.deepcopy(notebook["cells"][at])
    source = "".join(second["source"])
    notebook["cells"][at]["source"], second["source"], second["id"] = source, "# the rest", "another"
    notebook["cells"].insert(at + 1, second)


def huge_outputs(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 1_000_000}]


def strange_outputs(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "no such"}, 3, None]
            cell["execution_count"] = "many"


def strange_metadata(notebook: dict[str, Any]) -> None:
    for cell, odd in zip(
        notebook["cells"], [{"nbgrader": 3}, {"nbgrader": {"grade_id": []}}, {"tags": 5}], strict=False
    ):
        cell["metadata"] = odd
    notebook["metadata"] = {"kernelspec": {"name": 7}, "language_info": "none"}


def strange_metadata_of_graded_cells(notebook: dict[str, Any]) -> None:
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {"points": "many", "schema_version": 99, "checksum": None, "more": [{}]}


GRADED: dict[str, tuple[bytes, float]] = {
    "as it should be": (GOOD, ALL),
    "with a byte order mark": (b"\xef\xbb\xbf" + GOOD, ALL),
    "in UTF-16": (GOOD.decode().encode("utf-16"), ALL),
    "of version 3": (version_3(), ALL),
    "of version 4.0, without cell ids": (
        changed(lambda n: [n.update(nbformat_minor=0), [cell.pop("id") for cell in n["cells"]]]),
        ALL,
    ),
    "of a version 4.99 to come": (changed(lambda n: n.update(nbformat_minor=99, novelty={"a": 1})), ALL),
    "with the same cell id everywhere": (changed(lambda n: [cell.update(id="same") for cell in n["cells"]]), ALL),
    "with cell ids that are none": (changed(lambda n: [cell.update(id={"a": [1]}) for cell in n["cells"]]), ALL),
    "without any metadata of the notebook": (changed(lambda n: n.pop("metadata")), ALL),
    "with the kernel of another language": (
        changed(lambda n: n["metadata"].update(kernelspec={"name": "ir", "display_name": "R", "language": "R"})),
        ALL,
    ),
    "with a solution cell split in two": (changed(split), ALL),
    "with outputs of many megabytes": (changed(huge_outputs), ALL),
    "with outputs that are none": (changed(strange_outputs), ALL),
    "with metadata of other kinds": (changed(strange_metadata), ALL),
    "with other metadata in graded cells": (changed(strange_metadata_of_graded_cells), ALL),
    "with cells of unknown type": (
        changed(lambda n: n["cells"].insert(0, {"cell_type": "heading", "metadata": {}, "source": "Hello"})),
        ALL,
    ),
    "with sources that are numbers": (
        changed(lambda n: n["cells"].append({"cell_type": "code", "metadata": {}, "source": 7, "outputs": []})),
        ALL,
    ),
    "with half a character": (
        changed(lambda n: n["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "\ud83d"})),
        ALL,
    ),
    "with a null byte": (
        changed(lambda n: n["cells"].append({"cell_type": "code", "metadata": {}, "source": "a = '\0'"})),
        ALL,
    ),
    "without its graded cells": (drop("switches-live_modules", "switches-truth_table"), ALL),
    "without a solution cell": (drop("switches-live_modules-solution"), 4.0),
    "without any cell": (changed(lambda n: n.update(cells=[])), 0.0),
    "in the order of the last to the first": (changed(lambda n: n["cells"].reverse()), 0.0),
    "with ten thousand cells": (
        changed(
            lambda n: n["cells"].extend(
                {"cell_type": "code", "metadata": {}, "source": "", "outputs": []} for _ in range(10_000)
            )
        ),
        ALL,
    ),
    "with two thousand cells that run": (
        changed(
            lambda n: n["cells"].extend(
                {"cell_type": "code", "metadata": {}, "source": "1", "outputs": []} for _ in range(2_000)
            )
        ),
        ALL,
    ),
}

UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "of blanks": (b" \n\t\n", "the file is empty"),
    "cut off": (GOOD[: len(GOOD) // 2], r"not JSON \(line \d+\); it may be cut off"),
    "of zeros": (b"\0" * 1000, "not JSON"),
    "compressed": (gzip.compress(GOOD), "not text in UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not text in UTF-8"),
    "in Latin-1": (GOOD.replace(b"live_modules", b"live_modules \xe9\xe8"), "not text in UTF-8"),
    "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "not JSON"),
    "a script": (b"def live_modules(model):\n    return []\n", "not JSON"),
    "a list": (b"[]", "it has no cells"),
    "a dict": (b"{}", "it has no cells"),
    "with cells that are a number": (
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}',
        "no valid notebook",
    ),
    "with cells that are numbers": (
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
        "no valid notebook",
    ),
    "of version 99": (changed(lambda n: n.update(nbformat=99)), "no valid notebook"),
    "of a version that is a word": (changed(lambda n: n.update(nbformat="four")), "no valid notebook"),
    "nested without end": (b'{"nbformat": 4, "cells": ' + b"[" * 200_000, "nested too deeply"),
    "with a merge that was not finished": (GOOD.replace(b"{", b"<<<<<<< HEAD\n{", 1), "not JSON"),
    "too large": (b"x" * (MOST_BYTES + 1), "a notebook may have"),
}


@pytest.mark.parametrize("name", GRADED)
def test_what_can_be_read_is_graded(name: str) -> None:
    data, points = GRADED[name]
    graded = grade_submission(data, RELEASE.read_bytes(), 1, sandbox=LEVEL)
    assert (graded.problem, graded.points) == ("", points)
    assert [cell.grade_id for cell in graded.cells] == ["switches-truth_table", "switches-live_modules"] or points == 0
    assert {cell.outcome for cell in graded.cells} <= {"passed", "failed"}
    read_notebook(graded.notebook)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_could_not_be_graded_and_says_why(name: str) -> None:
    data, reason = UNREADABLE[name]
    with pytest.raises(UnreadableNotebook, match=reason):
        read_notebook(data)
    graded = grade_submission(data, RELEASE.read_bytes(), 1, sandbox=LEVEL)
    assert (graded.outcome, graded.points, graded.cells, graded.notebook) == ("could not be graded", 0.0, (), b"")
    assert graded.problem.startswith("Not a notebook: ")


def test_a_notebook_that_takes_too_long_keeps_what_it_has_earned() -> None:
    slow = changed(
        lambda n: n["cells"].append({"cell_type": "code", "metadata": {}, "source": "import time\ntime.sleep(60)"})
    )
    graded = grade_submission(slow, RELEASE.read_bytes(), 1, sandbox=LEVEL, limits=Limits(notebook_seconds=10))
    assert graded.points == ALL


# ---------------------------------------------------------------------- beside the notebook


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = tmp_path / "handed-in"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "own.txt").write_text("own")
    (folder / "link.txt").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / "timestamp.txt").write_text("2031-05-04")
    assert files_beside(folder) == {"data/own.txt": b"own"}
    (folder / "ps0.ipynb").symlink_to(secret)
    failed = _start(None, Submission("someone", folder, folder / "ps0.ipynb"), {}).result()
    assert "ps0.ipynb cannot be read: it is a symbolic link" in failed.problem


def test_a_folder_in_the_place_of_the_notebook_is_told(tmp_path: Path) -> None:
    (tmp_path / "ps0.ipynb").mkdir()
    failed = _start(None, Submission("someone", tmp_path, tmp_path / "ps0.ipynb"), {}).result()
    assert "ps0.ipynb cannot be read: Is a directory" in failed.problem


# ---------------------------------------------------------------------- what is restored


def test_what_is_run_names_the_work_and_not_its_outputs() -> None:
    released = read_notebook(RELEASE.read_bytes())
    first, with_outputs, other = (
        restore(read_notebook(d), released) for d in (GOOD, changed(huge_outputs), RELEASE.read_bytes())
    )
    assert digest_of(first) == digest_of(with_outputs) != digest_of(other)


def test_an_untouched_release_is_restored_to_itself() -> None:
    import nbformat

    released = nbformat.reads(RELEASE.read_text(), as_version=4)
    restored = restore(read_notebook(RELEASE.read_bytes()), released)
    assert [(c.id, c.cell_type, c.source, c.metadata) for c in restored.cells] == [
        (c.id, c.cell_type, c.source, c.metadata) for c in released.cells
    ]
