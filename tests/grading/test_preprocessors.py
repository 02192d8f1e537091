"""What nbgrader makes of a graded cell, and the comment that the learner reads."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade

from autograder.grading.execution import _outputs
from autograder.grading.submission import GradedCell
from autograder.grading.verdict import Verdict
from autograder.specs import MIME, collect, find, misconception, service
from tests.corpora import load

EXERCISE = "switches.truth_table"


def shown(verdict: Verdict, *outputs: NotebookNode, sandbox: str = "full") -> NotebookNode:
    """A graded cell that ended with these outputs, as it looks in the autograded notebook."""
    settings = {"grade": True, "solution": False, "locked": True, "points": 4, "schema_version": 3, "grade_id": "a-b"}
    cell = new_code_cell("", metadata={"nbgrader": settings}, outputs=list(outputs))
    cell.outputs = _outputs(cell, verdict, EXERCISE, sandbox)
    return cell


def verdict_on(misconception_id: str | None) -> Verdict:
    candidate = next(c for c in load(EXERCISE) if c.misconception == misconception_id)
    evidence = collect(find(EXERCISE), candidate.build(), 7)
    return Verdict(**service.judge(EXERCISE, evidence, 7, 4.0))


def stderr(text: str) -> NotebookNode:
    return new_output("stream", name="stderr", text=text)


def test_the_points_of_the_verdict_become_the_grade() -> None:
    assert determine_grade(shown(verdict_on(None))) == (4.0, 4.0)
    partial = verdict_on(next(c.misconception for c in load(EXERCISE) if c.misconception))
    assert 0 < partial.points < 4
    assert determine_grade(shown(partial)) == (partial.points, 4.0)


def test_a_warning_on_stderr_costs_nothing_and_stays_readable() -> None:
    cell = shown(verdict_on(None), stderr("UserWarning: lr_scheduler"))
    assert determine_grade(cell) == (4.0, 4.0)
    assert "UserWarning: lr_scheduler" in cell.outputs[0].text


def test_what_the_cell_itself_claims_decides_nothing() -> None:
    claims = [new_output(kind, {"text/plain": "4.0"}) for kind in ("execute_result", "display_data")]
    error = new_output("error", ename="NameError", evalue="name 'evaluate' is not defined", traceback=["..."])
    cell = shown(Verdict(0.0, 4.0, refusal="No evidence."), *claims, error)
    assert determine_grade(cell) == (0.0, 4.0)
    assert [output.output_type for output in cell.outputs] == ["execute_result", "error"]
    assert "0 of 4 points" in cell.outputs[0].data["text/html"]
    assert cell.outputs[0].data[MIME]["findings"][0]["message"] == "No evidence."


def test_every_report_below_full_names_its_level() -> None:
    for verdict in (verdict_on(None), Verdict(0.0, 4.0, refusal="No evidence.")):
        assert "sandbox level reduced" in shown(verdict, sandbox="reduced").outputs[0].data["text/html"]
        assert "sandbox" not in shown(verdict).outputs[0].data["text/html"]


def test_a_comment_keeps_what_looks_like_html() -> None:
    message = "Seen: <class 'int'>, wanted `list[<str>]`."
    finding = {"passed": False, "message": message, "misconception": "wrong-result"}
    text = GradedCell.of("a-b", Verdict(1.0, 5.0, (finding,))).comment
    assert text.startswith("1 of 5 points.\n")
    assert "- Seen: &lt;class 'int'&gt;, wanted `list[<str>]`." in text
    assert text.endswith(f"Misconceptions: {misconception('wrong-result').title}")


def test_a_passed_exercise_gets_no_comment() -> None:
    assert GradedCell.of("a-b", Verdict(5.0, 5.0)).comment == ""
