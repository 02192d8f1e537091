"""A course with a class that has handed in, and what its gradebook says, for the tests of grading."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from sqlalchemy import create_engine, text

from autograder.grading.verdict import solution_cell_of
from tests.conftest import ROOT
from tests.corpora import load

PS0 = "ps0-switches"
RELEASE = ROOT / "exercises" / PS0 / "ps0.ipynb"

_PLACE = """
    JOIN submitted_notebook n ON n.id = x.notebook_id
    JOIN submitted_assignment s ON s.id = n.assignment_id
    JOIN assignment a ON a.id = s.assignment_id
    JOIN base_cell b ON b.id = x.cell_id
"""
_QUESTIONS = {
    "students": "SELECT id FROM student",
    "submissions": "SELECT a.name, s.student_id, s.timestamp FROM submitted_assignment s "
    "JOIN assignment a ON a.id = s.assignment_id",
    "grades": "SELECT a.name, s.student_id, b.name, x.auto_score, x.manual_score, x.needs_manual_grade, "
    f"n.late_submission_penalty FROM grade x {_PLACE}",
    "comments": f"SELECT a.name, s.student_id, b.name, x.auto_comment, x.manual_comment FROM comment x {_PLACE}",
}


def contents(database: str | Path) -> dict[str, list[str]]:
    """What a gradebook says about the class, without the keys that it makes up; a path or a database's URL."""
    engine = create_engine(database if isinstance(database, str) else f"sqlite:///{database}")
    with engine.connect() as connection:
        said = {
            name: sorted(str([_plain(v) for v in row]) for row in connection.execute(text(sql)))
            for name, sql in _QUESTIONS.items()
        }
    engine.dispose()
    return said


def _plain(value: Any) -> Any:
    """Two databases tell false, a whole number and a time differently."""
    return float(value) if isinstance(value, (bool, int, float)) else re.sub(r"\.0+$", "", str(value))


def right(exercise: str) -> str:
    return next(c.source for c in load(exercise) if c.right)


def wrong(exercise: str) -> str:
    return next(c.source for c in load(exercise) if not c.right)


def ps0(sources: Mapping[str, str] | None = None) -> NotebookNode:
    """The released problem set 0 with these sources in its solution cells, by exercise."""
    notebook = nbformat.read(RELEASE, as_version=4)
    written = {solution_cell_of(e.replace(".", "-", 1)): source for e, source in (sources or {}).items()}
    for cell in notebook.cells:
        cell.source = written.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source)
    return notebook


def as_bytes(notebook: NotebookNode) -> bytes:
    return nbformat.writes(notebook).encode()


def hand_in(course: Path, student: str, notebook: NotebookNode | bytes, timestamp: str = "") -> Path:
    """Put a notebook where nbgrader collects it."""
    folder = course / "submitted" / student / PS0
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ps0.ipynb").write_bytes(notebook if isinstance(notebook, bytes) else as_bytes(notebook))
    if timestamp:
        (folder / "timestamp.txt").write_text(timestamp)
    return folder


def release_to(course: Path, nbgrader: Callable, students: Mapping[str, Mapping[str, str]]) -> Path:
    """The course, in which problem set 0 has been released and these have handed in; nothing is graded."""
    done = nbgrader(course, "generate_assignment", PS0)
    assert done.returncode == 0, done.stdout
    for student, sources in students.items():
        hand_in(course, student, ps0(sources), "2031-05-04 12:00:00")
    (course / ".grading-seed").write_text("31415926\n")
    return course
