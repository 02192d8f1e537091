"""What learners get is what solutions/ generates, and nothing of a solution is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbgrader.utils import is_solution, is_task

from autograder import exercises
from autograder.grading.verdict import exercise_of, is_check, solution_cell_of
from tests.conftest import ROOT

MASTERS = sorted(ROOT.glob("solutions/ps*/ps*.ipynb"))
RELEASES = sorted(ROOT.glob("exercises/ps*/ps*.ipynb"))
NAMES = [path.parent.name for path in MASTERS]

REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)\n(.*?)### END \1", re.DOTALL)


def cells(path: Path) -> list[NotebookNode]:
    return nbformat.read(path, as_version=4).cells


def secrets(path: Path) -> Iterator[str]:
    """The lines of a master notebook that learners must not see."""
    for cell in cells(path):
        for _, region in REGION.findall(cell.source):
            lines = [line.strip() for line in region.splitlines()]
            yield from (line for line in lines if line and not line.startswith("### STUB "))


def squeeze(line: str) -> str:
    """A line without its comment and without spaces, which make no difference to what it tells."""
    return re.sub(r"\s+", "", re.sub(r"#.*", "", line))


def test_every_master_notebook_is_released() -> None:
    assert MASTERS
    assert [path.parent.name for path in RELEASES] == NAMES


@pytest.mark.slow
def test_the_released_notebooks_are_what_the_masters_generate(course: Path, nbgrader: Callable) -> None:
    # the first one again, too: nothing may depend on what the gradebook knows already
    for turn, name in [*(("first", name) for name in NAMES), ("again", NAMES[0])]:
        done = nbgrader(course, "generate_assignment", name, "--force")
        assert done.returncode == 0, done.stdout
        for master in MASTERS:
            if master.parent.name == name:
                generated = (course / "exercises" / name / master.name).read_bytes()
                committed = (ROOT / "exercises" / name / master.name).read_bytes()
                assert generated == committed, f"{turn}: run `make release` and commit exercises/{name}"
    assert not (course / ".grading-seed").exists(), "only grading needs the secret seed"


@pytest.mark.parametrize("path", MASTERS + RELEASES, ids=lambda path: "-".join(path.parts[-3:]))
def test_no_notebook_has_outputs(path: Path) -> None:
    for cell in cells(path):
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert "attachments" not in cell


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_solution_shows(name: str) -> None:
    (master,) = (ROOT / "solutions" / name).glob("*.ipynb")
    released = cells(ROOT / "exercises" / name / master.name)
    text = [squeeze(line) for cell in released for line in cell.source.splitlines()]
    # Braces and keywords tell nothing, nor does `model.eval()` alone: examples and tasks have to name the switches.
    lines = {line for line in map(squeeze, secrets(master)) if len(line) > 8}
    hidden = {line for line in lines if not re.fullmatch(r"(with)?\w+\.\w+\(\):?", line)}
    # A repair repeats most lines of the program it repairs, which is there for all to read.
    programs = [cell.source for cell in released if "program" in cell.metadata.get("tags", ())]
    hidden -= {squeeze(line) for program in programs for line in program.splitlines()}
    assert len(hidden) > 5
    for part in hidden:
        assert not any(part in line for line in text), part


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_no_marker_of_the_masters_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for marker in ("BEGIN SOLUTION", "END SOLUTION", "### STUB", "HIDDEN TESTS", "MARK SCHEME", "point:"):
        assert marker not in text


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_each_exercise_of_the_specs_has_its_cells(path: Path) -> None:
    specs = {exercise.id: exercise for exercise in exercises() if exercise.problem_set == path.parent.name}
    notebook = cells(path)
    checks = {exercise_of(cell.metadata.nbgrader["grade_id"]): cell for cell in notebook if is_check(cell)}
    assert list(checks) == list(specs)
    solution_cells = {cell.metadata.nbgrader["grade_id"] for cell in notebook if is_solution(cell)}
    text = "\n".join(cell.source for cell in notebook if cell.cell_type == "markdown")
    for exercise, cell in checks.items():
        spec, name = specs[exercise], exercise.rpartition(".")[2]
        assert cell.source == f'from autograder import check\n\ncheck("{exercise}", {name})'
        assert cell.metadata.nbgrader["points"] == spec.points
        assert cell.metadata.nbgrader["locked"]
        assert solution_cell_of(cell.metadata.nbgrader["grade_id"]) in solution_cells
        stars = "★" * spec.stars
        assert f"{stars} · {spec.minutes} minutes · {spec.points:g} point" in text
        assert f"| `{name}` | {stars} | {spec.minutes} | {spec.points:g} |" in text


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_a_person_grades_one_question_by_a_marking_scheme(path: Path) -> None:
    tasks = [cell for cell in cells(path) if is_task(cell)]
    assert tasks
    for task in tasks:
        (_, scheme), = REGION.findall(task.source)  # fmt: skip
        promised = sum(float(number) for number in re.findall(r"^(?:- )?([\d.]+) points?:", scheme, re.MULTILINE))
        assert promised == task.metadata.nbgrader["points"]
        assert f"{promised:g} points · graded by a person" in task.source


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_every_notebook_starts_with_the_same_imports(path: Path) -> None:
    first = next(cell for cell in cells(path) if cell.cell_type == "code")
    names = "import contextlib\nimport copy\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn"
    assert first.source.startswith(names)
