"""What a verdict says about a graded cell."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from autograder.grading.verdict import Verdict, exercise_of, read_error, reports_in, solution_cell_of
from autograder.specs import MIME

PASSED = {"check": "loss", "passed": True, "points": 3.0, "misconception": None, "message": "Passed."}
FAILED = {**PASSED, "passed": False, "points": 0.0, "misconception": "mode-not-restored", "message": "Put it back."}


def test_what_failed_is_told_and_named() -> None:
    verdict = Verdict(3.0, 5.0, (PASSED, FAILED))
    assert (verdict.outcome, verdict.messages, verdict.misconceptions) == (
        "failed",
        ["Put it back."],
        ["mode-not-restored"],
    )


def test_a_message_that_several_checks_share_is_told_once() -> None:
    verdict = Verdict(3.0, 5.0, (FAILED, FAILED))
    assert (verdict.messages, verdict.misconceptions) == (["Put it back."], ["mode-not-restored"])


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict(3.0, 3.0, (PASSED,)), "passed"),
        (Verdict(0.0, 3.0), "failed"),
        (Verdict(3.0, 3.0), "failed"),  # nothing was found to have passed
        (Verdict(0.0, 3.0, refusal="no evidence"), "failed"),
        (Verdict(0.0, 3.0, refusal="it broke", our_fault=True), "could not be graded"),
    ],
)
def test_there_are_three_outcomes(verdict: Verdict, outcome: str) -> None:
    assert verdict.outcome == outcome


def test_a_timeout_is_told_as_one() -> None:
    errors = [{"output_type": "error", "ename": e, "evalue": ""} for e in ("KeyboardInterrupt", "CellTimeoutError")]
    assert "a loop that does not end" in (read_error(errors) or "")


def test_an_error_of_several_lines_is_told_on_one() -> None:
    assert read_error([{"output_type": "error", "ename": "E", "evalue": "a\n  b"}]) == "E: a b"
    assert read_error([]) is None


def test_cells_find_their_exercise_and_back() -> None:
    assert exercise_of("evaluation-train_with_validation") == "evaluation.train_with_validation"
    assert solution_cell_of("evaluation-evaluate") == "evaluation-evaluate-solution"


def test_only_the_results_of_graded_cells_are_read_back() -> None:
    result = new_output("execute_result", {MIME: {"exercise": "a.b"}})
    graded = {"nbgrader": {"grade": True, "solution": False, "grade_id": "a-b"}}
    cells = [
        new_code_cell("", metadata=graded, outputs=[result]),
        new_code_cell("", metadata=graded, outputs=[new_output("display_data", {MIME: {"exercise": "forged"}})]),
        new_code_cell("", outputs=[result]),
    ]
    assert list(reports_in(new_notebook(cells=cells))) == [{"exercise": "a.b"}]
