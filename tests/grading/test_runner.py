"""Many workers, one writer: what ends in the gradebook, whatever happens on the way."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from nbgrader.api import Gradebook
from rich.console import Console
from sqlalchemy import Engine, event

from autograder.grading import console as terminal
from autograder.grading import gradebook as writing
from autograder.grading import runner
from autograder.grading.folder import CourseError
from autograder.grading.gradebook import UnknownAssignment
from autograder.grading.restore import RECORD
from autograder.grading.runner import BadRequest, Course, Summary, grade_class
from autograder.grading.submission import GradedSubmission, grade_submission
from autograder.kernel import SandboxUnavailable, _parent, _sandbox
from autograder.kernel.provisioner import warm_up
from tests.conftest import LEVEL
from tests.grading.classes import PS0, RELEASE, as_bytes, contents, hand_in, ps0, release_to, right, wrong

# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
pytestmark = pytest.mark.filterwarnings("ignore")

LIVE, TABLE = "switches.live_modules", "switches.truth_table"
CLASS = {
    "all-right": {LIVE: right(LIVE), TABLE: right(TABLE)},
    "half-right": {LIVE: wrong(LIVE), TABLE: right(TABLE)},
    "untouched": {},
    "wrong": {LIVE: wrong(LIVE), TABLE: wrong(TABLE)},
}


@pytest.fixture(scope="module")
def released(course: Path, nbgrader: Callable) -> Path:
    """A course in which problem set 0 has been released and a class has handed in; nothing is graded."""
    return release_to(course, nbgrader, CLASS)


@pytest.fixture
def fresh(released: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    folder = tmp_path / "course"
    shutil.copytree(released, folder)
    return folder


@pytest.fixture(scope="module")
def results() -> dict[bytes, GradedSubmission]:
    """Graded once, with real kernels, and used by the workers of every test here."""
    master = RELEASE.read_bytes()
    files = [as_bytes(ps0(sources)) for sources in CLASS.values()]
    return {data: grade_submission(data, master, 31415926, sandbox=LEVEL) for data in files}


@pytest.fixture
def graded_before(results: dict[bytes, GradedSubmission], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes the workers look the results up; the names of those that were looked up."""
    seen: list[str] = []

    def look_up(data: bytes, *, name: str, **more: Any) -> GradedSubmission:
        seen.append(name)
        return results.get(data) or GradedSubmission(problem="Not a notebook: it is something else.")

    monkeypatch.setattr(runner, "grade_submission", look_up)
    return seen


def grade(folder: Path, students: tuple[str, ...] = (), **more: Any) -> Summary:
    course = Course.find(folder, "ps0")
    workers = {"workers": lambda: ThreadPoolExecutor(2), "most_in_flight": 2} | more
    return grade_class(course, course.submissions(students), **workers)


def scores(folder: Path) -> dict[str, list[str]]:
    return contents(folder / "gradebook.db")


def untimed(path: Path) -> bytes:
    """The file's contents; a graded notebook's without the seconds that it took, which are there."""
    if path.suffix != ".ipynb":
        return path.read_bytes()
    notebook = json.loads(path.read_bytes())
    assert notebook["metadata"][RECORD].pop("seconds") > 0
    return json.dumps(notebook).encode()


# ---------------------------------------------------------------------- the same as nbgrader


@pytest.mark.slow
def test_the_gradebook_is_that_of_nbgrader_autograde(released: Path, tmp_path: Path, nbgrader: Callable) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        shutil.copytree(released, folder)
        hand_in(folder, "cut-off", as_bytes(ps0())[:1000])
        hand_in(folder, "marked", b"\xef\xbb\xbf" + as_bytes(ps0(CLASS["half-right"])))
        (folder / "submitted" / "wrong" / PS0 / "notes.txt").write_text("mine")
    done = nbgrader(theirs, "autograde", PS0)
    assert "cut off" in done.stdout
    done = subprocess.run([sys.executable, "-m", "autograder.cli", "grade", "ps0", "--jobs=2"], cwd=ours, check=False)
    assert done.returncode == 1
    assert scores(ours) == scores(theirs)
    files = {f: sorted(p.relative_to(f) for p in (f / "autograded").rglob("*.*")) for f in (ours, theirs)}
    assert files[ours] == files[theirs]
    for name in files[ours]:
        assert untimed(ours / name) == untimed(theirs / name), name
        assert (ours / name).stat().st_mode == (theirs / name).stat().st_mode, name
    done = nbgrader(ours, "generate_feedback", PS0)
    assert done.returncode == 0, done.stdout
    page = (ours / "feedback" / "wrong" / PS0 / "ps0.html").read_text()
    assert "How it is graded" in page, "the learner sees what the question's points are for"


def test_a_late_submission_gets_nbgrader_s_penalty(fresh: Path, graded_before: list[str], nbgrader: Callable) -> None:
    with (fresh / "nbgrader_config.py").open("a") as file:
        file.write("\nfrom nbgrader.plugins import LateSubmissionPlugin\n")
        file.write("c.AssignLatePenalties.plugin_class = LateSubmissionPlugin\n")
        file.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    with Gradebook(f"sqlite:///{fresh}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment(PS0, duedate="2031-05-04 11:00:00")
    grade(fresh)
    with Gradebook(f"sqlite:///{fresh}/gradebook.db") as gradebook:
        submission = gradebook.find_submission(PS0, "all-right")
        assert (submission.notebooks[0].late_submission_penalty, submission.notebooks[0].score) == (7.0, 7.0)


# ---------------------------------------------------------------------- complete, interrupted, again


def test_what_is_graded_is_left_alone_until_it_changes(fresh: Path, graded_before: list[str]) -> None:
    assert sorted(grade(fresh).results) == sorted(CLASS)
    before = scores(fresh)
    assert (grade(fresh).already, len(graded_before)) == (4, 4)
    hand_in(fresh, "untouched", ps0(CLASS["wrong"]))
    shutil.rmtree(fresh / "autograded" / "wrong")
    hand_in(fresh, "half-right", ps0(CLASS["half-right"]), "2031-05-05 12:00:00")
    assert sorted(grade(fresh).results) == ["half-right", "untouched", "wrong"]
    assert scores(fresh) != before
    assert sorted(grade(fresh, force=True).results) == sorted(CLASS)


def test_a_gradebook_that_was_lost_is_filled_again(fresh: Path, graded_before: list[str]) -> None:
    empty = (fresh / "gradebook.db").read_bytes()
    grade(fresh)
    before = scores(fresh)
    (fresh / "gradebook.db").write_bytes(empty)
    assert sorted(grade(fresh).results) == sorted(CLASS)
    assert scores(fresh) == before


class Killed(BaseException):
    """Stands for kill -9 at a place of the test's choosing: nothing below the test handles it."""


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (writing.Writer, "_save"),
        (writing.Writer, "_files"),
        (writing, "_replace"),
        (writing.os, "rename"),
        (writing.shutil, "copyfile"),
        (writing, "save_messages"),
    ],
)
@pytest.mark.parametrize("call", [1, 3])
def test_a_run_that_is_cut_off_anywhere_is_completed_by_the_next(
    place: Any, name: str, call: int, fresh: Path, graded_before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fresh.parent / "whole"
    shutil.copytree(fresh, whole)
    grade(whole)
    original, calls = getattr(place, name), iter(range(1, 100))

    def cut_off(*arguments: Any, **more: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return original(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(place, name, cut_off)
        with pytest.raises(Killed):
            grade(fresh, force=True)
    grade(fresh)
    assert scores(fresh) == scores(whole)
    names = {f: sorted(p.relative_to(f) for p in (f / "autograded").rglob("*")) for f in (fresh, whole)}
    assert names[fresh] == names[whole]


def test_a_submission_is_in_the_gradebook_whole_or_not_at_all(
    fresh: Path, graded_before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scores(fresh)

    def cut_off(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(writing, "save_messages", cut_off)  # the last that is entered
        with pytest.raises(Killed):
            grade(fresh)
    assert scores(fresh) == before
    grade(fresh)
    assert scores(fresh) != before


def test_grades_and_comments_are_not_asked_for_one_by_one(
    fresh: Path, graded_before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query for each cell was most of the writer's time."""
    asked: list[Counter[str]] = []
    write = writing.Writer.write

    def watched(writer: writing.Writer, *arguments: Any) -> None:
        asked.append(Counter())
        write(writer, *arguments)

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if asked and statement.startswith("SELECT"):
            asked[-1] += Counter(table for table in ("grade", "comment") if f"\nFROM {table} " in statement)

    monkeypatch.setattr(writing.Writer, "write", watched)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        grade(fresh)  # new submissions
        grade(fresh, force=True)  # submissions that are there
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(asked) == 2 * len(CLASS)
    assert asked[-1] == {"grade": 1, "comment": 1}
    assert max(max(tables.values(), default=0) for tables in asked) == 1


def test_two_runs_at_once_are_refused(fresh: Path, graded_before: list[str]) -> None:
    with runner._alone(Course.find(fresh, "ps0")), pytest.raises(BadRequest, match="Another run is grading"):
        grade(fresh)


# ---------------------------------------------------------------------- workers that die


class Breaking(ThreadPoolExecutor):
    """A pool whose processes all die when one of them meets the submission `killer`."""

    def __init__(self, killer: str) -> None:
        super().__init__(2)
        self.killer, self.broken, self.lock = killer, False, threading.Lock()

    def submit(self, function: Callable, *arguments: Any, **more: Any) -> Future:
        with self.lock:
            self.broken = self.broken or more["name"] == self.killer
            if self.broken:
                raise BrokenProcessPool("a process was terminated abruptly")
        return super().submit(function, *arguments, **more)


def test_only_the_submission_that_kills_its_worker_is_not_graded(fresh: Path, graded_before: list[str]) -> None:
    summary = grade(fresh, workers=lambda: Breaking("untouched"), most_in_flight=3)
    assert sorted(summary.results) == sorted(CLASS)
    assert list(summary.not_graded) == ["untouched"]
    assert "died twice" in summary.not_graded["untouched"][0]
    assert sorted(path.parent.name for path in (fresh / "autograded").glob("*/ps0-switches")) == [
        "all-right", "half-right", "wrong",
    ]  # fmt: skip
    assert sorted(grade(fresh).results) == ["untouched"]  # the next run tries again


def test_an_error_of_ours_costs_one_submission_its_grade_and_no_other(
    fresh: Path, graded_before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = runner.grade_submission

    def breaks(data: bytes, *, name: str, **more: Any) -> GradedSubmission:
        if name == "wrong":
            raise RuntimeError("a bug")
        return look_up(data, name=name, **more)

    monkeypatch.setattr(runner, "grade_submission", breaks)
    assert grade(fresh).not_graded == {"wrong": ["Grading broke: RuntimeError: a bug."]}


#: What a worker knows of zygotes: whether each is alive, and whether another process started it.
ZYGOTES = (
    "[(z.alive(), z._process is None)"
    " for z in __import__('autograder.kernel._parent', fromlist=['_'])._zygotes.values()]"
)


@pytest.fixture
def no_zygotes() -> Iterator[None]:
    """Of other tests before, of this one after."""
    _parent.close_zygotes()
    yield
    _parent.close_zygotes()


@pytest.mark.slow
def test_workers_fork_their_kernels_from_one_warm_process_and_do_without_it_when_it_dies(no_zygotes: None) -> None:
    master, submission = RELEASE.read_bytes(), as_bytes(ps0(CLASS["all-right"]))
    workers = runner.LocalWorkers(2, LEVEL)
    with workers() as executor:
        one, two = (executor.submit(grade_submission, submission, master, 1, sandbox=LEVEL) for _ in range(2))
        assert one.result().points == two.result().points == 7
        assert executor.submit(eval, ZYGOTES).result() == [(True, True)]
        (zygote,) = _parent._zygotes.values()
        os.kill(zygote.pid, signal.SIGKILL)
        zygote._process.wait()
        three = executor.submit(grade_submission, submission, master, 1, sandbox=LEVEL).result()
        assert (three.problem, three.points) == ("", 7)


def test_a_level_that_cannot_be_had_is_refused_before_anything_starts(
    no_zygotes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sandbox, "find_bubblewrap", lambda: None)
    with pytest.raises(SandboxUnavailable, match="bubblewrap"):
        runner.LocalWorkers(2, "full")
    assert not _parent._zygotes


def test_a_warm_process_that_nobody_needs_any_more_is_not_waited_for(no_zygotes: None) -> None:
    zygote = warm_up(LEVEL)
    assert zygote.pid == 0, "it is up only once somebody has waited"
    _parent.close_zygotes()
    assert zygote._process.returncode == -signal.SIGKILL


BEGIN = "import os; from autograder.grading import warm; warm.begin('none'); print(os.listdir(os.environ['TMPDIR']))"


def test_what_a_killed_run_leaves_in_the_temporary_folder_goes_with_the_next() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # a short name, as /tmp itself has: sockets stand in it
        run = [sys.executable, "-W", "error", "-c"]
        environment = {**os.environ, "TMPDIR": place}
        killed = f"{BEGIN}; os.kill(os.getpid(), 9)"
        ended = subprocess.run([*run, killed], env=environment, capture_output=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        (left,) = os.listdir(place)
        after = subprocess.run([*run, BEGIN], env=environment, capture_output=True, text=True, check=True)
        assert (len(ast.literal_eval(after.stdout)), after.stderr, os.listdir(place)) == (1, "", [])
        assert left not in after.stdout


def test_nothing_is_imported_for_a_run_that_was_killed() -> None:
    """It would be written into the folder that the next run removes, which is there again then."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        environment = {**os.environ, "TMPDIR": place}
        killed = f"{BEGIN}; os.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", killed], env=environment, capture_output=True, check=False)
        started = [p for p in psutil.process_iter(["environ"]) if place in (p.info["environ"] or {}).get("TMPDIR", "")]
        sweep = "from autograder.kernel._parent import runtime_folder; runtime_folder()"
        subprocess.run([sys.executable, "-c", sweep], env=environment, check=True)
        psutil.wait_procs(started, 30)
        assert os.listdir(place) == []


# ---------------------------------------------------------------------- on the terminal


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch, graded_before: list[str]) -> None:
    monkeypatch.setattr(terminal, "LocalWorkers", lambda jobs, *_: lambda: ThreadPoolExecutor(jobs))


def told(folder: Path, **more: Any) -> tuple[int, str]:
    out = StringIO()
    status = terminal.grade(folder, "ps0", jobs=2, console=Console(file=out, width=160), **more)
    return status, out.getvalue()


def test_the_summary_tells_scores_and_misconceptions(fresh: Path, threads: None) -> None:
    status, text = told(fresh)
    assert status == 0
    assert f"ps0-switches: 4 graded, sandbox: {LEVEL}." in text
    assert any("all-right" in line and " 7 " in line for line in text.splitlines())
    assert "misconception" in text
    assert "4 had been graded before" in told(fresh)[1]


QUESTION = "switches-why-predictions-change"


def test_what_waits_for_a_person_is_told_last_with_what_to_do(fresh: Path, threads: None) -> None:
    hand_in(fresh, "broken", b"PK\x03\x04")  # nobody can mark what was never graded
    where = "make lab, then Nbgrader, Formgrader, Manual Grading."
    waits = "For a person to mark: {}. " + where
    assert told(fresh)[1].splitlines()[-1] == waits.format("4 answers in 4 submissions")
    with Gradebook(f"sqlite:///{fresh}/gradebook.db") as gradebook:
        for student in sorted(CLASS)[:3]:
            grade = gradebook.find_grade(QUESTION, "ps0", PS0, student)
            grade.manual_score, grade.needs_manual_grade = 1.0, False
        lost = gradebook.find_grade("switches-truth_table", "ps0", PS0, "wrong")
        lost.auto_score, lost.needs_manual_grade = None, True  # could not be graded: no person is asked
        gradebook.db.commit()
    assert told(fresh)[1].splitlines()[-1] == waits.format("1 answer in 1 submission")
    with Gradebook(f"sqlite:///{fresh}/gradebook.db") as gradebook:
        grade = gradebook.find_grade(QUESTION, "ps0", PS0, "wrong")
        grade.manual_score, grade.needs_manual_grade = 1.0, False
        gradebook.db.commit()
    assert "For a person to mark" not in told(fresh)[1]


def test_what_could_not_be_graded_comes_first_and_is_in_the_status(fresh: Path, threads: None) -> None:
    hand_in(fresh, "broken", b"PK\x03\x04")
    (fresh / "submitted" / "misnamed" / PS0).mkdir(parents=True)
    (fresh / "submitted" / "misnamed" / PS0 / "ps0 (1).ipynb").write_bytes(as_bytes(ps0()))
    status, text = told(fresh)
    assert status == 1
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Could not be graded: 2"))
    assert lines[first + 1].startswith("  broken: Not a notebook")
    assert "There is no ps0.ipynb" in lines[first + 2]
    assert "ps0 (1).ipynb. Give the notebook its name back." in lines[first + 2]
    assert first < next(n for n, line in enumerate(lines) if "4 graded" in line)
    assert not (fresh / "autograded" / "broken" / PS0).exists()


def test_one_learner_can_be_graded_alone(fresh: Path, threads: None) -> None:
    assert "1 graded" in told(fresh, students=["wrong"])[1]
    assert [path.name for path in (fresh / "autograded").iterdir()] == ["wrong"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"problem_set": "ps9"}, r"no released problem set 'ps9' in .*There are: ps0-switches"),
        ({"students": ["nobody"]}, r"nobody: no submission of ps0-switches"),
        ({"folder": Path("solutions")}, r"no course folder: it has no nbgrader_config.py"),
        ({"database": "sqlite:////{fresh}/other.db"}, r"does not know ps0-switches.*autograder release"),
        ({"scheduler": "tcp://127.0.0.1:9"}, r"No Dask scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_bad_requests_get_one_line(request_: dict, reason: str, fresh: Path, threads: None) -> None:
    asked = {"folder": fresh, "problem_set": "ps0"} | request_
    asked["folder"] = fresh / asked["folder"]
    if "database" in asked:
        asked["database"] = asked["database"].format(fresh=fresh)
    with pytest.raises((CourseError, UnknownAssignment), match=reason):
        terminal.grade(**asked, console=Console(file=StringIO()))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--unsafe", "--sandbox=reduced"], "leave out --sandbox, or leave out --unsafe"),
        (["--jobs=2", "--scheduler=tcp://127.0.0.1:9"], "leave one of them out"),
        (["--jobs=0"], "not in the range"),
        (["--sandbox=some"], "is not one of"),
    ],
)
def test_contradictions_are_told_with_status_2(arguments: list[str], reason: str) -> None:
    from click.testing import CliRunner

    from autograder.cli import main

    result = CliRunner().invoke(main, ["grade", "ps0", *arguments])
    assert result.exit_code == 2
    assert reason in result.output


# ---------------------------------------------------------------------- the whole thing, killed


@pytest.fixture
def running(fresh: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "autograder.cli", "grade", "ps0", "--jobs=2"]
    process = subprocess.Popen(command, cwd=fresh, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_after_kill_9_the_same_command_grades_the_rest(
    running: subprocess.Popen, fresh: Path, graded_before: list[str]
) -> None:
    whole = fresh.parent / "whole"
    shutil.copytree(fresh, whole, ignore=shutil.ignore_patterns("autograded"))
    shutil.copy(fresh / "gradebook.db", whole)
    while running.poll() is None and not list((fresh / "autograded").glob(f"*/{PS0}")):
        threading.Event().wait(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert len(grade(fresh).results) < len(CLASS)
    grade(whole, force=True)
    assert scores(fresh) == scores(whole)
