"""nbgrader preprocessors of the autograding step; `nbgrader_config.py` puts them round `SaveAutoGrades`."""

from __future__ import annotations

import html
import re
from dataclasses import replace

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from ..specs import REGISTRY, misconception
from .verdict import REPORT_MIME, Verdict, exercise_of, read_error, read_verdict, solution_cell_of

_VERDICTS = "two-switches-verdicts"  # where nbconvert's resources carry them from one preprocessor to the next
NO_RESPONSE = "No response."  # what nbgrader writes beside a solution cell that was not touched


def is_check(cell: NotebookNode) -> bool:
    """Whether the cell is graded by what it computes (and not by a person)."""
    return cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell)


class BelieveReports(NbGraderPreprocessor):
    """Make each graded cell's outputs say what the report of `check` says, and nothing else.

    Stands after `Execute` and before `SaveAutoGrades`. A cell without a believable report gets 0 points and the reason.
    What the cell wrote to stderr stays readable, but on stdout: nbgrader gives 0 points for a single warning there.
    """

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Rewrite the outputs of the graded cells of an executed notebook in place."""
        ran = [cell for cell in nb.cells if cell.cell_type == "code" and "nbgrader" in cell.metadata]
        errors = {cell.metadata.nbgrader.get("grade_id"): read_error(cell.outputs) for cell in ran}
        for cell in filter(is_check, nb.cells):
            grade_id = cell.metadata.nbgrader["grade_id"]
            verdict = read_verdict(cell.outputs, exercise_of(grade_id), float(cell.metadata.nbgrader["points"]))
            if verdict.refusal and (error := errors.get(solution_cell_of(grade_id))):
                verdict = replace(verdict, refusal=f"The cell with the solution did not run: {error}.")
            result = next((output for output in cell.outputs if output.output_type == "execute_result"), None)
            if verdict.refusal:
                result = _refusal(verdict, exercise_of(grade_id))
            result.data["text/plain"] = repr(verdict.points)
            resources.setdefault(_VERDICTS, {})[grade_id] = verdict
            # nbgrader takes the points from the first result it meets and stops there; tracebacks follow it.
            others = [output for output in cell.outputs if output.output_type != "execute_result"]
            streams = [_on_stdout(output) for output in others if output.output_type == "stream"]
            cell.outputs = [*streams, result, *(output for output in others if output.output_type != "stream")]
        return nb, resources


class SaveMessages(NbGraderPreprocessor):
    """Store what the failed checks say as the automatic comment of the exercise's solution cell.

    What could not be graded through no fault of the learner gets no score but goes to a person, and into the log.
    Stands after `BelieveReports`, whose verdicts it takes, and after `SaveAutoGrades`, which clears the comments.
    """

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Write the comments of one notebook into the gradebook; the notebook stays as it is."""
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            for grade_id, verdict in resources.get(_VERDICTS, {}).items():
                comment = gradebook.find_comment(
                    solution_cell_of(grade_id), where["notebook"], where["assignment"], where["student"]
                )
                if comment.auto_comment != NO_RESPONSE:
                    comment.auto_comment = comment_text(verdict) or None
                if verdict.our_fault:
                    grade = gradebook.find_grade(grade_id, where["notebook"], where["assignment"], where["student"])
                    grade.auto_score, grade.needs_manual_grade = None, True
                    self.log.error("%s of %s: %s", grade_id, where["student"], verdict.refusal)
            gradebook.db.commit()
        return nb, resources


def comment_text(verdict: Verdict) -> str:
    """The verdict's messages in Markdown, as nbgrader's feedback renders comments; empty if all checks passed."""
    if not verdict.messages:
        return ""
    lines = [f"{verdict.points:g} of {verdict.max_points:g} points."]
    lines += [f"- {_escape(' '.join(message.split()))}" for message in verdict.messages]
    if verdict.misconceptions:
        titles = (misconception(name).title for name in verdict.misconceptions if name in REGISTRY)
        lines.append(f"\nMisconceptions: {', '.join(titles)}")
    return "\n".join([lines[0], "", *lines[1:]])


def _escape(message: str) -> str:
    """Keep `<class 'float'>` readable in HTML; code between backticks is escaped by Markdown itself."""
    return "".join(
        part if part.startswith("`") else html.escape(part, quote=False) for part in re.split(r"(`[^`]*`)", message)
    )


def _on_stdout(output: NotebookNode) -> NotebookNode:
    if output.name != "stderr":
        return output
    return new_output("stream", name="stdout", text=f"(stderr, costs no points)\n{output.text}")


def _refusal(verdict: Verdict, exercise: str) -> NotebookNode:
    report = {"exercise": exercise, "points": 0.0, "max_points": verdict.max_points}
    finding = {"check": "report", "passed": False, "points": 0.0, "max_points": verdict.max_points}
    report["findings"] = [{**finding, "misconception": None, "message": verdict.refusal, "read": None}]
    text = f"<p><strong>0 of {verdict.max_points:g} points.</strong> {html.escape(verdict.refusal)}</p>"
    return new_output("execute_result", data={"text/html": text, REPORT_MIME: report}, execution_count=None)
