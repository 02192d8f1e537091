"""The feedback page: readable on a phone, and without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.converters import GenerateFeedback
from traitlets.config import Config, PyFileConfigLoader

from autograder.grading.feedback import FeedbackExporter

ROOT = Path(__file__).parents[2]
ANSWER = {"grade_id": "demo-solution", "solution": True, "grade": False, "comment": "Read *this*."}


@pytest.fixture(scope="module")
def page() -> str:
    # what GenerateFeedback writes into the configuration of every exporter must not win over ours
    converter = GenerateFeedback(coursedir=None, config=Config())
    notebook = new_notebook(
        cells=[new_markdown_cell("# Title"), new_code_cell("answer = 1", metadata={"nbgrader": ANSWER})]
    )
    about = {"notebook": "ps3", "score": 3, "max_score": 5, "late_penalty": 0}
    html, _ = FeedbackExporter(config=converter.config).from_notebook_node(
        notebook, resources={"nbgrader": about, "inlining": {"css": []}}
    )
    return html


def test_the_page_shows_score_answer_and_comment(page: str) -> None:
    assert "Score: 3.0 / 5.0" in page
    assert "answer" in page
    assert "<em>this</em>" in page


def test_the_page_is_as_wide_as_the_screen(page: str) -> None:
    assert re.search(r'<meta [^>]*name="viewport"', page)
    assert '<html lang="en">' in page


def test_the_page_asks_no_other_site_for_anything(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.search(r'<script[^>]*src=', page)


def test_the_course_uses_it() -> None:
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    assert config.GenerateFeedback.exporter_class is FeedbackExporter
