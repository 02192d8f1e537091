"""What the gradebook says about a problem set, read in a few queries and put in the words of the course."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import case, func

from .gradebook import NO_RESPONSE
from .verdict import exercise_of, solution_cell_of

Status = Literal["final", "needs manual grading", "could not be graded", "not graded yet", "not handed in"]


@dataclass(frozen=True)
class Graded:
    """One cell that is worth points: `auto` and `manual` are None where there is no such score."""

    exercise: str
    max_score: float
    auto: float | None
    manual: float | None
    extra: float
    waits: bool
    untouched: bool
    checked: bool

    @property
    def score(self) -> float:
        """As nbgrader counts: a person's score before the computed one, and extra credit besides."""
        given = self.auto if self.manual is None else self.manual
        return 0.0 if given is None else given + self.extra

    @property
    def failed_to_grade(self) -> bool:
        """Nobody's judgement is missing here, but a computed score is."""
        return self.checked and self.waits and self.auto is None and self.manual is None


@dataclass(frozen=True)
class Score:
    """What one student has for one problem set, in points.

    `entered` says whether the gradebook knows a submission, `handed_in` whether there is any.
    """

    assignment: str
    student: str
    first_name: str
    last_name: str
    email: str
    lms_id: str
    max_score: float
    penalty: float = 0.0
    timestamp: datetime.datetime | None = None
    entered: bool = True
    handed_in: bool = True
    cells: tuple[Graded, ...] = field(default=(), repr=False)

    @property
    def raw(self) -> float:
        """Before the penalty for lateness."""
        return round(sum(cell.score for cell in self.cells), 4)

    @property
    def score(self) -> float:
        """What counts, as nbgrader exports it."""
        return round(max(0.0, self.raw - self.penalty), 4)

    @property
    def status(self) -> Status:
        """Only "final" may leave the gradebook as a grade."""
        if not self.entered:
            return "not graded yet" if self.handed_in else "not handed in"
        if not self.cells or any(cell.failed_to_grade for cell in self.cells):
            return "could not be graded"
        return "needs manual grading" if any(cell.waits for cell in self.cells) else "final"


def read_scores(
    gradebook: Gradebook, assignment: Assignment, order: Iterable[str] = (), handed_in: Collection[str] = ()
) -> list[Score]:
    """The scores of all students in the gradebook, by their ids.

    `order` is that of the graded cells' ids; without it they stand in order of name. `handed_in` are those whose
    submission has been collected: the gradebook learns of it only when it is graded.
    """
    query = gradebook.db.query
    places = {name: place for place, name in enumerate(order)}
    checked, most = _cells(assignment)
    untouched = {
        (student, cell)
        for student, cell in query(SubmittedAssignment.student_id, BaseCell.name)
        .select_from(Comment)
        .join(BaseCell, Comment.cell_id == BaseCell.id)
        .join(SubmittedNotebook, Comment.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .filter(SubmittedAssignment.assignment_id == assignment.id, Comment.auto_comment == NO_RESPONSE)
    }
    cells: dict[str, dict[str, Graded]] = {}
    for student, name, auto, manual, extra, waits in (
        query(
            SubmittedAssignment.student_id, BaseCell.name,
            Grade.auto_score, Grade.manual_score, Grade.extra_credit, Grade.needs_manual_grade,
        )
        .select_from(Grade)
        .join(BaseCell, Grade.cell_id == BaseCell.id)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .filter(SubmittedAssignment.assignment_id == assignment.id)
    ):  # fmt: skip
        alone = (student, name) in untouched or (student, solution_cell_of(name)) in untouched
        graded = Graded(exercise_of(name), most[name], auto, manual, extra or 0.0, waits, alone, name in checked)
        cells.setdefault(student, {})[name] = graded
    late: dict[str, float] = {}
    when: dict[str, datetime.datetime | None] = {}
    for student, timestamp, penalty in (
        query(SubmittedAssignment.student_id, SubmittedAssignment.timestamp, SubmittedNotebook.late_submission_penalty)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Notebook, SubmittedNotebook.notebook_id == Notebook.id)
        .filter(SubmittedAssignment.assignment_id == assignment.id)
    ):
        late[student] = late.get(student, 0.0) + (penalty or 0.0)
        when[student] = timestamp
    total = float(sum(most.values()))

    def ordered(student: str) -> tuple[Graded, ...]:
        own = cells.get(student, {})
        return tuple(own[name] for name in sorted(own, key=lambda name: (places.get(name, len(places)), name)))

    return [
        Score(
            assignment.name, one.id, one.first_name or "", one.last_name or "", one.email or "", one.lms_user_id or "",
            total, late.get(one.id, 0.0), when.get(one.id), one.id in when,
            one.id in when or one.id in handed_in, ordered(one.id),
        )
        for one in gradebook.db.query(Student).order_by(Student.id)
    ]  # fmt: skip


def waiting(gradebook: Gradebook, assignment: Assignment) -> tuple[int, int]:
    """How many answers wait for a person to mark them, and in how many submissions.

    What could not be graded is not among them: nobody's judgement is missing there.
    """
    checked, _ = _cells(assignment)
    computed = BaseCell.name.in_(checked)
    judged = Grade.auto_score.is_not(None) | Grade.manual_score.is_not(None)
    answers = func.sum(case((Grade.needs_manual_grade & (judged | ~computed), 1), else_=0))
    without = func.sum(case((computed & ~judged, 1), else_=0))
    counts = [
        count
        for count, lost in gradebook.db.query(answers, without)
        .select_from(Grade)
        .join(BaseCell, Grade.cell_id == BaseCell.id)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .filter(SubmittedAssignment.assignment_id == assignment.id)
        .group_by(SubmittedNotebook.id)
        if count and (not checked or lost < len(checked))
    ]
    return sum(counts), len(counts)


def _cells(assignment: Assignment) -> tuple[set[str], dict[str, float]]:
    """The cells that are graded by what they compute, and how much each cell is worth."""
    checked, most = set(), {}
    for notebook in assignment.notebooks:
        answered = {cell.name for cell in notebook.solution_cells}
        for cell in notebook.grade_cells:
            most[cell.name] = float(cell.max_score)
            if cell.cell_type == "code" and cell.name not in answered:
                checked.add(cell.name)
        most.update({cell.name: float(cell.max_score) for cell in notebook.task_cells})
    return checked, most
