"""Rules that need no exercise: what looks wrong in any PyTorch program's use of the two switches.

Rules are fed row by row, so that a trace of any length needs the memory of its models and source lines only.
Rule names are the misconception ids of the course where one exists; the threads each was seen in are in the registry.

A rule that calls right code wrong is worse than one that keeps silent.  Whether a pass was an evaluation is therefore
judged when its result is gone and nothing has learned from it: not through its graph, and not as the input of something
that did learn (a teacher's targets, a generator's samples, cached features).
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ._layers import BATCHNORM_FAMILY, mode_of

if TYPE_CHECKING:
    from ._events import Event
    from ._trace import Pass

#: How many parameters of an optimizer are looked at to see whether its gradients were cleared.
_SAMPLE = 4
#: Passes that wait for their step; those of a loop that never steps need not be kept.
_MOST_OPEN = 512

#: The mode of every module inside a model, by name; None where the attribute is gone.
_Flags = dict[str, bool | None]


@dataclass(slots=True)
class TraceFinding:
    """One thing that looks wrong: the rule's name, what was seen, where (file and line), and how often."""

    rule: str
    message: str
    file: str
    line: int
    count: int = 1

    def __str__(self) -> str:
        where = f"{Path(self.file).name}:{self.line}: " if self.file else ""
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{where}{self.message}{times}"


class _Gradients:
    """Whether an optimizer's gradients were cleared since its last step.

    A gradient that is the same tensor in the same version as before was not touched: ``zero_grad`` either drops it or
    writes zeros into it.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = weakref.ref(optimizer)
        parameters = (p for g in optimizer.param_groups for p in g["params"] if p.grad is not None)
        self._parameters = [weakref.ref(p) for p, _ in zip(parameters, range(_SAMPLE), strict=False)]
        self._seen = self._state()
        self.cleared = not self._seen
        #: The first backward that added to the gradients of the last step.
        self.added: Event | None = None

    def _state(self) -> list[tuple[int, int] | None]:
        state: list[tuple[int, int] | None] = []
        for reference in self._parameters:
            parameter = reference()
            grad = None if parameter is None else parameter.grad
            state.append(None if grad is None or grad.is_inference() else (id(grad), grad._version))
        return state

    def before_backward(self, event: Event) -> None:
        if self.cleared:
            return
        if any(now is None or now != then for now, then in zip(self._state(), self._seen, strict=True)):
            self.cleared = True
        elif self.added is None:
            self.added = event

    def after_backward(self) -> None:
        if not self.cleared:
            self._seen = self._state()


class Rules:
    """Feed rows in, ask for :meth:`findings` at any time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, int], TraceFinding] = {}
        self._open: list[Pass] = []
        self._gradients: dict[int, _Gradients] = {}
        self._frozen: dict[int, _FrozenPass] = {}
        self._entered: tuple[str, tuple[str, int]] = ("on", ("", 0))

    def findings(self) -> list[TraceFinding]:
        return sorted(self._found.values(), key=lambda f: (-f.count, f.file, f.line, f.rule))

    def _add(self, rule: str, subject: str, message: str, event: Event, *others: Event) -> None:
        self._add_at(rule, subject, message, event.file, event.line)
        for concerned in (event, *others):  # the picture marks them
            concerned.detail.setdefault("findings", []).append([rule, event.line])

    def _add_at(self, rule: str, subject: str, message: str, file: str, line: int) -> None:
        key = (rule, subject, file, line)
        if key in self._found:
            self._found[key].count += 1
        else:
            self._found[key] = TraceFinding(rule, message, file, line)

    # ------------------------------------------------------------------ forward passes

    def forward(self, run: Pass) -> None:
        """A forward pass of a whole model has ended."""
        event, name = run.event, run.event.module
        if run.graph:
            self._open.append(run)
            if len(self._open) > _MOST_OPEN:
                del self._open[: _MOST_OPEN // 2]
        if run.strangers and not run.root_training:
            self._add(
                "dropout-not-registered", name,
                f"A {run.strangers[0]} dropped units although {name} is in evaluation mode: the layer is not "
                f"registered as a submodule (kept in a plain list, or made inside forward), so {name}.eval() cannot "
                "reach it.",
                event,
            )  # fmt: skip
        self._watch_frozen(run)

    def verdict(self, run: Pass) -> None:
        """The result of a pass is gone, or the trace has ended: was anything learned from it?"""
        if run in self._open and not run.used:
            self._open.remove(run)
        if run.used or run.fed or run.exempt or run.failed:
            return
        event, name = run.event, run.event.module
        if run.graph:
            self._add(
                "graph-built", name,
                f"{name} recorded an autograd graph that no backward ever used: memory and time for nothing. Put the "
                "pass under torch.no_grad() or torch.inference_mode().",
                event,
            )  # fmt: skip
        moved = f" The running statistics of {_listed(name, run.moved)} moved." if run.moved else ""
        if run.root_training and run.live:
            if run.estimating or (run.sampling and run.resampled):
                return
            self._add(
                "eval-never-called", name,
                f"{name} made an evaluation pass in training mode ({_listed(name, run.live)} live): its output depends "
                f"on chance or on the rest of the batch.{moved} Call {name}.eval() before it, and give the modes back "
                "after.",
                event,
            )  # fmt: skip
        elif not run.root_training and run.flag_by_hand and run.live:
            self._add(
                "root-flag-only", name,
                f"{name}.training is False, yet {_listed(name, run.live)} is still in training mode.{moved} "
                f"Setting the flag by hand does not reach the submodules; {name}.eval() does.",
                event,
            )  # fmt: skip
        elif run.moved:
            self._add(
                "validation-trains", name,
                f"The running statistics of {_listed(name, run.moved)} moved in a pass that trained nothing.",
                event,
            )  # fmt: skip

    # ------------------------------------------------------------------ frozen layers

    def _watch_frozen(self, run: Pass) -> None:
        """Frozen statistics that drift.  Judged one pass later: a teacher's weights are moved by hand in between, and a
        discriminator may be frozen for one pass only."""
        key = id(run.root())
        last = self._frozen.pop(key, None)
        if last is not None:
            self._judge_frozen(last)
        if run.frozen_moved:
            self._frozen[key] = _FrozenPass(run)

    def _judge_frozen(self, last: _FrozenPass) -> None:
        still = last.drifted()
        if still:
            name = last.run.event.module
            self._add(
                "bn-drifts-when-frozen", name,
                f"Frozen BatchNorm {_listed(name, still)} moved its running statistics: requires_grad=False does "
                "not stop them, only evaluation mode does.",
                last.run.event,
            )  # fmt: skip

    # ------------------------------------------------------------------ functional calls

    def functional(self, event: Event, run: Pass, caller: nn.Module, registered: bool) -> None:
        """A functional dropout, batch_norm or attention call inside the forward of ``caller``, within the pass ``run``.

        ``registered``: the model knows ``caller`` as one of its modules.
        """
        detail, name = event.detail, run.event.module
        drops = bool(
            detail.get("training", True) and (detail.get("p" if event.kind == "dropout" else "dropout_p") or 0) > 0
        )
        if not registered and mode_of(caller):
            if drops and not run.root_training and type(caller).__name__ not in run.strangers:
                run.strangers.append(type(caller).__name__)
            return
        # a layer that is itself in training mode does what it should; that it is, is another rule's matter
        if mode_of(caller):
            return
        if event.kind == "dropout" and drops:
            self._add(
                "functional-dropout-always-on", name,
                f"F.{detail['function']}(p={detail['p']}) is live although {name} is in evaluation mode: "
                "its training argument defaults to True. Pass training=self.training, or use nn.Dropout.",
                event, run.event,
            )  # fmt: skip
        elif event.kind == "attention" and drops:
            self._add(
                "functional-dropout-always-on", name,
                f"{detail['function']}(dropout_p={detail['dropout_p']}) drops attention weights although "
                f"{name} is in evaluation mode: pass dropout_p=p if self.training else 0.0.",
                event, run.event,
            )  # fmt: skip
        elif event.kind == "batch_norm" and detail.get("training") and detail.get("tracked"):
            self._add(
                "batch-stats-in-eval", name,
                f"{detail['function']}(training=True) normalises with the batch and moves the statistics although "
                f"{name} is in evaluation mode.",
                event, run.event,
            )  # fmt: skip

    # ------------------------------------------------------------------ learning

    def backward(self, event: Event) -> None:
        """backward is about to run."""
        for key, gradients in list(self._gradients.items()):
            if gradients.optimizer() is None:
                del self._gradients[key]
            else:
                gradients.before_backward(event)

    def gone_backward(self) -> None:
        """backward has run."""
        for gradients in list(self._gradients.values()):
            gradients.after_backward()

    def step(self, event: Event, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer is about to step."""
        gradients = self._gradients.pop(id(optimizer), None)
        if gradients is not None and gradients.optimizer() is optimizer and gradients.added and not gradients.cleared:
            self._add(
                "zero-grad-missing", "",
                f"The gradients of {type(optimizer).__name__}'s last step were still there when this backward added to "
                "them. Call optimizer.zero_grad() once per step.",
                gradients.added,
            )  # fmt: skip
        learned_from = [r for r in self._open if r.used]
        self._open = [r for r in self._open if not r.used]
        for run in learned_from:
            idle = _idle_in_training(run, optimizer)
            if idle:
                name = run.event.module
                self._add(
                    "train-never-called", name,
                    f"{type(optimizer).__name__} stepped on a forward pass that {name} made in evaluation mode "
                    f"({_listed(name, idle)} idle, pass at line {run.event.line}). Call {name}.train() before "
                    "training, also after every validation.",
                    event, run.event,
                )  # fmt: skip

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer has stepped."""
        self._gradients[id(optimizer)] = _Gradients(optimizer)

    # ------------------------------------------------------------------ before and after

    def enter(self, grad: str, where: tuple[str, int]) -> None:
        """The trace begins."""
        self._entered = (grad, where)

    def leave(self, grad: str, models: list[tuple[str, _Flags, _Flags]]) -> None:
        """The trace ends: compare the switches with how they were found."""
        for last in self._frozen.values():
            self._judge_frozen(last)
        self._frozen.clear()
        before, (file, line) = self._entered
        if grad != before:
            self._add_at(
                "grad-mode-leaked", "",
                f"Gradient recording was {_WORD[before]} before and is {_WORD[grad]} after. "
                "Use torch.no_grad() or torch.set_grad_enabled(...) as a context manager, so that it is given back.",
                file, line,
            )  # fmt: skip
        for name, first, last_flags in models:
            changed = [n for n in last_flags if n in first and first[n] != last_flags[n]]
            if changed:
                mode = "training" if first[changed[0]] else "evaluation"
                without = "without the attribute training"
                self._add_at(
                    "mode-not-restored", name,
                    f"{name}: {len(changed)} of {len(last_flags)} modules ({_listed(name, changed)}) were found in "
                    f"{mode} mode and left {without if last_flags[changed[0]] is None else 'in the other'}.",
                    file, line,
                )  # fmt: skip


class _FrozenPass:
    """A pass in which frozen BatchNorm layers moved their statistics, and what their weights were."""

    def __init__(self, run: Pass) -> None:
        self.run = run
        self._weights = [
            (name, layer, [p.detach().clone() for p in module.parameters(recurse=False)])
            for name, layer in run.frozen_moved
            if (module := layer()) is not None
        ]

    def drifted(self) -> list[str]:
        """The layers that are frozen still, with the same weights."""
        return [
            name for name, layer, weights in self._weights
            if (module := layer()) is not None
            and all(
                not p.requires_grad and torch.equal(p, w)
                for p, w in zip(module.parameters(recurse=False), weights, strict=False)
            )
        ]  # fmt: skip


_WORD = {"on": "on", "off": "off", "inference": "off (inference mode)"}


def _idle_in_training(run: Pass, optimizer: torch.optim.Optimizer) -> list[str]:
    """Layers of an evaluation-mode pass that should have been awake for this optimizer's step."""
    root = run.root()
    if root is None or run.root_training or not run.idle or run.live:
        return []
    trained = {id(p) for g in optimizer.param_groups for p in g["params"]}
    if not any(id(p) in trained for p in root.parameters()):
        return []  # it is the input, or another model, that learns
    return [
        n for n, m in root.named_modules()
        if n in run.idle
        # a BatchNorm whose parameters are frozen is meant to sleep
        and not (isinstance(m, BATCHNORM_FAMILY) and m.affine and not any(p.requires_grad for p in m.parameters()))
    ]  # fmt: skip


def _listed(owner: str, names: Sequence[str], most: int = 3) -> str:
    shown = [f"{owner}.{n}" if n else owner for n in names[:most]]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown) + more
