"""Which solutions are listed as alike, and which are not."""

from __future__ import annotations

import pytest

from autograder.grading.similarity import SHORTEST, alike, grams
from tests.corpora import load

EXERCISE = "evaluation.train_with_validation"
OWN = """
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    history = []
    for epoch in range(epochs):
        model.train()
        for features, labels in train_loader:
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(features), labels).backward()
            optimizer.step()
        flags = {name: part.training for name, part in model.named_modules()}
        state = torch.random.get_rng_state()
        total, seen = 0.0, 0
        with torch.inference_mode():
            model.eval()
            for features, labels in val_loader:
                total += loss_fn(model(features), labels).item() * labels.shape[0]
                seen += labels.shape[0]
        torch.random.set_rng_state(state)
        for name, part in model.named_modules():
            part.training = flags[name]
        history.append(total / max(seen, 1))
    return history
"""
RENAMED = (
    OWN.replace("history", "out").replace("features", "x").replace("labels", "y").replace("flags", "was")
    .replace("    model.train()", "    # first we train\n        model.train()").replace("'", '"')
)  # fmt: skip


def a_class(**more: str) -> dict[str, dict[str, str]]:
    others = [candidate.source for candidate in load(EXERCISE)]
    return {f"other-{i}": {EXERCISE: source} for i, source in enumerate(others)} | {
        student: {EXERCISE: source} for student, source in more.items()
    }


def test_other_names_and_comments_do_not_hide_a_copy() -> None:
    assert RENAMED != OWN
    assert grams(RENAMED) == grams(OWN)
    (pair,) = [pair for pair in alike(a_class(ann=OWN, ben=RENAMED)) if "ann" in pair.students]
    assert (pair.students, pair.share, pair.word_for_word) == (("ann", "ben"), 1.0, ())


def test_people_who_solved_it_on_their_own_are_not_listed() -> None:
    assert [pair for pair in alike(a_class(ann=OWN)) if "ann" in pair.students] == []


def test_what_many_have_is_the_exercise_s_and_not_a_copy() -> None:
    assert alike({f"learner-{i}": {EXERCISE: OWN} for i in range(4)}) == []
    assert len(alike({f"learner-{i}": {EXERCISE: OWN} for i in range(3)})) == 3


def test_what_was_released_is_not_compared() -> None:
    pair = {"ann": {EXERCISE: OWN}, "ben": {EXERCISE: RENAMED}}
    assert len(alike(pair)) == 1
    assert alike(pair, released={EXERCISE: OWN}) == []


def test_short_solutions_are_not_compared() -> None:
    short = "def evaluate(model, loader):\n    model.eval()\n    return [model(x) for x in loader]\n"
    assert 0 < len(grams(short)) < SHORTEST
    assert alike({"ann": {"e": short}, "ben": {"e": short}}) == []


@pytest.mark.parametrize("source", ["def f(:", "", "\0", "(" * 300, "x = " + "-" * 100_000 + "1"])
def test_what_is_no_python_has_no_grams(source: str) -> None:
    assert grams(source) == frozenset()


def test_the_order_of_the_class_does_not_matter() -> None:
    some = a_class(ann=OWN, ben=RENAMED)
    assert alike(some) == alike(dict(reversed(some.items())))
