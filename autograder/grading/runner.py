"""Grade the submissions of a problem set: many workers that compute, one writer."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from ..kernel import KERNEL_NAME, SandboxUnavailable
from ..kernel.provisioner import NoSuchKernel, have_imported, warm_up
from . import warm
from .folder import CourseError, CourseFolder
from .gradebook import Writer
from .preprocessors import GradeCells
from .seed import course_seed
from .submission import GradedSubmission, files_beside, grade_submission


class BadRequest(CourseError):
    """What was asked for cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Submission:
    """One learner's folder, and the notebook in it."""

    student: str
    folder: Path
    notebook: Path


@dataclass(frozen=True)
class Course:
    """A course folder as `nbgrader_config.py` describes it, and one of its problem sets."""

    config: Config
    courses: CourseDirectory
    assignment: str
    master: Path

    @classmethod
    def find(cls, root: Path, assignment: str, database: str | None = None) -> Course:
        """The problem set whose name begins with `assignment`, in the course folder `root`.

        Raises:
            CourseError: if there is no course, its configuration is wrong, or there is not exactly one such released
                problem set.
        """
        return cls.of(CourseFolder.find(root, database), assignment)

    @classmethod
    def of(cls, folder: CourseFolder, assignment: str) -> Course:
        """The same for a course folder that has been found."""
        name = folder.problem_set(assignment)
        return cls(folder.config, folder.courses, name, folder.released()[name])

    def submissions(self, students: Sequence[str] = ()) -> list[Submission]:
        """What has been handed in, in order of name.

        Raises:
            BadRequest: if one of the `students` has handed in nothing, or nobody has.
        """
        pattern = self.courses.format_path(self.courses.submitted_directory, "*", self.assignment)
        base = Path(pattern.partition("*")[0])
        folders = {folder.parent.name: folder for folder in base.glob(f"*/{self.assignment}") if folder.is_dir()}
        missing = sorted(set(students) - folders.keys())
        if missing:
            raise BadRequest(f"{', '.join(missing)}: no submission of {self.assignment} in {base}.")
        if not folders:
            raise BadRequest(f"Nobody has handed in {self.assignment}: {base} has no folder of it.")
        chosen = sorted(students or folders)
        return [Submission(name, folders[name], folders[name] / self.master.name) for name in chosen]


@dataclass
class Summary:
    """What came of a run."""

    already: int = 0
    results: dict[str, GradedSubmission] = field(default_factory=dict)

    @property
    def not_graded(self) -> dict[str, list[str]]:
        """Why, by student, for everything that could not be graded."""
        reasons: dict[str, list[str]] = {}
        for student, graded in self.results.items():
            told = [graded.problem] if graded.problem else []
            told += [f"{c.exercise}: {c.messages[0]}" for c in graded.cells if c.outcome == "could not be graded"]
            if told:
                reasons[student] = told
        return reasons

    @property
    def misconceptions(self) -> Counter[str]:
        """In how many graded exercises each was named."""
        return Counter(name for g in self.results.values() for cell in g.cells for name in cell.misconceptions)


def grade_class(
    course: Course,
    submissions: Sequence[Submission],
    *,
    workers: Callable[[], Executor],
    most_in_flight: int,
    sandbox: str | None = None,
    force: bool = False,
    tell: Callable[[Submission, GradedSubmission | None], None] = lambda submission, graded: None,
) -> Summary:
    """Grade what has not been graded yet and write it into gradebook and `autograded/`.

    Args:
        course: where, and what.
        submissions: whose.
        workers: makes what runs `grade_submission`; called again when its processes died.
        most_in_flight: how many submissions are with the workers at one time. Memory is bounded by it.
        sandbox: the level of isolation; None: the course's own.
        force: grade again what is complete.
        tell: called for each submission, with None if it was complete before.

    Raises:
        UnknownAssignment: if the gradebook does not know the assignment.
        BadRequest: if another run is grading in this course folder.
        SandboxUnavailable: if the workers do not have the level of isolation.
    """
    settings = GradeCells(config=course.config)
    arguments = {"seed": course_seed(Path(settings.seed_file)), "limits": settings.limits}
    arguments |= {"sandbox": sandbox or settings.sandbox, "master": course.master.read_bytes()}
    summary = Summary()

    with _alone(course), Writer(course.courses, course.assignment, course.master.stem, course.config) as writer:

        def waiting() -> Iterator[Submission]:
            for submission in submissions:
                if not force and writer.is_complete(submission.student, submission.notebook):
                    summary.already += 1
                    tell(submission, None)
                else:
                    yield submission

        for submission, graded in _graded(waiting(), workers, arguments, most_in_flight):
            writer.write(submission.student, submission.folder, graded)
            summary.results[submission.student] = replace(graded, notebook=b"")
            tell(submission, graded)
    summary.results = dict(sorted(summary.results.items()))
    return summary


def _graded(
    submissions: Iterable[Submission], workers: Callable[[], Executor], arguments: Mapping[str, Any], most: int
) -> Iterator[tuple[Submission, GradedSubmission]]:
    """Results as they come, with at most `most` submissions at the workers.

    When a worker process dies, nobody knows whose submission did it: all that were at the workers are tried again, one
    at a time, and only the one that kills its worker alone cannot be graded.
    """
    todo = iter(submissions)
    if (first := next(todo, None)) is None:
        return
    executor, todo = workers(), itertools.chain([first], todo)
    flying: dict[Future[GradedSubmission], Submission] = {}
    suspects: deque[Submission] = deque()
    try:
        while True:
            alone = bool(suspects)
            while len(flying) < (1 if alone else most):
                submission = suspects.popleft() if suspects else None if alone else next(todo, None)
                if submission is None:
                    break
                flying[_start(executor, submission, arguments)] = submission
            if not flying:
                return
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            broken = False
            for future in done:
                submission, error = flying.pop(future), future.exception()
                if error is None:
                    yield submission, future.result()
                elif isinstance(error, SandboxUnavailable):
                    raise error
                elif not isinstance(error, BrokenProcessPool):
                    yield submission, GradedSubmission(problem=f"Grading broke: {type(error).__name__}: {error}.")
                else:
                    broken = True
                    if alone:
                        yield (
                            submission,
                            GradedSubmission(problem="The process that graded it died twice. Grade again."),
                        )
                    else:
                        suspects.append(submission)
            if broken:
                suspects.extend(flying.values())
                flying.clear()
                executor.shutdown(wait=False)
                executor = workers()
    finally:
        for future in flying:
            future.cancel()
        executor.shutdown(wait=False)


def _start(executor: Executor, submission: Submission, arguments: Mapping[str, Any]) -> Future[GradedSubmission]:
    try:
        if submission.notebook.is_symlink() or submission.folder.is_symlink():
            raise OSError("it is a symbolic link")
        data, files = submission.notebook.read_bytes(), files_beside(submission.folder)
        return executor.submit(grade_submission, data, files=files, name=submission.student, **arguments)
    except BrokenProcessPool as error:
        failed: Future[GradedSubmission] = Future()
        failed.set_exception(error)
    except OSError as error:
        failed = Future()
        failed.set_result(GradedSubmission(problem=_missing(submission, error)))
    return failed


def _missing(submission: Submission, error: OSError) -> str:
    name = submission.notebook.name
    if isinstance(error, FileNotFoundError):
        others = ", ".join(sorted(path.name for path in submission.folder.iterdir())[:5]) or "nothing"
        return f"There is no {name} in {submission.folder}; there is {others}. Give the notebook its name back."
    return f"{name} cannot be read: {error.strerror or error}. Ask for it again."


# ---------------------------------------------------------------------- workers


class LocalWorkers:
    """Processes on this machine that fork their kernels from one warm process.

    They end when this process does, however it ends. Kernels find `modules` imported, besides what all find.

    Raises SandboxUnavailable at once if this machine does not have the level of isolation.
    """

    def __init__(self, jobs: int, sandbox: str, modules: Collection[str] = ()) -> None:
        self._jobs, self._sandbox, self._modules = jobs, sandbox, modules
        try:
            self._context = warm.begin(sandbox)
        except NoSuchKernel:
            raise BadRequest(
                f"Jupyter does not know the kernel {KERNEL_NAME}. In the course's folder: make env, or "
                "jupyter kernelspec install --sys-prefix --name two-switches autograder/kernel/kernelspec"
            ) from None

    def __call__(self) -> ProcessPoolExecutor:
        parent = warm_up(self._sandbox)
        have_imported(self._sandbox, self._modules)
        first = {"initializer": warm.begin_work, "initargs": (parent.share(), self._sandbox)}
        executor = ProcessPoolExecutor(self._jobs, mp_context=self._context, **first)
        try:
            for _ in range(self._jobs):  # they start while what kernels are forked from does
                executor.submit(os.getpid)
            parent.wait()
        except RuntimeError as error:
            executor.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, SandboxUnavailable):
                raise
            raise BadRequest(f"{error}. Nothing was graded; try again.") from error
        return executor


@contextlib.contextmanager
def dask_workers(address: str, seconds: float = 10.0) -> Iterator[tuple[Callable[[], Executor], int]]:
    """The workers of the Dask scheduler at `address`, and how many there are.

    Raises:
        BadRequest: if Dask is not installed, or nobody answers there, or the scheduler has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise BadRequest("--scheduler needs Dask: in the course's folder, pip install '.[cluster]'.") from None
    try:
        client = Client(address, timeout=seconds, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise BadRequest(f"No Dask scheduler answers at {address}: {error}. Start one with: dask scheduler") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise BadRequest(f"The Dask scheduler at {address} has no workers. Start some: dask worker {address}")
        yield lambda: client.get_executor(pure=False), threads


@contextlib.contextmanager
def _alone(course: Course) -> Iterator[None]:
    path = Path(course.courses.root, ".grading-lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadRequest(f"Another run is grading in {path.parent}. Wait until it has ended.") from None
        yield
