"""How long it takes to grade a class: `nbgrader autograde` as it comes, against `autograder grade`.

Both grade the same submissions of problem set 0, made from the corpora, one after the other in the same run. Stock
nbgrader gives a check all points or none, so scores are equal where both say passed or both do not. Seconds are those
of the whole command, with the start of Python and of the workers. Ours is run before and after theirs, because a
machine is not equally fast at all times, and the mean counts.

    python bench/grading.py [SUBMISSIONS ...]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbformat
from nbgrader.api import Gradebook

from autograder.kernel import available_levels
from bench import _record
from tools.sample_class import exercises_in, hand_in, sample_class

SET = "ps0-switches"
STOCK = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
"""


def course(folder: Path, count: int, stock: bool, problem_set: str = SET) -> Path:
    """A course folder in which the problem set has been released and `count` submissions handed in."""
    folder.mkdir()
    shutil.copytree(ROOT / "solutions" / problem_set, folder / "solutions" / problem_set)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(f'\nc.GradeCells.sandbox = "{available_levels()[0].value}"\n')
    call(folder, "nbgrader", "generate_assignment", problem_set)
    if stock:
        (folder / "nbgrader_config.py").write_text(STOCK.format(root=str(folder)))
    (release,) = (folder / "exercises" / problem_set).glob("*.ipynb")
    samples = [s for s in sample_class(exercises_in(nbformat.read(release, 4))) if "endless-loop" not in s.student]
    names = (replace(samples[n % len(samples)], student=f"student-{n:05}") for n in range(count))
    for _ in hand_in(list(names), release, folder / "submitted"):
        pass
    return folder


def call(folder: Path, *command: str) -> float:
    """Run a command in the course folder; its seconds on the clock."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.monotonic() - started


def passed(folder: Path) -> dict[tuple[str, str], bool]:
    """Which checks have passed, by learner and graded cell."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        return {
            (submission.student.id, grade.name): grade.auto_score == grade.max_score
            for submission in gradebook.assignment_submissions(SET)
            for grade in submission.notebooks[0].grades
            if grade.auto_score is not None
        }


def main(*counts: int) -> None:
    """Measure, print and record."""
    runs = {}
    for count in counts or (40, 200):
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours = (course(Path(folder, name), count, name == "stock") for name in ("stock", "ours"))
            before = call(ours, "autograder", "grade", "ps0")
            seconds = {"stock": call(theirs, "nbgrader", "autograde", SET)}
            seconds["ours"] = (before + call(ours, "autograder", "grade", "ps0", "--force")) / 2
            two = passed(theirs), passed(ours)
        differing = sorted(key for key in two[0].keys() | two[1].keys() if two[0].get(key) != two[1].get(key))
        for key in differing:
            print("  not the same:", *key, *(verdicts.get(key) for verdicts in two))
        print(f"{count} submissions of {SET}, sandbox {available_levels()[0]}")
        for name, took in seconds.items():
            print(f"  {name:6} {took:8.1f} s   {took / count:6.3f} s each")
        print(f"  ratio  {seconds['stock'] / seconds['ours']:8.1f}     same checks passed: {not differing}", flush=True)
        runs[count] = {name: round(took, 2) for name, took in seconds.items()} | {"same_checks_passed": not differing}
    _record.write("grading", runs=runs, cores=os.cpu_count())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
