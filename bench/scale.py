"""How grading grows: 10, 100 and 1,000 submissions, one worker and more, and how far it is from its floor.

The floor is what the cells compute anyway: each submission's code cells, run one after the other in a bare process
that was forked with everything imported, without Jupyter, sandbox, referee or gradebook, and checked with the same
cases as in grading; seconds of computing, divided by the number of cores. It is measured before and after the grading,
because a machine is not equally fast at all times, and the mean counts; of several rounds of both, the middle one is
what is shown, and all are recorded. Once more the floor is measured with all cores at it side by side, as grading has
them, because cores share caches.
Another floor is what a grader needs that runs the cells in Jupyter's kernels: nbclient alone, with kernels forked from
the same warm process, without walls, referee and gradebook; seconds on the clock from the first result to the last.

Time is on the clock, to the last submission: from the start of the workers, and from the first result on, with which
the start is over. Of the computing from then on, a control group tells how much there was, and the processes how much
was theirs: of the one that hands out and writes, of the workers that watch kernels and of those that judge for them;
the rest is the kernels'.

Memory is looked at every two seconds: the sum, over this process and all it started, of what each keeps to itself and
its share of the rest; the largest and the median count. Besides, what each lasting process keeps to itself is noted
after every tenth of a run.

    python bench/scale.py [LARGEST [SUBMISSIONS_PER_SET]]

With LARGEST 0, what was recorded about sizes stays.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ |= {"OMP_NUM_THREADS": "1", "TWO_SWITCHES_PROGRESS": "off"}

import nbformat
from jupyter_client.kernelspec import KernelSpecManager

from autograder.grading import runner
from autograder.grading.preprocessors import GradeCells
from autograder.grading.restore import read_notebook, restore
from autograder.grading.seed import course_seed
from autograder.grading.submission import modules_for
from autograder.kernel import KERNEL_NAME, available_levels
from bench import _record
from bench._computing import control_group
from bench._graded import use_cases
from bench.grading import SET, course

LEVEL = available_levels()[0].value
CORES = os.cpu_count() or 1
WORKERS = CORES + 1  # as `autograder grade` has them
ROUNDS = 3  #: of floor and grading in turn, because a machine is not equally fast at all times; the middle one counts
Numbers = dict[str, Any]


def ran(what: str, folder: Path, problem_set: str, workers: int = WORKERS, group: str = "") -> Numbers:
    """`grade` what has been handed in there, `look` at the memory meanwhile, or only `execute` it; what was noted.

    In a process of its own. With a control group, it is noted whose the computing was.
    """
    command = [sys.executable, "-m", "bench._graded", what, str(folder), problem_set, str(workers), LEVEL, group]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    noted = json.loads(done.stdout)
    if noted.get("not_graded"):
        raise SystemExit(f"could not be graded: {noted['not_graded']}")
    return noted


def floor(folder: Path, problem_set: str, side_by_side: int = 1) -> float:
    """Seconds of computing of all submissions' cells in bare forked processes, so many at a time; the mean of all."""
    provisioner = KernelSpecManager().get_kernel_spec(KERNEL_NAME).metadata["kernel_provisioner"]
    of = runner.Course.find(folder, problem_set)
    for module in [*provisioner["config"]["preload"], *modules_for(of.master.read_bytes())]:  # as kernels find them
        importlib.import_module(module)
    released = nbformat.read(of.master, as_version=4)
    notebooks = [restore(read_notebook(one.notebook.read_bytes()), released) for one in of.submissions()]
    seed = course_seed(Path(GradeCells(config=of.config).seed_file))
    for notebook in notebooks:
        use_cases(notebook, seed)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    passes = []
    for _ in range(side_by_side):
        if (one := os.fork()) == 0:
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, for as long as the process lives
            for notebook in notebooks:
                if os.fork() == 0:
                    bare([cell.source for cell in notebook.cells if cell.cell_type == "code"])
                    os._exit(0)
                os.wait()
            os._exit(0)
        passes.append(one)
    for one in passes:
        os.waitpid(one, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / side_by_side


def bare(cells: list[str]) -> None:
    """Run cells as `python` would. What fails, fails: a notebook goes on after an error."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        with contextlib.suppress(BaseException):
            exec(compile(cell, f"<cell {number}>", "exec"), namespace)


def main(largest: int = 1000, per_set: int = 40) -> None:
    """Measure, print and record."""
    warnings.simplefilter("ignore")  # of nbgrader's dependencies
    sizes, sets, fewer = {}, {}, {}
    kept = {}
    if largest < 10:
        known = json.loads((_record.RESULTS / "scale.json").read_text())
        sizes, fewer, kept = known["sizes"], known["fewer_workers_seconds"], {"sizes_by": known["command"]}
    with tempfile.TemporaryDirectory() as place, control_group() as group:
        for count in [n for n in (10, 100, 1000) if n <= largest]:
            folder = course(Path(place, f"of-{count}"), count, stock=False)
            run = ran("look", folder, SET)
            sizes[count] = rounded(run, "seconds", "started_seconds", "gradebook_seconds") | {
                "gradebook_bytes": (folder / "gradebook.db").stat().st_size,
                "peak_mib": max(run["memory_mib"]),
                "median_mib": round(statistics.median(run["memory_mib"])),
                "own_mib": run["own_mib"],
            }
            print(f"{count:5} submissions: {run['seconds'] / count:6.3f} s each, {sizes[count]}", flush=True)
            for workers in range(1, WORKERS) if count == 100 else ():
                one = ran("grade", folder, SET, workers)
                if one["points"] != run["points"]:
                    raise SystemExit(f"{workers} workers give other points than {WORKERS}")
                fewer[workers] = round(one["seconds"], 2)
                print(f"      with {workers} workers {one['seconds'] / count:6.3f} s each", flush=True)
        for master in sorted((ROOT / "solutions").glob("ps*/ps*.ipynb")):
            name = master.parent.name
            folder = course(Path(place, name), per_set, stock=False, problem_set=name)
            later, rounds = floor(folder, name), []
            for _ in range(ROUNDS):
                run = ran("grade", folder, name, group=group)
                earlier, later = later, floor(folder, name)
                rounds.append(
                    rounded(run, "seconds", "started_seconds")
                    | {
                        "floor_seconds": round(statistics.fmean([earlier, later]) / CORES, 2),
                        "computing": {who: round(seconds, 2) for who, seconds in run["computing"].items()},
                    }
                )
            rounds.sort(key=to_floor)
            executed = ran("execute", folder, name)
            sets[name] = rounds[ROUNDS // 2] | {
                "floor_side_by_side_seconds": round(floor(folder, name, CORES) / CORES, 2),
                "executed_seconds": round(executed["seconds"] - executed["started_seconds"], 2),
                "rounds": rounds,
            }
            print(f"{name}: {[round(to_floor(one), 2) for one in rounds]}, {sets[name]}", flush=True)
    _record.write(
        "scale", sizes=sizes, fewer_workers_seconds=fewer, per_set=per_set, sets=sets, workers=WORKERS, sandbox=LEVEL,
        cores=CORES, **kept,
    )  # fmt: skip


def to_floor(run: Numbers) -> float:
    """How many times the floor a run took, without its start."""
    return (run["seconds"] - run["started_seconds"]) / run["floor_seconds"]


def rounded(run: Numbers, *names: str) -> Numbers:
    """Some of what a run has noted, as it is recorded."""
    return {name: round(run[name], 2) for name in names}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
