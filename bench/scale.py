"""How grading grows: 10, 100 and 1,000 submissions, one worker and more, and how far it is from its floor.

The floor is what the cells compute anyway: each submission's code cells, run one after the other in a bare process
that was forked with everything imported, without Jupyter, sandbox, referee or gradebook; seconds of computing, divided
by the number of cores. Time is on the clock, to the last submission: from the start of the workers, and from the first
result on, with which the start is over.
Memory is the largest sum, over this process and all it started, of what each keeps to itself and its share of the rest.

    python bench/scale.py [LARGEST [SUBMISSIONS_PER_SET]]
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ |= {"OMP_NUM_THREADS": "1", "TWO_SWITCHES_PROGRESS": "off"}

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpecManager

from autograder.grading import runner
from autograder.grading.restore import read_notebook, restore
from autograder.kernel import KERNEL_NAME, _parent, available_levels
from bench import _record
from bench.grading import SET, course

LEVEL = available_levels()[0].value
CORES = os.cpu_count() or 1
WORKERS = CORES + 1  # as `autograder grade` has them


@dataclass
class Measured:
    """One run."""

    seconds: float = 0.0
    started_seconds: float = 0.0
    gradebook_seconds: float = 0.0
    peak_mib: int = 0
    points: dict[str, float] = field(default_factory=dict)


def graded(folder: Path, problem_set: str, workers: int = WORKERS) -> Measured:
    """Grade what has been handed in there, and watch."""
    of, result = runner.Course.find(folder, problem_set), Measured()
    write = runner.Writer.write

    def timed(*arguments: object) -> None:
        started = time.monotonic()
        write(*arguments)
        result.gradebook_seconds += time.monotonic() - started

    def tell(*_: object) -> None:
        result.started_seconds = result.started_seconds or time.monotonic() - started

    runner.Writer.write = timed
    try:
        with watched(result):
            started = time.monotonic()
            summary = runner.grade_class(
                of,
                of.submissions(),
                workers=runner.LocalWorkers(workers, LEVEL),
                most_in_flight=2 * workers,
                sandbox=LEVEL,
                force=True,
                tell=tell,
            )
            result.seconds = time.monotonic() - started
    finally:
        runner.Writer.write = write
        _parent.close_zygotes()
    if summary.not_graded:
        raise SystemExit(f"could not be graded: {summary.not_graded}")
    result.points = {student: one.points for student, one in summary.results.items()}
    return result


@contextlib.contextmanager
def watched(result: Measured) -> Iterator[None]:
    """Note the largest amount of memory."""
    done = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(2.0):  # looking takes time itself
            total = 0
            for process in [me, *me.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            result.peak_mib = max(result.peak_mib, total >> 20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def floor(folder: Path, problem_set: str) -> float:
    """Seconds of computing of all submissions' cells in bare forked processes."""
    provisioner = KernelSpecManager().get_kernel_spec(KERNEL_NAME).metadata["kernel_provisioner"]
    for module in provisioner["config"]["preload"]:  # what kernels find imported
        importlib.import_module(module)
    of = runner.Course.find(folder, problem_set)
    released = nbformat.read(of.master, as_version=4)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for submission in of.submissions():
        cells = [
            cell.source
            for cell in restore(read_notebook(submission.notebook.read_bytes()), released).cells
            if cell.cell_type == "code"
        ]
        if (child := os.fork()) == 0:
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, for as long as the process lives
            bare(cells)
            os._exit(0)
        os.waitpid(child, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
    with tempfile.TemporaryDirectory() as place:
        for count in [n for n in (10, 100, 1000) if n <= largest]:
            folder = course(Path(place, f"of-{count}"), count, stock=False)
            run = graded(folder, SET)
            size = (folder / "gradebook.db").stat().st_size
            sizes[count] = {
                "seconds": round(run.seconds, 2),
                "started_seconds": round(run.started_seconds, 2),
                "gradebook_seconds": round(run.gradebook_seconds, 2),
                "gradebook_bytes": size,
                "peak_mib": run.peak_mib,
            }
            print(f"{count:5} submissions: {run.seconds / count:6.3f} s each, peak {run.peak_mib} MiB", flush=True)
            for workers in range(1, WORKERS) if count == 100 else ():
                one = graded(folder, SET, workers=workers)
                if one.points != run.points:
                    raise SystemExit(f"{workers} workers give other points than {WORKERS}")
                fewer[workers] = round(one.seconds, 2)
                print(f"      with {workers} workers {one.seconds / count:6.3f} s each", flush=True)
        for master in sorted((ROOT / "solutions").glob("ps*/ps*.ipynb")):
            name = master.parent.name
            folder = course(Path(place, name), per_set, stock=False, problem_set=name)
            run = graded(folder, name)
            least = floor(folder, name) / CORES
            sets[name] = {
                "seconds": round(run.seconds, 2),
                "started_seconds": round(run.started_seconds, 2),
                "floor_seconds": round(least, 2),
            }
            print(f"{name:16} {run.seconds:6.1f} s, floor {least:6.1f} s, ratio {run.seconds / least:.2f}", flush=True)
    _record.write(
        "scale", sizes=sizes, fewer_workers_seconds=fewer, per_set=per_set, sets=sets, workers=WORKERS, sandbox=LEVEL,
        cores=CORES,
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
