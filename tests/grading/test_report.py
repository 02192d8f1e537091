"""The class report: what it counts, what it leaves out, and that the page is safe, silent and readable."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, sync_playwright

from autograder.grading import commands
from autograder.grading.folder import CourseError, CourseFolder
from autograder.grading.report import ClassReport, Work, class_report, drawing, read_work, render
from tests.book.test_browser import CHROMIUM
from tests.grading.synthetic import Judged, judged, new_course, write_class
from tools.pdf import QUIET

# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("report")]

PS3 = "ps3-evaluation"
EVALUATE, PROBA, SALIENCY = "evaluation.evaluate", "evaluation.predict_proba", "evaluation.saliency"
HOSTILE = "<script>alert(1)</script> & more"


def report_on(
    exercise: str, points: float, idea: str | None, message: str = "Seen: something.", page: str = ""
) -> Judged:
    """A solution nobody ran, with the report that a test wants."""
    finding = {"check": "a check", "passed": idea is None, "points": points, "max_points": 5, "misconception": idea}
    finding |= {"message": message, "read": "chapter 3, “No graph”"}
    return Judged(f"answer = {points}\n", {"exercise": exercise, "points": points, "findings": [finding]}, page)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> CourseFolder:
    course = new_course(tmp_path_factory.mktemp("report"), [PS3])
    right, wrong = judged(EVALUATE)[0], judged(EVALUATE)[-1]
    work: dict[str, Mapping[str, Judged | None]] = {
        "ada": {EVALUATE: right, PROBA: report_on(PROBA, 1.0, "graph-built", f"Seen: {HOSTILE}")},
        "bob": {EVALUATE: wrong, **{e: report_on(e, 0, "graph-built") for e in (PROBA, SALIENCY)}},
        "cyd": {EVALUATE: None, PROBA: report_on(PROBA, 0, "wrong-result")},
        "dan": {EVALUATE: right, PROBA: None},
    }  # fmt: skip
    write_class(course, PS3, work)
    with Gradebook(course.courses.db_url) as gradebook:
        gradebook.add_student("eve", first_name="Eve", last_name=HOSTILE)
        gradebook.update_or_create_student("dan", last_name="Danilo")
        gradebook.find_grade("evaluation-saliency", "ps3", PS3, "dan").auto_score = None
        for student in ("ada", "bob", "cyd"):
            for cell in ("evaluation-evaluating", "evaluation-saliency", "evaluation-train_with_validation"):
                grade = gradebook.find_grade(cell, "ps3", PS3, student)
                grade.auto_score, grade.needs_manual_grade = grade.auto_score or 0.0, False
        gradebook.db.commit()
    return course


@pytest.fixture(scope="module")
def report(course: CourseFolder) -> ClassReport:
    return class_report(course, PS3)


def test_a_misconception_counts_once_for_each_learner_and_exercise(report: ClassReport) -> None:
    assert report.heat["graph-built"] == {PROBA: 2, SALIENCY: 1}
    assert report.learners["graph-built"] == 2


def test_a_result_without_an_idea_comes_last_and_is_not_for_discussion(report: ClassReport) -> None:
    assert list(report.heat)[-1] == "wrong-result"
    assert "wrong-result" not in {one.id for one in report.discussed}
    assert report.discussed[0].id == "graph-built"
    assert report.discussed[0].read == "chapter 3, “No graph”"


def test_exercises_are_told_by_what_was_earned(report: ClassReport) -> None:
    row = next(row for row in report.rows if row.exercise == EVALUATE)
    assert (row.passed, row.partly + row.nothing, row.untouched, row.waits) == (2, 1, 1, 0)
    assert next(row.exercise for row in report.rows) == EVALUATE, "in the order of the notebook"


def test_who_is_not_graded_is_told(report: ClassReport) -> None:
    assert report.students("not handed in") == ["eve"]
    assert report.students("could not be graded") == ["dan"]
    assert report.students("needs manual grading") == ["ada", "bob", "cyd"]
    page = render(report)
    assert "Grade again, or by hand: Danilo (dan)." in page
    assert "<p>Eve &lt;script&gt;alert(1)&lt;/script&gt; &amp; more (eve).</p>" in page


def test_two_who_wrote_the_same_are_listed_and_named_no_cheats(report: ClassReport) -> None:
    (pair,) = report.alike
    assert (pair.students, pair.exercises, pair.word_for_word) == (("ada", "dan"), (EVALUATE,), (EVALUATE,))
    page = render(report)
    assert "A place to look, never a verdict." in page
    assert not re.search("cheat|plagiari", page, flags=re.I)


def test_a_page_for_the_class_names_nobody(report: ClassReport) -> None:
    page = render(report, names=False)
    assert not re.search(r"\b(ada|bob|cyd|dan|eve|Danilo|Eve)\b", page)
    assert "Misconceptions by exercise" in page


def test_what_learners_wrote_is_text_in_the_page(report: ClassReport) -> None:
    page = render(report)
    assert "<script" not in page
    assert "Seen: &lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page


def test_a_notebook_that_cannot_be_read_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "ps3.ipynb").write_text("[]")
    assert read_work(tmp_path / "ps3.ipynb") == read_work(tmp_path / "nowhere.ipynb") == Work()


def test_a_picture_keeps_what_draws_and_nothing_else() -> None:
    good = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path id="a" d="M0 0" style="fill: url(#h)"/></svg>'
    )
    assert 'd="M0 0"' in drawing(f"<p>{good}</p>")
    assert 'id="x-a"' in drawing(good, "x-")
    assert "url(#x-h)" in drawing(good, "x-")
    for bad in (
        good.replace("<path", "<script>alert(1)</script><path"),
        good.replace("<path", "<foreignObject/><path"),
        good.replace("<path", "<!-- a --><path"),
        good.replace("/></svg>", "></svg>"),
        "no picture",
    ):
        assert drawing(bad) == ""
    for attribute in ('onclick="alert(1)"', 'href="https://example.org/x"', 'style="fill: url(https://example.org/x)"'):
        assert "example.org" not in drawing(good.replace('d="M0 0" style="fill: url(#h)"', f'd="M0 0" {attribute}'))
        assert "alert" not in drawing(good.replace('d="M0 0"', f'd="M0 0" {attribute}')), attribute


def test_a_gradebook_of_another_course_is_refused(course: CourseFolder, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(course.courses.root, tmp_path / "copy"))
    database = f"sqlite:///{copy / 'gradebook.db'}"
    with Gradebook(database) as gradebook:
        gradebook.remove_grade_cell("evaluation-saliency", "ps3", PS3) if hasattr(
            gradebook, "remove_grade_cell"
        ) else None
        notebook = gradebook.find_notebook("ps3", PS3)
        next(cell for cell in notebook.grade_cells if cell.name == "evaluation-saliency").name = "other-exercise"
        gradebook.db.commit()
    with pytest.raises(
        CourseError, match="has another ps3-evaluation than was released; they differ in evaluation-sal"
    ):
        class_report(CourseFolder.find(copy), PS3)
    with Gradebook(f"sqlite:///{tmp_path / 'other.db'}") as gradebook:
        gradebook.add_assignment("essay-1")
    with pytest.raises(CourseError, match="does not know ps3-evaluation; it knows essay-1"):
        class_report(CourseFolder.find(copy, f"sqlite:///{tmp_path / 'other.db'}"), PS3)
    (tmp_path / "no.db").write_text("this is no database, and it is long enough to be read as one by nobody at all")
    with pytest.raises(CourseError, match=r"no\.db cannot be used: file is not a database"):
        class_report(CourseFolder.find(copy, f"sqlite:///{tmp_path / 'no.db'}"), PS3)
    with pytest.raises(CourseError, match="There is no gradebook"):
        class_report(CourseFolder.find(copy, f"sqlite:///{tmp_path / 'none.db'}"), PS3)
    assert not (tmp_path / "none.db").exists()


# ---------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: `apt-get install chromium` brings it")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_asks_nobody(
    course: CourseFolder, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    path = tmp_path / "report.html"
    commands.report(Path(course.courses.root), "ps3", path)
    context = browser.new_context(color_scheme=scheme, offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
