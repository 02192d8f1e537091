"""The one who writes: from graded submissions to nbgrader's gradebook and folder of autograded notebooks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nbformat
from nbformat import NotebookNode
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, LimitOutput, SaveAutoGrades
from nbgrader.utils import find_all_files
from traitlets.config import Config

from .restore import RECORD, to_bytes
from .schemes import put_back
from .submission import GradedCell, GradedSubmission
from .verdict import solution_cell_of

NO_RESPONSE = "No response."  # what nbgrader writes beside a solution cell that was not touched


def save_messages(gradebook: Gradebook, where: Mapping[str, str], cells: Iterable[GradedCell]) -> None:
    """Write what the failed checks say as comments of the solution cells; what could not be graded goes to a person.

    `where` names `notebook`, `assignment` and `student`. Nothing is committed.
    """
    place = where["notebook"], where["assignment"], where["student"]
    for cell in cells:
        comment = gradebook.find_comment(solution_cell_of(cell.grade_id), *place)
        if comment.auto_comment != NO_RESPONSE:
            comment.auto_comment = cell.comment or None
        if cell.outcome == "could not be graded":
            grade = gradebook.find_grade(cell.grade_id, *place)
            grade.auto_score, grade.needs_manual_grade = None, True


class UnknownAssignment(LookupError):
    """The gradebook has no such assignment; the message says what to do."""


class Writer:
    """Writes the graded submissions of one assignment as `nbgrader autograde` would.

    A submission's folder appears in `autograded/` in one step, and last of all: where it stands, its grades are in the
    gradebook. So whatever interrupts the writer, what is missing can be told by looking, and written again.

    Args:
        courses: nbgrader's description of the course's folders and database.
        assignment: its name.
        notebook: the name of its notebook, without suffix.
        config: nbgrader's configuration, for what it says about late penalties and long outputs.

    Raises:
        UnknownAssignment: if the gradebook does not know the assignment or its notebook.
    """

    def __init__(self, courses: CourseDirectory, assignment: str, notebook: str, config: Config) -> None:
        self._courses, self._assignment, self._notebook, self._config = courses, assignment, notebook, config
        self._open = ExitStack()
        self._gradebook = self._open.enter_context(Gradebook(courses.db_url, courses.course_id))
        try:
            self._gradebook.find_notebook(notebook, assignment)
        except MissingEntry:
            self._open.close()
            raise UnknownAssignment(
                f"The gradebook {courses.db_url} does not know {assignment}/{notebook}.ipynb. Release it into that "
                f"gradebook first: autograder release {assignment} --db='{courses.db_url}'"
            ) from None
        names = (
            self._gradebook.db.query(SubmittedAssignment.student_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .filter(Assignment.name == assignment)
        )
        self._known = {name for (name,) in names}
        self._limit_output, self._saver = LimitOutput(config=config), SaveAutoGrades(config=config)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def is_complete(self, student: str, submission: Path) -> bool:
        """Whether this very submission has been graded and written, and nothing in it waits for another try."""
        graded = self._folder(student) / f"{self._notebook}.ipynb"
        times = [self._courses.get_existing_timestamp(str(path.parent)) for path in (submission, graded)]
        if student not in self._known or times[0] != times[1]:
            return False
        try:
            record = json.loads(graded.read_bytes())["metadata"][RECORD]
            digest = hashlib.sha256(submission.read_bytes()).hexdigest()
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return record.get("submission") == digest and record.get("complete") is True

    def write(self, student: str, handed_in: Path, graded: GradedSubmission) -> None:
        """Write one graded submission, whose folder is `handed_in`.

        What could not be graded at all is entered without grades and has no folder in `autograded/`.
        """
        timestamp = self._courses.get_existing_timestamp(str(handed_in))
        target = self._folder(student)
        if graded.problem:
            with self._one_transaction():
                self._enter(student, timestamp)
            shutil.rmtree(target, ignore_errors=True)
            return
        resources = {"nbgrader": {"student": student, "assignment": self._assignment, "notebook": self._notebook}}
        resources["nbgrader"]["db_url"] = self._courses.db_url
        # not `nbformat.reads`: `grade_submission` has made it, and to validate it again takes as long as to store it
        notebook = nbformat.v4.reads(graded.notebook.decode())
        notebook, _ = self._limit_output.preprocess(notebook, resources)
        with self._one_transaction():
            submission = self._enter(student, timestamp)
            late = submission.total_seconds_late
            self._save(notebook, resources, graded, submission)
            put_back(self._gradebook, resources["nbgrader"], notebook)
        if late > 0:
            AssignLatePenalties(config=self._config).preprocess(notebook, resources)
        notebook.metadata.setdefault(RECORD, {})["seconds"] = round(graded.seconds, 2)
        _replace(target, self._files(student, handed_in, to_bytes(notebook)))

    @contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """All that is written inside stands in the database at the end, or nothing of it.

        nbgrader commits after each step: inside, that ends nothing.
        """
        session = self._gradebook.db
        with self._gradebook.engine.begin() as connection:
            session.remove()  # and with it what was loaded for the submission before: memory stays flat
            session.configure(bind=connection, join_transaction_mode="rollback_only", expire_on_commit=False)
            try:
                yield
                session.flush()
            finally:
                session.remove()

    def _enter(self, student: str, timestamp: str | None) -> SubmittedAssignment:
        """The gradebook's entry of this submission, made if there is none."""
        more = {"timestamp": timestamp} if timestamp else {}
        self._gradebook.update_or_create_student(student)
        return self._gradebook.update_or_create_submission(self._assignment, student, **more)

    def _save(
        self, notebook: NotebookNode, resources: dict[str, Any], graded: GradedSubmission, entry: SubmittedAssignment
    ) -> None:
        """Grades and comments, by nbgrader's own rules."""
        (entered,) = (each for each in entry.notebooks if each.name == self._notebook)
        found = _Entered(self._gradebook, entered)
        where = resources["nbgrader"]
        saver = self._saver
        saver.gradebook = found
        saver.notebook_id, saver.assignment_id, saver.student_id = (
            where["notebook"],
            where["assignment"],
            where["student"],
        )
        for index, cell in enumerate(notebook.cells):
            saver.preprocess_cell(cell, resources, index)
        save_messages(found, where, graded.cells)
        entered.late_submission_penalty = None

    def _files(self, student: str, handed_in: Path, notebook: bytes) -> dict[Path, bytes | Path]:
        """What `autograded/` holds of a submission: its files, the instructor's over them, the graded notebook."""
        ignore = [*self._courses.ignore, "*.ipynb"]
        sources = Path(self._courses.format_path(self._courses.source_directory, ".", self._assignment))
        files: dict[Path, bytes | Path] = {}
        for folder in (handed_in, sources):
            for name in find_all_files(str(folder), ignore):
                if not Path(name).is_symlink():
                    files[Path(name).relative_to(folder)] = Path(name)
        return {**files, Path(f"{self._notebook}.ipynb"): notebook}

    def _folder(self, student: str) -> Path:
        return Path(self._courses.format_path(self._courses.autograded_directory, student, self._assignment))


class _Entered:
    """Finds the grades and comments of one notebook among what is loaded at once, as `Gradebook` finds each by a query.

    It takes the gradebook's place for nbgrader's `SaveAutoGrades` and for `save_messages`.
    """

    def __init__(self, gradebook: Gradebook, notebook: SubmittedNotebook) -> None:
        self.db = gradebook.db
        cells = self.db.query(BaseCell.id, BaseCell.name).filter(BaseCell.notebook_id == notebook.notebook_id)
        names = dict(cells.tuples())
        self._grades = {names[grade.cell_id]: grade for grade in notebook.grades}
        self._comments = {names[comment.cell_id]: comment for comment in notebook.comments}

    def find_grade(self, cell: str, *_place: str) -> Grade:
        """Raises MissingEntry if there is none of this name."""
        return self._found(self._grades, cell)

    def find_comment(self, cell: str, *_place: str) -> Comment:
        """Raises MissingEntry if there is none of this name."""
        return self._found(self._comments, cell)

    @staticmethod
    def _found(among: Mapping[str, Any], cell: str) -> Any:
        try:
            return among[cell]
        except KeyError:
            raise MissingEntry(f"The gradebook has no cell {cell} in this submission: release again") from None


def _replace(target: Path, files: Mapping[Path, bytes | Path]) -> None:
    """Make `target` a folder with these files, in one step."""
    new, old = (target.parent / f".{target.name}.{kind}" for kind in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    for name, content in files.items():
        path = new / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.copyfile(content, path)
        path.chmod(0o444)  # as nbgrader leaves them
    if target.exists():
        os.rename(target, old)
    os.rename(new, target)
    shutil.rmtree(old, ignore_errors=True)
