"""The autograder, graded: every right candidate passes, every wrong one fails and is named.

``make test`` runs a few seeds of every candidate; ``make bench`` runs twenty and keeps the results.
"""

from __future__ import annotations

import pytest

from autograder import exercises, grade
from autograder.specs import REGISTRY
from tests.corpora import Candidate, load

SEEDS = (1, 2)
MOST_WORDS = 60

CANDIDATES = [c for e in exercises() for c in load(e.id)]


def _name(candidate: Candidate) -> str:
    return f"{candidate.exercise}-{candidate.misconception or 'right'}-{candidate.title.replace(' ', '_')}"


@pytest.mark.parametrize("candidate", [c for c in CANDIDATES if c.right], ids=_name)
def test_right_candidates_pass(candidate: Candidate) -> None:
    for seed in SEEDS:
        report = grade(candidate.exercise, candidate.build(), seed=seed)
        assert report.passed, str(report)
        assert report.points == report.max_points


@pytest.mark.parametrize("candidate", [c for c in CANDIDATES if not c.right], ids=_name)
def test_wrong_candidates_fail_and_are_named(candidate: Candidate) -> None:
    for seed in SEEDS:
        report = grade(candidate.exercise, candidate.build(), seed=seed)
        failed = [f for f in report.findings if not f.passed]
        assert failed, f"passed although it {candidate.title}"
        assert failed[0].misconception == candidate.misconception, str(report)
        if candidate.points is not None:
            assert report.points == pytest.approx(candidate.points, abs=0.005), str(report)
        for finding in failed:
            _read(finding.message)


def _read(text: str) -> None:
    """A message is short, in order, and in words a learner knows."""
    assert len(text.split()) <= MOST_WORDS, text
    assert text.startswith("Expected: "), text
    assert " Seen: " in text, text
    assert text.index("Seen: ") < (text.find("Likely cause: ") if "Likely cause: " in text else len(text))
    assert not any(word in text for word in ("Traceback", "autograder", "object at 0x")), text
    assert ".." not in text.replace("...", ""), text
    words = set(text.replace(",", " ").replace(".", " ").split())
    assert not words & set(REGISTRY), "a raw misconception id is shown"


@pytest.mark.parametrize("exercise", exercises(), ids=lambda e: e.id)
def test_the_corpus_is_large_enough(exercise) -> None:
    candidates = load(exercise.id)
    assert sum(c.right for c in candidates) >= 4
    assert sum(not c.right for c in candidates) >= 6
    assert len({c.title for c in candidates}) == len(candidates)
