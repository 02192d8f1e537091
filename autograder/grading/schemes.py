"""Marking schemes: the release leaves them out, and whoever grades by hand needs them beside the answer."""

from __future__ import annotations

from collections.abc import Mapping

from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import is_task


def put_back(gradebook: Gradebook, where: Mapping[str, str], notebook: NotebookNode) -> None:
    """Give the questions of an autograded notebook their text in the master, marking scheme included, in place.

    nbgrader keeps that text in the gradebook. `where` names `notebook` and `assignment`. To be called when the notebook
    has been run and judged: the scheme is no part of what learners' code may see, nor of what decides its cases.
    """
    for cell in notebook.cells:
        if is_task(cell):
            try:
                known = gradebook.find_source_cell(
                    cell.metadata.nbgrader["grade_id"], where["notebook"], where["assignment"]
                )
            except MissingEntry:  # a gradebook of somebody who has entered no sources
                continue
            cell.source = known.source
