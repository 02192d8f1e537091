"""`autograder grade` on the terminal: progress while it runs, then what came of it."""

from __future__ import annotations

import logging
import os
import statistics
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path

from nbgrader.api import InvalidEntry
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from ..kernel import SandboxUnavailable
from .folder import CourseError, CourseFolder
from .gradebook import UnknownAssignment
from .preprocessors import GradeCells
from .runner import Course, LocalWorkers, Submission, Summary, dask_workers, grade_class
from .scores import waiting
from .submission import GradedSubmission, modules_for

#: What is wrong with a request, in one line.
REFUSALS = (CourseError, UnknownAssignment, SandboxUnavailable)
INTERRUPTED = 130
AGAIN = "the same command grades the rest."
#: Submissions up to which every one has a line.
FEW = 40


def grade(
    folder: Path,
    problem_set: str,
    *,
    students: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    database: str | None = None,
    sandbox: str | None = None,
    console: Console | None = None,
) -> int:
    """Grade and tell; the exit status. Raises one of REFUSALS for what cannot be done."""
    console = console or Console(highlight=False)
    # what the referee refuses and what could not be graded is told at the end, under the learner's name
    logging.getLogger("autograder.grading").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)  # nbgrader's: tracebacks of what is raised too
    warnings.simplefilter("ignore")  # nbgrader's and nbconvert's dependencies announce their deprecations
    course = Course.find(folder, problem_set, database)
    submissions = course.submissions(students)
    with ExitStack() as stack:
        workers: Callable[[], Executor]
        if scheduler:
            workers, count = stack.enter_context(dask_workers(scheduler))
        else:
            count = jobs or (os.cpu_count() or 1) + 1  # each waits for its kernel now and then
            level = sandbox or GradeCells(config=course.config).sandbox
            workers = LocalWorkers(count, level, modules_for(course.master.read_bytes()))
        progress = stack.enter_context(_progress(console))
        task = progress.add_task(course.assignment, total=len(submissions))

        def tell(submission: Submission, graded: GradedSubmission | None) -> None:
            if graded is not None and graded.outcome == "could not be graded":
                progress.console.print(f"could not be graded: {escape(submission.student)}")
            progress.advance(task)

        try:
            summary = grade_class(
                course, submissions, workers=workers, most_in_flight=2 * count, sandbox=sandbox, force=force, tell=tell
            )
        except KeyboardInterrupt:
            progress.stop()
            console.print(f"Interrupted. {AGAIN.capitalize()}")
            return INTERRUPTED
        except (OSError, DatabaseError, InvalidEntry) as error:
            raise CourseError(_not_written(course, error)) from error
    show(console, course, summary)
    _tell_waiting(console, course)
    return 1 if summary.not_graded else 0


def _not_written(course: Course, error: OSError | DatabaseError | InvalidEntry) -> str:
    """A disk that is full, or a folder or a gradebook that may not be written."""
    if isinstance(error, OSError):
        where, why = error.filename2 or error.filename, error.strerror or str(error)
    else:
        where, why = make_url(course.courses.db_url).render_as_string(), str(error).partition("\n")[0]
    reason = f"{where}: {why}" if where else why
    return f"Grading stopped, because it cannot write. {reason}. What was graded before is kept; {AGAIN}"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.1f}/s")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def show(console: Console, course: Course, summary: Summary) -> None:
    """What came of it: what could not be graded first."""
    graded = {student: result for student, result in summary.results.items() if not result.problem}
    if summary.not_graded:
        console.print(f"[bold]Could not be graded: {len(summary.not_graded)}[/bold]")
        for student, reasons in summary.not_graded.items():
            for reason in reasons:
                console.print(f"  {escape(student)}: {escape(reason)}", soft_wrap=True)
    counts = f"{course.assignment}: {len(graded)} graded"
    counts += f", {summary.already} had been graded before" if summary.already else ""
    levels = sorted({result.sandbox for result in graded.values()})
    console.print(counts + (f", sandbox: {', '.join(levels)}." if levels else "."))
    if not graded:
        return
    console.print(_exercises(graded))
    if len(graded) <= FEW:
        console.print(_students(graded))
    if summary.misconceptions:
        table = Table("misconception", "times")
        for name, count in summary.misconceptions.most_common():
            table.add_row(name, str(count))
        console.print(table)
    refused = {student: result.refused for student, result in graded.items() if result.refused}
    if refused:
        console.print("Refused by the referee:")
        for student, reasons in refused.items():
            console.print(
                f"  {escape(student)}: {escape(reasons[0])}" + f" (and {len(reasons) - 1} more)" * (len(reasons) > 1),
                soft_wrap=True,
            )


def _tell_waiting(console: Console, course: Course) -> None:
    """What is left for a person, in the whole class."""
    with CourseFolder(course.config, course.courses).gradebook() as gradebook:
        answers, submissions = waiting(gradebook, gradebook.find_assignment(course.assignment))
    if answers:
        what = f"{answers} answer{'s' * (answers > 1)} in {submissions} submission{'s' * (submissions > 1)}"
        where = "make lab, then Nbgrader, Formgrader, Manual Grading"
        console.print(f"For a person to mark: {what}. {where}.", soft_wrap=True)


def _exercises(graded: dict[str, GradedSubmission]) -> Table:
    table = Table("exercise", *("passed", "in part", "nothing", "mean", "of"))
    for column in table.columns[1:]:
        column.justify = "right"
    first = next(iter(graded.values()))
    for place, cell in enumerate(first.cells):
        points = [result.cells[place].points for result in graded.values()]
        passed = sum(result.cells[place].outcome == "passed" for result in graded.values())
        nothing = sum(score == 0 for score in points)
        row = (
            passed,
            len(points) - passed - nothing,
            nothing,
            f"{statistics.fmean(points):.2f}",
            f"{cell.max_points:g}",
        )
        table.add_row(cell.exercise, *map(str, row))
    return table


def _students(graded: dict[str, GradedSubmission]) -> Table:
    table = Table("submission", "points", "of", "seconds")
    for column in table.columns[1:]:
        column.justify = "right"
    for student, result in graded.items():
        most = sum(cell.max_points for cell in result.cells)
        table.add_row(escape(student), f"{result.points:g}", f"{most:g}", f"{result.seconds:.1f}")
    return table
