"""Scores on their way out: what is in them, who gets them, and that nothing unfinished leaves as a grade."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nbgrader.api import Gradebook

from autograder.cli import main
from autograder.grading.folder import CourseFolder
from autograder.grading.late import DAY, LatePolicy
from tests.grading.synthetic import Judged, new_course, write_class

# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
pytestmark = pytest.mark.filterwarnings("ignore")

PS0, TABLE, LIVE, WHY = (
    "ps0-switches",
    "switches-truth_table",
    "switches-live_modules",
    "switches-why-predictions-change",
)
MOST = 9


def judged(exercise: str, points: float) -> Judged:
    return Judged("answer = 1\n", {"exercise": exercise, "points": points, "findings": []}, "")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> CourseFolder:
    course = new_course(tmp_path_factory.mktemp("export"), [PS0])
    full = {
        "switches.truth_table": judged("switches.truth_table", 4),
        "switches.live_modules": judged("switches.live_modules", 3),
    }
    write_class(course, PS0, dict.fromkeys(("ada", "alan", "emmy"), full))
    with Gradebook(course.courses.db_url) as gradebook:
        for who, first, last, lms in (("ada", "Ada", "Lovelace", "45"), ("emmy", "Emmy", "Noether", "46"),
                                      ("grace", "Grace", "Hopper", "47"), ("alan", "Alan", "Turing", "")):  # fmt: skip
            gradebook.update_or_create_student(
                who, first_name=first, last_name=last, email=f"{who}@example.org", lms_user_id=lms
            )
        why = gradebook.find_grade(WHY, "ps0", PS0, "ada")
        why.manual_score, why.extra_credit, why.needs_manual_grade = 1.5, 0.5, False
        gradebook.find_submission_notebook("ps0", PS0, "ada").late_submission_penalty = 0.7
        lost = gradebook.find_grade(LIVE, "ps0", PS0, "alan")
        lost.auto_score, lost.needs_manual_grade = None, True
        gradebook.db.commit()
    return course


@pytest.fixture
def course(graded: CourseFolder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(graded.courses.root, tmp_path / "course"))


def export(course: Path, *arguments: str, form: str = "csv") -> tuple[Result, Path]:
    path = course / "out"
    done = CliRunner().invoke(main, ["export", "--course", str(course), "-o", str(path), "--format", form, *arguments])
    return done, path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_manual_scores_extra_credit_and_lateness_count(course: Path) -> None:
    _, path = export(course)
    row = {one["student_id"]: one for one in rows(path)}["ada"]
    assert (row["raw_score"], row["late_penalty"], row["score"]) == ("9", "0.7", "8.3")
    assert (row["max_score"], row["status"], row["problem_set"]) == (str(MOST), "final", PS0)


def test_what_is_not_final_leaves_empty_and_is_told(course: Path) -> None:
    done, path = export(course)
    assert done.exit_code == 1
    assert {one["student_id"]: (one["status"], one["score"]) for one in rows(path)} == {
        "ada": ("final", "8.3"),
        "alan": ("could not be graded", ""),
        "emmy": ("needs manual grading", ""),
        "grace": ("not handed in", ""),
    }
    assert "NOT FINAL, could not be graded: alan (ps0-switches); left empty" in done.stderr
    assert "NOT FINAL, needs manual grading: emmy (ps0-switches); left empty" in done.stderr
    assert "1 not handed in: left empty." in done.stdout


def test_what_is_not_final_leaves_only_when_asked_and_is_told_still(course: Path) -> None:
    done, path = export(course, "--partial", "--missing-as-zero")
    assert done.exit_code == 1
    assert {one["student_id"]: one["score"] for one in rows(path)} == {
        "ada": "8.3",
        "alan": "4",
        "emmy": "7",
        "grace": "0",
    }
    assert "NOT FINAL, needs manual grading: emmy (ps0-switches); exported as far as they are" in done.stderr


def test_when_all_is_final_the_status_is_0(course: Path) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for student in ("alan", "emmy"):
            for cell in (LIVE, WHY):
                grade = gradebook.find_grade(cell, "ps0", PS0, student)
                grade.manual_score, grade.needs_manual_grade = 1.0, False
        gradebook.db.commit()
    done, _ = export(course)
    assert (done.exit_code, done.stderr) == (0, "")


def test_feedback_given_before_a_person_has_marked_says_so(course: Path) -> None:
    arguments = ["feedback", "ps0", "--student", "ada", "--course", str(course)]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, (course / "feedback" / "ada" / PS0 / "ps0.html").is_file()) == (0, True)
    assert "2 answers of this problem set wait for a person, and the pages say 0 there." in done.stderr
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for student in ("alan", "emmy"):
            grade = gradebook.find_grade(WHY, "ps0", PS0, student)
            grade.manual_score, grade.needs_manual_grade = 1.0, False
        gradebook.db.commit()
    assert CliRunner().invoke(main, arguments).stderr == ""


def test_what_was_collected_and_not_graded_is_no_missing_work(course: Path) -> None:
    (course / "submitted" / "grace" / PS0).mkdir(parents=True)
    done, path = export(course, "--partial", "--missing-as-zero")
    row = {one["student_id"]: one for one in rows(path)}["grace"]
    assert (row["status"], row["score"], row["raw_score"]) == ("not graded yet", "", "")
    assert "NOT FINAL, not graded yet: grace (ps0-switches); left empty. autograder grade grades" in done.stderr
    assert "not handed in" not in done.stdout
    done = CliRunner().invoke(main, ["report", "ps0", "--course", str(course), "-o", str(course / "page.html")])
    assert "1 not graded yet; the page lists them." in done.stderr
    assert "nobody has graded it: Grace Hopper (grace)." in (course / "page.html").read_text()


def test_canvas(course: Path) -> None:
    done, path = export(course, "--title", "ps0=Problem set 0 (4711)", form="canvas")
    header, points, *students = path.read_text().splitlines()
    assert header == "Student,ID,SIS User ID,SIS Login ID,Section,Problem set 0 (4711)"
    assert points == "    Points Possible,,,,,9"
    assert students == [
        '"Lovelace, Ada",45,,ada,,8.3',
        '"Turing, Alan",,,alan,,',
        '"Noether, Emmy",46,,emmy,,',
        '"Hopper, Grace",47,,grace,,',
    ]
    assert done.exit_code == 1


def test_canvas_gets_its_own_ids_back(course: Path) -> None:
    (course / "canvas.csv").write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Other (1)\n    Points Possible,,,,,5\n"
        '"Lovelace, Ada Augusta",4501,U45,ada,Autumn,5\n'
    )
    _, path = export(course, "--roster", str(course / "canvas.csv"), form="canvas")
    assert '"Lovelace, Ada Augusta",4501,U45,ada,Autumn,8.3' in path.read_text().splitlines()
    (course / "wrong.csv").write_text("id,name\nada,Ada\n")
    done, _ = export(course, "--roster", str(course / "wrong.csv"), form="canvas")
    assert (done.exit_code, "is no export of Canvas's gradebook" in done.stderr) == (2, True)


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,{title} (4711),Current Score\n"
    "    Points Possible,,,,,{most},(read only)\n"
    '"Lovelace, Ada",45,,ada,,,90\n'
)


@pytest.mark.parametrize("arguments", [(), ("--title", "ps0=Zero"), ("--title", "ps0=Zero (4711)")])
def test_canvas_s_own_name_for_the_problem_set_is_found_in_its_export(course: Path, arguments: tuple[str, ...]) -> None:
    title = "Zero" if arguments else PS0
    (course / "canvas.csv").write_text(CANVAS.format(title=title, most="9.00"))
    done, path = export(course, "--roster", str(course / "canvas.csv"), *arguments, form="canvas")
    assert path.read_text().splitlines()[0] == f"Student,ID,SIS User ID,SIS Login ID,Section,{title} (4711)"
    assert "Canvas has no assignment" not in done.stderr


def test_an_assignment_that_canvas_would_make_anew_is_told(course: Path) -> None:
    (course / "canvas.csv").write_text(CANVAS.format(title="Zero", most="9.00"))
    done, path = export(course, "--roster", str(course / "canvas.csv"), form="canvas")
    assert f"Canvas has no assignment {PS0!r}: importing makes a new one. It has Zero (4711)." in done.stderr
    assert path.read_text().splitlines()[0].endswith(f",{PS0}")


def test_points_that_canvas_counts_otherwise_are_refused(course: Path) -> None:
    (course / "canvas.csv").write_text(CANVAS.format(title=PS0, most="100.00"))
    done, path = export(course, "--roster", str(course / "canvas.csv"), form="canvas")
    assert (done.exit_code, path.exists()) == (2, False)
    assert f"Canvas counts 100 points for '{PS0} (4711)', {PS0} has 9. Set the assignment's points in" in done.stderr


WORKSHEET = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Last modified (grade),Feedback comments\r\n"
    'Participant 901,Ada Lovelace,ada@example.org,Submitted,,{most},"Sunday, 1 March 2026, 9:00 AM",Well done\r\n'
    "Participant 902,Emmy Noether,emmy@example.org,Submitted,3,{most},-,\r\n"
)


def test_moodle_s_worksheet_is_filled_in_and_nothing_else_changed(course: Path) -> None:
    (course / "worksheet.csv").write_text(WORKSHEET.format(most="9.00"), newline="")
    _, path = export(course, "ps0", "--roster", str(course / "worksheet.csv"), form="moodle")
    expected = WORKSHEET.format(most="9.00").replace("Submitted,,9.00", "Submitted,8.3,9.00")
    assert path.read_bytes().decode() == expected, "and Emmy's 3 stays: hers is not final"


def test_whom_the_worksheet_does_not_have_is_told(course: Path) -> None:
    (course / "worksheet.csv").write_text(WORKSHEET.format(most="9.00").replace("Ada Lovelace,ada@", "Bo,bo@"))
    done, _ = export(course, "ps0", "--roster", str(course / "worksheet.csv"), form="moodle")
    assert (done.exit_code, "NOT EXPORTED, in no row of" in done.stderr, ": ada." in done.stderr) == (1, True, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WORKSHEET.format(most="100.00"), "line 2: Moodle's maximum is 100.00, that of ps0-switches is 9. Set the"),
        ("name,points\nada,3\n", "is no grading worksheet of Moodle"),
    ],
)
def test_a_worksheet_that_does_not_fit_is_refused(course: Path, text: str, reason: str) -> None:
    (course / "worksheet.csv").write_text(text)
    (course / "out").write_text("earlier")
    done, path = export(course, "ps0", "--roster", str(course / "worksheet.csv"), form="moodle")
    assert (done.exit_code, reason in done.stderr, path.read_text()) == (2, True, "earlier")


def test_moodle_s_import_takes_a_table(course: Path) -> None:
    _, path = export(course, "ps0", form="moodle")
    assert rows(path)[0] == {"Username": "ada", "Email address": "ada@example.org", "First name": "Ada",
                             "Last name": "Lovelace", PS0: "8.3"}  # fmt: skip


def test_json(course: Path) -> None:
    _, path = export(course, form="json")
    ada, alan, *_ = json.loads(path.read_text())
    assert (ada["score"], alan["score"], alan["status"]) == (8.3, None, "could not be graded")
    why = ada["exercises"][-1]
    assert (why["manual_score"], why["extra_credit"], why["score"]) == (1.5, 0.5, 2.0)


@pytest.mark.parametrize(
    ("late", "cost"),
    [(0, None), (15 * 60, None), (15 * 60 + 1, 0.8), (DAY, 0.8), (DAY + 16 * 60, 1.6), (30 * DAY, 4.0)],
)
def test_what_lateness_costs(late: float, cost: float | None) -> None:
    assert LatePolicy().late_submission_penalty("ada", 8.0, late) == (cost and pytest.approx(cost))


def test_lateness_cannot_cost_more_than_was_earned() -> None:
    assert LatePolicy(percent_per_day=100.0, most_percent=100.0).late_submission_penalty("ada", 8.0, 9 * DAY) == 8.0
    assert LatePolicy().late_submission_penalty("ada", 0.0, 9 * DAY) is None
