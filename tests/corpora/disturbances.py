"""What right solutions may do too much: the rules that hold for all exercises, broken one at a time.

Each disturbance is handed the arguments of a call that has just returned.  It changes what nobody asked for, and says
whether there was something to change (a model, a frozen parameter, an input).
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from autograder import grade
from autograder.observe import BATCHNORM_FAMILY, DROPOUT_FAMILY
from autograder.specs import Report, find

from . import Candidate

Disturbance = Callable[[list[Any]], bool]


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


def switch_a_layer(arguments: list[Any]) -> bool:
    leaves = [m for m in _submodules(arguments, nn.Module) if not list(m.children())]
    for leaf in leaves[-1:]:
        leaf.training = not leaf.training
    return bool(leaves)


def freeze_a_parameter(arguments: list[Any]) -> bool:
    learning = [p for p in _parameters(arguments) if p.requires_grad]
    for p in learning[-1:]:
        p.requires_grad_(False)
    return bool(learning)


def unfreeze_a_parameter(arguments: list[Any]) -> bool:
    frozen = [p for p in _parameters(arguments) if not p.requires_grad]
    for p in frozen[:1]:
        p.requires_grad_(True)
    return bool(frozen)


def clear_gradients(arguments: list[Any]) -> bool:
    held = [p for p in _parameters(arguments) if p.grad is not None]
    for p in held:
        p.grad = None
    return bool(held)


def move_a_parameter(arguments: list[Any]) -> bool:
    found = _parameters(arguments)
    with torch.no_grad():
        for p in found[-1:]:
            p.add_(0.01)
    return bool(found)


def move_statistics(arguments: list[Any]) -> bool:
    tracking = [m for m in _submodules(arguments, BATCHNORM_FAMILY) if m.running_mean is not None]
    for m in tracking[:1]:
        m.running_mean.add_(0.01)
    return bool(tracking)


def change_a_probability(arguments: list[Any]) -> bool:
    dropouts = _submodules(arguments, DROPOUT_FAMILY)
    for m in dropouts[:1]:
        m.p = 0.31
    return bool(dropouts)


def change_inputs(arguments: list[Any]) -> bool:
    found = list(_inputs(arguments))
    with torch.no_grad():
        for x in found:
            x.add_(0.01)
    return bool(found)


def flag_inputs(arguments: list[Any]) -> bool:
    leaves = [x for x in _inputs(arguments) if x.is_leaf]
    for x in leaves:
        x.requires_grad_(not x.requires_grad)
    return bool(leaves)


def stop_recording(arguments: list[Any]) -> bool:
    was = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    return was


def seed_anew(arguments: list[Any]) -> bool:
    torch.manual_seed(0)
    return True


def change_the_dtype(arguments: list[Any]) -> bool:
    torch.set_default_dtype(torch.float64)
    return True


def replace_a_function(arguments: list[Any]) -> bool:
    original = F.dropout
    F.dropout = lambda *args, **kwargs: original(*args, **kwargs)
    return True


#: What an exercise asks for, allows by its contract, or says nothing about.
MAY: dict[str, set[Disturbance]] = {
    "evaluation.train_with_validation": {clear_gradients},
    "gradmode.fit": {clear_gradients},
    "transfer.freeze": {freeze_a_parameter, clear_gradients},
    "transfer.fine_tune": {clear_gradients},
    "clinic.case_02": {clear_gradients},
    "clinic.case_05": {clear_gradients, freeze_a_parameter, unfreeze_a_parameter, switch_a_layer},
    "clinic.case_07": {clear_gradients},
    "clinic.case_11": {clear_gradients},
}

DISTURBANCES = (
    switch_a_layer, freeze_a_parameter, unfreeze_a_parameter, clear_gradients, move_a_parameter, move_statistics,
    change_a_probability, change_inputs, flag_inputs, stop_recording, seed_anew, change_the_dtype,
    replace_a_function,
)  # fmt: skip


def function_of(candidate: Candidate) -> tuple[Callable[..., Any], Callable[[Any], Any]] | None:
    """A candidate's function, and how it is handed in: in the clinic, with a diagnosis. None if it is another thing."""
    exercise, built = find(candidate.exercise), candidate.build()
    if exercise.wants != "function":
        return None
    if isinstance(built, types.FunctionType) and exercise.problem_set != "ps6-clinic":
        return built, lambda function: function
    if isinstance(built, tuple) and len(built) == 2 and isinstance(built[1], types.FunctionType):
        return built[1], lambda function: (built[0], function)
    return None


def grade_disturbed(candidate: Candidate, disturb: Disturbance, seed: int) -> tuple[Report, bool]:
    """Grade a candidate that disturbs after each call; the report, and whether there was anything to disturb."""
    found = function_of(candidate)
    if found is None:
        raise TypeError(f"{candidate.title} of {candidate.exercise} is no function")
    function, handed_in = found
    done = []

    @functools.wraps(function)
    def disturbing(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        done.append(disturb([*args, *kwargs.values()]))
        return result

    with _library_as_it_was():
        return grade(candidate.exercise, handed_in(disturbing), seed=seed), any(done)


@contextlib.contextmanager
def _library_as_it_was() -> Iterator[None]:
    dropout, dtype = F.dropout, torch.get_default_dtype()
    try:
        yield
    finally:
        F.dropout = dropout
        torch.set_default_dtype(dtype)
