"""What goes wrong on an instructor's day: a clear line, exit status 2, and nothing lost."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nbgrader.api import Gradebook

from autograder.cli import main
from autograder.grading import console, runner
from autograder.grading.folder import CourseError, read_config
from autograder.grading.submission import GradedSubmission
from tests.conftest import ROOT
from tests.grading.synthetic import judged, new_course, write_class

# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
pytestmark = pytest.mark.filterwarnings("ignore")

PS0 = "ps0-switches"
EXERCISES = ("switches.truth_table", "switches.live_modules")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = new_course(tmp_path_factory.mktemp("mistakes"), [PS0])
    some = {exercise: judged(exercise, 3) for exercise in EXERCISES}
    write_class(course, PS0, {f"learner-{i}": {e: found[i % 3] for e, found in some.items()} for i in range(6)})
    return Path(course.courses.root)


@pytest.fixture
def course(graded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(graded, tmp_path / "course"))


def run(course: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--course", str(course)])


def refused(done: Result, *reasons: str) -> None:
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.output
    for reason in reasons:
        assert reason in done.stderr, done.stderr


@contextlib.contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow beyond `most` bytes: what a program sees of a disk that is full, without one."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


COMMANDS = (["grade", "ps0"], ["report", "ps0"], ["export", "ps0"], ["feedback", "ps0"], ["collect", "."], ["release"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_folder_that_is_no_course(command: list[str], tmp_path: Path) -> None:
    refused(run(tmp_path, *command), "is no course folder: it has no nbgrader_config.py. Name one with --course.")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("c.CourseDirectory.db_ulr = 'x'", "has no setting 'db_ulr'. Did you mean c.CourseDirectory.db_url?"),
        ("c.CorseDirectory.root = 'x'", "there is no CorseDirectory to configure. Did you mean c.CourseDirectory?"),
        ("c.LatePolicy.percent_per_dya = 3", "Did you mean c.LatePolicy.percent_per_day?"),
        ("c.CourseDirectory.root = ", "SyntaxError: invalid syntax"),
        ("import nbgrader_extra", "ModuleNotFoundError: No module named 'nbgrader_extra'"),
        ("c.X.y = undefined_name", "NameError: name 'undefined_name' is not defined"),
    ],
)  # fmt: skip
def test_a_typing_error_in_the_configuration(course: Path, line: str, reason: str) -> None:
    path = course / "nbgrader_config.py"
    text = path.read_text()
    path.write_text(f"{text}{line}\n")
    for command in ("export", "grade"):
        refused(run(course, command, "ps0"), reason)
    if "Error" in reason:
        assert f"nbgrader_config.py, line {text.count(chr(10)) + 1}: " in run(course, "export", "ps0").stderr


def test_the_course_s_own_configuration_has_no_typing_error() -> None:
    assert read_config(ROOT).CourseDirectory.course_id == "two-switches"


@pytest.mark.parametrize("command", [["report", "ps7"], ["export", "ps7"], ["feedback", "ps7"]], ids=lambda c: c[0])
def test_a_problem_set_that_does_not_exist(course: Path, command: list[str]) -> None:
    refused(run(course, *command), "There is no released problem set 'ps7'", "There are: ps0-switches.")


def test_what_cannot_be_released(course: Path, tmp_path: Path) -> None:
    refused(run(course, "release", "ps7"), "There is no master of 'ps7'", "There are: ps0-switches.")
    shutil.rmtree(course / "solutions")
    refused(run(course, "release"), "holds no master notebooks: there is nothing to release.")


def test_a_master_that_is_broken_says_why(course: Path) -> None:
    (course / "solutions" / PS0 / "ps0.ipynb").write_text("half a note")
    released = (course / "exercises" / PS0 / "ps0.ipynb").read_bytes()
    refused(run(course, "release"), "nbgrader could not do it (release ps0-switches)", "not appear to be JSON")
    assert (course / "exercises" / PS0 / "ps0.ipynb").read_bytes() == released


def test_feedback_for_somebody_who_was_not_graded(course: Path) -> None:
    refused(run(course, "feedback", "ps0", "--student", "nobody"), "nobody: not graded yet")
    shutil.rmtree(course / "autograded")
    refused(run(course, "feedback", "ps0"), "Nobody's ps0-switches has been graded yet")


def test_grading_into_a_gradebook_of_another_course(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course / "autograded", course / "submitted")
    with Gradebook(f"sqlite:///{tmp_path / 'other.db'}") as gradebook:
        gradebook.add_assignment("essay-1")
    done = run(course, "grade", "ps0", "--unsafe", "--db", f"sqlite:///{tmp_path / 'other.db'}")
    refused(done, "other.db does not know ps0-switches/ps0.ipynb. Release it into that gradebook first")


@pytest.mark.parametrize("command", [["report", "ps0"], ["export", "ps0"], ["feedback", "ps0"]], ids=lambda c: c[0])
def test_a_gradebook_of_another_course(course: Path, tmp_path: Path, command: list[str]) -> None:
    with Gradebook(f"sqlite:///{tmp_path / 'other.db'}") as gradebook:
        gradebook.add_assignment("essay-1")
    done = run(course, *command, "--db", f"sqlite:///{tmp_path / 'other.db'}")
    refused(done, "other.db does not know ps0-switches; it knows essay-1.")
    (tmp_path / "no.db").write_text("no database, but long enough to be taken for one by somebody who does not look")
    refused(run(course, *command, "--db", f"sqlite:///{tmp_path / 'no.db'}"), "file is not a database")
    refused(run(course, *command, "--db", f"sqlite:///{tmp_path / 'none.db'}"), "There is no gradebook")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("command", [["report", "ps0"], ["export", "ps0", "--format", "json"]], ids=lambda c: c[0])
def test_a_full_disk_leaves_what_stood_there(course: Path, command: list[str]) -> None:
    target = course / "out"
    target.write_text("earlier")
    with full_disk(600):
        done = run(course, *command, "-o", str(target))
    refused(done, f"{target}: File too large. What stood there before is unchanged")
    assert target.read_text() == "earlier"
    assert [path.name for path in course.glob(".out*")] == []


@pytest.fixture
def handed_in(course: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The course again, with submissions that are graded in an instant: what is written afterwards is at stake."""
    shutil.copytree(course / "autograded", course / "submitted")

    def graded(submission: bytes, **more: object) -> GradedSubmission:
        return GradedSubmission(notebook=submission, sandbox="full")

    monkeypatch.setattr(runner, "grade_submission", graded)
    monkeypatch.setattr(console, "LocalWorkers", lambda *arguments: lambda: ThreadPoolExecutor(1))
    assert run(course, "grade", "ps0", "--force", "--jobs", "1").exit_code == 0
    shutil.copytree(course / "submitted" / "learner-0", course / "submitted" / "new")
    return course


def state(course: Path) -> dict[str, bytes]:
    folders = (course / "submitted", course / "autograded")
    return {str(path): path.read_bytes() for folder in folders for path in sorted(folder.glob("*/ps*/*.ipynb"))}


@pytest.mark.parametrize("most", [600, 20_000])
def test_a_full_disk_while_grading_loses_nothing_and_is_told_in_one_line(handed_in: Path, most: int) -> None:
    before = state(handed_in)
    with full_disk(most):
        done = run(handed_in, "grade", "ps0", "--force", "--jobs", "1")
    refused(done, "Grading stopped, because it cannot write.", "What was graded before is kept; the same command")
    assert state(handed_in) == before
    assert run(handed_in, "grade", "ps0", "--force", "--jobs", "1").exit_code == 0
    assert run(handed_in, "export", "ps0", "--partial", "-o", str(handed_in / "x.csv")).exit_code in (0, 1)
    assert len((handed_in / "x.csv").read_text().splitlines()) == 8


def test_grading_into_a_folder_or_a_gradebook_that_may_not_be_written(
    handed_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(old: str, new: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", old, None, new)

    before = state(handed_in)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", denied)
        done = run(handed_in, "grade", "ps0", "--force", "--jobs", "1")
    refused(done, f"{handed_in / 'autograded'}", "Permission denied. What was graded before is kept")
    assert state(handed_in) == before
    # root may write everything, so SQLite is told to open it for reading
    url = f"sqlite:///file:{handed_in / 'gradebook.db'}?mode=ro&uri=true"
    done = run(handed_in, "grade", "ps0", "--force", "--jobs", "1", "--db", url)
    refused(done, "gradebook.db", "attempt to write a readonly database")
    assert state(handed_in) == before


def test_a_full_disk_loses_no_submission(course: Path, tmp_path: Path) -> None:
    download = tmp_path / "download" / "ada" / "ps0.ipynb"
    download.parent.mkdir(parents=True)
    shutil.copy(course / "exercises" / PS0 / "ps0.ipynb", download)
    assert run(course, "collect", str(tmp_path / "download")).exit_code == 0
    submitted = course / "submitted" / "ada" / PS0 / "ps0.ipynb"
    before = submitted.read_bytes()
    download.write_bytes(before + b" " * 5000)
    with full_disk(len(before) + 100):
        done = run(course, "collect", str(tmp_path / "download"), "--update")
    refused(done, f"{submitted}: File too large")
    assert submitted.read_bytes() == before
    assert [path.name for path in submitted.parent.iterdir()] == ["ps0.ipynb"]
    assert run(course, "collect", str(tmp_path / "download"), "--update").exit_code == 0
    assert submitted.read_bytes() == before + b" " * 5000


def test_a_folder_that_may_not_be_written(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*arguments: object, **more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "a name of nobody's interest")

    monkeypatch.setattr(tempfile, "mkstemp", denied)
    target = course / "report.html"
    refused(run(course, "report", "ps0", "-o", str(target)), f"{target}: Permission denied.")
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    refused(run(course, "release"), "You may not write into")
    refused(run(course, "collect", str(course)), "You may not write into")


def test_a_page_for_a_folder_that_does_not_exist(course: Path) -> None:
    refused(run(course, "report", "ps0", "-o", str(course / "pages" / "ps0.html")), "does not exist")


def test_nbgrader_s_settings_are_known(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.Exchange.root = '/tmp'\nc.ServerApp.port = 1\n")
    assert read_config(tmp_path).Exchange.root == "/tmp"
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.Exchange.rooot = '/tmp'\n")
    with pytest.raises(CourseError, match=r"Did you mean c\.Exchange\.root\?"):
        read_config(tmp_path)
