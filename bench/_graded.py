"""One run of grading, watched from inside: the process that `bench/scale.py` starts for each.

It does what `autograder grade` does, in the same order, and imports no more before that: what the study itself needs
would count as the grader's memory and, because each worker imports the main module again, as its start.

With `execute` in place of `grade` or `look`, the same submissions are only executed: by nbclient over Jupyter's
sockets, in kernels forked from a process that is as warm, by as many workers, without walls, referee and gradebook,
and checked with the same cases.

    python -m bench._graded grade|look|execute FOLDER PROBLEM_SET WORKERS LEVEL [GROUP]
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench._computing import seconds_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: What a notebook begins with that is to check with certain cases.
USE_CASES = """\
import autograder.specs._grade
autograder.specs._grade.grade = lambda exercise, candidate, _grade=autograder.specs._grade.grade, _seeds={}: _grade(
    exercise, candidate, seed=_seeds.get(exercise)
)
"""

#: Between two looks at the memory; looking takes computing itself.
INTERVAL = 2.0


def graded(folder: Path, problem_set: str, workers: int, level: str, look: bool, group: str) -> dict[str, Any]:
    """Grade what has been handed in there, and `look` at the memory, too; what came of it, as plain data.

    `group` is the control group that this process is in; empty: nothing is noted about whose the computing was.
    """
    started = time.monotonic()
    from autograder.grading import warm

    warm.begin(level)
    from autograder.grading import runner
    from autograder.grading.submission import modules_for

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
            before = by_whom(group)
        if count == len(submissions):
            result["computing"] = {who: seconds - before[who] for who, seconds in by_whom(group).items()}
        if look and count % (len(submissions) // 10) == 0:
            result["own_mib"][count] = own_memory()

    runner.Writer.write = timed
    with watched(result["memory_mib"]) if look else contextlib.nullcontext():
        summary = runner.grade_class(
            course,
            submissions,
            workers=runner.LocalWorkers(workers, level, modules_for(course.master.read_bytes())),
            most_in_flight=2 * workers,
            sandbox=level,
            force=True,
            tell=tell,
        )
        result["seconds"] = time.monotonic() - started
    result["points"] = {student: one.points for student, one in summary.results.items()}
    return result | {"not_graded": summary.not_graded}


def executed(folder: Path, problem_set: str, workers: int) -> dict[str, Any]:
    """Execute what has been handed in there; seconds until the first and the last has been."""
    started = time.monotonic()
    from autograder.grading import warm

    context = warm.begin("none", line=False)
    import nbformat

    from autograder.grading import runner
    from autograder.grading.preprocessors import GradeCells
    from autograder.grading.restore import read_notebook, restore
    from autograder.grading.seed import course_seed
    from autograder.grading.submission import modules_for
    from autograder.kernel.provisioner import warm_up

    course = runner.Course.find(folder, problem_set)
    released = nbformat.read(course.master, as_version=4)
    seed = course_seed(Path(GradeCells(config=course.config).seed_file))
    notebooks = [restore(read_notebook(one.notebook.read_bytes()), released) for one in course.submissions()]
    for notebook in notebooks:
        use_cases(notebook, seed)
    result: dict[str, Any] = {}
    parent = warm_up("none", line=False)
    for module in modules_for(course.master.read_bytes()):
        parent.have(module)
    parent.wait()
    with ProcessPoolExecutor(workers, context, initializer=warm.begin_work, initargs=(parent.share(),)) as executor:
        for done in as_completed([executor.submit(execute, notebook) for notebook in notebooks]):
            done.result()
            result.setdefault("started_seconds", time.monotonic() - started)
        result["seconds"] = time.monotonic() - started
    return result


def use_cases(notebook: NotebookNode, seed: int) -> None:
    """Have `check` in this notebook use the cases that it is graded with: others take longer or less."""
    from autograder.grading.restore import digest_of
    from autograder.grading.seed import case_seed
    from autograder.grading.verdict import exercise_of, is_check

    work = digest_of(notebook)
    graded = [exercise_of(cell.metadata.nbgrader["grade_id"]) for cell in notebook.cells if is_check(cell)]
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = USE_CASES.format({exercise: case_seed(seed, work, exercise) for exercise in graded}) + first.source


def execute(notebook: NotebookNode) -> None:
    """Execute one notebook, in a worker."""
    from nbclient import NotebookClient

    from autograder.kernel import KERNEL_NAME

    client = NotebookClient(notebook, kernel_name=KERNEL_NAME, allow_errors=True, shutdown_kernel="immediate")
    client.execute(sandbox="none", env={"NBGRADER_EXECUTION": "autograde"})


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
    """The processes that the forkserver has forked, and those that judge for them."""
    children = psutil.Process().children()
    workers = [one for child in children if "forkserver" in " ".join(child.cmdline()) for one in child.children()]
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a kernel that has ended
            if one.name() == "judge_all":
                workers.append(one)
    return workers


def by_whom(group: str) -> dict[str, float]:
    """Seconds of computing so far, of this process and the workers; all besides is that of kernels."""
    if not group:
        return {}
    total, writer = seconds_of(group), time.process_time()
    workers = sum(sum(process.cpu_times()[:2]) for process in worker_processes())
    return {"writer": writer, "workers": workers, "kernels": total - writer - workers}


def own_memory() -> dict[str, int]:
    """MiB that the lasting processes keep to themselves: this one, and all workers together."""
    workers = sum(process.memory_full_info().uss for process in worker_processes())
    return {"writer": psutil.Process().memory_full_info().uss >> 20, "workers": workers >> 20}


def main(what: str, folder: str, problem_set: str, workers: str, level: str, group: str = "") -> None:
    """Do it, and print what was noted."""
    warnings.simplefilter("ignore")  # of nbgrader's dependencies
    if what == "execute":
        noted = executed(Path(folder), problem_set, int(workers))
    else:
        noted = graded(Path(folder), problem_set, int(workers), level, what == "look", group)
    print(json.dumps(noted))


if __name__ == "__main__":
    main(*sys.argv[1:])
