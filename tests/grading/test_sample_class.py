"""A small class, graded as the instructor grades: every exported score is the one that the corpora state."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbgrader.apps import NbGraderAPI

from autograder.grading.verdict import is_check
from tests.conftest import ROOT
from tools.demo import (
    count_misconceptions,
    course_config,
    disagreements,
    export,
    give_feedback,
    grade,
    read_scores,
    release,
)
from tools.sample_class import Sample, exercises_in, hand_in, sample_class, submission

SETS = ["ps0-switches", "ps3-evaluation"]
REPEATS = 4


def released(assignment: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "exercises" / assignment).glob("*.ipynb")
    return nbformat.read(path, as_version=4)


@pytest.mark.slow
# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("assignment", SETS)
def test_the_gradebook_says_what_the_corpora_say(
    assignment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = course_config(tmp_path)
    api = NbGraderAPI(config=config)
    notebook = release(api, assignment, tmp_path)
    samples = sample_class(exercises_in(released(assignment)), right_ones=2, wrong_ones=3)
    assert len(list(hand_in(samples, notebook, tmp_path / "submitted"))) == len(samples) == 8

    grade(config, assignment)
    give_feedback(api, assignment)
    scores = read_scores(export(config, tmp_path))
    assert disagreements(samples, scores) == []
    expected = {name for sample in samples for name in sample.misconceptions.values()}
    assert expected <= set(count_misconceptions(tmp_path, assignment))
    for sample in samples:
        assert (tmp_path / "feedback" / sample.student / assignment / notebook.with_suffix(".html").name).exists()

    repeated = [sample.student for sample in samples if sample.student.endswith("wrong")][:1]
    for turn in range(REPEATS):
        monkeypatch.setenv("OMP_NUM_THREADS", str(1 + turn % 2))
        grade(config, assignment, repeated)
        assert read_scores(export(config, tmp_path)) == scores


@pytest.mark.parametrize("assignment", SETS)
def test_the_class_of_the_demonstration(assignment: str) -> None:
    points = exercises_in(released(assignment))
    samples = sample_class(points)
    kinds = [sample.student.split("-", 2)[2] for sample in samples]
    assert len(samples) >= 12
    assert kinds.count("right") >= 3
    assert kinds.count("wrong") >= 6
    assert kinds[-3:] == ["untouched", "syntax-error", "endless-loop"]
    assert len({sample.sources[exercise] for sample in samples if sample.sources for exercise in points}) > 12
    for sample in samples:
        assert set(sample.expected) == set(points)
        for exercise, expected in sample.expected.items():
            assert expected is not None, f"say in the corpus of {exercise} what {sample.student}'s solution should earn"
            assert 0 <= expected <= points[exercise]


@pytest.mark.parametrize("assignment", SETS)
def test_a_sample_hands_in_the_release_with_its_solutions_in_place(assignment: str) -> None:
    notebook = released(assignment)
    points = exercises_in(notebook)
    exercise = next(iter(points))
    handed_in = submission(notebook, Sample("sample", sources={exercise: "answer = 42\n"}))
    changed = [(a, b) for a, b in zip(notebook.cells, handed_in.cells, strict=True) if a != b]
    assert [after.source for _, after in changed if after.cell_type == "code"] == ["answer = 42\n"]
    assert list(filter(is_check, handed_in.cells)) == list(filter(is_check, notebook.cells))
    assert submission(notebook, Sample("untouched")) == notebook


def test_a_score_that_is_not_the_expected_one_is_reported() -> None:
    sample = Sample("sample", expected={"a.b": 2.0, "a.c": 1.0, "a.d": None})
    lines = disagreements([sample], {("sample", "a.b"): 2.0, ("sample", "a.c"): 0.5, ("sample", "a.d"): 1.0})
    assert lines == [
        "sample a.c: exported 0.5, the corpus says 1.0",
        "sample a.d: exported 1.0, the corpus says None",
    ]
    assert disagreements([sample], {}) != []
