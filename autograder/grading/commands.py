"""The instructor's commands on the terminal: `autograder report` and its like. `cli.py` imports this on use."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from nbgrader.apps import NbGraderAPI

from .folder import CourseError, CourseFolder, write_whole
from .report import class_report, render

#: What is wrong with a request, or with the disk, in one line.
REFUSALS = (CourseError, OSError)

warnings.simplefilter("ignore")  # nbgrader's and nbconvert's dependencies announce their deprecations


def told(error: Exception) -> str:
    """What to tell about one of REFUSALS."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. Nothing that stood there before was changed."
    return str(error)


def release(folder: Path, problem_sets: Sequence[str], *, database: str | None = None) -> None:
    """Generate the released notebooks of these problem sets, all if none is named. Raises one of REFUSALS."""
    course = CourseFolder.find(folder, database)
    masters = course.path(course.courses.source_directory)
    known = sorted(path.name for path in masters.glob("*") if any(path.glob("*.ipynb")))
    if not known:
        raise CourseError(f"{masters} holds no master notebooks: there is nothing to release.")
    for name in problem_sets or known:
        found = [name] if name in known else [one for one in known if one.startswith(f"{name}-")]
        if len(found) != 1:
            raise CourseError(f"There is no master of {name!r} in {masters}. There are: {', '.join(known)}.")
        # nbgrader replaces the released folder: what it could not replace must not be lost half way
        target = course.path(course.courses.release_directory, assignment=found[0])
        _writable(target if target.exists() else target.parent)
        _nbgrader(_api(course).generate_assignment(found[0], force=True), f"release {found[0]}")
        click.echo(f"{_shown(target)}: released.")


def feedback(folder: Path, problem_set: str, students: Sequence[str] = (), *, database: str | None = None) -> None:
    """Generate the feedback pages, of all who were graded or of these students. Raises one of REFUSALS."""
    course = CourseFolder.find(folder, database)
    assignment = course.problem_set(problem_set)
    with course.gradebook() as gradebook:
        course.assignment(gradebook, assignment)
    graded = course.path(course.courses.autograded_directory, "*", assignment)
    found = sorted(path.parent.name for path in graded.parent.parent.glob(f"*/{assignment}"))
    if missing := sorted(set(students) - set(found)):
        raise CourseError(f"{', '.join(missing)}: not graded yet, so there is no feedback to give.")
    if not found:
        raise CourseError(f"Nobody's {assignment} has been graded yet: autograder grade {problem_set}.")
    for student in sorted(students) or found:
        _nbgrader(_api(course).generate_feedback(assignment, student, force=True), f"feedback for {student}")
    pages = course.path(course.courses.feedback_directory, "*", assignment)
    click.echo(f"{_shown(pages)}: {len(students or found)} pages.")


def _api(course: CourseFolder) -> NbGraderAPI:
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # for alembic
    return NbGraderAPI(course.courses, config=course.config)


def _nbgrader(result: dict[str, Any], what: str) -> None:
    """Raise what nbgrader says about a failure: the last line of its log that is an error."""
    if not result["success"]:
        lines = [line for line in (result.get("log") or "").splitlines() if "ERROR" in line or "Error" in line]
        reason = lines[-1] if lines else (result.get("error") or "").strip().splitlines()[-1]
        raise CourseError(f"nbgrader could not do it ({what}): {reason.strip()}")


def _writable(folder: Path) -> None:
    at = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(at, os.W_OK | os.X_OK):
        raise CourseError(f"You may not write into {at}. Nothing was done.")


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def report(
    folder: Path, problem_set: str, output: Path | None, *, names: bool = True, database: str | None = None
) -> None:
    """Write the class report. Raises one of REFUSALS."""
    course = CourseFolder.find(folder, database)
    assignment = course.problem_set(problem_set)
    path = output or Path(f"{assignment}-report.html")
    if not path.parent.is_dir():
        raise CourseError(f"The folder of {path} does not exist.")
    found = class_report(course, assignment)
    write_whole(path, render(found, names=names))
    click.echo(f"{path}: {len(found.graded)} graded submissions.")
    if failed := found.students("could not be graded"):
        click.echo(f"{len(failed)} could not be graded; the page lists them.", err=True)
