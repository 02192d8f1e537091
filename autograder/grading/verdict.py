"""What a graded cell is worth, read from its outputs.

nbgrader believes what a cell prints: no result gives full points, and so does a result that is no number. Here only
the report of `check` counts, recognised by its own mime type, and everything else is worth nothing and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

from ..specs import MIME as REPORT_MIME


@dataclass(frozen=True)
class Verdict:
    """The points of one graded cell, and what to tell the learner.

    `findings` are the report's own, as plain data. `refusal` says in a sentence why there is no report to believe;
    it is empty when there is one. `our_fault` marks a refusal that says nothing about the learner's code: a person has
    to look at it.
    """

    points: float
    max_points: float
    findings: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    refusal: str = ""
    our_fault: bool = False

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


def exercise_of(grade_id: str) -> str:
    """The exercise that a graded cell checks, `evaluation.saliency` for `evaluation-saliency`."""
    return grade_id.replace("-", ".", 1)


def solution_cell_of(grade_id: str) -> str:
    """The grade id of the cell that the learner fills in for this graded cell."""
    return f"{grade_id}-solution"


def read_error(outputs: Sequence[Mapping[str, Any]]) -> str | None:
    """The error in which a cell ended, on one line; None if it ended well."""
    for output in outputs:
        if output.get("output_type") == "error":
            if output.get("ename") == "CellTimeoutError":
                return "it was stopped because it took too long. Look for a loop that does not end"
            return " ".join(f"{output.get('ename')}: {output.get('evalue')}".rstrip(": ").split())
    return None


def read_verdict(outputs: Sequence[Mapping[str, Any]], exercise: str, max_points: float) -> Verdict:
    """Judge the outputs of the graded cell of `exercise`, which is worth `max_points`.

    Never raises for anything a notebook can contain: what cannot be believed is worth 0.
    """

    def refuse(reason: str) -> Verdict:
        return Verdict(0.0, max_points, refusal=reason)

    if error := read_error(outputs):
        verdict = refuse(f"The check did not finish: {error}.")
        return replace(verdict, our_fault=any(output.get("ename") == "CouldNotGrade" for output in outputs))
    results = [output for output in outputs if output.get("output_type") == "execute_result"]
    if len(results) != 1:
        return refuse("The check cell gave no result, so it is worth no points. Did something before it fail?")
    report = results[0].get("data", {}).get(REPORT_MIME)
    if not isinstance(report, Mapping):
        return refuse("The result of the check cell is not a report of `check`, so it is worth no points.")
    if report.get("exercise") != exercise:
        return refuse(f"The report is about {report.get('exercise')!r}, but this cell checks {exercise!r}.")
    points, full, findings = report.get("points"), report.get("max_points"), report.get("findings")
    if not _is_number(points) or not _is_number(full) or full != max_points or not 0 <= points <= max_points:
        return refuse(f"The report says {points!r} of {full!r} points, but this cell is worth {max_points:g}.")
    if not isinstance(findings, list) or not all(isinstance(finding, Mapping) for finding in findings):
        return refuse("The report lists no findings, so it is worth no points.")
    return Verdict(float(points), max_points, tuple(findings))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
