"""Are verdicts the same however many workers there are, on a machine that is busy with something else?

The same submissions of several problem sets are graded again and again, with 1, 2 and 4 workers in turn, while other
processes keep all cores busy. Compared are the gradebook, the files and all that the graded cells show.

    python bench/same_verdicts.py [RUNS]
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbformat

from autograder.kernel import available_levels
from bench import _record
from bench.grading import call
from tests.grading.killed import state
from tools.sample_class import exercises_in, hand_in, sample_class

SETS = ("ps0-switches", "ps1-dropout", "ps3-evaluation")
JOBS = (1, 2, 4)
RIGHT, WRONG = 1, 1


def classroom(folder: Path) -> int:
    """A course folder in which some have handed in all the problem sets; how many submissions there are."""
    folder.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(f'\nc.GradeCells.sandbox = "{available_levels()[0].value}"\n')
    (folder / ".grading-seed").write_text("31415926\n")
    count = 0
    for name in SETS:
        shutil.copytree(ROOT / "solutions" / name, folder / "solutions" / name)
        call(folder, "autograder", "release", name)
        (release,) = (folder / "exercises" / name).glob("*.ipynb")
        points = exercises_in(nbformat.read(release, as_version=4))
        samples = [s for s in sample_class(points, RIGHT, WRONG) if "endless-loop" not in s.student]
        count += len(list(hand_in(samples, release, folder / "submitted")))
    return count


def _burn() -> None:
    while True:
        sum(i * i for i in range(10_000))


def main(runs: int = 20) -> None:
    """Grade, compare with the first run, print and record."""
    rows, first = [], None
    burners = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(os.cpu_count() or 2)]
    with tempfile.TemporaryDirectory() as made:
        released = Path(made, "released")
        submissions = classroom(released)
        for burner in burners:
            burner.start()
        try:
            for number, jobs in zip(range(runs), itertools.cycle(JOBS), strict=False):
                folder = shutil.copytree(released, Path(made, f"run-{number}"))
                started = time.monotonic()
                for name in SETS:
                    # it would end with another status if something could not be graded, and so would this script
                    call(folder, "autograder", "grade", name, f"--jobs={jobs}")
                seconds = time.monotonic() - started
                found = state(folder)
                first = first or found
                differing = [part for part in first if first[part] != found[part]]
                if differing:
                    print(f"kept for a look: {shutil.copytree(folder, Path(tempfile.mkdtemp(), folder.name))}")
                rows.append({"jobs": jobs, "seconds": round(seconds, 1), "differing": differing})
                print(number + 1, rows[-1], f"load average {os.getloadavg()[0]:.1f}", flush=True)
                shutil.rmtree(folder)
                _record.write(  # after each, because all of them take long
                    "same_verdicts", problem_sets=SETS, submissions=submissions, cores=os.cpu_count(), runs=rows
                )
        finally:
            for burner in burners:
                burner.terminate()
    different = sum(bool(row["differing"]) for row in rows)
    print(f"{runs} runs of {submissions} submissions: {different} differed from the first")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
