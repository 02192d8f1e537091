"""Only a report of `check` is worth points."""

from __future__ import annotations

import pytest

from autograder.grading.verdict import REPORT_MIME, Verdict, exercise_of, read_error, read_verdict, solution_cell_of

EXERCISE = "evaluation.evaluate"
PASSED = {"check": "loss", "passed": True, "points": 3.0, "misconception": None, "message": "Passed."}
FAILED = {**PASSED, "passed": False, "points": 0.0, "misconception": "mode-not-restored", "message": "Put it back."}


def report(**changes: object) -> dict:
    return {"exercise": EXERCISE, "points": 3.0, "max_points": 5.0, "findings": [PASSED, FAILED], **changes}


def result(data: dict, kind: str = "execute_result") -> dict:
    return {"output_type": kind, "data": {"text/plain": "5.0", **data}, "metadata": {}}


def read(*outputs: dict) -> Verdict:
    return read_verdict(outputs, EXERCISE, 5.0)


def test_a_report_is_believed() -> None:
    verdict = read(result({REPORT_MIME: report()}))
    assert (verdict.points, verdict.max_points, verdict.refusal) == (3.0, 5.0, "")
    assert verdict.messages == ["Put it back."]
    assert verdict.misconceptions == ["mode-not-restored"]


def test_a_message_that_several_checks_share_is_told_once() -> None:
    verdict = read(result({REPORT_MIME: report(findings=[FAILED, FAILED])}))
    assert verdict.messages == ["Put it back."]
    assert verdict.misconceptions == ["mode-not-restored"]


def test_prints_and_warnings_beside_a_report_change_nothing() -> None:
    noise = [{"output_type": "stream", "name": name, "text": "5.0"} for name in ("stdout", "stderr")]
    assert read(*noise, result({REPORT_MIME: report()})).points == 3.0


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        pytest.param([], "gave no result", id="nothing"),
        pytest.param([result({})], "not a report", id="a number"),
        pytest.param([result({REPORT_MIME: "5"})], "not a report", id="text of the type"),
        pytest.param([result({REPORT_MIME: report()}, "display_data")], "gave no result", id="displayed, not returned"),
        pytest.param([result({REPORT_MIME: report()})] * 2, "gave no result", id="two results"),
        pytest.param([result({REPORT_MIME: report(exercise="evaluation.saliency")})], "is about", id="other exercise"),
        pytest.param([result({REPORT_MIME: report(points=6.0)})], "6.0 of 5.0", id="too many points"),
        pytest.param([result({REPORT_MIME: report(points=-1.0)})], "-1.0 of 5.0", id="negative"),
        pytest.param([result({REPORT_MIME: report(points=float("nan"))})], "nan of 5.0", id="nan"),
        pytest.param([result({REPORT_MIME: report(points=True)})], "True of 5.0", id="a bool"),
        pytest.param([result({REPORT_MIME: report(points="5")})], "'5' of 5.0", id="text for points"),
        pytest.param([result({REPORT_MIME: report(max_points=3.0)})], "3.0 of 3.0", id="another scale"),
        pytest.param([result({REPORT_MIME: report(findings=None)})], "no findings", id="no findings"),
        pytest.param([result({REPORT_MIME: report(findings=["a"])})], "no findings", id="findings of text"),
    ],
)
def test_everything_else_is_worth_nothing_and_says_why(outputs: list[dict], reason: str) -> None:
    verdict = read(*outputs)
    assert verdict.points == 0.0
    assert reason in verdict.refusal
    assert verdict.messages == [verdict.refusal]


def test_an_error_outweighs_a_report() -> None:
    error = {"output_type": "error", "ename": "NameError", "evalue": "name 'evaluate' is not defined"}
    verdict = read(result({REPORT_MIME: report()}), error)
    assert verdict.points == 0.0
    assert verdict.refusal == "The check did not finish: NameError: name 'evaluate' is not defined."


def test_what_we_could_not_grade_is_no_fault_of_the_learner() -> None:
    fault = {"output_type": "error", "ename": "CouldNotGrade", "evalue": "the trace failed", "traceback": []}
    mistake = {"output_type": "error", "ename": "NameError", "evalue": "no", "traceback": []}
    assert read(fault).our_fault
    assert not read(mistake).our_fault
    assert not read().our_fault


def test_a_timeout_is_told_as_one() -> None:
    error = {"output_type": "error", "ename": "CellTimeoutError", "evalue": "", "traceback": []}
    assert "a loop that does not end" in read(error).refusal


def test_an_error_of_several_lines_is_told_on_one() -> None:
    assert read_error([{"output_type": "error", "ename": "E", "evalue": "a\n  b"}]) == "E: a b"


def test_cells_find_their_exercise_and_back() -> None:
    assert exercise_of("evaluation-train_with_validation") == "evaluation.train_with_validation"
    assert solution_cell_of("evaluation-evaluate") == "evaluation-evaluate-solution"
