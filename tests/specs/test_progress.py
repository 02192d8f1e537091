"""Progress: the best result of each exercise is kept, nothing is ever lost, and grading leaves it alone."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autograder import CheckFailed, check, exercises, progress
from autograder.cli import main
from autograder.specs import ProgressError, _best, _grade
from autograder.specs._report import Finding, Report
from tests.conftest import ROOT

EXERCISE = "evaluation.evaluate"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mine" / "progress.json"
    monkeypatch.setenv("TWO_SWITCHES_PROGRESS", str(path))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr(_best, "_told", set())
    return path


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`check` with a result of our choice."""

    def checked(points: float, of: float = 5, exercise: str = EXERCISE) -> None:
        findings = (Finding("a", True, points, points, None, "", ""),) if points else ()
        if points < of:
            findings += (Finding("b", False, 0, of - points, "wrong-result", "Expected: b. Reread c.", "c"),)
        monkeypatch.setattr(_grade, "grade", lambda *_, **__: Report(exercise, "T", findings))
        try:
            check(exercise, None)
        except CheckFailed:
            assert points < of

    return checked


def stored(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())["exercises"]


def test_check_keeps_the_best_result(file: Path, answer: Callable[..., None]) -> None:
    kept = []
    for points in (2, 4, 3, 5, 0):
        answer(points)
        kept.append(stored(file)[EXERCISE]["points"])
    assert kept == [2, 4, 4, 5, 5]
    assert stored(file)[EXERCISE]["passed"] is True
    assert set(stored(file)[EXERCISE]) == {"points", "max_points", "passed", "at"}


def test_a_real_check_is_kept(file: Path) -> None:
    with pytest.raises(CheckFailed):
        check("switches.truth_table", {})
    assert progress().best["switches.truth_table"].points == 0
    assert progress().done == 0


def test_an_exercise_that_is_worth_something_else_now_counts_anew(file: Path, answer: Callable[..., None]) -> None:
    answer(3, of=4)
    answer(3, of=6)
    assert stored(file)[EXERCISE]["max_points"] == 6
    # worth 5 by its spec: half of it is done
    assert "2.5/5" in str(progress())


@pytest.mark.parametrize("execution", ["autograde", "validate"])
def test_never_in_grading(
    file: Path, answer: Callable[..., None], monkeypatch: pytest.MonkeyPatch, execution: str
) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", execution)
    answer(5)
    assert not file.parent.exists()


@pytest.mark.parametrize("off", ["off", " OFF "])
def test_switched_off(
    file: Path, answer: Callable[..., None], monkeypatch: pytest.MonkeyPatch, off: str, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("TWO_SWITCHES_PROGRESS", off)
    monkeypatch.chdir(file.parents[1])
    answer(5)
    assert list(file.parents[1].iterdir()) == []
    assert progress().file is None
    assert "switched off (TWO_SWITCHES_PROGRESS=off)" in str(progress())
    assert capsys.readouterr().err == ""


def test_the_usual_place_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TWO_SWITCHES_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert _best.progress_file() == tmp_path / "two-switches" / "progress.json"


# ---------------------------------------------------------------------- nothing is lost

DAMAGED = [
    ("", "Expecting value"),
    ('{"version": 1, "exercises": {"evaluation.eval', "Unterminated string"),
    ("[]", "no progress file"),
    ('{"version": 1}', "no exercises in it"),
    ('{"version": 1, "exercises": {"a.b": {"points": 2}}}', "damaged at 'a.b'"),
    ('{"version": 1, "exercises": {"a.b": {"points": 2, "max_points": 1, "passed": true, "at": ""}}}', "damaged at"),
    ('{"version": 1, "exercises": {"a.b": {"points": NaN, "max_points": 1, "passed": true, "at": ""}}}', "damaged at"),
]


@pytest.mark.parametrize(("text", "reason"), DAMAGED)
@pytest.mark.parametrize("by", ["check", "progress"])
def test_a_damaged_file_is_kept_aside(
    file: Path, answer: Callable[..., None], text: str, reason: str, by: str, capsys: pytest.CaptureFixture
) -> None:
    file.parent.mkdir()
    for turn in (1, 2):
        file.write_text(text)
        if by == "check":
            answer(4)
            assert stored(file)[EXERCISE]["points"] == 4
        else:
            assert progress().best == {}
            assert not file.exists()
        said = capsys.readouterr().err
        assert f"{file} could not be read ({reason}" in said
        assert f"It is kept as progress.unreadable-{turn}.json; progress starts anew." in said
        assert (file.parent / f"progress.unreadable-{turn}.json").read_text() == text


def test_bytes_that_are_no_text_are_kept_aside(file: Path, capsys: pytest.CaptureFixture) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00")
    assert progress().best == {}
    assert (file.parent / "progress.unreadable-1.json").read_bytes() == b"\xff\xfe\x00"


def test_a_file_of_a_newer_version_is_left_alone(
    file: Path, answer: Callable[..., None], capsys: pytest.CaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_text('{"version": 2, "something": "else"}')
    answer(5)
    answer(5)
    said = capsys.readouterr().err
    assert said.count("Progress was not kept.") == 1  # told once
    assert "written by a newer version of this package. Install that version." in said
    with pytest.raises(ProgressError, match="newer version"):
        progress()
    shown = CliRunner().invoke(main, ["progress"])
    assert shown.exit_code == 1
    assert shown.stderr.startswith("Error: ")
    assert file.read_text() == '{"version": 2, "something": "else"}'


def test_results_of_exercises_that_this_version_does_not_know_stay(file: Path, answer: Callable[..., None]) -> None:
    answer(5, exercise="another.one")
    answer(5)
    assert set(stored(file)) == {"another.one", EXERCISE}
    assert progress().done == 1


def test_no_place_to_write_stops_nobody(file: Path, answer: Callable[..., None], capsys: pytest.CaptureFixture) -> None:
    file.parent.write_text("a file where a folder is needed")
    answer(5)
    said = capsys.readouterr().err
    assert said.startswith("Progress was not kept. ")
    assert f"{file} cannot be written:" in said
    assert "Set TWO_SWITCHES_PROGRESS to a file that can, or to off." in said


def test_a_folder_in_its_place(file: Path, answer: Callable[..., None], capsys: pytest.CaptureFixture) -> None:
    file.mkdir(parents=True)
    answer(5)
    assert "cannot be written: Is a directory" in capsys.readouterr().err
    with pytest.raises(ProgressError, match="cannot be read: Is a directory"):
        progress()


def test_a_full_disk_leaves_the_old_file(
    file: Path, answer: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    answer(3)
    before = file.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(_best.os, "fdopen", full)
        answer(5)
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert {p.name for p in file.parent.iterdir()} <= {"progress.json", "progress.json.lock"}


WRITER = """
import sys
from autograder.specs import _best
from autograder.specs._report import Finding, Report
for i in range(25):
    _best.record(Report(f"set.{sys.argv[1]}-{i}", "T", (Finding("a", True, 1, 1, None, "", ""),)))
"""


def test_two_kernels_at_once_lose_nothing(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name], env=environment) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert set(stored(file)) == {f"set.{name}-{i}" for name in "ab" for i in range(25)}


def test_a_lock_that_is_never_given_back(
    file: Path, answer: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(_best, "_SECONDS", 0.0)
    file.parent.mkdir()
    with _best.FileLock(f"{file}.lock"):
        answer(5)
    assert capsys.readouterr().err == (
        f"Progress was not kept. Another program holds {file}.lock. If none is running, delete that file.\n"
    )
    assert not file.exists()


# ---------------------------------------------------------------------- what is shown


def test_what_is_done_and_what_is_left(file: Path, answer: Callable[..., None]) -> None:
    answer(5)
    answer(2, exercise="evaluation.saliency", of=4)
    answer(0, exercise="evaluation.evaluating", of=4)
    shown = CliRunner().invoke(main, ["progress"])
    assert shown.exit_code == 0
    known = exercises()
    assert shown.stdout.startswith(f"1 of {len(known)} exercises done, 7 of {sum(e.points for e in known):g} points; ")
    lines = shown.stdout.splitlines()
    assert next(line for line in lines if f" {EXERCISE} " in line).split()[:3] == ["done", EXERCISE, "5/5"]
    assert next(line for line in lines if " evaluation.saliency " in line).split()[:3] == [
        "begun", "evaluation.saliency", "2/4",
    ]  # fmt: skip
    assert next(line for line in lines if " evaluation.evaluating " in line).startswith("  to do ")
    for exercise in known:
        assert sum(f" {exercise.id} " in line for line in lines) == 1
    assert lines[-1] == f"Kept in {file}"


def test_everything_done_says_nothing_of_work_left(file: Path, answer: Callable[..., None]) -> None:
    for exercise in exercises():
        answer(exercise.points, of=exercise.points, exercise=exercise.id)
    first = str(progress()).splitlines()[0]
    assert first.startswith(f"{len(exercises())} of {len(exercises())} exercises done")
    assert "left" not in first


def test_the_table_is_plain_html(file: Path, answer: Callable[..., None]) -> None:
    answer(5)
    page = progress()._repr_html_()
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {name for name, _ in attrs} & {"src", "href", "onclick", "class"} - {"class"}

    Reader().feed(page)
    assert not {"script", "style", "link", "img"} & set(tags)  # frontends differ in what they let through
    assert tags.count("tr") == len(exercises()) + len({e.problem_set for e in exercises()})
    assert page.count("✓ done") == 1
    # colours that light and dark pages share, or the page's own
    assert "color:inherit" in page
    assert "background:#" not in page


def test_only_the_owner_can_read_it(file: Path, answer: Callable[..., None]) -> None:
    answer(5)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
