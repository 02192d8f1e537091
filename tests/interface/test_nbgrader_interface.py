"""nbgrader's own interface on this course: JupyterLab and Formgrader in Debian's Chromium, and the exchange.

The server is started as `make lab` does it, in a course folder of its own, on loopback, and nobody has activated the
environment: what the course needs on PATH it finds by itself.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from autograder.grading.restore import RECORD
from tests.book.test_browser import CHROMIUM
from tests.conftest import LEVEL, ROOT, as_options
from tests.grading.classes import PS0, as_bytes, hand_in, ps0, right, wrong
from tools.pdf import QUIET

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("interface"),
]
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: `apt-get install chromium` brings it")

#: Milliseconds until something that does not come is a failure; machines that are busy are slow.
PATIENCE = 120_000

QUESTION = "switches-why-predictions-change"
EXERCISES = ("switches.truth_table", "switches.live_modules")
FORGERY = """
class Points(float):
    def __repr__(self):
        return "4.0"


import autograder
autograder.check = lambda *arguments: Points(4)
truth_table, live_modules = {}, None
"""


@dataclass
class Lab:
    """A JupyterLab server in a course folder; `outside` is what its pages asked of other hosts."""

    address: str
    token: str
    folder: Path
    page: Page
    outside: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/{path}?token={self.token}")

    def formgrader(self) -> FrameLocator:
        """Formgrader, opened from the menu."""
        self.open("lab")
        self.page.locator(".lm-MenuBar-item", has_text="Nbgrader").click()
        self.page.get_by_role("menuitem", name="Formgrader", exact=True).click()
        return self.page.frame_locator("iframe")


def notebook_of(course: Path, student: str) -> nbformat.NotebookNode:
    return nbformat.read(course / "autograded" / student / PS0 / "ps0.ipynb", as_version=4)


@pytest.fixture(scope="module")
def small_course(course: Path, own_sockets: dict[str, str]) -> Path:
    """A course of one problem set, with an exchange of its own."""
    for folder in (course / "solutions").iterdir():
        if folder.name != PS0:
            shutil.rmtree(folder)
    exchange = course / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)  # nbgrader wants it writable for everybody
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"c.Exchange.root = {str(exchange)!r}\n")
        config.writelines(f"c.KernelManager.{name} = {value!r}\n" for name, value in own_sockets.items())
    return course


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(
    small_course: Path, own_sockets: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The address and the token of JupyterLab, on a port that was free."""
    home = tmp_path_factory.mktemp("home")
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL"))}
    own = {"HOME": str(home), "PATH": os.defpath, "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    (as_made,) = re.findall(r"^\tjupyter lab\b(.*)$", (ROOT / "Makefile").read_text(), flags=re.M)
    options = [*as_made.split(), "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    options += as_options(own_sockets)
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        cwd=small_course, env={**kept, **own}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    log: list[str] = []
    known = threading.Event()
    found: list[str] = []

    def read() -> None:
        for line in process.stderr:
            log.append(line)
            if not found and (told := re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", line)):
                found.extend(told.groups())
                known.set()
        known.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        known.wait(PATIENCE / 1000)
        assert found, "".join(log)
        yield found[0], found[1]
    finally:
        started = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        process.terminate()
        for one in started:
            try:
                one.wait(30)
            except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                one.kill()
        reader.join(30)
        process.stderr.close()


@pytest.fixture
def lab(server: tuple[str, str], small_course: Path, browser: Browser) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = Lab(*server, small_course, context.new_page())
    opened.page.on(
        "request",
        lambda request: (
            request.url.startswith((opened.address, "data:", "blob:", opened.address.replace("http", "ws")))
            or opened.outside.append(request.url)
        ),
    )
    yield opened
    context.close()


@in_a_browser
def test_a_learner_completes_a_cell_and_validates(lab: Lab) -> None:
    notebook = lab.folder / "work" / "ps0.ipynb"
    notebook.parent.mkdir()
    shutil.copy(ROOT / "exercises" / PS0 / "ps0.ipynb", notebook)
    lab.open("lab/tree/work/ps0.ipynb")
    page = lab.page
    expect(page.locator("text=Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE)

    def cell(text: str) -> object:
        return page.locator(".jp-CodeCell", has_text=text)

    cell("import contextlib").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    cell("def live_modules").locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(right("switches.live_modules"))
    page.keyboard.press("Shift+Enter")
    check = cell('check("switches.live_modules"')
    check.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(check.locator(".jp-OutputArea-output")).to_contain_text("3 of 3 points", timeout=PATIENCE)

    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate", exact=True).click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("The following cell failed", timeout=PATIENCE)
    expect(dialog).to_contain_text("switches.truth_table: 0 of 4 points")
    expect(dialog).to_contain_text("Reread chapter 0")
    expect(dialog).not_to_contain_text("switches.live_modules")
    saved = nbformat.read(notebook, as_version=4)
    assert right("switches.live_modules").strip() in [cell.source.strip() for cell in saved.cells]
    assert lab.outside == []


@in_a_browser
def test_an_instructor_grades_in_formgrader(lab: Lab) -> None:
    page, frame = lab.page, lab.formgrader()
    hand_in(lab.folder, "ada", ps0({"switches.truth_table": right(EXERCISES[0]), EXERCISES[1]: wrong(EXERCISES[1])}))
    hand_in(lab.folder, "forger", ps0(dict.fromkeys(EXERCISES, FORGERY)))

    def succeeds(button: object, *more: str) -> None:
        button.click()
        told = frame.locator("#success-modal, #error-modal")
        expect(told).to_be_visible(timeout=PATIENCE)
        for text in ("Success", *more):
            expect(told).to_contain_text(text)
        told.locator(".modal-footer button").click()
        expect(told).to_have_count(0)

    problem_set = frame.locator("tr", has_text=PS0)
    succeeds(problem_set.locator(".assign a"), "Successfully created the student version")
    assert (lab.folder / "exercises" / PS0 / "ps0.ipynb").is_file()

    problem_set.locator(".num-submissions a").click()
    rows = {student: frame.locator("tr", has_text=student) for student in ("ada", "forger")}
    for row in rows.values():
        expect(row.locator(".status")).to_have_text("needs autograding", timeout=PATIENCE)
        succeeds(row.locator(".autograde a"))
        expect(row.locator(".status")).to_have_text("needs manual grading")
    # our kernel and our referee: what they say about the run is in the notebook, and a forgery earns nothing
    for student in rows:
        record = notebook_of(lab.folder, student).metadata[RECORD]
        assert (record["sandbox"], record["complete"]) == (LEVEL.value, True)
    expect(rows["forger"].locator(".score")).to_have_text("0 / 9")
    before = rows["ada"].locator(".score").inner_text()
    assert re.fullmatch(r"[4-6](\.\d+)? / 9", before), before

    # down to the submission, where the question waits for a person
    rows["ada"].locator(".student-name a").click()
    frame.locator("td.name a").click()
    given = frame.locator(f"#{QUESTION}")
    expect(given).to_have_class(re.compile("needs_manual_grade"))
    expect(frame.locator("body")).to_contain_text("Reread chapter 0")
    question = frame.locator(".nbgrader_cell", has=given)
    expect(question).to_contain_text("1 point: the mode would have prevented it")  # the marking scheme
    with page.expect_response(lambda r: "/api/grade/" in r.url and r.request.method == "PUT") as saved:
        given.fill("1.5")
        given.press("Tab")
    assert saved.value.json()["manual_score"] == 1.5
    comment = frame.locator(f"#{QUESTION}-comment")
    with page.expect_response(lambda r: "/api/comment/" in r.url and r.request.method == "PUT"):
        comment.fill("Where is it stored?")
        comment.press("Tab")

    frame = lab.formgrader()
    frame.locator("tr", has_text=PS0).locator(".num-submissions a").click()
    row = frame.locator("tr", has_text="ada")
    expect(row.locator(".status")).to_have_text("graded")
    expect(row.locator(".score")).to_have_text(f"{float(before.split()[0]) + 1.5:g} / 9")
    succeeds(row.locator(".generate-feedback a"))
    feedback = (lab.folder / "feedback" / "ada" / PS0 / "ps0.html").read_text()
    assert "Where is it stored?" in feedback
    assert "How it is graded" in feedback
    assert 'name="viewport"' in feedback  # FeedbackExporter's page, not nbgrader's own
    assert lab.outside == []


def test_the_exchange_takes_a_notebook_there_and_back(
    small_course: Path, tmp_path: Path, nbgrader: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    learner = {"HOME": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    here = ["--course=two-switches", f"--Exchange.root={small_course / 'exchange'}"]

    def run(folder: Path, *arguments: str, **environment: str) -> str:
        done = nbgrader(folder, *arguments, **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    if not (small_course / "exercises" / PS0).exists():
        run(small_course, "generate_assignment", PS0)
    run(small_course, "release_assignment", PS0)
    run(tmp_path, "fetch_assignment", PS0, *here, **learner)
    notebook = tmp_path / PS0 / "ps0.ipynb"
    assert notebook.read_bytes() == (small_course / "exercises" / PS0 / "ps0.ipynb").read_bytes()
    notebook.write_bytes(as_bytes(ps0({name: right(name) for name in EXERCISES})))
    run(tmp_path, "submit", PS0, *here, **learner)
    run(small_course, "collect", PS0)
    me = getpass.getuser()
    assert (small_course / "submitted" / me / PS0 / "ps0.ipynb").read_bytes() == notebook.read_bytes()
    assert (small_course / "submitted" / me / PS0 / "timestamp.txt").is_file()
    run(small_course, "autograde", PS0, f"--student={me}")
    with Gradebook(f"sqlite:///{small_course / 'gradebook.db'}") as gradebook:
        graded = gradebook.find_submission(PS0, me)
        assert (graded.score, graded.max_score) == (7, 9)
        assert graded.timestamp is not None
