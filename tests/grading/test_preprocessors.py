"""What nbgrader makes of a graded cell after `BelieveReports` has seen it."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.utils import determine_grade

from autograder.grading.preprocessors import BelieveReports, comment_text
from autograder.grading.verdict import REPORT_MIME, Verdict, read_verdict
from autograder.specs import misconception

EXERCISE = "evaluation.evaluate"


def cell(kind: str, *outputs: NotebookNode) -> NotebookNode:
    graded = kind == "check"
    settings = {"grade": graded, "solution": not graded, "locked": graded, "points": 5, "schema_version": 3}
    settings["grade_id"] = "evaluation-evaluate" + ("" if graded else "-solution")
    return new_code_cell("", metadata={"nbgrader": settings}, outputs=list(outputs))


def report(points: float = 3.0) -> NotebookNode:
    data = {"exercise": EXERCISE, "points": points, "max_points": 5.0, "findings": []}
    return new_output("execute_result", {"text/plain": "3", "text/html": "<p>report</p>", REPORT_MIME: data})


def believe(check: NotebookNode, *before: NotebookNode) -> NotebookNode:
    BelieveReports().preprocess(new_notebook(cells=[*before, check]), {})
    return check


def stderr(text: str) -> NotebookNode:
    return new_output("stream", name="stderr", text=text)


def test_the_points_of_the_report_become_the_grade() -> None:
    assert determine_grade(believe(cell("check", report(2.5)))) == (2.5, 5.0)


def test_a_warning_on_stderr_costs_nothing_and_stays_readable() -> None:
    check = cell("check", stderr("UserWarning: lr_scheduler"), report(5.0))
    assert determine_grade(check) == (0, 5.0)  # what stock nbgrader does
    assert determine_grade(believe(check)) == (5.0, 5.0)
    assert "UserWarning: lr_scheduler" in check.outputs[0].text


def test_a_cell_without_a_report_scores_nothing() -> None:
    for outputs in ([], [new_output("execute_result", {"text/plain": "'all good'"})]):
        check = cell("check", *outputs)
        assert determine_grade(check) == (5.0, 5.0)  # what stock nbgrader does
        assert determine_grade(believe(check)) == (0.0, 5.0)
        assert "0 of 5 points" in check.outputs[0].data["text/html"]


def test_a_refused_cell_stays_refused_when_it_is_read_again() -> None:
    verdict = read_verdict(believe(cell("check")).outputs, EXERCISE, 5.0)
    assert verdict.points == 0.0
    assert "gave no result" in verdict.messages[0]


def test_an_error_in_the_solution_is_what_the_learner_is_told() -> None:
    syntax_error = new_output("error", ename="SyntaxError", evalue="expected ':'", traceback=["..."])
    name_error = new_output("error", ename="NameError", evalue="name 'evaluate' is not defined", traceback=["..."])
    check = believe(cell("check", name_error), cell("solution", syntax_error))
    assert determine_grade(check) == (0.0, 5.0)
    assert "The cell with the solution did not run: SyntaxError: expected" in check.outputs[0].data["text/html"]
    assert check.outputs[-1].ename == "NameError"


def test_cells_graded_by_people_are_left_alone() -> None:
    settings = {"grade": True, "solution": True, "locked": False, "points": 2, "grade_id": "why", "schema_version": 3}
    answer = new_markdown_cell("Because.", metadata={"nbgrader": settings})
    assert believe(answer) == answer


def test_a_comment_keeps_what_looks_like_html() -> None:
    message = "Seen: <class 'int'>, wanted `list[<str>]`."
    finding = {"passed": False, "message": message, "misconception": "wrong-result"}
    text = comment_text(Verdict(1.0, 5.0, (finding,)))
    assert text.startswith("1 of 5 points.\n")
    assert "- Seen: &lt;class 'int'&gt;, wanted `list[<str>]`." in text
    assert text.endswith(f"Misconceptions: {misconception('wrong-result').title}")


def test_a_passed_exercise_gets_no_comment() -> None:
    assert comment_text(Verdict(5.0, 5.0)) == ""
