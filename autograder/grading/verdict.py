"""What a graded cell is worth, and what the learner is told about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nbformat import NotebookNode

from ..specs import MIME as REPORT_MIME

Outcome = Literal["passed", "failed", "could not be graded"]


@dataclass(frozen=True)
class Verdict:
    """The points of one graded cell, and what to tell the learner.

    `findings` are the report's own, as plain data. `refusal` says in a sentence why there is no report; it is empty
    when there is one. `our_fault` marks a refusal that says nothing about the learner's code: a person has to look at
    it. `shown` is what the cell shows, by mime type; empty for a refusal.
    """

    points: float
    max_points: float
    findings: Sequence[Mapping[str, Any]] = ()
    refusal: str = ""
    our_fault: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def outcome(self) -> Outcome:
        """Passed only if everything passed."""
        if self.our_fault:
            return "could not be graded"
        return "passed" if self.findings and not self.messages else "failed"

    @property
    def messages(self) -> list[str]:
        """What went wrong, each message once, in the order of the checks; empty when everything passed."""
        if self.refusal:
            return [self.refusal]
        failed = (str(finding.get("message", "")) for finding in self.findings if not finding.get("passed"))
        return list(dict.fromkeys(failed))

    @property
    def misconceptions(self) -> list[str]:
        """The ids of the misconceptions named by failed checks, each once, in order."""
        named = [finding.get("misconception") for finding in self.findings if not finding.get("passed")]
        return list(dict.fromkeys(str(name) for name in named if name))


def is_check(cell: NotebookNode) -> bool:
    """Whether the cell is graded by what it computes (and not by a person)."""
    return cell.cell_type == "code" and _is(cell, "grade") and not _is(cell, "solution")


def is_locked(cell: NotebookNode) -> bool:
    """Whether a learner may not change what is in the cell."""
    return _is(cell, "task") or not _is(cell, "solution") and (_is(cell, "grade") or _is(cell, "locked"))


def _is(cell: NotebookNode, kind: str) -> bool:
    # As `nbgrader.utils` has it; but nbgrader imports its server with it, a third of a worker's start.
    return bool(cell.metadata.get("nbgrader", {}).get(kind, False))


def exercise_of(grade_id: str) -> str:
    """The exercise that a graded cell checks, `evaluation.saliency` for `evaluation-saliency`."""
    return grade_id.replace("-", ".", 1)


def solution_cell_of(grade_id: str) -> str:
    """The grade id of the cell that the learner fills in for this graded cell."""
    return f"{grade_id}-solution"


def read_error(outputs: Sequence[Mapping[str, Any]]) -> str | None:
    """The error in which a cell ended, on one line; None if it ended well."""
    errors = [output for output in outputs if output.get("output_type") == "error"]
    if any(error.get("ename") == TIMEOUT for error in errors):  # beside the KeyboardInterrupt that stopped it
        return "it was stopped because it took too long. Look for a loop that does not end"
    return next((" ".join(f"{e.get('ename')}: {e.get('evalue')}".rstrip(": ").split())[:400] for e in errors), None)


#: The name under which a cell that ran out of time ends; nbgrader uses the same.
TIMEOUT = "CellTimeoutError"


def reports_in(notebook: NotebookNode) -> Iterator[Mapping[str, Any]]:
    """The reports, as plain data, that grading wrote into an autograded notebook, in the order of its graded cells."""
    for cell in filter(is_check, notebook.cells):
        for output in cell.outputs:
            if output.output_type == "execute_result" and REPORT_MIME in output.data:
                yield output.data[REPORT_MIME]
