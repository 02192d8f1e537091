"""How grading grows: 10, 100 and 1,000 submissions, one worker and more, and how far it is from its floor.

The floor is what the cells compute anyway: each submission's code cells, run one after the other in a bare process
that was forked with everything imported, without Jupyter, sandbox, referee or gradebook; seconds of computing, divided
by the number of cores. It is measured before and after the grading, because a machine is not equally fast at all times,
and the mean counts; and once more with all cores at it side by side, as grading has them, because cores share caches.

Time is on the clock, to the last submission: from the start of the workers, and from the first result on, with which
the start is over. Of the computing from then on, a control group tells how much there was, and the processes how much
was theirs: of the one that hands out and writes, of the workers that watch kernels and judge; the rest is the kernels'.

Memory is looked at every two seconds: the sum, over this process and all it started, of what each keeps to itself and
its share of the rest; the largest and the median count. Besides, what each lasting process keeps to itself is noted
after every tenth of a run.

    python bench/scale.py [LARGEST [SUBMISSIONS_PER_SET]]
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import forkserver
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
from bench._computing import stopwatch
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
    #: MiB, as looked at from time to time.
    memory: list[int] = field(default_factory=list)
    #: MiB that the lasting processes keep to themselves, by the number of submissions that were graded.
    own: dict[int, dict[str, int]] = field(default_factory=dict)
    #: Seconds of computing from the first result to the last, by whom.
    computing: dict[str, float] = field(default_factory=dict)
    points: dict[str, float] = field(default_factory=dict)


def graded(
    folder: Path,
    problem_set: str,
    workers: int = WORKERS,
    computed: Callable[[], float] | None = None,
    look: bool = False,
) -> Measured:
    """Grade what has been handed in there; `look` at the memory, too, which takes computing itself."""
    of, result = runner.Course.find(folder, problem_set), Measured()
    submissions = of.submissions()
    write, count, before = runner.Writer.write, 0, dict[str, float]()

    def timed(*arguments: object) -> None:
        started = time.monotonic()
        write(*arguments)
        result.gradebook_seconds += time.monotonic() - started

    def tell(*_: object) -> None:
        nonlocal count, before
        count += 1
        if count == 1:
            result.started_seconds = time.monotonic() - started
            before = by_whom(computed)
        if count == len(submissions):
            result.computing = {who: seconds - before[who] for who, seconds in by_whom(computed).items()}
        if look and count % (len(submissions) // 10) == 0:
            result.own[count] = own_memory()

    runner.Writer.write = timed
    try:
        with watched(result) if look else contextlib.nullcontext():
            started = time.monotonic()
            summary = runner.grade_class(
                of,
                submissions,
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
        forkserver._forkserver._stop()  # a command's own would end with it, and the next run starts as a command does
    if summary.not_graded:
        raise SystemExit(f"could not be graded: {summary.not_graded}")
    result.points = {student: one.points for student, one in summary.results.items()}
    return result


@contextlib.contextmanager
def watched(result: Measured) -> Iterator[None]:
    """Note the memory."""
    done = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(2.0):  # looking takes time itself
            total = 0
            for process in [me, *me.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            result.memory.append(total >> 20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def worker_processes() -> list[psutil.Process]:
    """The processes that the forkserver has forked."""
    children = psutil.Process().children()
    return [one for child in children if "forkserver" in " ".join(child.cmdline()) for one in child.children()]


def by_whom(computed: Callable[[], float] | None) -> dict[str, float]:
    """Seconds of computing so far, of this process and the workers; all besides is that of kernels."""
    if computed is None:
        return {}
    total, writer = computed(), time.process_time()
    workers = sum(sum(process.cpu_times()[:2]) for process in worker_processes())
    return {"writer": writer, "workers": workers, "kernels": total - writer - workers}


def own_memory() -> dict[str, int]:
    """MiB that the lasting processes keep to themselves: this one, and all workers together."""
    workers = sum(process.memory_full_info().uss for process in worker_processes())
    return {"writer": psutil.Process().memory_full_info().uss >> 20, "workers": workers >> 20}


def floor(folder: Path, problem_set: str, side_by_side: int = 1) -> float:
    """Seconds of computing of all submissions' cells in bare forked processes, so many at a time; the mean of all."""
    provisioner = KernelSpecManager().get_kernel_spec(KERNEL_NAME).metadata["kernel_provisioner"]
    for module in provisioner["config"]["preload"]:  # what kernels find imported
        importlib.import_module(module)
    of = runner.Course.find(folder, problem_set)
    released = nbformat.read(of.master, as_version=4)
    notebooks = [restore(read_notebook(one.notebook.read_bytes()), released) for one in of.submissions()]
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
    with tempfile.TemporaryDirectory() as place, stopwatch() as (what, counted):
        computed = counted if what == "computing" else None
        for count in [n for n in (10, 100, 1000) if n <= largest]:
            folder = course(Path(place, f"of-{count}"), count, stock=False)
            run = graded(folder, SET, look=True)
            size = (folder / "gradebook.db").stat().st_size
            sizes[count] = {
                "seconds": round(run.seconds, 2),
                "started_seconds": round(run.started_seconds, 2),
                "gradebook_seconds": round(run.gradebook_seconds, 2),
                "gradebook_bytes": size,
                "peak_mib": max(run.memory),
                "median_mib": round(statistics.median(run.memory)),
                "own_mib": run.own,
            }
            print(f"{count:5} submissions: {run.seconds / count:6.3f} s each, {sizes[count]}", flush=True)
            for workers in range(1, WORKERS) if count == 100 else ():
                one = graded(folder, SET, workers=workers)
                if one.points != run.points:
                    raise SystemExit(f"{workers} workers give other points than {WORKERS}")
                fewer[workers] = round(one.seconds, 2)
                print(f"      with {workers} workers {one.seconds / count:6.3f} s each", flush=True)
        for master in sorted((ROOT / "solutions").glob("ps*/ps*.ipynb")):
            name = master.parent.name
            folder = course(Path(place, name), per_set, stock=False, problem_set=name)
            before = floor(folder, name)
            run = graded(folder, name, computed=computed)
            least = statistics.fmean([before, floor(folder, name)])
            sets[name] = {
                "seconds": round(run.seconds, 2),
                "started_seconds": round(run.started_seconds, 2),
                "floor_seconds": round(least / CORES, 2),
                "floor_side_by_side_seconds": round(floor(folder, name, CORES) / CORES, 2),
                "computing": {who: round(seconds, 2) for who, seconds in run.computing.items()},
            }
            print(name, sets[name], f"ratio {run.seconds / least * CORES:.2f}", flush=True)
    _record.write(
        "scale", sizes=sizes, fewer_workers_seconds=fewer, per_set=per_set, sets=sets, workers=WORKERS, sandbox=LEVEL,
        cores=CORES,
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
