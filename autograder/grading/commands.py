"""The instructor's commands on the terminal: `autograder report` and its like. `cli.py` imports this on use."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from nbgrader.apps import NbGraderAPI

from . import collect as downloads
from . import lms
from .folder import CourseError, CourseFolder, graded_cells, write_whole
from .report import class_report, render
from .roster import Roster, enter, read_roster, roster_of
from .scores import Score, read_scores, waiting

#: What is wrong with a request, or with the disk, in one line.
REFUSALS = (CourseError, OSError)
#: Students named in one line of a warning.
FEW = 8

warnings.simplefilter("ignore")  # nbgrader's and nbconvert's dependencies announce their deprecations


def told(error: Exception) -> str:
    """What to tell about one of REFUSALS."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. What stood there before is unchanged; the same command can be run again."
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
        target = course.path(course.courses.release_directory, assignment=found[0])
        _writable(target if target.exists() else target.parent)
        with _kept(target):
            _nbgrader(_api(course).generate_assignment(found[0], force=True), f"release {found[0]}")
        click.echo(f"{_shown(target)}: released.")


def feedback(folder: Path, problem_set: str, students: Sequence[str] = (), *, database: str | None = None) -> None:
    """Generate the feedback pages, of all who were graded or of these students. Raises one of REFUSALS."""
    course = CourseFolder.find(folder, database)
    assignment = course.problem_set(problem_set)
    with course.gradebook() as gradebook:
        answers, _ = waiting(gradebook, course.assignment(gradebook, assignment))
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
    if answers:
        click.echo(
            f"{answers} answer{'s' * (answers > 1)} of this problem set wait{'s' * (answers == 1)} for a person, and "
            "the pages say 0 there. Give feedback again when they are marked.",
            err=True,
        )


def collect(
    folder: Path,
    source: Path,
    *,
    roster: Path | None = None,
    problem_set: str | None = None,
    update: bool = False,
    timestamps: bool = False,
    database: str | None = None,
) -> int:
    """Put a download where nbgrader looks for it, and tell; the exit status is 1 if something found no place.

    What `roster` says about the students is entered into the gradebook. Raises one of REFUSALS.
    """
    course = CourseFolder.find(folder, database)
    only = course.problem_set(problem_set) if problem_set else None
    known = read_roster(roster)[0] if roster else _known(course)
    _writable(course.path(course.courses.submitted_directory).parent)
    done = downloads.collect(course, source, known, only=only, update=update, timestamps=timestamps)
    _tell(course, done, known)
    if roster and known:
        with course.gradebook(new=True) as gradebook:
            new, changed = enter(gradebook, known)
        if new or changed:
            told = [f"{count} {word}" for count, word in ((new, "new"), (changed, "changed")) if count]
            click.echo(f"Students in the gradebook, from {roster.name}: {', '.join(told)}.")
    return 0 if done.complete else 1


def _known(course: CourseFolder) -> Roster | None:
    """The gradebook's students as a roster, if somebody has entered more than what earlier gradings did: bare ids."""
    try:
        with course.gradebook() as gradebook:
            known = roster_of(gradebook)
    except CourseError:
        return None
    return known if any(one.name or one.email or one.lms_id for one in known.people) else None


def _tell(course: CourseFolder, done: downloads.Collected, known: Roster | None) -> None:
    for one in done.placed:
        for older in one.instead_of:
            click.echo(f"{one.student} has handed in {one.assignment} twice: {one.where} is later than {older}.")
        if one.late:
            click.echo(f"{one.student}: {one.assignment} was late, says Canvas.")
    for assignment in sorted({one.assignment for one in done.placed}):
        some = [one for one in done.placed if one.assignment == assignment]
        counts = Counter(one.result for one in some)
        told = [f"{counts[result]} {word}" for result, word in _RESULTS.items() if counts[result]]
        missing = len(known.people) - len(some) if known else 0
        told += [f"{missing} of the roster missing"] if missing else []
        click.echo(f"{assignment}: {', '.join(told)}.")
        if kept := [one.student for one in some if one.result == "kept"]:
            click.echo(
                f"Already there, with other contents: {', '.join(kept)}. "
                "--update replaces them and keeps what was there.",
                err=True,
            )
    if not known:
        click.echo("There is no roster: students are called what the download calls them.")
    if done.ignored:
        click.echo(f"Left aside: {done.ignored} file{'s' * (done.ignored > 1)} besides the notebooks.")
    if done.left:
        click.echo(f"Not placed: {len(done.left)}", err=True)
        for where, why in done.left.items():
            click.echo(f"  {where}: {why}", err=True)


_RESULTS = {"placed": "new", "replaced": "replaced", "unchanged": "unchanged", "kept": "left as they were"}


def export(
    folder: Path,
    problem_sets: Sequence[str],
    form: str,
    output: Path | None,
    *,
    roster: Path | None = None,
    titles: Mapping[str, str] | None = None,
    partial: bool = False,
    missing_as_zero: bool = False,
    database: str | None = None,
) -> int:
    """Write the scores of these problem sets, all if none is named; the exit status is 1 if some are not final.

    Raises one of REFUSALS.
    """
    course = CourseFolder.find(folder, database)
    names = [course.problem_set(name) for name in problem_sets] or list(course.released())
    if form == "moodle" and len(names) != 1:
        raise CourseError(f"Moodle takes one assignment at a time: name one of {', '.join(names) or 'none yet'}.")
    titles = {course.problem_set(name): title for name, title in (titles or {}).items()}
    scores: list[Score] = []
    with course.gradebook() as gradebook:
        known = {one.name for one in gradebook.assignments}
        for name in names:
            if name in known or problem_sets:
                order = graded_cells(course.released()[name])
                scores += read_scores(gradebook, course.assignment(gradebook, name), order, course.handed_in(name))
    if not scores:
        raise CourseError("The gradebook knows no student, so there is nothing to export.")
    how = {"partial": partial, "missing_as_zero": missing_as_zero}
    notes: list[str] = []
    strangers: list[str] = []
    if form == "canvas":
        text, notes = lms.as_canvas(scores, roster, titles, **how)
    elif form == "moodle":
        text, strangers = lms.as_moodle(scores, roster, **how)
    else:
        text = {"csv": lms.as_csv, "json": lms.as_json}[form](scores, **how)
    path = output or Path(f"scores-{form}.{'json' if form == 'json' else 'csv'}")
    write_whole(path, text)
    counts = Counter(score.status for score in scores)
    click.echo(f"{path}: {counts['final']} final scores.")
    if counts["not handed in"]:
        click.echo(f"{counts['not handed in']} not handed in: {'0 points' if missing_as_zero else 'left empty'}.")
    for note in notes:
        click.echo(note, err=True)
    for status, what_to_do in _NOT_FINAL.items():
        left = "left empty; --partial exports what there is so far"
        if status == "not graded yet":
            left = "left empty"
        elif partial:
            left = "exported as far as they are"
        if waiting := [f"{score.student} ({score.assignment})" for score in scores if score.status == status]:
            more = f" and {len(waiting) - FEW} more" if len(waiting) > FEW else ""
            click.echo(f"NOT FINAL, {status}: {', '.join(waiting[:FEW])}{more}; {left}. {what_to_do}", err=True)
    if strangers:
        click.echo(f"NOT EXPORTED, in no row of {roster}: {', '.join(strangers)}.", err=True)
    return 1 if strangers or any(counts[status] for status in _NOT_FINAL) else 0


_NOT_FINAL = {
    "not graded yet": "autograder grade grades them.",
    "could not be graded": "Grade again, or give the score in Formgrader.",
    "needs manual grading": "Formgrader's Manual Grading has them.",
}


def _api(course: CourseFolder) -> NbGraderAPI:
    return NbGraderAPI(course.courses, config=course.config)


def _nbgrader(result: dict[str, Any], what: str) -> None:
    """Raise what nbgrader says about a failure: the last error that its log names, rather than its summary."""
    if not result["success"]:
        log = f"{result.get('log') or ''}\n{result.get('error') or ''}".splitlines()
        errors = [line for line in log if re.match(r"\s*(\w+\.)*[A-Z]\w+: ", line) and "NbGraderException" not in line]
        summary = [line for line in log if "ERROR" in line] or log
        raise CourseError(f"nbgrader could not do it ({what}): {(errors or summary)[-1].strip()}")


def _writable(folder: Path) -> None:
    at = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(at, os.W_OK | os.X_OK):
        raise CourseError(f"You may not write into {at}. Nothing was done.")


@contextlib.contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Put a folder back as it was if what happens meanwhile fails: nbgrader removes before it replaces."""
    with tempfile.TemporaryDirectory() as temporary:
        if folder.exists():
            shutil.copytree(folder, Path(temporary, "before"))
        try:
            yield
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            if Path(temporary, "before").exists():
                shutil.copytree(Path(temporary, "before"), folder)
            raise


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
    for status in ("not graded yet", "could not be graded"):
        if some := found.students(status):
            click.echo(f"{len(some)} {status}; the page lists them.", err=True)
