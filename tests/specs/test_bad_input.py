"""What a tired person types: each gets one line that says what is wrong and what to do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autograder import CheckFailed, check, exercises, grade
from autograder.specs import UnknownExercise, _limit


class Model(nn.Module):
    def forward(self, x):
        return x


class Settings:
    def __init__(self, path):
        self.path = path


def evaluate(model, loader, loss_fn):
    raise NotImplementedError("write me")


async def later(model, loader, loss_fn):
    return {"loss": 0.0, "accuracy": 0.0}


def divides(model, loader, loss_fn):
    return 1 / 0


def leaves(model, loader, loss_fn):
    raise SystemExit(3)


def runs_on(model, loader, loss_fn):
    while True:
        pass


def swallows(model, loader, loss_fn):
    while True:
        try:
            sum(range(1000))
        except Exception:
            continue


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (None, "Seen: None. Pass the function itself, without calling it: evaluate."),
        (Settings, "Seen: the class Settings(path)"),
        (dict, "Seen: the class dict"),
        (Model(), "Seen: a model (Model). Pass your function."),
        (nn.Sequential(), "Seen: a model (Sequential). Pass your function."),
        ([], "Seen: a list. Pass the function itself"),
        (0.9, "Seen: a float."),
        (lambda model: {}, "Seen: it takes (model). Change its parameters."),
        (lambda a, b: {}, "Seen: it takes (a, b)."),
        (evaluate, "This part is not written yet."),
        (divides, "Seen: ZeroDivisionError in line {divides} of your code: division by zero."),
        (leaves, "Seen: SystemExit in line {leaves} of your code"),
        (lambda model, loader, loss_fn: {"loss": 1.0}, "0 samples went through it, and a dict came back"),
        (lambda model, loader, loss_fn: print, "and a builtin_function_or_method came back"),
        (later, "Seen: an async function. Write it with def alone."),
    ],
    ids=lambda v: getattr(v, "__name__", str(v))[:40],
)
def test_candidates_that_cannot_be_right(candidate, said: str) -> None:
    report = grade("evaluation.evaluate", candidate)
    assert not report.passed
    assert report.points == 0
    said = said.format(divides=divides.__code__.co_firstlineno + 1, leaves=leaves.__code__.co_firstlineno + 1)
    assert said in report.findings[0].message
    assert "\n" not in report.findings[0].message


@pytest.mark.parametrize("candidate", [runs_on, swallows])
def test_endless_loops_are_stopped_and_told(candidate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_limit, "SECONDS", 1.0)
    report = grade("evaluation.evaluate", candidate)
    assert report.points == 0
    assert "Seen: it was still running after 1 seconds." in report.findings[0].message


@pytest.mark.parametrize(
    ("exercise", "said"),
    [
        ("evaluation.evalute", "Did you mean 'evaluation.evaluate'?"),
        ("evaluate", "Did you mean 'evaluation.evaluate'?"),
        ("", "autograder.exercises() lists them all."),
        (evaluate, "The first argument is the exercise's id, a string"),
    ],
)
def test_an_unknown_exercise_is_the_callers_mistake(exercise, said: str) -> None:
    with pytest.raises(UnknownExercise, match="exercise") as caught:
        grade(exercise, evaluate)
    assert said in str(caught.value)


@pytest.mark.parametrize("info", exercises(), ids=lambda e: e.id)
@pytest.mark.parametrize(
    "candidate", [None, 3, "text", [], object(), print, Model(), torch.ones(2), lambda *a, **k: None]
)
def test_every_exercise_survives_anything(info, candidate) -> None:
    report = grade(info.id, candidate)
    assert report.points == 0
    assert all(f.message.startswith("Expected: ") for f in report.findings)


def without_flags(module):
    """Take the attribute `training` away from every module inside."""
    for part in module.modules():
        part.__dict__.pop("training", None)
    return module


@pytest.mark.parametrize(
    ("exercise", "candidate", "said"),
    [
        ("transfer.freeze", lambda module: without_flags(module), "Seen: AttributeError in a later train(), eval()"),
        ("gradmode.stream_logits", lambda model, loader: without_flags(model), "has no attribute 'training'"),
        ("evaluation.evaluating", lambda model: without_flags(model), "has no attribute 'training'"),
        ("evaluation.evaluate", lambda model, loader, loss_fn: without_flags(model), "0 samples went through it"),
    ],
    ids=lambda v: v if isinstance(v, str) and "." in v else "",
)
def test_modules_that_lost_their_flag_are_judged(exercise: str, candidate, said: str) -> None:
    report = grade(exercise, candidate)
    assert not report.passed
    assert any(said in f.message for f in report.findings), str(report)


def test_check_raises_with_the_report_and_no_traceback_for_a_notebook() -> None:
    with pytest.raises(CheckFailed, match="evaluation\\.evaluate: 0 of 5 points") as caught:
        check("evaluation.evaluate", None)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.report.points == 0
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_a_stopped_cell_stays_stopped() -> None:
    def stopped(model, loader, loss_fn):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade("evaluation.evaluate", stopped)
