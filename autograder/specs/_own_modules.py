"""Modules that learners write: making one, switching it, and finding out what it listens to.

``make``, ``other_switch`` and ``switches_as_any_module`` run the learner's code, for probes; the others read records.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ._judging import live_calls
from ._limit import attempt
from ._probe import Probe

Record = Mapping[str, Any]

_SECONDS = 1.0


def make(probe: Probe, candidate: Any, *args: Any) -> tuple[nn.Module | None, dict[str, Any]]:
    """Let the candidate make a module: the module (None if it is none) and the record of the call."""
    kept: list[Any] = []

    def take(value: Any) -> dict[str, Any]:
        kept.append(value)
        return {"type": f"a {type(value).__name__[:40]}", "module": isinstance(value, nn.Module)}

    def made() -> Any:
        value = candidate(*args)
        if isinstance(value, nn.Module) and "_modules" not in vars(value):
            raise AttributeError("the module is not set up: its __init__ never calls super().__init__()")
        return value

    record = probe.call(made, take=take, rows=False)
    return (kept[0] if kept and isinstance(kept[0], nn.Module) else None), record


def other_switch(module: nn.Module, x: torch.Tensor, quiet: Callable[[Any, Any], bool]) -> str | None:
    """What, besides the mode, quietens a module in evaluation mode: gradients off, or a flag of the learner's own.

    ``quiet`` says of a call's result and its input whether they are those of a module in evaluation mode.
    """

    def silent(**kwargs: Any) -> bool:
        # an error under a flipped flag is no evidence
        with torch.random.fork_rng(devices=[]), torch.set_grad_enabled(grad):
            return bool(attempt(lambda: quiet(module(x.clone(), **kwargs), x), _SECONDS)[0])

    grad = False
    if silent():
        return "grad-mode-as-mode-flag"
    grad = True
    with contextlib.suppress(TypeError, ValueError):
        for name, parameter in inspect.signature(module.forward).parameters.items():
            if type(parameter.default) is bool and silent(**{name: not parameter.default}):
                return "own-training-flag"
    for owner in module.modules():
        for name, value in list(vars(owner).items()):
            if type(value) is bool and name != "training":
                vars(owner)[name] = not value
                found = silent()
                vars(owner)[name] = value
                if found:
                    return "own-training-flag"
    return None


def switches_as_any_module(probe: Probe, layer: nn.Module) -> bool:
    """Whether train() and eval() set the flag, also by their defaults, and return the layer itself."""
    kept: list[bool] = []

    def switched() -> None:
        for mode, switch in ((False, lambda: layer.train(False)), (True, layer.train), (False, layer.eval)):
            kept.append(switch() is layer and layer.training is mode)
        layer.train()

    record = probe.call(switched, take=lambda _: None, rows=False)
    return record["ended"] != "returned" or all(kept)


def switching_raised(record: Record) -> bool:
    return record["ended"] == "raised" and re.search(r"\b(train|eval)\(\)", record["text"]) is not None


def awake(record: Record) -> bool:
    """Whether some submodule's own flag says training after the call."""
    return any(flag for subs in record["modes_after"].values() for flag in subs.values())


def why_random(known: Mapping[str, Any]) -> str:
    """As `why_awake`, for calls that gave the same: numbers that no dropout drew have another cause."""
    return why_awake(known) if "dropout" in live_calls(known["eval"][0]) else "global-rng-disturbed"


def why_awake(known: Mapping[str, Any]) -> str:
    """Why a module is random after eval(): the misconception nearest the cause.

    ``known`` has ``eval``, records of calls in evaluation mode of the module as the child ``net`` of the model watched,
    and ``flag``, what ``other_switch`` found.
    """
    record = known["eval"][0]
    if awake(record):
        return "train-override-broken"
    if known["flag"]:
        return known["flag"]
    registered = {n.removeprefix("net.") for n in record["modes_after"]["model"]}
    for row in record["rows"]:
        if row["kind"] == "forward" and row["depth"] > 0 and row["training"] and row["module"] not in registered:
            return "dropout-not-registered"
        if row["kind"] == "dropout" and row["detail"].get("training") and (row["detail"].get("p") or 0) > 0:
            return "dropout-not-registered" if row["training"] else "functional-dropout-always-on"
        if row["kind"] == "attention" and (row["detail"].get("dropout_p") or 0) > 0:
            return "functional-dropout-always-on"
    return "dropout-in-eval"
