"""Grade one submission: a pure function of what was handed in, what was released and the seed."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ..specs import REGISTRY, misconception
from .execution import KernelDidNotStart, Limits, run, run_to_end
from .restore import UnreadableNotebook, read_notebook, restore, to_bytes
from .verdict import Outcome, Verdict, exercise_of


@dataclass(frozen=True)
class GradedCell:
    """One graded cell: plain data."""

    grade_id: str
    outcome: Outcome
    points: float
    max_points: float
    messages: tuple[str, ...]
    misconceptions: tuple[str, ...]

    @property
    def exercise(self) -> str:
        return exercise_of(self.grade_id)

    @property
    def comment(self) -> str:
        """The messages in Markdown, as nbgrader's feedback renders comments; empty if all checks passed."""
        if not self.messages:
            return ""
        lines = [f"{self.points:g} of {self.max_points:g} points.", ""]
        lines += [f"- {_escape(' '.join(message.split()))}" for message in self.messages]
        if self.misconceptions:
            titles = (misconception(name).title for name in self.misconceptions if name in REGISTRY)
            lines.append(f"\nMisconceptions: {', '.join(titles)}")
        return "\n".join(lines)

    @classmethod
    def of(cls, grade_id: str, verdict: Verdict) -> GradedCell:
        told, named = tuple(verdict.messages), tuple(verdict.misconceptions)
        return cls(grade_id, verdict.outcome, verdict.points, verdict.max_points, told, named)


@dataclass(frozen=True)
class GradedSubmission:
    """What came of grading one notebook: plain data, that can cross any process border.

    `problem` says why nothing could be graded; then there are no cells and no notebook. `refused` is what the referee
    refused, for the instructor. `seconds` is time on the clock.
    """

    cells: tuple[GradedCell, ...] = ()
    notebook: bytes = b""
    sandbox: str = ""
    seconds: float = 0.0
    problem: str = ""
    refused: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        return round(sum(cell.points for cell in self.cells), 4)

    @property
    def outcome(self) -> Outcome:
        """Could not be graded if that is so for any cell; passed only if all cells passed."""
        found = {cell.outcome for cell in self.cells}
        if self.problem or "could not be graded" in found:
            return "could not be graded"
        return "failed" if "failed" in found else "passed"


def grade_submission(
    submission: bytes,
    master: bytes,
    seed: int,
    *,
    sandbox: str = "full",
    limits: Limits | None = None,
    files: Mapping[str, bytes] | None = None,
    name: str = "",
    without: Collection[str] = (),
) -> GradedSubmission:
    """Grade a notebook. Touches no database and no folder but a temporary one of its own.

    Args:
        submission: the notebook file that was handed in; any bytes.
        master: the released notebook file.
        seed: the course's secret seed.
        sandbox: the level of isolation of the kernel: `full`, `reduced` or `none`.
        limits: what the submission may use.
        files: other files that the notebook finds in its working folder, by relative path.
        name: of the submission, for the log.
        without: layers of the sandbox to leave out, to show what each is for.

    Returns:
        The result. Nothing that is handed in makes this raise: a file that is no notebook, or a machine that cannot run
        one, is a `problem` in the result.

    Raises:
        ValueError: if `master` is no notebook.
        SandboxUnavailable: if this machine does not have the level of isolation.
    """
    started = time.monotonic()
    released = _read_master(master)
    modules = modules_for(master)

    def failed(problem: str) -> GradedSubmission:
        return GradedSubmission(problem=problem, sandbox=sandbox, seconds=time.monotonic() - started)

    try:
        notebook = restore(read_notebook(submission), released)
    except UnreadableNotebook as error:
        return failed(f"Not a notebook: {error}. Ask for it again.")
    how = {"sandbox": sandbox, "limits": limits or Limits(), "files": files, "name": name, "without": without}
    try:
        ran = run_to_end(run(notebook, seed, modules=modules, **how))
    except KernelDidNotStart as error:
        return failed(f"The kernel did not start: {error}. Grade again.")
    cells = tuple(GradedCell.of(grade_id, verdict) for grade_id, verdict in ran.verdicts.items())
    return GradedSubmission(cells, to_bytes(ran.notebook), ran.sandbox, time.monotonic() - started, refused=ran.refused)


@lru_cache(maxsize=4)
def _read_master(master: bytes) -> NotebookNode:
    """The same notebook for the same bytes, because a worker grades a whole class against one; not to be changed."""
    return nbformat.reads(master.decode(), as_version=4)


#: What is slow to import and needed only by what does something: a word of such code, and the module.
_NEEDED = {"optim": "torch._dynamo"}  # torch's compiler, which the first step of any optimizer imports


def modules_for(master: bytes) -> tuple[str, ...]:
    """The modules to have imported before the kernels for this released notebook are forked, besides what all need."""
    try:
        code = [cell.source for cell in _read_master(master).cells if cell.cell_type == "code"]
    except ValueError:  # no notebook: grading says so
        return ()
    return tuple(module for word, module in _NEEDED.items() if any(word in source for source in code))


def _escape(message: str) -> str:
    """Keep `<class 'float'>` readable in HTML; code between backticks is escaped by Markdown itself."""
    return "".join(
        part if part.startswith("`") else html.escape(part, quote=False) for part in re.split(r"(`[^`]*`)", message)
    )


#: Bytes of all files beside a notebook.
MOST_FILES = 50 << 20


def files_beside(folder: Path) -> dict[str, bytes]:
    """The files that were handed in with a notebook, by path relative to its folder.

    Notebooks and nbgrader's own notes are left out. Symbolic links are not followed, and once MOST_FILES is reached the
    rest is left out: what is handed in decides neither what is read here nor how much of it.
    """
    found: dict[str, bytes] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        links = [path, *(folder / part for part in relative.parents)]
        if any(part.is_symlink() for part in links if part != folder) or not path.is_file():
            continue
        size += path.stat().st_size
        if path.suffix != ".ipynb" and relative.name != "timestamp.txt" and size <= MOST_FILES:
            found[str(relative)] = path.read_bytes()
    return found
