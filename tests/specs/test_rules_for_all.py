"""The rules for all exercises: right solutions that also change what nobody asked them to change are wrong.

A right function for each exercise that asks for one is wrapped; what the wrapper does after it is a mistake of
one kind.  Where a disturbance finds nothing to disturb in any call (no model, no tensor), the solution stays right.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from autograder import exercises, grade
from autograder.observe import BATCHNORM_FAMILY, DROPOUT_FAMILY
from tests.corpora import load


def _models(arguments: list[Any]) -> Iterator[nn.Module]:
    return (a for a in arguments if isinstance(a, nn.Module))


def _submodules(arguments: list[Any], kinds: Any) -> list[nn.Module]:
    return [m for model in _models(arguments) for m in model.modules() if isinstance(m, kinds)]


def _parameters(arguments: list[Any]) -> list[nn.Parameter]:
    return [p for model in _models(arguments) for p in model.parameters()]


def _inputs(arguments: list[Any]) -> Iterator[torch.Tensor]:
    for value in arguments:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            yield value
        elif isinstance(value, DataLoader):
            yield from _inputs([value.dataset])
        elif isinstance(value, Dataset):
            yield from _inputs(list(vars(value).values()))
        elif isinstance(value, (list, tuple)):
            yield from _inputs(list(value))
        elif isinstance(value, dict):
            yield from _inputs(list(value.values()))


def _switch_a_layer(arguments: list[Any]) -> bool:
    leaves = [m for m in _submodules(arguments, nn.Module) if not list(m.children())]
    for leaf in leaves[-1:]:
        leaf.training = not leaf.training
    return bool(leaves)


def _freeze_a_parameter(arguments: list[Any]) -> bool:
    learning = [p for p in _parameters(arguments) if p.requires_grad]
    for p in learning[-1:]:
        p.requires_grad_(False)
    return bool(learning)


def _unfreeze_a_parameter(arguments: list[Any]) -> bool:
    frozen = [p for p in _parameters(arguments) if not p.requires_grad]
    for p in frozen[:1]:
        p.requires_grad_(True)
    return bool(frozen)


def _clear_gradients(arguments: list[Any]) -> bool:
    held = [p for p in _parameters(arguments) if p.grad is not None]
    for p in held:
        p.grad = None
    return bool(held)


def _move_a_parameter(arguments: list[Any]) -> bool:
    found = _parameters(arguments)
    with torch.no_grad():
        for p in found[-1:]:
            p.add_(0.01)
    return bool(found)


def _move_statistics(arguments: list[Any]) -> bool:
    tracking = [m for m in _submodules(arguments, BATCHNORM_FAMILY) if m.running_mean is not None]
    for m in tracking[:1]:
        m.running_mean.add_(0.01)
    return bool(tracking)


def _change_a_probability(arguments: list[Any]) -> bool:
    dropouts = _submodules(arguments, DROPOUT_FAMILY)
    for m in dropouts[:1]:
        m.p = 0.31
    return bool(dropouts)


def _change_inputs(arguments: list[Any]) -> bool:
    found = list(_inputs(arguments))
    with torch.no_grad():
        for x in found:
            x.add_(0.01)
    return bool(found)


def _flag_inputs(arguments: list[Any]) -> bool:
    leaves = [x for x in _inputs(arguments) if x.is_leaf]
    for x in leaves:
        x.requires_grad_(not x.requires_grad)
    return bool(leaves)


def _stop_recording(arguments: list[Any]) -> bool:
    was = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    return was


def _seed(arguments: list[Any]) -> bool:
    torch.manual_seed(0)
    return True


def _change_the_dtype(arguments: list[Any]) -> bool:
    torch.set_default_dtype(torch.float64)
    return True


def _replace_a_function(arguments: list[Any]) -> bool:
    original = F.dropout
    F.dropout = lambda *args, **kwargs: original(*args, **kwargs)
    return True


#: What an exercise asks for, allows by its contract, or says nothing about.
MAY: dict[str, set[Callable[[list[Any]], bool]]] = {
    "evaluation.train_with_validation": {_clear_gradients},
    "gradmode.fit": {_clear_gradients},
    "transfer.freeze": {_freeze_a_parameter, _clear_gradients},
    "transfer.fine_tune": {_clear_gradients},
    "clinic.case_02": {_clear_gradients},
    "clinic.case_05": {_clear_gradients, _freeze_a_parameter, _unfreeze_a_parameter, _switch_a_layer},
    "clinic.case_07": {_clear_gradients},
    "clinic.case_11": {_clear_gradients},
}

DISTURBANCES = (
    _switch_a_layer, _freeze_a_parameter, _unfreeze_a_parameter, _clear_gradients, _move_a_parameter, _move_statistics,
    _change_a_probability, _change_inputs, _flag_inputs, _stop_recording, _seed, _change_the_dtype,
    _replace_a_function,
)  # fmt: skip


def _functions() -> Iterator[tuple[str, Callable[..., Any], Callable[[Any], Any]]]:
    """A right function of each exercise that asks for one, and how it is handed in."""
    for exercise in exercises():
        candidate = next(c for c in load(exercise.id) if c.right).build()
        if isinstance(candidate, types.FunctionType):
            yield exercise.id, candidate, lambda f: f
        elif isinstance(candidate, tuple) and isinstance(candidate[1], types.FunctionType):
            yield exercise.id, candidate[1], lambda f, diagnosis=candidate[0]: (diagnosis, f)


FUNCTIONS = list(_functions())


@pytest.fixture
def as_it_was() -> Iterator[None]:
    dropout, dtype = F.dropout, torch.get_default_dtype()
    yield
    F.dropout = dropout
    torch.set_default_dtype(dtype)


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda d: d.__name__.strip("_"))
@pytest.mark.parametrize(("exercise", "function", "handed_in"), FUNCTIONS, ids=[f[0] for f in FUNCTIONS])
def test_what_nobody_asked_for_is_wrong(exercise, function, handed_in, disturb, as_it_was) -> None:
    done = []

    @functools.wraps(function)
    def disturbing(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        done.append(disturb([*args, *kwargs.values()]))
        return result

    report = grade(exercise, handed_in(disturbing), seed=3)
    right = not any(done) or disturb in MAY.get(exercise, ())
    assert report.passed is right, str(report)


def test_most_exercises_ask_for_functions() -> None:
    assert len(FUNCTIONS) > len(list(exercises())) / 2
