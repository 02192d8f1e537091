"""The built book in a real browser: Debian's Chromium, driven by Playwright, from the folder and without a network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tools.pdf import QUIET

from .conftest import Built, chapters

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: `apt-get install chromium` brings it"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


class Visit:
    """A page that was opened, with what it asked for outside its folder and what it complained about."""

    def __init__(self, browser: Browser, built: Built, name: str, *, dark: bool = False, phone: bool = False) -> None:
        self._html = built.html
        self.context = browser.new_context(
            viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            offline=True,
        )
        self.page: Page = self.context.new_page()
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.go(name)

    def go(self, name: str) -> None:
        """On to another page, which answers for itself: that is several times faster than another visit."""
        self.outside.clear()
        self.complaints.clear()
        self.page.goto((self._html / name).as_uri(), wait_until="load")

    def _asked(self, request: object) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.outside.append(request.url)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def pages(built: Built) -> list[str]:
    """All pages that readers meet, by name, those in folders too."""
    found = (path.relative_to(built.html).as_posix() for path in built.html.rglob("*.html"))
    return sorted(name for name in found if not name.startswith("_static"))


def kinds(built: Built) -> list[str]:
    """All pages, but of those that one template makes of the misconceptions' registry every tenth."""
    found = pages(built)
    made = [name for name in found if name.startswith("misconceptions/")]
    return [name for name in found if name not in made or name in made[::10]]


def test_every_page_opens_without_a_complaint_and_asks_nobody_outside(browser: Browser, built: Built) -> None:
    faults = {}
    with Visit(browser, built, "index.html") as visit:
        for name in pages(built):
            visit.go(name)
            visit.page.wait_for_function(
                "!window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)"
            )
            if visit.outside or visit.complaints:
                faults[name] = visit.outside + visit.complaints
    assert not faults


def test_a_phone_scrolls_only_vertically(browser: Browser, built: Built) -> None:
    wide = {}
    with Visit(browser, built, "index.html", phone=True) as visit:
        for name in kinds(built):
            visit.go(name)
            width = visit.page.evaluate("document.documentElement.scrollWidth")
            if width > 390:
                wide[name] = width
    assert not wide


#: Leaves two of each kind of token in the page's code.  All have the same few colours, axe looks at each of thousands.
THIN = """() => {
    const seen = new Map();
    for (const token of document.querySelectorAll("pre span[class]")) {
        const before = seen.get(token.className) ?? 0;
        seen.set(token.className, before + 1);
        if (before >= 2 && !token.id && !token.querySelector("[id], a")) token.replaceWith(...token.childNodes);
    }
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, built: Built, dark: bool) -> None:
    axe = Axe()
    found = {}
    with Visit(browser, built, "index.html", dark=dark) as visit:
        for name in kinds(built):
            visit.go(name)
            assert visit.page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
            visit.page.evaluate(THIN)
            violations = axe.run(visit.page).response["violations"]
            if violations:
                found[name] = [
                    f"{violation['id']} ({len(violation['nodes'])}): {violation['nodes'][0]['html'][:120]}"
                    for violation in violations
                ]
    assert not found


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_checklist_fits_on_one_sheet(browser: Browser, built: Built, paper: str) -> None:
    with Visit(browser, built, "checklist.html") as visit:
        printed = visit.page.pdf(format=paper, margin=dict.fromkeys(("top", "bottom", "left", "right"), "15mm"))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_search_finds_a_word(browser: Browser, built: Built) -> None:
    with Visit(browser, built, "search.html") as visit:
        visit.page.goto((built.html / "search.html").as_uri() + "?q=saliency")
        visit.page.wait_for_selector("#search-results li a")
        titles = visit.page.eval_on_selector_all(
            "#search-results li a", "links => links.map(a => a.getAttribute('href'))"
        )
        assert any("03-evaluation" in title for title in titles)


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_link_into_a_chapter_leads_to_its_place(browser: Browser, built: Built, chapter: object) -> None:
    # figures above it are laid out only when somebody comes near
    with Visit(browser, built, "index.html") as visit:
        visit.page.goto((built.html / f"{chapter.stem}.html").as_uri() + "#exercises")
        visit.page.wait_for_function(
            "() => { const y = document.querySelector('#exercises > h2').getBoundingClientRect().y;"
            " return 0 <= y && y < 200; }"
        )


def test_the_keyboard_comes_first_to_the_content_and_always_sees_where_it_is(browser: Browser, built: Built) -> None:
    with Visit(browser, built, "03-evaluation.html") as visit:
        page = visit.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
        unseen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen = page.evaluate(
                "() => { const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();"
                " return [s.outlineStyle != 'none' || s.boxShadow != 'none', b.width > 0, e.outerHTML.slice(0, 90)]; }"
            )
            if not (seen[0] and seen[1]):
                unseen.append(seen[2])
        assert not unseen


def test_the_reader_can_switch_to_dark(browser: Browser, built: Built) -> None:
    with Visit(browser, built, "00-two-switches.html") as visit:
        seen = set()
        for _ in range(3):
            visit.page.evaluate("document.querySelector('.theme-switch-button').click()")
            seen.add(visit.page.evaluate("document.documentElement.dataset.theme"))
        assert seen == {"light", "dark"}


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_questions_open_their_answers_by_keyboard(browser: Browser, built: Built, chapter: object) -> None:
    with Visit(browser, built, f"{chapter.stem}.html") as visit:
        questions = visit.page.locator(".question")
        assert questions.count() >= 2, "every chapter asks before it shows"
        for question in questions.all():
            wrong = question.locator("details.answer").first
            wrong.locator("summary").focus()
            visit.page.keyboard.press("Enter")
            assert wrong.get_attribute("open") is not None
            assert wrong.locator("p").is_visible()
