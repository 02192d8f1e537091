"""Kill -9 ends a whole run of `autograder grade`; the same command finishes it, and nothing is left behind.

A small edition of bench/kills.py: three moments, each known by what can be seen in the course folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.grading.classes import PS0, release_to, right, wrong
from tests.grading.killed import Scene, kill, state

pytestmark = pytest.mark.slow
LIVE, TABLE = "switches.live_modules", "switches.truth_table"
CLASS = {
    "all-right": {LIVE: right(LIVE), TABLE: right(TABLE)},
    "half-right": {LIVE: wrong(LIVE), TABLE: right(TABLE)},
    "untouched": {},
    "wrong": {LIVE: wrong(LIVE), TABLE: wrong(TABLE)},
}
MOMENTS = {
    "before anything is written": lambda course: (course / ".grading-lock").exists(),
    "while the gradebook is being written": lambda course: (course / "gradebook.db-journal").exists(),
    "between two submissions": lambda course: bool(list(course.glob(f"autograded/*/{PS0}"))),
}


@pytest.fixture(scope="module")
def handed_in(course: Path, nbgrader: Callable) -> Path:
    """A course in which a class has handed in and nothing is graded."""
    return release_to(course, nbgrader, CLASS)


@pytest.fixture(scope="module")
def uninterrupted(handed_in: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a run leaves that nobody kills."""
    folder = shutil.copytree(handed_in, tmp_path_factory.mktemp("whole") / "course")
    scene = Scene(folder.parent / "t")
    assert finish(scene, folder) == 0
    assert scene.folders() == []
    return state(folder)


def finish(scene: Scene, course: Path) -> int:
    return scene.start(course).wait()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_is_finished_by_the_next(
    moment: str, handed_in: Path, uninterrupted: dict[str, object], tmp_path: Path
) -> None:
    course = shutil.copytree(handed_in, tmp_path / "course")
    with Scene(tmp_path / "t") as scene:
        assert kill(scene.start(course), lambda: MOMENTS[moment](course)), (course / "grade.log").read_text()
        assert state(course) != uninterrupted
        assert scene.processes() == []
        assert finish(scene, course) == 0, (course / "grade.log").read_text()
        assert state(course) == uninterrupted
        assert (scene.processes(), scene.mounts(), scene.folders()) == ([], [], [])
