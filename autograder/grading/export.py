"""The gradebook as one row per exercise, where nbgrader's own exporter gives one per assignment."""

from __future__ import annotations

import csv
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin

from .verdict import exercise_of, solution_cell_of

COLUMNS = ("assignment", "student_id", "exercise", "score", "max_score", "needs_manual_grade", "comment")


class ExerciseExport(ExportPlugin):
    """`nbgrader export --exporter=autograder.grading.export.ExerciseExport --to=exercises.csv`."""

    def export(self, gradebook: Gradebook) -> None:
        """Write COLUMNS to `self.to` (default: exercises.csv), students and exercises in order of name.

        `score` is empty as long as a person has to give it. `comment` is what the learner reads beside the solution.
        """
        with Path(self.to or "exercises.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for assignment in sorted(gradebook.assignments, key=lambda assignment: assignment.name):
                if self.assignment and assignment.name not in self.assignment:
                    continue
                for submission in sorted(assignment.submissions, key=lambda submission: submission.student.id):
                    if self.student and submission.student.id not in self.student:
                        continue
                    for notebook in submission.notebooks:
                        table.writerows(_rows(assignment.name, submission.student.id, notebook))


def _rows(assignment: str, student: str, notebook: object) -> list[tuple[object, ...]]:
    comments = {comment.name: comment.comment or "" for comment in notebook.comments}
    return [
        (
            assignment,
            student,
            exercise_of(grade.name),
            "" if grade.needs_manual_grade else grade.score,
            grade.max_score,
            grade.needs_manual_grade,
            comments.get(solution_cell_of(grade.name), comments.get(grade.name, "")),
        )
        for grade in sorted(notebook.grades, key=lambda grade: grade.name)
    ]
