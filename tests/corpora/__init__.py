"""Right and wrong candidates of every exercise, by which the autograder is itself graded.

One file per exercise, `psN/<name>.py`, in percent cells. A header line opens each candidate::

    # %% right | running sums weighted by batch size
    # %% wrong | mode-not-restored | leaves the model in evaluation mode
    # %% wrong | mode-not-restored | 3 points | the same, with the points it should earn

A cell is what a learner would hand in. It may rely on `NAMESPACE` and imports everything else itself.
"""

from __future__ import annotations

import contextlib
import copy
import re
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional
from torch import nn

FOLDER = Path(__file__).parent

# The first part of an exercise id names its topic, and each topic has one problem set.
PROBLEM_SETS = {
    "switches": "ps0",
    "dropout": "ps1",
    "batchnorm": "ps2",
    "evaluation": "ps3",
    "gradmode": "ps4",
    "transfer": "ps5",
    "clinic": "ps6",
}

# What the first cell of every problem set's notebook imports.
NAMESPACE = {"contextlib": contextlib, "copy": copy, "torch": torch, "nn": nn, "F": torch.nn.functional}

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_POINTS = re.compile(r"(\d+(?:\.\d+)?) points?")
_FORMS = "`# %% right | title` or `# %% wrong | misconception-id | title` (`| N points |` may come before the title)"


@dataclass(frozen=True)
class Candidate:
    """One solution of one exercise.

    `line` is the line of the header in the corpus file, counted from 1; `source` is all that follows it.
    `points` is what the solution should earn: None for a right one (all of them) and where nobody has said.
    """

    exercise: str
    right: bool
    misconception: str | None
    title: str
    source: str
    line: int
    points: float | None = None

    def build(self) -> object:
        """Execute the source in a fresh namespace and return what it defines under the exercise's name.

        Line numbers in tracebacks are those of the corpus file. Raises NameError if the name is not defined.
        """
        path, name = file_of(self.exercise), self.exercise.rpartition(".")[2]
        namespace = {"__name__": "candidate", **NAMESPACE}
        exec(compile("\n" * self.line + self.source, str(path), "exec"), namespace)
        if name not in namespace:
            raise NameError(f"{path}:{self.line}: the candidate {self.title!r} defines no `{name}`")
        return namespace[name]


def file_of(exercise_id: str) -> Path:
    """The corpus file of an exercise, whether it exists or not. Raises ValueError for an id of no problem set."""
    topic, _, name = exercise_id.partition(".")
    if topic not in PROBLEM_SETS or not name.isidentifier():
        raise ValueError(f"{exercise_id!r} is no exercise id. Write `topic.name`, topic one of {sorted(PROBLEM_SETS)}")
    return FOLDER / PROBLEM_SETS[topic] / f"{name}.py"


def load(exercise_id: str) -> list[Candidate]:
    """All candidates of one exercise, in the order of the file.

    Raises ValueError for an unknown id or a malformed file, FileNotFoundError if the exercise has no corpus.
    """
    path = file_of(exercise_id)
    if not path.exists():
        raise FileNotFoundError(f"{exercise_id!r} has no corpus. Write one: {path}")
    return parse(exercise_id, path.read_text(encoding="utf-8"))


def parse(exercise_id: str, text: str) -> list[Candidate]:
    """Split percent cells into candidates. Raises ValueError with file and line if the text is malformed."""
    path, lines, candidates = file_of(exercise_id), text.splitlines(), []
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("# %%")]
    for number, line in enumerate(lines[: starts[0] - 1 if starts else None], 1):
        if line.strip() and not line.startswith("#"):
            raise ValueError(f"{path}:{number}: code before the first header. Move it into a cell: {_FORMS}")
    for start, end in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        try:
            right, misconception, points, title = _parse_header(lines[start - 1])
        except ValueError as error:
            raise ValueError(f"{path}:{start}: {error} in the header {lines[start - 1]!r}. Write {_FORMS}") from None
        source = "\n".join(lines[start : end - 1]).strip("\n") + "\n"
        if not source.strip():
            raise ValueError(f"{path}:{start}: the candidate {title!r} has no code. Write it below its header")
        # Blank lines between header and code would shift the line numbers of tracebacks.
        if not lines[start].strip():
            raise ValueError(f"{path}:{start + 1}: blank line after a header. Delete it")
        if any(title == other.title for other in candidates):
            raise ValueError(f"{path}:{start}: a second candidate is called {title!r}. Give each its own title")
        candidates.append(Candidate(exercise_id, right, misconception, title, source, start, points))
    return candidates


def _parse_header(line: str) -> tuple[bool, str | None, float | None, str]:
    verdict, *fields = (field.strip() for field in line.removeprefix("# %%").split("|"))
    if verdict not in ("right", "wrong"):
        raise ValueError(f"neither right nor wrong but {verdict!r}")
    misconception = points = None
    if verdict == "wrong":
        if not fields or not _ID.fullmatch(fields[0]):
            raise ValueError("no misconception id after `wrong`")
        misconception = fields.pop(0)
        match = _POINTS.fullmatch(fields[0]) if fields else None
        if match:
            points = float(match[1])
            del fields[0]
    if not any(fields):
        raise ValueError("no title")
    if len(fields) != 1:
        raise ValueError(f"{len(fields)} fields where the title alone should be")
    return verdict == "right", misconception, points, fields[0]
