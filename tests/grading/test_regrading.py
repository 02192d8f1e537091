"""Grading again: what a person has given stays, what was changed counts, and what waits is seen."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from autograder.cli import main
from autograder.grading.folder import CourseFolder
from autograder.grading.scores import Graded, Score, read_scores
from tests.grading.classes import PS0, hand_in, ps0, right, wrong

# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TABLE, LIVE, WHY = "switches-truth_table", "switches-live_modules", "switches-why-predictions-change"
LATE = "2026-03-03 10:00:00 UTC"
Run = Callable[..., subprocess.CompletedProcess[str]]


def command(course: Path, *arguments: str) -> None:
    done = CliRunner().invoke(main, [*arguments, "--course", str(course)])
    assert done.exit_code == 0, done.output


def score(course: Path, student: str = "ada") -> tuple[Score, dict[str, Graded]]:
    folder = CourseFolder.find(course)
    with folder.gradebook() as gradebook:
        found = {one.student: one for one in read_scores(gradebook, folder.assignment(gradebook, PS0))}
    return found[student], {cell.exercise: cell for cell in found[student].cells}


@pytest.fixture(scope="module")
def graded(course: Path, nbgrader: Run) -> Path:
    command(course, "release", "ps0")
    solutions = {
        "switches.truth_table": right("switches.truth_table"),
        "switches.live_modules": wrong("switches.live_modules"),
    }
    hand_in(course, "ada", ps0(solutions), LATE)
    done = nbgrader(course, "db", "assignment", "add", PS0, "--duedate=2026-03-02 09:00:00 UTC")
    assert done.returncode == 0, done.stdout
    command(course, "grade", "ps0", "--jobs", "1")
    return course


def test_lateness_costs_what_the_policy_says(graded: Path) -> None:
    one, cells = score(graded)
    assert cells["switches.truth_table"].auto == 4.0
    assert one.penalty == pytest.approx(0.2 * one.raw), "two days begun"
    assert one.status == "needs manual grading"


def test_what_a_person_has_given_stays_with_its_reason(graded: Path) -> None:
    before = score(graded)[1]["switches.live_modules"]
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as gradebook:
        place = "ps0", PS0, "ada"
        grade = gradebook.find_grade(LIVE, *place)
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 2.5, 0.5, False
        gradebook.find_comment(f"{LIVE}-solution", *place).manual_comment = "Right on paper: see your mail."
        gradebook.db.commit()
    command(graded, "grade", "ps0", "--jobs", "1", "--force")
    after = score(graded)[1]["switches.live_modules"]
    assert (after.auto, after.manual, after.extra, after.score) == (before.auto, 2.5, 0.5, 3.0)
    assert after.waits, "nbgrader asks a person to look again at a score given by hand"
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as gradebook:
        comment = gradebook.find_comment(f"{LIVE}-solution", "ps0", PS0, "ada")
        assert comment.comment == "Right on paper: see your mail."
        assert comment.auto_comment


def test_a_question_s_new_points_count_without_grading_again(graded: Path) -> None:
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade(WHY, "ps0", PS0, "ada")
        grade.manual_score, grade.needs_manual_grade = 2.0, False
        gradebook.db.commit()
    path = graded / "solutions" / PS0 / "ps0.ipynb"
    master = nbformat.read(path, as_version=4)
    for cell in master.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == WHY:
            cell.metadata.nbgrader.points = 5
    nbformat.write(master, path)
    command(graded, "release", "ps0")
    one, cells = score(graded)
    why = cells["switches.why-predictions-change"]
    assert (why.manual, why.max_score, why.waits, one.max_score) == (2.0, 5.0, False, 12.0)


def test_another_seed_meets_other_cases_with_the_same_verdict(graded: Path) -> None:
    seed = graded / ".grading-seed"
    before, number = score(graded)[1], int(seed.read_text())
    assert re.fullmatch(r"\d+\n", seed.read_text())
    seed.write_text(f"{number + 1}\n")
    command(graded, "grade", "ps0", "--jobs", "1", "--force")
    after = score(graded)[1]
    assert {name: cell.auto for name, cell in after.items()} == {name: cell.auto for name, cell in before.items()}


def test_points_that_the_check_does_not_know_are_nobody_s_fault_but_ours(graded: Path) -> None:
    path = graded / "solutions" / PS0 / "ps0.ipynb"
    master = nbformat.read(path, as_version=4)
    for cell in master.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == TABLE:
            cell.metadata.nbgrader.points = 40
    nbformat.write(master, path)
    command(graded, "release", "ps0")
    done = CliRunner().invoke(main, ["grade", "ps0", "--jobs", "1", "--force", "--course", str(graded)])
    assert done.exit_code == 1
    assert "it is worth 4 points, the cell says 40" in done.output
    assert score(graded)[0].status == "could not be graded"
