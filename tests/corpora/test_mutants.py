"""The mutation operators do what they say, and the autograder notices what they do.

``make test`` grades a few mutants of every exercise; `bench/mutants.py` grades all of them and keeps the results.
"""

from __future__ import annotations

import random
import warnings

import pytest

from autograder import exercises, grade
from tests.corpora import Candidate, load
from tests.corpora.mutants import equivalents, mutants

MUTANTS_PER_EXERCISE = 6


def _changes(source: str) -> set[tuple[str, str]]:
    candidate = Candidate("evaluation.evaluate", True, None, "title", source, 1)
    return {(mutant.operator, mutant.change) for mutant in mutants(candidate)}


@pytest.mark.parametrize(
    ("source", "operator", "change"),
    [
        ("model.eval()", "swap train and eval", "model.eval() => model.train()"),
        ("model.train(False)", "flip a boolean", "model.train(False) => model.train(True)"),
        ("f(training=self.training)", "flip a flag", "f(training=self.training) => f(training=not self.training)"),
        ("with torch.no_grad():\n    f()", "drop a context", "with torch.no_grad(): =>"),
        ("with torch.no_grad():\n    f()", "swap grad modes", "with torch.no_grad(): => with torch.enable_grad():"),
        ("@torch.no_grad()\ndef f(): g()", "drop a decorator", "@torch.no_grad() =>"),
        ("try:\n    f()\nfinally:\n    g()", "drop the restore", "try: / finally: / g() =>"),
        ("try:\n    f()\nfinally:\n    g()", "restore without finally", "try: / finally: =>"),
        ("optimizer.zero_grad()", "drop a statement", "optimizer.zero_grad() => pass"),
        ("y = x.var(0)", "biased for unbiased", "y = x.var(0) => y = x.var(0, correction=0)"),
        ("y = x.var(0, correction=0)", "one more or less", "y = x.var(0, correction=0) => y = x.var(0, correction=1)"),
        ("y = p", "1 - p for p", "y = p => y = 1 - p"),
        ("y = x / (1 - p)", "p for 1 - p", "y = x / (1 - p) => y = x / p"),
        ("y = s / len(loader)", "samples for batches", "y = s / len(loader) => y = s / len(loader.dataset)"),
        ("y = s * len(x)", "batches for samples", "y = s * len(x) => y = s * 1"),
        ("y = copy.deepcopy(x)", "alias instead of a copy", "y = copy.deepcopy(x) => y = x"),
        ("y = x.clone()", "alias instead of a copy", "y = x.clone() => y = x"),
        ("if a < b:\n    f()", "swap a comparison", "if a < b: => if a <= b:"),
        ("y = a + b", "swap arithmetic", "y = a + b => y = a - b"),
        ("s += 1", "overwrite instead of adding up", "s += 1 => s = 1"),
        ("x.mul_(2)", "out of place", "x.mul_(2) => x.mul(2)"),
        ("y = x.mul(2)", "in place", "y = x.mul(2) => y = x.mul_(2)"),
        ("p.requires_grad = False", "a neighbouring name", "p.requires_grad = False => p.require_grad = False"),
        ("y = f(x, dim=1)", "drop an argument", "y = f(x, dim=1) => y = f(x)"),
    ],
)
def test_an_operator_makes_its_mistake(source: str, operator: str, change: str) -> None:
    assert (operator, change) in _changes(source)


def test_what_cannot_matter_is_left_alone() -> None:
    assert not _changes('def f(x: int = None) -> int:\n    """Text."""')
    assert not _changes("class A:\n    def extra_repr(self):\n        return f'{1}'")
    assert ("1 - p for p", "y = [p for p in q] => y = [1 - p for p in q]") not in _changes("y = [p for p in q]")


def test_equal_changes_in_two_places_have_two_names() -> None:
    names = [change for operator, change in sorted(_changes("f()\nf()")) if operator == "drop a statement"]
    assert names == ["f() => pass", "f() => pass (2)"]


@pytest.mark.parametrize("exercise", exercises(), ids=lambda e: e.id)
def test_mutants_are_noticed_or_known_to_be_equivalent(exercise) -> None:
    """A few of one right candidate, always the same few; and the list says nothing untrue about that candidate."""
    draw = random.Random(exercise.id)
    candidate = draw.choice([candidate for candidate in load(exercise.id) if candidate.right])
    found = {mutant.key: mutant for mutant in mutants(candidate)}
    listed = {key for key in equivalents() if key[:2] == (candidate.exercise, candidate.title)}
    assert listed <= set(found), "equivalents.toml lists what is no mutant any more"
    others = [key for key in found if key not in listed]
    chosen = draw.sample(others, min(MUTANTS_PER_EXERCISE, len(others)))
    chosen += draw.sample(sorted(listed), min(1, len(listed)))
    for key in chosen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                built = found[key].build()
            except Exception:
                continue  # it defines nothing
            passed = grade(exercise.id, built, seed=1).passed
        assert passed == (key in listed), key


def test_every_equivalent_belongs_to_a_right_candidate_and_has_a_reason() -> None:
    right = {(e.id, candidate.title) for e in exercises() for candidate in load(e.id) if candidate.right}
    assert {key[:2] for key in equivalents()} <= right
    assert all(len(reason.split()) > 3 for reason in equivalents().values())
