"""The feedback page: readable on a phone, and without a network."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.converters import GenerateFeedback
from playwright.sync_api import sync_playwright
from traitlets.config import Config, PyFileConfigLoader

from autograder import grade
from autograder.grading.feedback import FeedbackExporter
from autograder.grading.verdict import exercise_of
from tests.book.test_browser import CHROMIUM
from tests.corpora import load
from tools.pdf import QUIET

ROOT = Path(__file__).parents[2]
ANSWER = {"grade_id": "demo-solution", "solution": True, "grade": False, "comment": "Read *this*."}


def exported(notebook: nbformat.NotebookNode, late_penalty: float = 0) -> str:
    # what GenerateFeedback writes into the configuration of every exporter must not win over ours
    converter = GenerateFeedback(coursedir=None, config=Config())
    about = {"notebook": "ps3", "score": 3, "max_score": 5, "late_penalty": late_penalty}
    html, _ = FeedbackExporter(config=converter.config).from_notebook_node(
        notebook, resources={"nbgrader": about, "inlining": {"css": []}}
    )
    return html


@pytest.fixture(scope="module")
def page() -> str:
    notebook = new_notebook(
        cells=[new_markdown_cell("# Title"), new_code_cell("answer = 1", metadata={"nbgrader": ANSWER})]
    )
    return exported(notebook)


@pytest.fixture(scope="module")
def feedback() -> str:
    """Problem set 3 with everything that a page can hold: reports with timelines, comments, a traceback, a penalty."""
    master = nbformat.read(ROOT / "solutions" / "ps3-evaluation" / "ps3.ipynb", as_version=4)
    for cell in master.cells:
        settings = cell.metadata.get("nbgrader", {})
        if settings.get("grade") or settings.get("task"):
            settings["score"] = 1.0
        if settings.get("solution") or settings.get("task"):
            settings["comment"] = "2 of 5 points.\n\n- Expected: `one` thing. Seen: another.\n"
        if settings.get("grade") and cell.cell_type == "code":
            exercise = exercise_of(settings["grade_id"])
            report = grade(exercise, next(c for c in load(exercise) if not c.right).build())
            data = {"text/plain": "1.0", "text/html": report._repr_html_()}
            traceback = [
                "\x1b[31mValueError\x1b[39m: \x1b[36mx\x1b[39m",
                "\x1b[38;5;66;03m# a comment\x1b[39;00m \x1b[38;5;28;01mfor\x1b[39;00m",
            ]
            cell.outputs = [
                new_output("execute_result", data=data, execution_count=1),
                new_output("error", ename="ValueError", evalue="x", traceback=traceback),
            ]
    return exported(master, late_penalty=0.5)


def test_the_page_shows_score_answer_and_comment(page: str) -> None:
    assert "Score: 3.0 / 5.0" in page
    assert "answer" in page
    assert "<em>this</em>" in page


def test_the_page_is_as_wide_as_the_screen(page: str) -> None:
    assert re.search(r'<meta [^>]*name="viewport"', page)
    assert '<html lang="en">' in page


def test_the_page_asks_no_other_site_for_anything(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.search(r"<script[^>]*src=", page)


def test_the_course_uses_it() -> None:
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    assert config.GenerateFeedback.exporter_class is FeedbackExporter


def test_the_list_at_the_top_names_the_exercises(feedback: str) -> None:
    assert '<a href="#evaluation-evaluate">evaluation.evaluate</a> (Score: 1.0 / 5.0)' in feedback
    assert '<a href="#comment-evaluation-evaluate-solution">comment on evaluation.evaluate</a>' in feedback
    assert 'name="comment-evaluation-evaluate-solution"' in feedback
    assert "Late submission penalty (Score: -0.5)" in feedback


def test_the_timeline_is_in_it_and_nbgrader_s_marks_are_not(feedback: str) -> None:
    assert 'aria-label="Timeline' in feedback
    assert "How it is graded" in feedback
    assert "MARK SCHEME" not in feedback
    assert feedback.count("<body") == feedback.count("</body>") == feedback.count("<main") == 1


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: `apt-get install chromium` brings it")
@pytest.mark.xdist_group("browser")
def test_axe_finds_no_violation(feedback: str, tmp_path: Path) -> None:
    path = tmp_path / "ps3.html"
    path.write_text(feedback)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=QUIET)
        for scheme in ("light", "dark"):
            page = chromium.new_context(color_scheme=scheme, offline=True).new_page()
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(path.as_uri())
            assert asked == [path.as_uri()]
            violations = Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []
        chromium.close()
