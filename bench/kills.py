"""Kill `autograder grade` at random moments, run it again, and compare: does an interruption ever show?

Each time, a copy of the same class is graded; kill -9 ends the whole process group at a moment drawn from a seed; the
same command is run again to its end. What it has written must be what an uninterrupted run writes. Three kills in five
are spread evenly over the time that a run takes. The others come while the gradebook is being written: SQLite's journal
stands beside it.

    python bench/kills.py [KILLS [SUBMISSIONS [SEED]]]
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import _record
from bench.grading import SET, course
from tests.grading.killed import Scene, kill, state

JOBS = 2


def after(seconds: float) -> Callable[[], bool]:
    """So many seconds after the first question."""
    until = 0.0

    def moment() -> bool:
        nonlocal until
        until = until or time.monotonic() + seconds
        return time.monotonic() >= until

    return moment


def writing(folder: Path, times: int) -> Callable[[], bool]:
    """While the gradebook is written for the `times`-th time."""
    journal, seen, before = folder / "gradebook.db-journal", 0, False

    def moment() -> bool:
        nonlocal seen, before
        now = journal.exists()
        seen, before = seen + (now and not before), now
        return seen >= times

    return moment


def main(kills: int = 50, submissions: int = 12, seed: int = 0) -> None:
    """Kill, grade again, compare, print and record."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as made, Scene(Path(made, "t")) as scene:
        released = course(Path(made, "released"), submissions, stock=False)
        (released / ".grading-seed").write_text("31415926\n")
        whole = shutil.copytree(released, Path(made, "whole"))
        started = time.monotonic()
        finish(scene, whole)
        seconds = time.monotonic() - started
        expected = state(whole)
        left = {"processes": scene.processes(), "folders": scene.folders()}
        print(f"uninterrupted: {seconds:.1f} s, left behind: {left}", flush=True)

        timed = kills * 3 // 5
        rows, too_late = [], 0
        while (number := len(rows)) < kills:
            folder = shutil.copytree(released, Path(made, f"course-{number}-{too_late}"))
            by_time = number < timed
            if by_time:
                moment = after((number + chance.random()) / timed * seconds * 0.9**too_late)
            else:
                moment = writing(folder, 1 + (number - timed) * submissions * 2 // (kills - timed) - too_late)
            started = time.monotonic()
            if not kill(scene.start(folder, JOBS), moment):  # it was done before
                too_late += 1
                continue
            too_late = 0
            row = {
                "moment": "time" if by_time else "write",
                "seconds": round(time.monotonic() - started, 2),
                "journal": (folder / "gradebook.db-journal").exists(),
                "graded": len(list((folder / "autograded").glob(f"*/{SET}"))),
                "processes_left": scene.processes(),
            }
            finish(scene, folder)
            row |= {"identical": state(folder) == expected, "processes_left_after": scene.processes()}
            row |= {"folders_left_after": scene.folders(), "mounts_left": scene.mounts()}
            if not row["identical"]:
                print(f"kept for a look: {shutil.copytree(folder, Path(tempfile.mkdtemp(), folder.name))}")
            rows.append(row)
            print(number + 1, row, flush=True)
            shutil.rmtree(folder)
    print(f"{kills} kills, {sum(row['identical'] for row in rows)} gradebooks identical")
    _record.write(
        "kills", submissions=submissions, jobs=JOBS, seconds_uninterrupted=round(seconds, 1), left_uninterrupted=left,
        kills=rows, load_average=round(os.getloadavg()[0], 1),
    )  # fmt: skip


def finish(scene: Scene, folder: Path) -> None:
    """A run that nobody kills."""
    if status := scene.start(folder, JOBS).wait():
        raise SystemExit((folder / "grade.log").read_text() + f"autograder grade ended with status {status}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
