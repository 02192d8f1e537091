"""The printed book: every page of it is there, answers stand at the end, and nothing is cut at the margin."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page

from tools import pdf

from .conftest import ROOT, Built, build, chapters
from .test_browser import CHROMIUM, browser  # noqa: F401  the fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: `apt-get install chromium` brings it"),
]

A4_TEXT = 643  # pixels: 210 mm less two margins of 20 mm


@pytest.fixture(scope="module")
def single(built: Built) -> Built:
    with FileLock(ROOT / "_build" / ".book.lock"):
        return build(builder="singlehtml")


@pytest.fixture
def page(single: Built, browser: Browser) -> Page:  # noqa: F811
    context = browser.new_context(viewport={"width": A4_TEXT, "height": 970}, reduced_motion="reduce", offline=True)
    page = context.new_page()
    pdf.arrange(page)
    page.emulate_media(media="print", color_scheme="light")
    yield page
    context.close()


def test_the_single_page_is_built_without_a_warning(single: Built) -> None:
    assert single.returncode == 0, single.log[-4000:]


def test_every_chapter_and_every_answer_is_there(page: Page) -> None:
    titles = page.locator("#printed-contents li").all_text_contents()
    assert [title[0] for title in titles if title[1:3] == " ·"] == [str(int(path.stem[:2])) for path in chapters()]
    assert titles[-1] == "Answers to the questions"
    questions = page.locator(".question").count()
    assert questions == page.locator(".printed-answer").count() >= 2 * len(chapters())
    assert page.locator(".printed-answer .question-text").last.text_content() == f"Question {questions}"


def test_links_of_the_contents_lead_somewhere_and_ids_are_unique(page: Page) -> None:
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    links = page.eval_on_selector_all("article a[href^='#']", "all => all.map(a => a.getAttribute('href').slice(1))")
    assert set(links) - {""} <= set(ids)


def test_nothing_is_cut(page: Page) -> None:
    wide = page.evaluate(
        """width => [...document.querySelectorAll("article :is(svg, img, pre, table, mjx-container, .claim)")]
        .map(e => [e.getBoundingClientRect(), e])
        .filter(([box, e]) => box.width && (box.right > width + 1 || box.left < -1))
        .map(([box, e]) => `${Math.round(box.right)}: ${e.outerHTML.slice(0, 100)}`)""",
        A4_TEXT,
    )
    assert not wide


def test_controls_stay_off_the_paper_and_figures_stand_still(page: Page) -> None:
    for hidden in (".bd-sidebar-primary", "details.hide", "a.headerlink", "#pst-back-to-top"):
        assert page.locator(hidden).count(), f"{hidden}: the book has none any more"
        assert page.locator(hidden).filter(visible=True).count() == 0, hidden
    assert page.locator(".explorable-controls").count() == 0, "a figure has started"
    assert page.locator(".explorable-still").count()
    for still in page.locator(".explorable-still").all():
        assert still.locator("svg").is_visible()


def test_the_command_writes_the_file(single: Built) -> None:
    done = subprocess.run([sys.executable, "-m", "tools.pdf"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("_build/pdf/two-switches.pdf: ")
    assert Path(ROOT, "_build/pdf/two-switches.pdf").read_bytes().startswith(b"%PDF-")
