"""The rules for all exercises: right solutions that also change what nobody asked them to change are wrong."""

from __future__ import annotations

import pytest

from autograder import exercises
from tests.corpora import load
from tests.corpora.disturbances import DISTURBANCES, MAY, function_of, grade_disturbed

#: A right solution of each exercise that asks for a function.
FUNCTIONS = [
    candidate for e in exercises() if function_of(candidate := next(c for c in load(e.id) if c.right)) is not None
]


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("candidate", FUNCTIONS, ids=lambda c: c.exercise)
def test_what_nobody_asked_for_is_wrong(candidate, disturb) -> None:
    """Where there is nothing to disturb (no model, no tensor), the solution stays right."""
    report, disturbed = grade_disturbed(candidate, disturb, seed=3)
    right = not disturbed or disturb in MAY.get(candidate.exercise, ())
    assert report.passed is right, str(report)


def test_what_is_tested_is_most_of_the_course() -> None:
    assert len(FUNCTIONS) > len(list(exercises())) / 2
