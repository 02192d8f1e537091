"""A graded class of any size, written through nbgrader's API without running a notebook: for tests and bench."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_output
from nbgrader.api import Gradebook

from autograder import grade
from autograder.grading import commands
from autograder.grading.folder import CourseFolder
from autograder.grading.gradebook import NO_RESPONSE
from autograder.grading.verdict import exercise_of, solution_cell_of
from autograder.specs import MIME
from tests.conftest import ROOT
from tests.corpora import load


@dataclass(frozen=True)
class Judged:
    """A solution, the report on it as plain data, and how a notebook shows it."""

    source: str
    report: Mapping[str, object]
    page: str

    @property
    def points(self) -> float:
        return float(self.report["points"])


def judged(exercise: str, most: int = 6) -> list[Judged]:
    """The first right and the first wrong solutions of an exercise's corpus, judged as `check` judges them."""
    candidates = load(exercise)
    chosen = [c for c in candidates if c.right][: most // 3] + [c for c in candidates if not c.right][
        : most - most // 3
    ]
    reports = [grade(exercise, candidate.build()) for candidate in chosen]
    return [Judged(c.source, r.as_dict(), r._repr_html_()) for c, r in zip(chosen, reports, strict=True)]


def new_course(folder: Path, sets: Sequence[str]) -> CourseFolder:
    """A course folder in which these problem sets have been released."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    for name in sets:
        shutil.copytree(ROOT / "solutions" / name, folder / "solutions" / name)
    commands.release(folder, sets)
    return CourseFolder.find(folder)


def write_class(
    course: CourseFolder, assignment: str, work: Mapping[str, Mapping[str, Judged | None]], *, timestamp: str = ""
) -> None:
    """Enter graded submissions: by student and exercise what was judged, or None where nothing was written."""
    path = course.released()[assignment]
    master = nbformat.read(path, as_version=4)
    with Gradebook(course.courses.db_url, course.courses.course_id) as gradebook:
        for student, by_exercise in work.items():
            gradebook.update_or_create_student(student)
            more = {"timestamp": timestamp} if timestamp else {}
            gradebook.update_or_create_submission(assignment, student, **more)
            notebook = copy.deepcopy(master)
            for cell in notebook.cells:
                settings = cell.metadata.get("nbgrader", {})
                name = settings.get("grade_id", "")
                exercise = exercise_of(name.removesuffix("-solution"))
                if exercise not in by_exercise:
                    continue
                found = by_exercise[exercise]
                if settings["solution"] and found:
                    cell.source = found.source
                elif settings["grade"]:
                    place = path.stem, assignment, student
                    mark = gradebook.find_grade(name, *place)
                    mark.auto_score, mark.needs_manual_grade = (found.points if found else 0.0), False
                    if not found:
                        gradebook.find_comment(solution_cell_of(name), *place).auto_comment = NO_RESPONSE
                        continue
                    data = {"text/plain": str(found.points), "text/html": found.page, MIME: found.report}
                    cell.outputs = [new_output("execute_result", data=data, execution_count=1)]
            target = course.path(course.courses.autograded_directory, student, assignment)
            target.mkdir(parents=True)
            nbformat.write(notebook, target / path.name)
            gradebook.db.commit()
