"""A sample class: submissions whose scores are known, put together from the corpora of right and wrong solutions.

The scores come from the corpora's own words (a right candidate earns everything, a wrong one what its header says),
never from running the autograder.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.grading.verdict import exercise_of, is_check, solution_cell_of
from tests.corpora import Candidate, load

ANSWER = "A sample answer, for a person to grade."


@dataclass(frozen=True)
class Sample:
    """One submission: what stands in each exercise's solution cell, and the points that it should earn.

    An exercise that is not in `sources` is left as released. `expected` is None for a wrong candidate whose points
    its corpus does not state.
    """

    student: str
    sources: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, float | None] = field(default_factory=dict)
    misconceptions: Mapping[str, str] = field(default_factory=dict)


def exercises_in(notebook: NotebookNode) -> dict[str, float]:
    """The exercises that a released notebook checks, in order, with their points."""
    graded = [cell.metadata.nbgrader for cell in notebook.cells if is_check(cell)]
    return {exercise_of(settings["grade_id"]): float(settings["points"]) for settings in graded}


def sample_class(points: Mapping[str, float], right_ones: int = 4, wrong_ones: int = 9) -> list[Sample]:
    """The class for a notebook with these exercises.

    First come submissions that are right in all exercises, each in another idiom, then some that are wrong in about two
    of three, then an untouched release, one with a syntax error and one with an endless loop.
    """
    corpora = {exercise: load(exercise) for exercise in points}
    right = {exercise: [c for c in candidates if c.right] for exercise, candidates in corpora.items()}
    wrong = {exercise: _various([c for c in candidates if not c.right]) for exercise, candidates in corpora.items()}

    named: list[tuple[str, Sample]] = []
    for turn in range(right_ones):
        named.append(("right", _of_candidates(points, {e: _take(some, turn) for e, some in right.items()})))
    for turn in range(wrong_ones):
        picks = {e: right if (turn + place) % 3 == 2 else wrong for place, e in enumerate(points)}
        named.append(("wrong", _of_candidates(points, {e: _take(pick[e], turn) for e, pick in picks.items()})))

    named.append(("untouched", Sample("", expected=dict.fromkeys(points, 0.0))))
    named.append(("syntax-error", _with(points, right, next(reversed(points)), "def {name}(*args)\n    return None\n")))
    loop = "def {name}(*args, **kwargs):\n    while True:\n        pass\n"
    named.append(("endless-loop", _with(points, right, _first_function(points, right), loop)))
    return [replace(sample, student=f"sample-{n:02}-{kind}") for n, (kind, sample) in enumerate(named, 1)]


def submission(released: NotebookNode, sample: Sample) -> NotebookNode:
    """The released notebook as this sample learner hands it in."""
    notebook = copy.deepcopy(released)
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    for exercise, source in sample.sources.items():
        cells[solution_cell_of(exercise.replace(".", "-", 1))].source = source
    if sample.sources:
        for cell in notebook.cells:
            if cell.cell_type == "markdown" and cell.source == "*Write your answer here.*":
                cell.source = ANSWER
    return notebook


def hand_in(samples: Sequence[Sample], release: Path, submitted: Path) -> Iterator[Path]:
    """Write each sample's submission of the released notebook into nbgrader's folder of submissions."""
    notebook = nbformat.read(release, as_version=4)
    for sample in samples:
        path = submitted / sample.student / release.parent.name / release.name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(submission(notebook, sample), path)
        yield path


def _of_candidates(points: Mapping[str, float], chosen: Mapping[str, Candidate]) -> Sample:
    return Sample(
        "",
        sources={exercise: candidate.source for exercise, candidate in chosen.items()},
        expected={e: points[e] if candidate.right else candidate.points for e, candidate in chosen.items()},
        misconceptions={e: candidate.misconception for e, candidate in chosen.items() if candidate.misconception},
    )


def _with(points: Mapping[str, float], right: Mapping[str, list[Candidate]], exercise: str, source: str) -> Sample:
    """A right submission with this source in one exercise, which is worth nothing."""
    sample = _of_candidates(points, {other: some[0] for other, some in right.items()})
    written = source.format(name=exercise.rpartition(".")[2])
    return replace(sample, sources={**sample.sources, exercise: written}, expected={**sample.expected, exercise: 0.0})


def _first_function(points: Mapping[str, float], right: Mapping[str, list[Candidate]]) -> str:
    return next((e for e in points if callable(right[e][0].build())), next(iter(points)))


def _take(candidates: Sequence[Candidate], turn: int) -> Candidate:
    return candidates[turn % len(candidates)]


def _various(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same candidates, one of each misconception before the second of any."""
    met: Counter[str | None] = Counter()
    turns = []
    for candidate in candidates:
        turns.append(met[candidate.misconception])
        met[candidate.misconception] += 1
    return [candidate for _, candidate in sorted(zip(turns, candidates, strict=True), key=lambda pair: pair[0])]
