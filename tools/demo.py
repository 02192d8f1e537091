"""`make demo`: the whole course once, from released problem sets to a table of grades.

Everything happens in a course folder of its own, `_build/demo/`, with its own gradebook. It is made afresh on every
run, so a run that was cut off leaves nothing behind that the next one could trip over.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import itertools
import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import CsvExportPlugin
from rich.console import Console
from rich.table import Table
from traitlets.config import Config, PyFileConfigLoader

from autograder.grading.export import ExerciseExport
from autograder.grading.folder import CourseFolder
from autograder.grading.runner import Course, LocalWorkers, Submission, grade_class
from autograder.grading.submission import GradedSubmission, modules_for
from autograder.grading.verdict import reports_in
from autograder.kernel import available_levels
from tools.sample_class import Sample, exercises_in, hand_in, sample_class

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "_build" / "demo"
BOOK = ROOT / "_build" / "html" / "index.html"
WORKERS = min(4, os.cpu_count() or 1)

console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


class DemoFailed(Exception):
    """A step of the demonstration did not do what it should; the message is for the console."""


def course_config(course: Path) -> Config:
    """The configuration of `nbgrader_config.py`, but everything it writes goes into the course folder `course`."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.source_directory = str(ROOT / "solutions")
    config.CourseDirectory.release_directory = "released"
    config.GradeCells.seed_file = str(course / ".grading-seed")
    config.GradeCells.sandbox = available_levels()[0].value
    return config


def problem_sets() -> list[str]:
    """The problem sets that have a master notebook."""
    return sorted(path.parent.name for path in ROOT.glob("solutions/ps*/ps*.ipynb"))


def release(api: NbGraderAPI, assignment: str, course: Path) -> Path:
    """Generate the released notebook into the course folder and return its path."""
    _succeed(api.generate_assignment(assignment), f"generate_assignment {assignment}")
    (notebook,) = (course / "released" / assignment).glob("*.ipynb")
    return notebook


def grade(config: Config, assignment: str, students: Sequence[str] = ()) -> None:
    """Grade the submissions, also those that have been graded, saying where we are."""
    course = Course.of(CourseFolder(config, CourseDirectory(config=config)), assignment)
    submissions = course.submissions(students)
    number = itertools.count(1)

    def tell(submission: Submission, graded: GradedSubmission | None) -> None:
        count = f"{next(number):2} of {len(submissions)}"
        console.print(f"  {assignment}  {count}  {submission.student:24} {graded.seconds if graded else 0:5.1f} s")

    workers = LocalWorkers(WORKERS, config.GradeCells.sandbox, modules_for(course.master.read_bytes()))
    summary = grade_class(course, submissions, workers=workers, most_in_flight=2 * WORKERS, force=True, tell=tell)
    if summary.not_graded:
        raise DemoFailed(f"could not be graded: {summary.not_graded}")


def give_feedback(api: NbGraderAPI, assignment: str) -> None:
    """Write what learners read, a page for each submission."""
    _succeed(api.generate_feedback(assignment), f"generate_feedback {assignment}")


def export(config: Config, course: Path) -> Path:
    """Write grades.csv (one row per assignment) and exercises.csv (one row per exercise, whose path is returned)."""
    database = f"sqlite:///{course / 'gradebook.db'}"
    for plugin, name in ((CsvExportPlugin, "grades.csv"), (ExerciseExport, "exercises.csv")):
        with Gradebook(database) as gradebook:
            plugin(config=config, to=str(course / name)).export(gradebook)
    return course / "exercises.csv"


def read_scores(table: Path) -> dict[tuple[str, str], float]:
    """The exported scores by (student, exercise); what a person still has to grade is left out."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["score"]]
    return {(row["student_id"], row["exercise"]): float(row["score"]) for row in rows}


def disagreements(samples: list[Sample], scores: dict[tuple[str, str], float]) -> list[str]:
    """Where an exported score is not what the corpora say, one line each."""
    lines = []
    for sample in samples:
        for exercise, expected in sample.expected.items():
            score = scores.get((sample.student, exercise))
            if score is None or expected is None or abs(score - expected) > 0.01:
                lines.append(f"{sample.student} {exercise}: exported {score}, the corpus says {expected}")
    return lines


def count_misconceptions(course: Path, assignment: str) -> Counter[str]:
    """How many exercises of the autograded class were told each misconception."""
    counts: Counter[str] = Counter()
    for path in sorted((course / "autograded").glob(f"*/{assignment}/*.ipynb")):
        for report in reports_in(nbformat.read(path, as_version=4)):
            # several checks of an exercise may name the same one
            counts.update({finding["misconception"] for finding in report["findings"]} - {None})
    return counts


def _succeed(result: dict, what: str) -> None:
    if not result["success"]:
        raise DemoFailed(f"nbgrader {what} failed:\n{result.get('log', '')}\n{result.get('error', '')}")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    COURSE.parent.mkdir(parents=True, exist_ok=True)
    with (COURSE.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoFailed("Another `make demo` is running in this folder. Wait until it has finished.") from None
        yield


def grade_table(
    title: str, points: dict[str, float], samples: list[Sample], scores: dict[tuple[str, str], float]
) -> Table:
    """The scores of one problem set, a row per submission."""
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("submission", footer="of", no_wrap=True)
    for exercise, most in points.items():
        table.add_column(exercise.rpartition(".")[2], justify="right", footer=f"{most:g}", overflow="fold")
    table.add_column("total", justify="right", no_wrap=True, footer=f"{sum(points.values()):g}")
    for sample in samples:
        row = [scores.get((sample.student, exercise), 0.0) for exercise in points]
        table.add_row(sample.student, *(f"{round(score, 2):g}" for score in row), f"{round(sum(row), 2):g}")
    return table


def run() -> None:
    """Release, hand in, autograde, give feedback, export and sum up. Raises DemoFailed."""
    shutil.rmtree(COURSE, ignore_errors=True)
    COURSE.mkdir(parents=True)
    config = course_config(COURSE)
    api = NbGraderAPI(config=config)
    sets = problem_sets()
    console.print("Each submission runs in a kernel of its own; an endless loop takes a minute to be stopped.")

    console.rule("1  release")
    releases = {}
    for assignment in sets:
        releases[assignment] = release(api, assignment, COURSE)
        console.print(f"  {releases[assignment].relative_to(ROOT)}")

    console.rule("2  a sample class hands in")
    classes: dict[str, tuple[dict[str, float], list[Sample]]] = {}
    for assignment, path in releases.items():
        points = exercises_in(nbformat.read(path, as_version=4))
        samples = sample_class(points)
        classes[assignment] = points, samples
        count = sum(1 for _ in hand_in(samples, path, COURSE / "submitted"))
        console.print(f"  {assignment}: {count} submissions")

    console.rule("3  autograde and give feedback")
    console.print(f"  sandbox level: {config.GradeCells.sandbox}")
    for assignment in classes:
        grade(config, assignment)
        give_feedback(api, assignment)
    scores = read_scores(export(config, COURSE))

    console.rule("4  what came of it")
    wrong = []
    for assignment, (points, samples) in classes.items():
        console.print(grade_table(assignment, points, samples, scores))
        wrong += disagreements(samples, scores)
    counts: Counter[str] = sum((count_misconceptions(COURSE, assignment) for assignment in sets), Counter())
    table = Table(title="misconceptions named", title_justify="left")
    table.add_column("misconception")
    table.add_column("times", justify="right")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, str(count))
    console.print(table)
    if BOOK.exists():
        console.print(f"the book:     {BOOK.relative_to(ROOT)}")
    console.print(f"the feedback: {(COURSE / 'feedback').relative_to(ROOT)}/<submission>/<problem set>/")
    console.print(f"the grades:   {COURSE.relative_to(ROOT)}/grades.csv, exercises.csv, gradebook.db")
    if wrong:
        raise DemoFailed("These scores are not what the corpora say:\n" + "\n".join(wrong))
    console.print(f"All {len(scores)} exported scores are what the corpora of right and wrong solutions say.")


def main() -> int:
    """Run the demonstration; the exit status is 1 if a step failed or a score is wrong."""
    warnings.simplefilter("ignore")  # nbgrader's and nbconvert's dependencies announce their deprecations
    try:
        with _alone():
            run()
    except DemoFailed as error:
        console.print(f"[bold]make demo failed.[/bold] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. `make demo` starts afresh whenever you like.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
