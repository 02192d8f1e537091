"""Attacks by the notebook itself: its cells and their metadata are not what was released."""

from __future__ import annotations

import copy
from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_raw_cell

CHECK = "switches-live_modules"


def _place(notebook: NotebookNode, grade_id: str) -> int:
    return next(n for n, c in enumerate(notebook.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def delete_the_check(notebook: NotebookNode) -> None:
    """The cell that fails is gone, and what is gone has not failed."""
    del notebook.cells[_place(notebook, CHECK)]


def empty_the_check(notebook: NotebookNode) -> None:
    """The graded cell does nothing, and nothing is full points."""
    notebook.cells[_place(notebook, CHECK)].source = ""


def change_the_check(notebook: NotebookNode) -> None:
    """The graded cell has a result of ours."""
    notebook.cells[_place(notebook, CHECK)].source = "3.0"


def retype_the_check(notebook: NotebookNode) -> None:
    """A graded cell of text is for a person, and has no points to lose."""
    place = _place(notebook, CHECK)
    notebook.cells[place] = new_raw_cell("3.0", metadata=notebook.cells[place].metadata)


def duplicate_the_check(notebook: NotebookNode) -> None:
    """Of two cells with one id, the one that passes counts."""
    place = _place(notebook, CHECK)
    for at in (place, place + 2):
        twin = copy.deepcopy(notebook.cells[_place(notebook, CHECK)])
        twin.source = "3.0"
        notebook.cells.insert(at, twin)


def point_the_check_elsewhere(notebook: NotebookNode) -> None:
    """The graded cell goes by the name of another."""
    first, second = _place(notebook, "switches-truth_table"), _place(notebook, CHECK)
    notebook.cells[first].metadata.nbgrader["grade_id"] = CHECK
    notebook.cells[second].metadata.nbgrader["grade_id"] = "switches-truth_table"


def raise_the_points(notebook: NotebookNode) -> None:
    """A cell is worth what its metadata says."""
    notebook.cells[_place(notebook, "switches-truth_table")].metadata.nbgrader["points"] = 1000


def add_a_graded_cell(notebook: NotebookNode) -> None:
    """A graded cell more is points more."""
    settings = {**notebook.cells[_place(notebook, CHECK)].metadata.nbgrader, "grade_id": "mine", "points": 100}
    notebook.cells.append(new_code_cell("100.0", metadata={"nbgrader": settings}))


def call_the_check_a_solution(notebook: NotebookNode) -> None:
    """A cell that a learner fills in is not locked, and its source is ours."""
    cell = notebook.cells[_place(notebook, CHECK)]
    cell.metadata.nbgrader.update(solution=True, locked=False)
    cell.source = "3.0"


def skip_the_check(notebook: NotebookNode) -> None:
    """A cell with this tag is not run, and what was not run has not failed."""
    notebook.cells[_place(notebook, CHECK)].metadata["tags"] = ["skip-execution", "raises-exception"]


def come_with_outputs(notebook: NotebookNode) -> None:
    """The outputs that were handed in are taken for those of the grading."""
    from nbformat.v4 import new_output

    cell = notebook.cells[_place(notebook, CHECK)]
    cell.outputs = [new_output("execute_result", {"text/plain": "3.0"}, execution_count=1)]


def name_another_kernel(notebook: NotebookNode) -> None:
    """The kernel that runs the notebook is one that we name."""
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}


def claim_to_be_graded(notebook: NotebookNode) -> None:
    """The notebook says that it has been graded already."""
    notebook.metadata["two_switches"] = {"sandbox": "full", "complete": True, "submission": "0" * 64}


ATTACKS: tuple[Callable[[NotebookNode], None], ...] = (
    delete_the_check,
    empty_the_check,
    change_the_check,
    retype_the_check,
    duplicate_the_check,
    point_the_check_elsewhere,
    raise_the_points,
    add_a_graded_cell,
    call_the_check_a_solution,
    skip_the_check,
    come_with_outputs,
    name_another_kernel,
    claim_to_be_graded,
)

#: Files handed in beside a notebook, which shadow what the notebook imports.
SHADOWS: dict[str, str] = {
    "autograder.py": "def check(*arguments): return 3.0",
    "torch.py": "raise SystemExit(0)",
    "random.py": "raise SystemExit(0)",
    "sitecustomize.py": "raise SystemExit(0)",
    "IPython/__init__.py": "raise SystemExit(0)",
    "json/__init__.py": "raise SystemExit(0)",
    ".ipython/profile_default/startup/first.py": "import autograder; autograder.check = lambda *arguments: 3.0",
    "ipython_config.py": "c.InteractiveShellApp.exec_lines = ['import autograder; autograder.check = lambda *a: 3.0']",
}
