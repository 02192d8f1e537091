"""An instructor's afternoon: every nbgrader command of the course, typed in a folder of its own."""

from __future__ import annotations

import csv
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from autograder.grading.verdict import is_check, solution_cell_of
from tests.conftest import ROOT, as_options

pytestmark = pytest.mark.slow
PS0 = "ps0-switches"

WARNS = """
def live_modules(model):
    import warnings

    torch.nn.functional.softmax(torch.zeros(2))  # warns: implicit dimension choice
    warnings.warn("deprecated")
    print("on stderr", file=__import__("sys").stderr)
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(name for name, module in model.named_modules() if module.training and isinstance(module, kinds))
"""
HALF_A_TABLE = """
truth_table = {
    ("train", grad): {
        "dropout_drops": True, "bn_normalises_with": "batch", "bn_updates_buffers": True, "builds_graph": grad == "grad"
    }
    for grad in ("grad", "no_grad", "inference")
}
"""
LEAVES_A_FORGERY = """
class Points:
    def __repr__(self):
        return "3.0"


def live_modules(model):
    return []


import autograder
autograder.check = lambda *arguments: Points()
"""
UNLUCKY = """
def live_modules(model):
    return []


from autograder.specs._probe import Probe

def out_of_order(*arguments, **more):
    raise MemoryError("the machine is out of memory")

Probe.call = out_of_order
"""


def submit(course: Path, student: str, sources: dict[str, str], drop: str = "nothing") -> None:
    """Hand in the released ps0 with these sources in its solution cells, without the check cell `drop`."""
    notebook = nbformat.read(ROOT / "exercises" / PS0 / "ps0.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = sources.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source)
    notebook.cells = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") != drop]
    folder = course / "submitted" / student / PS0
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "ps0.ipynb")


@pytest.fixture(scope="module")
def graded(course: Path, nbgrader: Callable) -> Path:
    """A course in which ps0 has been released, autograded, given feedback on and exported."""
    live, table = solution_cell_of("switches-live_modules"), solution_cell_of("switches-truth_table")
    submit(course, "untouched", {})
    submit(course, "warned", {live: WARNS, table: HALF_A_TABLE})
    submit(course, "forged", {live: LEAVES_A_FORGERY}, drop="switches-truth_table")
    submit(course, "unlucky", {live: UNLUCKY})
    for command in (
        ["generate_assignment", PS0],
        ["autograde", PS0],
        ["generate_feedback", PS0],
        ["export", "--to=grades.csv"],
        ["export", "--exporter=autograder.grading.export.ExerciseExport", "--to=exercises.csv"],
    ):
        done = nbgrader(course, *command)
        assert done.returncode == 0, done.stdout
    return course


def rows(course: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (course / "exercises.csv").open(newline="") as file:
        return {(row["student_id"], row["exercise"]): row for row in csv.DictReader(file)}


def test_a_warning_costs_no_points_and_is_in_the_feedback(graded: Path) -> None:
    assert float(rows(graded)["warned", "switches.live_modules"]["score"]) == 3.0
    feedback = (graded / "feedback" / "warned" / PS0 / "ps0.html").read_text()
    assert "on stderr" in feedback
    assert "Implicit dimension choice" in feedback


def test_partial_credit_and_the_message_reach_gradebook_and_feedback(graded: Path) -> None:
    row = rows(graded)["warned", "switches.truth_table"]
    assert float(row["score"]) == pytest.approx(2.0)  # three of six rows, four points
    assert row["comment"].startswith("2 of 4 points.")
    assert "Reread chapter 0" in row["comment"]
    feedback = (graded / "feedback" / "warned" / PS0 / "ps0.html").read_text()
    assert "Score: 2.0 / 4.0" in feedback
    assert "Reread chapter 0" in feedback
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as gradebook:
        comment = gradebook.find_comment("switches-truth_table-solution", "ps0", PS0, "warned")
        assert comment.auto_comment == row["comment"]


def test_the_totals_of_nbgrader_s_own_table_are_the_sums(graded: Path) -> None:
    with (graded / "grades.csv").open(newline="") as file:
        totals = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert totals == {"untouched": 0.0, "warned": pytest.approx(5.0), "forged": 0.0, "unlucky": 0.0}


def test_a_number_that_is_no_report_is_worth_nothing(graded: Path) -> None:
    row = rows(graded)["forged", "switches.live_modules"]
    assert (float(row["score"]), "The check cell brought no evidence" in row["comment"]) == (0.0, True)


def test_what_could_not_be_graded_goes_to_a_person(graded: Path) -> None:
    row = rows(graded)["unlucky", "switches.live_modules"]
    assert (row["score"], row["needs_manual_grade"]) == ("", "True")
    assert "The check broke: MemoryError: the machine is out of memory" in row["comment"]


def test_a_check_cell_that_was_deleted_comes_back(graded: Path) -> None:
    autograded = nbformat.read(graded / "autograded" / "forged" / PS0 / "ps0.ipynb", as_version=4)
    assert "switches-truth_table" in {cell.metadata.nbgrader["grade_id"] for cell in autograded.cells if is_check(cell)}
    assert float(rows(graded)["forged", "switches.truth_table"]["score"]) == 0.0


def test_an_untouched_exercise_says_so(graded: Path) -> None:
    assert rows(graded)["untouched", "switches.live_modules"]["comment"] == "No response."


def test_a_person_has_to_grade_the_question(graded: Path) -> None:
    row = rows(graded)["warned", "switches.why-predictions-change"]
    assert (row["needs_manual_grade"], row["max_score"]) == ("True", "2.0")


def test_grading_made_a_secret_seed_that_stays_in_the_course_folder(graded: Path) -> None:
    path = graded / ".grading-seed"
    seed = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in ("exercises", "autograded", "feedback"):
        for file in (graded / folder).rglob("*.*"):
            if file.is_file():
                assert seed not in file.read_text(), file


def test_grading_again_gives_the_same_scores(graded: Path, nbgrader: Callable) -> None:
    before = {key: row["score"] for key, row in rows(graded).items()}
    for threads in ("1", "2"):
        done = nbgrader(graded, "autograde", PS0, "--student=warned", "--force", OMP_NUM_THREADS=threads)
        assert done.returncode == 0, done.stdout
        done = nbgrader(graded, "export", "--exporter=autograder.grading.export.ExerciseExport", "--to=exercises.csv")
        assert {key: row["score"] for key, row in rows(graded).items()} == before


@pytest.mark.parametrize("name", ["ps0-switches/ps0.ipynb", "ps3-evaluation/ps3.ipynb"])
def test_the_master_validates(name: str, nbgrader: Callable, own_sockets: dict[str, str]) -> None:
    done = nbgrader(ROOT, "validate", f"solutions/{name}", *as_options(own_sockets))
    assert "Success! Your notebook passes all the tests." in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["ps0-switches/ps0.ipynb", "ps3-evaluation/ps3.ipynb"])
def test_the_release_fails_politely(name: str, nbgrader: Callable, own_sockets: dict[str, str]) -> None:
    released = nbformat.read(ROOT / "exercises" / name, as_version=4)
    count = sum(map(is_check, released.cells))
    done = nbgrader(ROOT, "validate", f"exercises/{name}", *as_options(own_sockets))
    assert f"VALIDATION FAILED ON {count} CELL(S)" in done.stdout
    assert "Traceback" not in done.stdout
    assert len(re.findall(r"\w+\.\w+: 0 of \d+ points", done.stdout)) == count


@pytest.mark.parametrize("name", ["ps0-switches/ps0.ipynb", "ps3-evaluation/ps3.ipynb"])
def test_a_release_runs_from_top_to_bottom_and_only_misses_answers(
    name: str, tmp_path: Path, own_sockets: dict[str, str]
) -> None:
    notebook = nbformat.read(shutil.copy(ROOT / "exercises" / name, tmp_path), as_version=4)
    nbclient.execute(notebook, allow_errors=True, config=Config(KernelManager=own_sockets))
    errors = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "error"]
    assert {error.ename for error in errors} == {"NotImplementedError", "CheckFailed"}
    for error in errors:
        assert "autograder/" not in "".join(error.traceback), "a learner should not read our traceback"
