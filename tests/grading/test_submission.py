"""One submission: what ends a kernel, and what the learner is told about it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import exercises
from autograder.grading.execution import Limits, _Client
from autograder.grading.referee import Referee
from autograder.grading.submission import GradedSubmission, grade_submission, modules_for
from autograder.grading.verdict import Verdict
from tests.conftest import LEVEL, ROOT
from tests.grading.classes import RELEASE, as_bytes, ps0, right

LIVE, TABLE = "switches.live_modules", "switches.truth_table"
QUICK = Limits(cell_seconds=3, check_seconds=60, notebook_seconds=120, grace_seconds=20)


def grade(live: str, limits: Limits = QUICK) -> GradedSubmission:
    data = as_bytes(ps0({TABLE: right(TABLE), LIVE: live}))
    return grade_submission(data, RELEASE.read_bytes(), 7, sandbox=LEVEL, limits=limits)


def test_the_same_work_gets_the_same_verdict_and_the_same_notebook() -> None:
    first, second = (grade(right(LIVE)) for _ in range(2))
    assert (first.cells, first.notebook) == (second.cells, second.notebook)
    assert first.outcome == "passed"


STEP = """
import torch
weight = torch.zeros(1, requires_grad=True)
weight.sum().backward()
torch.optim.SGD([weight], lr=1.0).step()
assert weight.item() == -1.0
"""


def test_an_optimizer_where_the_release_has_none() -> None:
    assert grade(STEP + right(LIVE)).points == 7.0


def test_the_compiler_is_imported_for_code_with_optimizers() -> None:
    def released(*cells: NotebookNode) -> bytes:
        return nbformat.writes(new_notebook(cells=list(cells))).encode()

    step = new_code_cell("optimizer = torch.optim.SGD(model.parameters(), lr=0.1)")
    assert modules_for(released(new_markdown_cell("no word"), step)) == ("torch._dynamo",)
    assert modules_for(released(new_markdown_cell("an optimizer"), new_code_cell("model.eval()"))) == ()
    assert modules_for(b"no notebook") == ()


WITHOUT = """
import sys
import torch, autograder.specs._all
from autograder import grade
from tests.corpora import load
for exercise in sys.argv[1:]:
    for candidate in load(exercise)[::3]:  # a check that needs it would need it for most
        grade(exercise, candidate.build(), seed=1)
        assert "torch._dynamo" not in sys.modules, (exercise, candidate)
"""


@pytest.mark.slow
@pytest.mark.parametrize("problem_set", ["ps0-switches", "ps1-dropout", "ps2-batchnorm"])
def test_where_no_optimizer_is_no_check_needs_the_compiler(problem_set: str) -> None:
    (master,) = (ROOT / "solutions" / problem_set).glob("*.ipynb")
    assert modules_for(master.read_bytes()) == ()
    graded = [one.id for one in exercises() if one.problem_set == problem_set]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *graded], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_can_be_called_where_an_event_loop_runs() -> None:
    async def inside() -> GradedSubmission:
        return grade(right(LIVE))

    assert asyncio.run(inside()).outcome == "passed"


def test_a_check_that_the_learner_calls_in_the_solution_cell_does_not_count() -> None:
    copied = right(LIVE) + '\nfrom autograder import check\ncheck("switches.live_modules", live_modules)\n'
    assert grade(copied + "live_modules = lambda model: []\n").points == 4.0
    assert grade(copied).points == 7.0


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        ("def live_modules(model)\n    return []\n", "The cell with the solution did not run: SyntaxError"),
        ("while True:\n    pass\n", "The cell with the solution did not run: it was stopped because it took too long"),
        (
            "import os\nos._exit(3)\n",
            "The kernel ended in cell 10: the code ended its process, or crashed it (status 3)",
        ),
        ("import os\nos.kill(os.getpid(), 11)\n", "The kernel ended in cell 10"),
        ("live_modules = len\nimport autograder\nautograder.check = print\n", "brought no evidence"),
    ],
    ids=["syntax", "endless", "exit", "crash", "no evidence"],
)
def test_what_went_wrong_is_told_and_earlier_exercises_keep_their_points(live: str, reason: str) -> None:
    graded = grade(live)
    table, live_cell = graded.cells
    assert (table.points, live_cell.points, live_cell.outcome) == (4.0, 0.0, "failed")
    assert live_cell.messages[0].startswith(reason) or reason in live_cell.messages[0]


REPLIES_EARLY = """
def reply(*arguments):
    kernel = get_ipython().kernel
    parent = kernel.get_parent("shell")
    done = {"status": "ok", "execution_count": 1, "user_expressions": {}}
    kernel.session.send(None, "execute_reply", done, parent=parent)
    kernel.session.send(None, "status", {"execution_state": "idle"}, parent=parent)

get_ipython().events.register("pre_run_cell", reply)
"""


def test_who_says_that_a_cell_has_ended_while_it_runs_gets_nothing_for_it() -> None:
    graded = grade(right(LIVE) + REPLIES_EARLY)
    table, live = graded.cells
    assert (table.points, live.points, live.outcome) == (4.0, 0.0, "failed")
    assert "brought no evidence" in live.messages[0]


PRINTS = """
import sys
from IPython.display import clear_output
for number in range(30):
    print(number, file=sys.stderr if number in (10, 11) else sys.stdout)
    if number == 2:
        clear_output(wait=True)
"""


def test_what_is_printed_line_by_line_stands_as_nbclient_puts_it() -> None:
    """And a `clear_output` that waits still takes away what was printed before."""
    graded = nbformat.reads(grade(right(LIVE) + PRINTS).notebook.decode(), as_version=4)
    (cell,) = (cell for cell in graded.cells if "clear_output" in cell.source)
    printed = "".join(f"{number}\n" for number in range(3, 30) if number not in (10, 11))
    assert [(output.name, output.text) for output in cell.outputs] == [("stdout", printed), ("stderr", "10\n11\n")]


def test_a_solution_that_leaves_another_stdout_behind_keeps_its_points() -> None:
    assert grade(f"import io, sys\nsys.stdout = io.StringIO()\n{right(LIVE)}").points == 7.0


def test_who_takes_stdout_away_is_told_at_once() -> None:
    table, live = grade(f"import sys\nsys.stdout = None\n{right(LIVE)}").cells
    assert (table.points, live.outcome) == (4.0, "failed")
    (told,) = live.messages
    assert told == "The check did not finish: AttributeError: 'NoneType' object has no attribute 'write'."


def test_a_kernel_that_somebody_else_killed_is_nobody_s_fault() -> None:
    graded = grade("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert [cell.outcome for cell in graded.cells] == ["passed", "could not be graded"]
    assert graded.outcome == "could not be graded"


def test_nobody_waits_for_ever_to_tell_a_kernel_that_has_ended_something() -> None:
    async def run_in_the_dead() -> None:
        cell = new_code_cell("1")
        client = _Client(new_notebook(cells=[cell]), Limits(grace_seconds=1))
        referee = Referee(lambda exercise: 0, lambda *asked: Verdict(0.0, 1.0))
        try:
            await client.start(referee, ".", LEVEL.value, ())
            await client.kernel.end()
            with pytest.raises(DeadKernelError):
                await client.async_execute_cell(cell, 0)
        finally:
            await client.stop()
            referee.close()

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        asyncio.run(asyncio.wait_for(run_in_the_dead(), 60))


def test_a_notebook_has_a_time_limit_of_its_own() -> None:
    graded = grade("import time\ntime.sleep(100)\n", Limits(cell_seconds=100, notebook_seconds=8))
    assert graded.points == 4.0
    assert "ran for more than 8 seconds" in graded.cells[1].messages[0]
