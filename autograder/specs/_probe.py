"""Run a learner's code on a case and write down everything it did.  A probe never decides."""

from __future__ import annotations

import contextlib
import operator
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.utils.data
from torch import nn

from ..observe import ModeTrace, mode_of
from . import _limit
from ._evidence import describe
from ._limit import attempt

_OWN_SEED = 7_130_915
#: Rows of the trace that travel with the evidence.
_MOST_ROWS = 1_500


@dataclass(slots=True)
class Watched:
    """What a call must not change, or whose changes a judge wants to see."""

    models: Mapping[str, nn.Module] = field(default_factory=dict)
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)


class Probe:
    """Hands calls to a learner's code, one budget of computing time for all of them."""

    def __init__(self, seconds: float | None = None) -> None:
        self._until = time.process_time() + (_limit.SECONDS if seconds is None else seconds)

    @property
    def _left(self) -> float:
        return self._until - time.process_time()

    @property
    def exhausted(self) -> bool:
        return self._left <= 0

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        models: Mapping[str, nn.Module] | None = None,
        tensors: Mapping[str, torch.Tensor] | None = None,
        take: Callable[[Any], Any] = describe,
        rows: bool = True,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Call ``function`` under a trace; return the record of the call as plain data.

        ``take`` turns the returned value into plain data while the case is still in the state the call left it in.
        Grad mode, the global generator and a few other switches are put back afterwards, so that one faulty call
        does not disturb the next.
        """
        if self.exhausted:
            return {"ended": "skipped"}
        watched = Watched(models or {}, tensors or {})
        with _guarded():
            before = _Snapshot(watched)
            places = _watched_places(watched)
            library = [dict(vars(place)) for place in places]
            trace = ModeTrace(max_events=_MOST_ROWS, **watched.models)
            with trace:
                value, outcome = attempt(lambda: function(*args, **kwargs), self._left)
            after = _Snapshot(watched)
            record = {**outcome, **before.compared_with(after), "library": _replaced(places, library)}
            if outcome["ended"] == "returned":
                record["value"], taking = attempt(lambda: take(value), max(self._left, 1.0))
                if taking["ended"] != "returned":
                    record = {**record, **taking}
            record["graph_results"] = trace.graph_results
            record["rules"] = sorted({f.rule for f in trace.findings()})
            record["rows"] = [_row(e) for e in trace.events] if rows else []
        return record


def _row(event: Any) -> dict[str, Any]:
    row = event.as_row()
    del row["file"], row["thread"]
    return row


@contextlib.contextmanager
def own_surroundings() -> Iterator[None]:
    """The same surroundings for every grading, whatever the caller's: gradients on, own random state, one thread.

    Tiny models gain nothing from more threads, and with one the same case gives the same bits in every process.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
            # not as the learner left it: who seeds with the number that the notebook was seeded with is to be seen
            torch.default_generator.manual_seed(_OWN_SEED)
            torch.rand(1)
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    rng = torch.get_rng_state()
    dtype = torch.get_default_dtype()
    deterministic = torch.are_deterministic_algorithms_enabled()
    grad = torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_grad_enabled(grad)
        torch.set_rng_state(rng)
        torch.set_default_dtype(dtype)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)


# ---------------------------------------------------------------------- before and after


class _Snapshot:
    def __init__(self, watched: Watched) -> None:
        self.grad = torch.is_grad_enabled()
        self.inference = torch.is_inference_mode_enabled()
        self.rng = torch.get_rng_state()
        self.origin = torch.initial_seed()  # part of the state: who puts the state back has not seeded anew
        self.dtype = torch.get_default_dtype()
        trees = {m: dict(model.named_modules()) for m, model in watched.models.items()}
        self.modes = {m: {n: mode_of(s) for n, s in tree.items()} for m, tree in trees.items()}
        self.settings = {m: _settings(tree) for m, tree in trees.items()}
        self.hooks = {m: _hooks(tree) for m, tree in trees.items()}
        self.params: dict[str, torch.Tensor] = {}
        self.identity: dict[str, int] = {}
        self.buffers: dict[str, torch.Tensor] = {}
        self.grads: dict[str, torch.Tensor | None] = {}
        self.wants: dict[str, bool] = {}
        for m, model in watched.models.items():
            for n, p in model.named_parameters():
                key = f"{m}.{n}"
                self.identity[key] = id(p)
                self.params[key] = _copy(p)
                self.grads[key] = None if not p.is_leaf or p.grad is None else _copy(p.grad)
                self.wants[key] = p.requires_grad
            for n, b in model.named_buffers():
                self.buffers[f"{m}.{n}"] = _copy(b)
        self.tensors = {n: _copy(t) for n, t in watched.tensors.items()}
        for n, t in watched.tensors.items():
            if t.is_leaf:
                self.grads[f"input {n}"] = None if t.grad is None else _copy(t.grad)
            self.wants[f"input {n}"] = t.requires_grad

    def compared_with(self, after: _Snapshot) -> dict[str, Any]:
        inputs = [n for n in self.tensors if not _same(self.tensors[n], after.tensors[n])]
        inputs += [k[6:] for k in _differing(self.grads, after.grads) if k.startswith("input ")]
        inputs += [k[6:] for k, v in self.wants.items() if k.startswith("input ") and after.wants.get(k) != v]
        return {
            "modes_before": self.modes,
            "modes_after": after.modes,
            "grad_before": self.grad,
            "grad_after": after.grad,
            "inference_after": after.inference and not self.inference,
            "reseeded": self.origin != after.origin,
            "rng_moved": not torch.equal(self.rng, after.rng),
            "dtype_changed": self.dtype != after.dtype,
            "params": _differing(self.params, after.params),
            "replaced": [k for k, v in self.identity.items() if after.identity.get(k) != v],
            "buffers": _differing(self.buffers, after.buffers),
            "grads": [k for k in _differing(self.grads, after.grads) if not k.startswith("input ")],
            "requires_grad": [
                k for k, v in self.wants.items() if not k.startswith("input ") and after.wants.get(k) != v
            ],
            "inputs": sorted(set(inputs)),
            "settings": sorted({k for m in self.settings for k in _changed(self.settings[m], after.settings[m])}),
            "hooks": [m for m in self.hooks if self.hooks[m] != after.hooks[m]],
        }


def _hooks(tree: Mapping[str, nn.Module]) -> int:
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) + len(m._backward_pre_hooks)
        for m in tree.values()
    )


def _settings(tree: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Plain attributes of all submodules (a dropout's p, a BatchNorm's momentum), except the mode."""
    return {
        f"{n}.{k}": v
        for n, m in tree.items()
        for k, v in vars(m).items()
        if (v is None or isinstance(v, (bool, int, float, str))) and k != "training" and not str(k).startswith("_")
    }


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [k for k, v in before.items() if k not in after or after[k] != v]


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone()


def _same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = [n for n, value in before.items() if n not in after or not _same(value, after[n])]
    return names + [n for n in after if n not in before]


# ---------------------------------------------------------------------- library functions

_WATCHED_PLACES: tuple[Any, ...] = (
    torch,
    torch.nn,
    nn.functional,
    nn.init,
    torch.Tensor,
    torch.autograd,
    torch.autograd.grad_mode,
    torch.random,
    torch.utils.data,
    torch.utils.data.DataLoader,
    torch.optim,
    torch.optim.Optimizer,
    torch.optim.SGD,
    torch.no_grad,
    torch.enable_grad,
    torch.set_grad_enabled,
    torch.inference_mode,
    nn.Module,
    nn.Linear,
    nn.Sequential,
    nn.Dropout,
    nn.modules.dropout._DropoutNd,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.batchnorm._NormBase,
    nn.CrossEntropyLoss,
)


_OWN_PACKAGE = __name__.partition(".")[0]


def _watched_places(watched: Watched) -> list[Any]:
    """Where functions are not to be replaced: the library's modules and classes, and those of the models given."""
    classes = dict.fromkeys(type(m) for model in watched.models.values() for m in model.modules())
    ours = [c for c in classes if c not in _WATCHED_PLACES and c.__module__.startswith(("torch.", _OWN_PACKAGE))]
    return [*_WATCHED_PLACES, *ours]


def _replaced(places: list[Any], before: list[dict[str, Any]]) -> list[str]:
    """Names of library functions that are not what they were; names that torch loads lazily are new, not replaced."""
    changed = []
    for place, names in zip(places, before, strict=True):
        now = vars(place)
        if now.keys() == names.keys() and not any(map(operator.is_not, now.values(), names.values())):
            continue
        changed += [
            f"{getattr(place, '__name__', place)}.{n}"
            for n, old in names.items()
            if now.get(n, now) is not old and callable(old) and not (n in now and _own_wrapping(n, now[n]))
        ]
        if isinstance(place, type):  # what a class inherits can be replaced by giving it one of its own
            inherited = {n for base in place.__mro__[1:] for n in vars(base)}
            changed += [f"{place.__name__}.{n}" for n in (now.keys() - names.keys()) & inherited if callable(now[n])]
    return changed


def _own_wrapping(name: str, value: Any) -> bool:
    """torch wraps a few of its functions when a part of it is first imported (manual_seed, by torch._dynamo)."""
    return getattr(value, "__name__", "") == name and str(getattr(value, "__module__", "")).startswith("torch")
