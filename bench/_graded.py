"""One run of grading, watched from inside: the process that `bench/scale.py` starts for each.

It does what `autograder grade` does, in the same order, and imports no more before that: what the study itself needs
would count as the grader's memory and, because each worker imports the main module again, as its start.

    python -m bench._graded FOLDER PROBLEM_SET WORKERS LEVEL LOOK GROUP
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

#: Between two looks at the memory; looking takes computing itself.
INTERVAL = 2.0


def graded(folder: Path, problem_set: str, workers: int, level: str, look: bool, computed: Callable[[], float] | None):
    """Grade what has been handed in there; `look` at the memory, too. What came of it, as plain data."""
    started = time.monotonic()
    from autograder.grading import warm

    warm.begin(level)
    from autograder.grading import runner

    result: dict[str, Any] = {"gradebook_seconds": 0.0, "memory_mib": [], "own_mib": {}, "computing": {}}
    course = runner.Course.find(folder, problem_set)
    submissions = course.submissions()
    write, count, before = runner.Writer.write, 0, dict[str, float]()

    def timed(*arguments: object) -> None:
        began = time.monotonic()
        write(*arguments)
        result["gradebook_seconds"] += time.monotonic() - began

    def tell(*_: object) -> None:
        nonlocal count, before
        count += 1
        if count == 1:
            result["started_seconds"] = time.monotonic() - started
            before = by_whom(computed)
        if count == len(submissions):
            result["computing"] = {who: seconds - before[who] for who, seconds in by_whom(computed).items()}
        if look and count % (len(submissions) // 10) == 0:
            result["own_mib"][count] = own_memory()

    runner.Writer.write = timed
    with watched(result["memory_mib"]) if look else contextlib.nullcontext():
        summary = runner.grade_class(
            course,
            submissions,
            workers=runner.LocalWorkers(workers, level),
            most_in_flight=2 * workers,
            sandbox=level,
            force=True,
            tell=tell,
        )
        result["seconds"] = time.monotonic() - started
    result["points"] = {student: one.points for student, one in summary.results.items()}
    return result | {"not_graded": summary.not_graded}


@contextlib.contextmanager
def watched(memory: list[int]) -> Iterator[None]:
    """Note the memory, in MiB: what each process keeps to itself, and its share of the rest."""
    done = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(INTERVAL):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            memory.append(total >> 20)

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


if __name__ == "__main__":
    from bench._computing import reader

    warnings.simplefilter("ignore")  # of nbgrader's dependencies
    folder, problem_set, workers, level, look, group = sys.argv[1:]
    ran = graded(Path(folder), problem_set, int(workers), level, look == "look", reader(group) if group else None)
    print(json.dumps(ran))
