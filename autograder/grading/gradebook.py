"""The one who writes: from graded submissions to nbgrader's gradebook and folder of autograded notebooks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import nbformat
from nbgrader.api import Assignment, Gradebook, MissingEntry, SubmittedAssignment
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
                f"gradebook first: nbgrader generate_assignment {assignment} --db='{courses.db_url}'"
            ) from None
        names = (
            self._gradebook.db.query(SubmittedAssignment.student_id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .filter(Assignment.name == assignment)
        )
        self._known = {name for (name,) in names}
        self._limit_output = LimitOutput(config=config)

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
        more = {"timestamp": timestamp} if timestamp else {}
        self._gradebook.update_or_create_student(student)
        late = self._gradebook.update_or_create_submission(self._assignment, student, **more).total_seconds_late
        target = self._folder(student)
        if graded.problem:
            shutil.rmtree(target, ignore_errors=True)
            return
        resources = {"nbgrader": {"student": student, "assignment": self._assignment, "notebook": self._notebook}}
        resources["nbgrader"]["db_url"] = self._courses.db_url
        notebook, _ = self._limit_output.preprocess(nbformat.reads(graded.notebook.decode(), as_version=4), resources)
        self._save(notebook, resources, graded)
        if late > 0:
            AssignLatePenalties(config=self._config).preprocess(notebook, resources)
        notebook.metadata.setdefault(RECORD, {})["seconds"] = round(graded.seconds, 2)
        put_back(self._gradebook, resources["nbgrader"], notebook)
        _replace(target, self._files(student, handed_in, to_bytes(notebook)))

    def _save(self, notebook: Any, resources: dict[str, Any], graded: GradedSubmission) -> None:
        """Grades and comments in one transaction, by nbgrader's own rules."""
        session = self._gradebook.db
        saver = SaveAutoGrades(config=self._config)
        saver.gradebook = SimpleNamespace(
            find_grade=self._gradebook.find_grade,
            find_comment=self._gradebook.find_comment,
            db=SimpleNamespace(commit=session.flush),
        )
        where = resources["nbgrader"]
        saver.notebook_id, saver.assignment_id, saver.student_id = (
            where["notebook"],
            where["assignment"],
            where["student"],
        )
        try:
            for index, cell in enumerate(notebook.cells):
                saver.preprocess_cell(cell, resources, index)
            save_messages(self._gradebook, where, graded.cells)
            submitted = self._gradebook.find_submission_notebook(*map(where.get, ("notebook", "assignment", "student")))
            submitted.late_submission_penalty = None
            session.commit()
        except BaseException:
            session.rollback()
            raise
        session.expunge_all()  # what is written is not needed any more, and memory stays flat

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
