"""ps5: transfer learning, where a part of the model is meant to stay as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ..observe import BATCHNORM_FAMILY, DROPOUT_FAMILY
from . import _sections as sections
from ._evidence import as_float, as_tensor, describe, entry, items, named
from ._exercise import Case, Check, Exercise, Verdict
from ._judging import close, judge_grad_mode, judge_modes, judge_undisturbed, near
from ._models import Conv, Dense, build, eval_logits, inputs, mixed_modes, noisy_loader, quiet_loader, seeded
from ._probe import Probe

_SET = "ps5-transfer"


# ---------------------------------------------------------------------- situations shared by the set


class _Features(nn.Module):
    """(N, 6) to (N, 8): BatchNorm with and without parameters, dropout by a layer and by a function.

    ``notes`` gets one entry per call, by which a probe sees whether a graph was recorded inside.
    """

    def __init__(self, notes: _Notes | None = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Dropout(0.4))
        self.tail = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8, affine=False))
        self.scale = nn.Parameter(torch.linspace(0.8, 1.2, 8))  # in no layer, and called neither weight nor bias
        self.notes = notes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = [x]
        for layer in (*self.stem, *self.tail):
            hidden.append(layer(hidden[-1]))
        out = F.dropout(torch.tanh(hidden[-1]) * self.scale, 0.3, training=self.training)
        if self.notes is not None:
            self.notes.passes.append(any(h.grad_fn is not None for h in (*hidden[1:], out)))
            self.notes.last = out.detach().clone()
        return out


@dataclass
class _Notes:
    """What case modules saw.  Stays one object when a model that holds it is copied."""

    passes: list[bool] = field(default_factory=list)
    last: torch.Tensor | None = None
    trained: list[bool] = field(default_factory=list)
    idle: set[str] = field(default_factory=set)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Notes:
        return self


class _Pair(nn.Module):
    """A backbone and what learns on it; the root has no listening layer of its own."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.backbone = _Features()
        self.head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


def _fill_grads(model: nn.Module, case: Case, salt: int = 7) -> None:
    """Gradients of the caller's, as in the middle of an accumulation."""
    g = case.generator(salt)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=g).to(p.dtype)


def _names(names: Sequence[str]) -> str:
    """A few of ``names`` in a message; the model itself has no name."""
    shown = ", ".join(n or "the module itself" for n in names[:2])
    return shown + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _values(module: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all parameters and buffers by name, those that ``state_dict`` leaves out included."""
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {n: t.detach().clone() for n, t in tensors}


def _moved(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> list[str]:
    """Names whose tensors differ, come or go."""
    return [n for n in {**before, **after} if n not in before or n not in after or not torch.equal(before[n], after[n])]


# ---------------------------------------------------------------------- trainable_report


class _Norm(nn.BatchNorm1d):
    """A subclass belongs to the family."""


class _Tied(nn.Module):
    """Two layers, one weight; a parameter of no dimension; buffers, which are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 5)
        self.second = nn.Linear(5, 5)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("table", torch.zeros(7, 3))
        self.norm = _Norm(5)


class TrainableReport(Exercise):
    id = "transfer.trainable_report"
    title = "What would learn, and what would move"
    problem_set = _SET
    stars, minutes = 1, 15
    parameters = ("model",)
    at_stake = ("bn-drifts-when-frozen", "requires-grad-typo", "root-flag-only")
    checks = (
        Check("counts", "Trainable and frozen parameter elements", 1, sections.WHAT_LEARNS),
        Check("live", "BatchNorms that would update their statistics; the model is left as it was", 1,
              sections.FROZEN_YET_MOVING),
    )  # fmt: skip
    case_names = ("typo", "frozen", "mixed", "asleep root", "tied", "single", "none")

    def _model(self, case: Case) -> nn.Module:
        name = case.name
        if name == "single":
            return nn.BatchNorm2d(3).train()
        if name == "none":
            return nn.Sequential(nn.ReLU(), nn.Dropout(0.2))
        if name == "tied":
            model = build(_Tied, case.seed).train()
            model.first.bias.requires_grad_(False)
            return model
        model = build(_report_zoo, case.seed).train()
        if name == "frozen":
            model.backbone.requires_grad_(False)
        elif name == "mixed":
            mixed_modes(model, "backbone.0", "extra.norm")
            _fill_grads(model, case)
            model.backbone[0].requires_grad_(False)
            model.head[0].bias.requires_grad_(False)
        elif name == "typo":
            model.backbone.requires_grad = False
            for p in model.head.parameters():
                p.require_grad = False
            model.extra.requires_grad_(False)
        else:
            model.eval()
            model.head.train()
            model.backbone[1].train()
            model.training = False
        return model

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model = self._model(case)
        with torch.set_grad_enabled(case.name != "asleep root"):
            return {"call": probe.call(candidate, model, models={"model": model})}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records, told = [], False
        # who asks the root alone finds nothing in a model whose root sleeps
        rootless = _listed(evidence["asleep root"]["call"]) == []
        judge_modes(verdict, "live", [e["call"] for e in evidence.values() if "modes_after" in e["call"]], unasked=True)
        for name, case in cases.items():
            record = evidence[name]["call"]
            if not verdict.ended(record):
                return
            records.append(record)
            model, value = self._model(case), record["value"]
            if value["type"] != "dict":
                verdict.stop("wrong-result", expected="a dict with trainable, frozen and live_batchnorm",
                             seen=named(value), cause="")  # fmt: skip
                return
            counted = self._counts(verdict, name, model, value)
            listed = self._live(verdict, model, value, rootless=rootless)
            told = told or name not in ("none", "single") and (counted or listed)
        for record in records:
            judge_undisturbed(verdict, "live", record)
        if not told and all(_silent(r["value"]) for r in records):
            verdict.stop("wrong-result", expected="counts and names for each model", seen="the same answer for all",
                         cause="")  # fmt: skip

    def _counts(self, verdict: Verdict, name: str, model: nn.Module, value: Mapping[str, Any]) -> bool:
        right = _elements(model, lambda p: p.requires_grad)
        parts = [entry(value, key) for key in ("trainable", "frozen")]
        expected = f"{right[0]} trainable and {right[1]} frozen elements, as Python ints"
        for key, part in zip(("trainable", "frozen"), parts, strict=True):
            if part is None or part["type"] != "int":
                tensor = part is not None and (part["type"] == "Tensor" or "number" in part)
                mistake = "tensor-not-float" if tensor else "wrong-result"
                seen = f"no entry {key!r}" if part is None else f"{key} is {named(part)}"
                return verdict.require(
                    "counts", False, mistake, expected=expected, seen=seen, cause=None if tensor else ""
                )
        got = (parts[0]["value"], parts[1]["value"])
        seen = f"{got[0]} trainable and {got[1]} frozen"
        mistake, cause = "wrong-result", ""
        if got == right[::-1]:
            cause = "The two are exchanged."
        elif name == "typo" and got != right and got in _believed(model):
            mistake, cause = "requires-grad-typo", None
        elif got == tuple(sum(1 for p in model.parameters() if p.requires_grad is want) for want in (True, False)):
            cause = "Tensors were counted instead of their elements."
        elif sum(got) == sum(p.numel() for p in model.parameters()) + sum(b.numel() for b in model.buffers()):
            cause = "Buffers were counted as parameters."
        elif name == "tied" and sum(got) == sum(p.numel() for p in model.parameters()) + 25:
            cause = "A parameter that two layers share was counted twice."
        return verdict.require("counts", got == right, mistake, expected=expected, seen=seen, cause=cause)

    def _live(self, verdict: Verdict, model: nn.Module, value: Mapping[str, Any], *, rootless: bool) -> bool:
        norms = {n: m for n, m in model.named_modules() if isinstance(m, BATCHNORM_FAMILY)}
        right = sorted(n for n, m in norms.items() if m.training and m.running_mean is not None)
        part = entry(value, "live_batchnorm")
        listed = items(part)
        expected = f"a sorted list of {len(right)} names" if right else "an empty list"
        if listed is None or part["type"] != "list" or any(i["type"] != "str" for i in listed):
            seen = "no entry 'live_batchnorm'" if part is None else named(part)
            return verdict.require("live", False, expected=expected, seen=seen, cause="")
        got = [i["value"] for i in listed]
        mistake, cause = "wrong-result", ""
        missing, extra = sorted(set(right) - set(got)), sorted(set(got) - set(right))
        by_root = sorted(n for n, m in norms.items() if model.training and m.running_mean is not None)
        if missing and all(_frozen(norms[n]) for n in missing):
            mistake, cause = "bn-drifts-when-frozen", None
        elif rootless and sorted(got) in ([], by_root):
            mistake, cause = "root-flag-only", None
        if extra:
            other = norms.get(extra[0])
            seen = f"{extra[0]!r}, which is no BatchNorm of this model"
            if other is not None and other.running_mean is None:
                seen = f"{extra[0]!r}, which keeps no statistics"
            elif other is not None:
                seen = f"{extra[0]!r}, which is in evaluation mode"
        elif missing:
            seen = f"{_names(missing)} missing" + (
                ", whose parameters are frozen" if mistake == "bn-drifts-when-frozen" else ""
            )
        else:
            seen = "another order, or a name twice"
        return verdict.require("live", got == right, mistake, expected=expected, seen=seen, cause=cause)


def _report_zoo() -> nn.Module:
    model = nn.Module()
    model.backbone = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.2)),
        nn.Sequential(
            nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False), nn.BatchNorm2d(6, track_running_stats=False)
        ),
    )
    model.extra = nn.ModuleDict({
        "norm": _Norm(5), "layer": nn.LayerNorm(4), "deep": nn.BatchNorm3d(2),
        "instance": nn.InstanceNorm1d(4, affine=True, track_running_stats=True),
    })  # fmt: skip
    model.head = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    return model


def _frozen(module: nn.Module) -> bool:
    """No parameter of it requires grad."""
    return not any(p.requires_grad for p in module.parameters())


def _elements(model: nn.Module, trainable: Callable[[nn.Parameter], bool]) -> tuple[int, int]:
    sizes = [(p.numel(), trainable(p)) for p in model.parameters()]
    return sum(s for s, t in sizes if t), sum(s for s, t in sizes if not t)


def _believed(model: nn.Module) -> set[tuple[int, int]]:
    """The counts of somebody who asks flags that autograd does not read."""
    modules = {id(p) for m in model.modules() if not vars(m).get("requires_grad", True) for p in m.parameters()}
    misspelt = {id(p) for p in model.parameters() if not getattr(p, "require_grad", True)}
    truly = {id(p) for p in model.parameters() if not p.requires_grad}
    ways = (set(), modules, misspelt, modules | misspelt, modules | truly, misspelt | truly, modules | misspelt | truly)
    return {_elements(model, lambda p, frozen=frozen: id(p) not in frozen) for frozen in ways}


def _listed(record: Mapping[str, Any]) -> list[Any] | None:
    return items(entry(record.get("value"), "live_batchnorm"))


def _silent(value: Mapping[str, Any]) -> bool:
    return value["type"] == "dict" and not any((entry(value, k) or {}).get("value") for k in ("trainable", "frozen"))


# ---------------------------------------------------------------------- freeze


class Freeze(Exercise):
    id = "transfer.freeze"
    title = "A freeze that lasts"
    problem_set = _SET
    stars, minutes = 2, 25
    parameters = ("module",)
    at_stake = ("bn-drifts-when-frozen", "freeze-undone-by-train", "requires-grad-typo", "frozen-weights-move")
    checks = (
        Check("flags", "No parameter of the module requires grad", 1, sections.WHAT_LEARNS),
        Check("mode", "Evaluation mode, and no later train() ends it", 1, sections.LASTING_FREEZE),
        Check("stale", "No gradient is left over: an optimizer that holds the parameters does not move them", 1,
              sections.DO_FROZEN_WEIGHTS_MOVE),
        Check("intact", "The same module with the same state_dict keys comes back; nothing else is changed", 1,
              sections.LASTING_FREEZE),
    )  # fmt: skip
    case_names = ("backbone", "whole", "layer", "asleep", "conv")

    def _scene(self, case: Case) -> tuple[nn.Module, nn.Module, str, torch.optim.Optimizer, torch.Tensor]:
        """The model, the part to freeze and its name, an optimizer that has made steps and holds gradients, inputs."""
        part = {"backbone": "backbone", "asleep": "backbone", "layer": "head.1", "conv": "norm", "whole": ""}[case.name]
        model = build(Conv if case.name == "conv" else Dense if case.name == "whole" else _Pair, case.seed, double=True)
        if case.name == "asleep":
            model.eval()
            for p in model.backbone.stem.parameters():
                p.requires_grad_(False)
        else:
            model.train()
        if case.name == "backbone":
            model.head[2].eval()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
        for salt in (7, 8):
            _fill_grads(model, case, salt)
            if salt == 7:
                optimizer.step()
        shape = {"layer": (8,), "conv": (5, 4, 4), "whole": (6,)}.get(case.name, (6,))
        x = inputs(case.seed + 1, 6, *shape, double=True)
        return model, model.get_submodule(part), part, optimizer, x

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model, part, _, optimizer, x = self._scene(case)
        outer = nn.Module()
        outer.inner = model
        keys, known = list(part.state_dict()), _bool_attributes(part)
        notes: dict[str, Any] = {}

        def take(value: Any) -> dict[str, Any]:
            notes.update(
                same=value is part, module=isinstance(value, nn.Module), keys=list(part.state_dict()) == keys,
                wants={n: p.requires_grad for n, p in part.named_parameters()},
                grads=[n for n, p in part.named_parameters() if p.grad is not None],
                typo=[n for n in _bool_attributes(part) if n not in known],
            )  # fmt: skip
            return describe(value)

        with torch.set_grad_enabled(case.name != "conv"):
            record = probe.call(candidate, part, models={"model": model}, take=take)
        if record["ended"] != "returned":
            return {"call": record}
        stages: list[dict[str, Any]] = []

        def later() -> None:
            stages.append(_woken(part, x, "right after freezing", None))
            stages.append(_woken(part, x, "after train() on the module itself", part.train() is part))
            outer.train()
            stages.append(_woken(part, x, "after train() on an ancestor", None))
            same = part.eval() is part
            outer.eval()
            outer.train(True)
            part.train(True)
            stages.append(_woken(part, x, "after eval() and another train()", same))

        ending = probe.call(later, rows=False)
        before = _values(part)
        optimizer.step()
        notes["stepped"] = [n for n in _moved(before, _values(part)) if n in notes["wants"]]
        return {"call": record, "notes": notes, "stages": stages, "later": ending}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name in cases:
            if not verdict.ended(evidence[name]["call"]):
                return
        did, reached = False, any(evidence[n]["call"]["requires_grad"] for n in cases)
        for name, case in cases.items():
            record, notes, stages, ending = (evidence[name][k] for k in ("call", "notes", "stages", "later"))
            did = (
                did
                or bool(record["requires_grad"] or record["grads"])
                or record["modes_before"] != record["modes_after"]
            )
            self._flags(verdict, notes, reached=reached)
            self._mode(verdict, case, record, notes, stages, ending)
            left = notes["grads"] or notes["stepped"]
            verdict.require(
                "stale", not left, "frozen-weights-move",
                expected="after freezing, .grad is None and an optimizer step moves no frozen parameter",
                seen=f"{_names(notes['stepped'])} moved" if notes["stepped"] else f"{_names(left)} still has a .grad",
            )  # fmt: skip
            self._intact(verdict, case, record, notes)
            for stage in stages:
                verdict.require(
                    "intact", stage["returned"] is not False, "train-override-broken",
                    expected="train() and eval() return the module",
                    seen=f"something else came back, {stage['when']}",
                )  # fmt: skip
        if not did:
            verdict.stop("wrong-result", expected="the module is frozen in place",
                         seen="no flag, no mode and no gradient of it changed", cause="")  # fmt: skip

    def _flags(self, verdict: Verdict, notes: Mapping[str, Any], *, reached: bool) -> None:
        awake = [n for n, wants in notes["wants"].items() if wants]
        mistake, cause = "graph-built", None
        if notes["typo"]:
            mistake = "requires-grad-typo"
        elif notes["module"] and not notes["same"]:
            mistake, cause = "wrong-result", _OTHER_MODULE
        elif reached:
            mistake, cause = "frozen-weights-move", "Only some of the parameters were reached."
        verdict.require(
            "flags", not awake, mistake, expected="requires_grad is False on every parameter inside",
            seen=f"{len(awake)} of {len(notes['wants'])} still require grad", cause=cause,
        )  # fmt: skip

    def _mode(
        self, verdict: Verdict, case: Case, record: Mapping[str, Any], notes: Mapping[str, Any],
        stages: Sequence[Mapping[str, Any]], ending: Mapping[str, Any],
    ) -> None:  # fmt: skip
        expected = "the module computes as in evaluation mode, also after any train()"
        _, part, _, _, x = self._scene(case)
        right = eval_logits(part, x)
        altered = bool(record["params"] or record["buffers"])  # other outputs are no surprise then; judged elsewhere
        for stage in stages:
            live = stage["live"] or ([""] if stage["drew"] else [])
            asleep = not live and (altered or close(as_tensor(stage["out"]), right, rtol=1e-6, atol=1e-8))
            first = stage is stages[0]
            if not live and not asleep:
                seen = f"{stage['when']}, its outputs are not those of evaluation mode"
            else:
                seen = f"{stage['when']}, {_names(live)} worked as in training"
            mistake = "bn-drifts-when-frozen" if first else "freeze-undone-by-train"
            if live and not stage["flag"]:
                mistake = "root-flag-only"
            cause = None
            if notes["module"] and not notes["same"]:
                mistake, cause = "wrong-result", _OTHER_MODULE
            verdict.require("mode", asleep, mistake, expected=expected, seen=seen, cause=cause)
        if ending["ended"] == "raised":
            verdict.fail("mode", "train-override-broken", expected="train() and eval() can still be called",
                         seen=f"{ending['error']} in a later train(), eval() or forward pass")  # fmt: skip
        else:
            verdict.ended(ending, ["mode"])

    def _intact(self, verdict: Verdict, case: Case, record: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
        part = self._scene(case)[2]
        inside = f"model.{part}." if part else "model."

        def outside(names: Sequence[str]) -> list[str]:
            return [n for n in names if not n.startswith(inside)]

        seen = "another module" if notes["module"] else named(record["value"])
        verdict.require("intact", notes["same"], expected="freeze(module) gives the module itself", seen=seen, cause="")
        verdict.require(
            "intact", notes["keys"], expected="the same state_dict keys as before", seen="other keys", cause=""
        )
        reached = outside(record["requires_grad"])
        verdict.require(
            "intact", not reached, "head-frozen-too", expected="parameters outside of the module keep their flag",
            seen=f"{_names(reached)} changed",
        )  # fmt: skip
        flags = [(n, was, record["modes_after"]["model"].get(n)) for n, was in record["modes_before"]["model"].items()]
        strayed = [n for n, was, now in flags if was is not now and not f"model.{n}.".startswith(inside)]
        verdict.require(
            "intact", not strayed, "mode-not-restored", expected="modules outside of it keep their mode",
            seen=f"{_names(strayed)} changed",
        )  # fmt: skip
        own = {**record, "grads": outside(record["grads"]), "hooks": []}
        judge_undisturbed(verdict, "intact", own, may=("requires_grad",))


_OTHER_MODULE = "Another module came back; the one that was handed in is as it was, or not protected."


def _bool_attributes(module: nn.Module) -> list[str]:
    """Flags that are plain attributes of modules and parameters, the misspelt ones among them."""
    owners = [*module.named_modules(), *module.named_parameters()]
    return [f"{n}.{k}" for n, owner in owners for k, v in vars(owner).items()
            if isinstance(v, bool) and ("grad" in k or "train" in k) and k != "training"]  # fmt: skip


def _woken(part: nn.Module, x: torch.Tensor, when: str, returned: bool | None) -> dict[str, Any]:
    """What ``part`` does now: as a whole, and its listening layers when they are called on their own.

    A layer is live if it moved a buffer or drew a random number; its flag is not asked.
    """
    live: set[str] = set()
    flag = part.training
    with torch.no_grad():
        # the layers first: a hook of the whole may wake up only when the whole is called
        for name, layer in part.named_modules():
            if isinstance(layer, (DROPOUT_FAMILY, BATCHNORM_FAMILY)):
                rng, before = torch.get_rng_state(), _values(layer)
                layer(_fitting(layer))
                if _moved(before, _values(layer)) or not torch.equal(rng, torch.get_rng_state()):
                    live.add(name)
        rng, before = torch.get_rng_state(), _values(part)
        out = describe(part(x))
    live |= {n.rpartition(".")[0] for n in _moved(before, _values(part))}
    drew = not torch.equal(rng, torch.get_rng_state())
    return {"when": when, "out": out, "live": sorted(live), "drew": drew, "returned": returned, "flag": flag}


def _fitting(layer: nn.Module) -> torch.Tensor:
    width = getattr(layer, "num_features", 4)
    shape = (3, width) if isinstance(layer, (nn.BatchNorm1d, nn.Dropout)) else (3, width, 2, 2)
    return torch.linspace(-1, 1, 3 * width * (1 if len(shape) == 2 else 4), dtype=torch.float64).reshape(shape)


# ---------------------------------------------------------------------- Classifier


class Classifier(Exercise):
    id = "transfer.Classifier"
    title = "A frozen backbone and a new head"
    problem_set = _SET
    stars, minutes = 2, 25
    wants = "class"
    parameters = ("backbone", "num_features", "num_classes")
    at_stake = ("freeze-undone-by-train", "train-override-broken", "head-frozen-too", "backbone-graph-built")
    checks = (
        Check("head", "A new linear head on the backbone's evaluation-mode features, and it learns", 1,
              sections.FROZEN_FEATURES),
        Check("frozen", "The backbone is frozen: no parameter of it gets a gradient", 1, sections.WHAT_LEARNS),
        Check("asleep", "train() returns the model and never wakes the backbone", 1, sections.LASTING_FREEZE),
        Check("graph", "No graph is recorded in the backbone", 1, sections.FROZEN_FEATURES),
    )  # fmt: skip
    case_names = ("train", "asleep", "mixed")

    def _scene(self, case: Case) -> tuple[nn.Module, torch.Tensor, torch.Tensor, int]:
        backbone = build(lambda: _Features(_Notes()), case.seed)
        if case.name == "asleep":
            backbone.eval()
        elif case.name == "mixed":
            mixed_modes(backbone, "stem")
        classes = 3 + case.seed % 3
        x = inputs(case.seed + 1, 7, 6)
        return backbone, x, torch.arange(7) % classes, classes

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        backbone, x, y, classes = self._scene(case)
        passes = backbone.notes.passes
        made: dict[str, Any] = {}

        def take(value: Any) -> dict[str, Any]:
            made["model"] = value
            return {"type": type(value).__name__, "module": isinstance(value, nn.Module), **_anatomy(value)}

        record = probe.call(candidate, backbone, 8, classes, models={"backbone": backbone}, take=take)
        evidence: dict[str, Any] = {"call": record}
        if record["ended"] != "returned" or not all(record["value"][k] for k in ("module", "parts")):
            return evidence
        model = made["model"]
        outer = nn.Sequential(model)
        stages: list[dict[str, Any]] = []

        def later() -> None:
            stages.append(_state(model, x, backbone.notes, "as it was made", None, None))
            stages.append(_state(model, x, backbone.notes, "after train()", model.train() is model, True))
            stages.append(_state(model, x, backbone.notes, "after eval()", model.eval() is model, False))
            stages.append(_state(model, x, backbone.notes, "after train(True)", model.train(True) is model, True))
            outer.eval()
            outer.train()
            stages.append(_state(model, x, backbone.notes, "after train() on a model around it", None, True))

        def alone() -> list[str]:
            model.train()
            with torch.no_grad():
                return _live_in(model.backbone, lambda: model.backbone(x))[1]

        def learn(x: torch.Tensor) -> dict[str, Any]:
            asleep = False
            if x.requires_grad:
                model.eval()
                del passes[:]
                model(x)
                asleep = any(passes)
            model.train()
            del passes[:]
            model.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            grads: dict[str, Any] = {}
            for part in ("backbone", "head"):
                own = getattr(model, part).named_parameters()
                grads[part] = [n for n, p in own if p.grad is not None and bool(p.grad.any())]
            return {
                **grads, "graphs": list(passes), "asleep": asleep, "input": x.grad is not None,
                "leaf": x.requires_grad,
            }  # fmt: skip

        evidence["stages"], evidence["later"] = stages, probe.call(later, rows=False)
        if case.name == "train":
            evidence["alone"] = probe.call(alone, take=lambda v: v, rows=False)
        evidence["learn"] = probe.call(learn, x, take=lambda v: v, rows=False)
        evidence["leaf"] = probe.call(learn, x.clone().requires_grad_(True), take=lambda v: v, rows=False)
        evidence["another"] = probe.call(
            candidate, build(_Features, case.seed + 3), 8, classes, take=_anatomy, rows=False
        )  # fmt: skip
        evidence["refused"] = probe.call(lambda: model(x[:, :-1]), rows=False)
        return evidence

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            found = evidence[name]
            record = found["call"]
            if not verdict.ended(record):
                return
            value = record["value"]
            if not value["module"] or not value["parts"]:
                seen = f"an object of {value['type']}" if not value["module"] else "one of them is missing or no module"
                verdict.stop(
                    "wrong-result", expected="an nn.Module with the submodules backbone and head", seen=seen, cause=""
                )
                return
            backbone, x, _, classes = self._scene(case)
            self._head(verdict, value, found, classes)
            self._frozen(verdict, value, record)
            sound = self._stages(verdict, found, eval_logits(backbone, x))
            self._learning(verdict, found)
            self._graph(verdict, found)
            own = {**record, "hooks": [], "modes_after": record["modes_before"]}
            judge_undisturbed(verdict, "frozen", own, may=("requires_grad", "rng", "grads"))
            if not sound and not found["stages"]:
                verdict.ended(found["later"])
                return

    def _head(self, verdict: Verdict, value: Mapping[str, Any], found: Mapping[str, Any], classes: int) -> None:
        expected = f"head is a linear layer from 8 features to {classes} classes"
        shapes = value["shapes"]
        fits = value["linear"] and shapes.get("weight") == [classes, 8] and shapes.get("bias", [classes]) == [classes]
        what = f"a {value['head']}" + (
            f" with a weight of shape {tuple(shapes['weight'])}" if "weight" in shapes else ""
        )
        verdict.require("head", fits, expected=expected, seen=what, cause="")
        verdict.require("head", value["registered"], expected="backbone and head are submodules of the model",
                        seen="one is hidden from state_dict() and to()", cause="")  # fmt: skip
        sleeping = value["sleeping_head"]
        verdict.require("head", not sleeping, "head-frozen-too", expected="every parameter of the head requires grad",
                        seen=f"{_names(sleeping)} of the head does not")  # fmt: skip
        another = found["another"]
        if verdict.ended(another, ["head"]):
            other = another["value"]
            verdict.require("head", not other["parts"] or other["head_id"] != value["head_id"],
                            expected="each model has its own new head", seen="two share one", cause="")  # fmt: skip

    def _frozen(self, verdict: Verdict, value: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        awake = value["awake_backbone"]
        mistake = "requires-grad-typo" if value["typo"] else "graph-built"
        if record["modes_before"] == record["modes_after"] or any(record["modes_after"]["backbone"].values()):
            mistake = "requires-grad-typo" if value["typo"] else "frozen-weights-move"
        verdict.require("frozen", not awake, mistake, expected="no parameter of the backbone requires grad",
                        seen=f"{_names(awake)} still require{'s' * (len(awake) == 1)} grad")  # fmt: skip

    def _stages(self, verdict: Verdict, found: Mapping[str, Any], features: torch.Tensor) -> bool:
        for stage in found["stages"]:
            made = stage["when"].startswith("as it was")
            mistake = "bn-drifts-when-frozen" if made else "freeze-undone-by-train"
            if stage["live"] and not stage["flags"]["backbone"]:
                mistake = "root-flag-only"
            elif stage["live"] and stage["when"] == "after eval()":
                mistake = "train-override-broken"
            verdict.require(
                "asleep", not stage["live"], mistake, expected="the backbone is in evaluation mode, also after train()",
                seen=f"{stage['when']}, {_names(stage['live'])} of the backbone worked as in training",
            )  # fmt: skip
            if not verdict.failed("asleep"):
                verdict.require(
                    "asleep", stage["features"] is None or close(stage["features"], features), "bn-drifts-when-frozen",
                    expected="the backbone computes what it computes in evaluation mode",
                    seen=f"other features, {stage['when']}", cause="",
                )  # fmt: skip
            verdict.require("asleep", stage["returned"] is not False, "train-override-broken",
                            expected="train() and eval() return the model",
                            seen=f"something else came back {stage['when']}")  # fmt: skip
            for part in ("model", "head"):
                flag = stage["flags"][part]
                verdict.require(
                    "asleep", stage["wanted"] in (None, flag), "train-override-broken",
                    expected="train() and eval() set the mode of the model and of its head",
                    seen=f"{stage['when']}, {'the model' if part == 'model' else 'the head'} is in "
                    f"{'training' if flag else 'evaluation'} mode",
                )  # fmt: skip
            weight, bias = stage["weight"], stage["bias"]
            given = features if stage["features"] is None else stage["features"]
            if stage["fits"] and (stage["features"] is not None or not verdict.failed("asleep")):
                right = F.linear(given, weight, bias)
                got = as_tensor(stage["out"])
                seen = named(stage["out"])
                if got is not None and got.shape == right.shape:
                    seen = f"logits that differ by up to {float((got - right).abs().max()):.2g}"
                    if close(got, right.softmax(1)):
                        seen = "a softmax of the logits"
                verdict.require("head", close(got, right), expected="logits: the head on the backbone's features",
                                seen=seen, cause="")  # fmt: skip
        ending, alone = found["later"], found.get("alone", {})
        if alone.get("value"):
            verdict.fail("asleep", "freeze-undone-by-train", expected="train() never wakes the backbone",
                         seen=f"called by itself after train(), {_names(alone['value'])} of the backbone worked as in "
                         "training")  # fmt: skip
        if ending["ended"] == "raised" and found["stages"]:
            verdict.fail("asleep", "train-override-broken", expected="a model around it can call train() and eval()",
                         seen=f"{ending['error']} {found['stages'][-1]['when']}")  # fmt: skip
        return ending["ended"] == "returned"

    def _learning(self, verdict: Verdict, found: Mapping[str, Any]) -> None:
        learn = found["learn"]
        if verdict.failed("head"):
            return
        if learn["ended"] != "returned":
            verdict.ended(learn, ["head"])
            return
        grads = learn["value"]
        verdict.require("head", bool(grads["head"]), "grad-disabled-in-training",
                        expected="a backward pass gives the head a gradient", seen="it got none")  # fmt: skip
        verdict.require("frozen", not grads["backbone"], "frozen-weights-move",
                        expected="a backward pass leaves no gradient in the backbone",
                        seen=f"{_names(grads['backbone'])} got one")  # fmt: skip

    def _graph(self, verdict: Verdict, found: Mapping[str, Any]) -> None:
        expected = "the backbone records no graph, not even for inputs that require grad"
        leaked = any(stage["leaked"] for stage in found["stages"])
        verdict.require("graph", not leaked, "grad-mode-leaked", expected="a caller under no_grad stays under it",
                        seen="gradients are on after a pass")  # fmt: skip
        recorded = any(stage["out"].get("requires_grad") for stage in found["stages"])
        verdict.require("graph", not recorded, "graph-built", expected="nothing is recorded for a caller under no_grad",
                        seen="the logits require grad",
                        cause="The model switches gradients on, whatever its caller has chosen.")  # fmt: skip
        judge_grad_mode(verdict, "graph", [], [r for r in [found["refused"]] if "grad_before" in r])
        for which in ("learn", "leaf"):
            record = found[which]
            if record["ended"] != "returned":
                sleeping = found["call"]["value"]["sleeping_head"]
                if sleeping:  # the same cause as above
                    verdict.fail("graph", "head-frozen-too", expected=expected, seen="no backward pass was possible")
                verdict.ended(record, ["graph"])
                continue
            value = record["value"]
            seen = "it recorded one" + (
                " because its parameters require grad" if which == "learn" else " for such an input"
            )
            verdict.require("graph", not any(value["graphs"]) and not value["input"], "backbone-graph-built",
                            expected=expected, seen=seen)  # fmt: skip
            verdict.require("graph", value["leaf"] is (which == "leaf"), "input-touched",
                            expected="the input keeps its flag", seen="its requires_grad was switched")  # fmt: skip
            verdict.require("graph", not value["asleep"], "backbone-graph-built", expected=expected,
                            seen=f"{seen}, with the model in evaluation mode")  # fmt: skip


def _anatomy(model: Any) -> dict[str, Any]:
    """What a classifier is made of."""
    backbone, head = (getattr(model, part, None) for part in ("backbone", "head"))
    if not isinstance(backbone, nn.Module) or not isinstance(head, nn.Module):
        return {"parts": False}
    return {
        "parts": True,
        "registered": all(any(part is m for m in model.modules()) for part in (backbone, head)),
        "head": type(head).__name__,
        "head_id": id(head),
        "linear": isinstance(head, nn.Linear),
        "shapes": {n: list(p.shape) for n, p in head.named_parameters()},
        "sleeping_head": [n for n, p in head.named_parameters() if not p.requires_grad],
        "awake_backbone": [n for n, p in backbone.named_parameters() if p.requires_grad],
        "typo": _bool_attributes(backbone),
    }


def _state(
    model: nn.Module, x: torch.Tensor, notes: _Notes, when: str, returned: bool | None, wanted: bool | None
) -> dict[str, Any]:
    """What a classifier does now, and which layers of its backbone moved a buffer or drew a random number.

    ``wanted`` is the mode that the model and its head were just told, if they were told one.
    """
    backbone, head = model.backbone, model.head
    flags = {"model": model.training, "head": head.training, "backbone": backbone.training}
    notes.last = None
    with torch.no_grad():
        out, live = _live_in(backbone, lambda: model(x))
        leaked = torch.is_grad_enabled()
    weight, bias = getattr(head, "weight", None), getattr(head, "bias", None)
    fits = isinstance(weight, torch.Tensor) and weight.dim() == 2 and weight.shape[1] == 8
    return {
        "when": when, "returned": returned, "wanted": wanted, "flags": flags, "live": live, "out": describe(out),
        "features": notes.last, "leaked": leaked, "fits": fits, "weight": weight.detach().clone() if fits else None,
        "bias": bias.detach().clone() if isinstance(bias, torch.Tensor) else None,
    }  # fmt: skip


def _live_in(backbone: nn.Module, act: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What ``act`` gives, and which layers of ``backbone`` moved a buffer or drew a random number meanwhile."""
    rng, before = torch.get_rng_state(), _values(backbone)
    out = act()
    live = sorted({n.rpartition(".")[0] for n in _moved(before, _values(backbone))})
    return out, live or ([] if torch.equal(rng, torch.get_rng_state()) else ["dropout"])


# ---------------------------------------------------------------------- is_frozen


@dataclass(slots=True)
class _Step:
    """A module, and a step that may change it."""

    module: nn.Module
    act: Callable[[], Any]
    calls: int = 0
    grad: bool = True
    modes: bool = True

    def __call__(self) -> None:
        self.calls += 1
        self.grad = torch.is_grad_enabled()
        self.modes = any(m.training for m in self.module.modules())
        self.act()


class _Counted(nn.Module):
    """A frozen layer with every sort of buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(6, 6)
        self.mix.register_buffer("uses", torch.zeros((), dtype=torch.long), persistent=False)
        self.norm = nn.BatchNorm1d(6)
        self.bare = nn.BatchNorm1d(6, affine=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long), persistent=False)
        self.register_buffer("queue", torch.linspace(0, 1, 4))
        self.register_buffer("nothing", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bare(self.norm(self.mix(x)))


class IsFrozen(Exercise):
    id = "transfer.is_frozen"
    title = "Did anything move?"
    problem_set = _SET
    stars, minutes = 2, 15
    parameters = ("module", "step")
    at_stake = ("frozen-weights-move", "bn-drifts-when-frozen", "buffers-forgotten", "best-state-aliased")
    checks = (
        Check("parameters", "A changed parameter is noticed, whatever its flag", 1, sections.DO_FROZEN_WEIGHTS_MOVE),
        Check("buffers", "A changed buffer is noticed, also one that state_dict leaves out", 1,
              sections.FROZEN_YET_MOVING),
        Check("step", "The step runs once, as the caller left things; True if no value changed", 1,
              sections.FOUR_PLACES),
    )  # fmt: skip
    _WEIGHTS = ("weight", "swap", "optimizer", "rebound weight")
    _BUFFERS = ("running", "counter", "hidden", "hidden inside", "rebound buffer")
    _STILL = ("nothing", "gradients", "same values", "elsewhere")
    case_names = ("optimizer", "weight", "swap", "rebound weight", *_BUFFERS, *_STILL)

    def _scene(self, case: Case) -> _Step:
        name = case.name
        model = nn.Sequential(build(_Counted, case.seed, double=True), nn.Linear(6, 2).double())
        with seeded(case.seed + 2):
            model[1].reset_parameters()
        module = model[0]
        x = inputs(case.seed + 1, 8, 6, double=True)
        if name not in ("gradients", "nothing", "weight"):
            module.requires_grad_(False)  # which protects nothing, and says nothing about values
        if name in ("swap", "hidden inside"):
            module.eval()  # neither does this
        weight = module.mix.weight

        def silently(change: Callable[[], Any]) -> Callable[[], Any]:
            def act() -> None:
                with torch.no_grad():
                    change()

            return act

        def gradients() -> None:
            module.eval()
            module(x).square().mean().backward()
            module.norm.bias.requires_grad_(False)

        def elsewhere() -> None:
            module.eval()
            optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
            model(x).square().mean().backward()
            optimizer.step()

        momentum = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        if name == "swap":
            _fill_grads(module, case)
        elif name == "optimizer":
            _fill_grads(module, case)
            momentum.step()
            momentum.zero_grad(set_to_none=False)

        def same_values() -> None:
            weight.copy_(weight.clone())
            module.queue = module.queue.clone()
            module.norm.running_mean.add_(0.0)

        acts: dict[str, Callable[[], Any]] = {
            "optimizer": momentum.step,
            "weight": silently(lambda: weight.add_(F.one_hot(torch.tensor(3), 6) * 1e-12)),
            "swap": silently(lambda: weight.copy_(weight.flip(0))),
            "rebound weight": lambda: setattr(module.mix, "weight", nn.Parameter(weight.detach() + 1.0)),
            "running": lambda: module(x),
            "counter": silently(lambda: module.norm.num_batches_tracked.add_(1)),
            "hidden": silently(lambda: module.calls.add_(1)),
            "hidden inside": silently(lambda: module.mix.uses.add_(1)),
            "rebound buffer": lambda: setattr(module, "queue", module.queue + 1.0),
            "nothing": lambda: None,
            "gradients": gradients,
            "same values": silently(same_values),
            "elsewhere": elsewhere,
        }
        return _Step(module, acts[name])

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        step = self._scene(case)
        with torch.set_grad_enabled(case.name != "nothing"):
            record = probe.call(candidate, step.module, step, models={"module": step.module}, rows=False)
        return {
            "call": record,
            "calls": step.calls,
            "grad": step.grad,
            "modes": step.modes,
            "values": _values(step.module),
        }

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        answers: dict[str, Any] = {}
        for name in self.case_names:
            found = evidence[name]
            if not verdict.ended(found["call"], ["step"] if answers else None):
                if not answers:
                    return
                continue  # what the other steps show is judged all the same
            answers[name] = found["call"]["value"]
        if all(evidence[n].get("calls", 0) == 0 for n in self.case_names):
            verdict.stop("wrong-result", expected="step() is run and the values before and after are compared",
                         seen="step was never called", cause="")  # fmt: skip
            return
        meant = {n: _meant(answers[n]) if n in answers else None for n in self.case_names}
        if len(set(meant.values())) == 1:
            what = meant["nothing"] if meant["nothing"] is not None else named(answers["nothing"])
            verdict.stop("wrong-result", expected="an answer that depends on what step() does",
                         seen=f"{what} for every step", cause="")  # fmt: skip
            return
        changes = (*self._WEIGHTS, *self._BUFFERS)
        frozen_unseen = meant["optimizer"] and meant["swap"] and not meant["weight"]
        # flags are asked, or those parameters are left out that have the flag off: values are not what decides
        by_flag = bool(meant["nothing"] and all(meant[n] for n in changes) or frozen_unseen)
        by_flag = by_flag or all(meant[n] is self._by_flag(cases[n]) for n in self.case_names)
        # or values count only where some flag is on or something is awake
        by_flag = by_flag or bool(meant["swap"] and meant["hidden inside"] and not meant["running"])
        aliased = meant["swap"] and meant["running"] and not (meant["rebound weight"] and meant["rebound buffer"])
        calmed = not evidence["running"].get("modes", True)
        for check, names in (("parameters", self._WEIGHTS), ("buffers", self._BUFFERS)):
            for name in names:
                if name not in answers:
                    continue
                self._noticed(verdict, check, name, meant, by_flag=by_flag, aliased=aliased, calmed=calmed)
        self._steps(verdict, evidence, cases, answers, meant, by_flag)

    def _by_flag(self, case: Case) -> bool:
        step = self._scene(case)
        step.act()
        return _frozen(step.module)

    def _noticed(
        self, verdict: Verdict, check: str, name: str, meant: Mapping[str, Any], *, by_flag: bool, aliased: bool,
        calmed: bool,
    ) -> None:  # fmt: skip
        what = {
            "weight": "one weight changed by 1e-12", "swap": "the rows of a weight were exchanged",
            "optimizer": "an optimizer moved frozen weights by their momentum",
            "rebound weight": "a weight was replaced by a parameter with other values",
            "running": "a forward pass moved running statistics", "counter": "a batch counter went up",
            "hidden": "a buffer that state_dict leaves out changed",
            "hidden inside": "a buffer that state_dict leaves out changed in a child of the module",
            "rebound buffer": "a buffer was replaced by a tensor with other values",
        }[name]  # fmt: skip
        mistake, cause = "wrong-result", {
            "weight": "Values were compared with a tolerance.", "swap": "Something other than the values was compared.",
            "rebound weight": "The tensors of before were looked at, not those the module holds now.",
            "rebound buffer": "The tensors of before were looked at, not those the module holds now.",
        }.get(name, "")  # fmt: skip
        if calmed and name == "running":
            mistake, cause = "mode-not-restored", "The mode was changed before the step."
        elif by_flag or (name == "optimizer" and not meant["swap"]):
            mistake, cause = "frozen-weights-move", None
        elif aliased:
            mistake, cause = "best-state-aliased", None
        elif check == "buffers" and name != "rebound buffer":
            mistake, cause = "buffers-forgotten", None
        verdict.require(check, meant[name] is False, mistake, expected=f"False when {what}",
                        seen="True" if meant[name] else "no bool", cause=cause)  # fmt: skip

    def _steps(
        self, verdict: Verdict, evidence: Mapping[str, Any], cases: Mapping[str, Case], answers: Mapping[str, Any],
        meant: Mapping[str, Any], by_flag: bool,
    ) -> None:  # fmt: skip
        for name in answers:
            found, step = evidence[name], self._scene(cases[name])
            verdict.require(
                "step", found["calls"] == 1, expected="step() is run once", seen=f"{found['calls']} times", cause=""
            )
            verdict.require("step", found["grad"] or not found["call"]["grad_before"], "grad-disabled-in-training",
                            expected="step() runs with gradients as the caller has them",
                            seen="they were off while it ran")  # fmt: skip
            verdict.require(
                "step",
                found["modes"] or name in ("swap", "hidden inside"),
                "mode-not-restored",
                expected="step() runs in the modes the caller left",
                seen="the module was in evaluation mode while it ran",
                cause="The mode was changed before the step.",
            )
            step()
            undone = _moved(_values(step.module), found["values"])
            verdict.require("step", not undone, "parameters-changed", expected="what step() did to the module stays",
                            seen=f"{_names(undone)} differs from what the step left")  # fmt: skip
            value = answers[name]
            mistake = "tensor-not-float" if value["type"] == "Tensor" else "wrong-result"
            verdict.require("step", value["type"] == "bool", mistake, expected="a bool, True or False",
                            seen=named(value), cause="")  # fmt: skip
        for name in self._STILL:
            if name not in answers:
                continue
            what = {"nothing": "nothing", "gradients": "gradients and flags only", "elsewhere": "another module only",
                    "same values": "values replaced by equal ones"}[name]  # fmt: skip
            verdict.require("step", meant[name] is True, "frozen-weights-move" if by_flag else "wrong-result",
                            expected=f"True when the step changes {what}", seen="False",
                            cause=None if by_flag else "")  # fmt: skip
        for name in answers.keys() & {"nothing", "weight", "hidden", "swap"}:
            judge_undisturbed(verdict, "step", evidence[name]["call"], may=("params", "buffers"))
        judge_modes(
            verdict,
            "step",
            [evidence[n]["call"] for n in answers if n in ("nothing", "weight", "running")],
            unasked=True,
        )


def _meant(value: Mapping[str, Any]) -> bool | None:
    """The answer that was meant, also by a tensor or a number."""
    tensor = as_tensor(value)
    if tensor is not None:
        return bool(tensor.all())
    return bool(value["value"]) if "value" in value else None


# ---------------------------------------------------------------------- fine_tune


class _Noting(nn.BatchNorm1d):
    """A BatchNorm that writes down what it is told, by which a probe tells a freeze undone from one never made."""

    notes: _Notes | None = None

    def train(self, mode: bool = True) -> _Noting:
        if self.notes is not None:
            self.notes.trained.append(mode)
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.notes is not None:
            self.notes.passes.append(self.training)
        return super().forward(x)


class _Learning(nn.Module):
    """A layer that writes down if something is learned from a pass that it made in evaluation mode."""

    notes: _Notes | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        if self.notes is not None and not self.training and out.requires_grad:
            out.register_hook(lambda _: self.notes.idle.add(self._get_name()))
        return out


class _Norm1d(_Learning, nn.BatchNorm1d):
    pass


class _Dropout(_Learning, nn.Dropout):
    pass


class _Centre(nn.Module):
    """A layer with running statistics of its own that are no BatchNorm's, and that state_dict leaves out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("running_centre", torch.zeros(width), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                self.running_centre.lerp_(x.mean(0), 0.1)
        return (x - self.running_centre) * self.gain


class _Tunable(nn.Module):
    """(N, 6) to (N, 3): a backbone to freeze; neck and head learn."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(6, 12), _Noting(12), nn.Tanh(),
            nn.Sequential(nn.Linear(12, 10), nn.BatchNorm1d(10, affine=False)),
        )  # fmt: skip
        self.neck = nn.Sequential(nn.Linear(10, 10), _Norm1d(10), nn.Tanh(), _Dropout(p))
        self.head = nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.neck(self.backbone(x)))


class _Homemade(nn.Module):
    """(N, 6) to (N, 3): what is frozen keeps statistics, and is no BatchNorm; the learning part is not at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(6, 12), _Norm1d(12), nn.Tanh())
        self.centre = _Centre(12)
        self.last = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.centre(self.first(x)))


class _NotedLoss:
    """A batch mean that writes down what it was: value, samples, whether it can be learned from, and whether it is of
    the same labels as the one before.
    """

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self._labels: list[torch.Tensor] = []

    def __call__(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        # not the usual loss, so that whoever computes another one is seen
        loss = 1.5 * F.cross_entropy(logits, y, label_smoothing=0.1)
        again = bool(self._labels) and self._labels[-1].untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
        self._labels.append(y)
        self.calls.append([float(loss.detach()), len(y), loss.requires_grad, again])
        return loss


#: Epochs asked for in each case; none more than its check needs.
_EPOCHS = {"backbone": 2, "inner": 2, "homemade": 2, "tiny": 1}


@contextmanager
def _at_every_step(look: Callable[..., None]) -> Iterator[None]:
    handle = register_optimizer_step_pre_hook(look)
    try:
        yield
    finally:
        handle.remove()


class FineTune(Exercise):
    id = "transfer.fine_tune"
    title = "Training what requires grad, and nothing else"
    problem_set = _SET
    stars, minutes = 3, 40
    parameters = ("model", "loader", "loss_fn", "epochs", "lr", "seed")
    timeline = True
    at_stake = ("bn-drifts-when-frozen", "freeze-undone-by-train", "optimizer-holds-frozen", "global-rng-disturbed")
    checks = (
        Check("trains", "What requires grad is trained, in training mode, with the learning rate given", 1,
              sections.FROZEN_FEATURES),
        Check("weights", "Frozen parameters come back bit for bit", 1, sections.DO_FROZEN_WEIGHTS_MOVE),
        Check("buffers", "Buffers of frozen modules come back bit for bit", 1, sections.FROZEN_YET_MOVING),
        Check("losses", "One float per epoch: the mean loss per sample", 1, sections.PER_SAMPLE),
        Check("repeatable", "The seed decides; modes and random state come back as found", 1, sections.REPEATABLE_RUNS),
    )  # fmt: skip
    case_names = ("backbone", "inner", "homemade", "tiny")

    def _model(self, case: Case) -> nn.Module:
        if case.name == "homemade":
            model = build(_Homemade, case.seed, double=True).eval()
            model.centre.gain.requires_grad_(False)
            model.last.requires_grad_(False)
            model.first[1].weight.requires_grad_(False)  # its bias learns
            return model
        model = build(lambda: _Tunable(0.3 if case.name == "inner" else 0.0), case.seed, double=True).train()
        model.backbone.requires_grad_(False)
        if case.name == "inner":
            model.neck[1].requires_grad_(False)
            model.backbone[3].eval()
        return model

    def _data(self, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
        x = inputs(case.seed + 1, 14, 6, double=True)
        y = (x[:, :3] + 0.3 * x[:, 3:]).argmax(1)
        y[-2:] = (y[-2:] + 1) % 3  # the short last batch is the hard one
        return x, y

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        evidence = self._run(case, candidate, probe)
        if case.name == "inner":
            evidence["again"] = self._run(case, candidate, probe, salt=6)
            evidence["reseeded"] = self._run(case, candidate, probe, seed=1)
        elif case.name == "tiny":
            evidence["fresh"] = self._run(case, candidate, probe, fresh=True)
            with torch.no_grad():
                evidence["unrecorded"] = self._run(case, candidate, probe, fresh=True)
        return evidence

    def _run(
        self, case: Case, candidate: Any, probe: Probe, *, salt: int = 5, seed: int = 0, fresh: bool = False
    ) -> dict[str, Any]:
        model, (x, y), loss_fn, notes = self._model(case), self._data(case), _NotedLoss(), _Notes()
        if case.name in ("inner", "tiny") and not fresh:
            _fill_grads(model, case)
        for layer in model.modules():
            if isinstance(layer, _Noting) or (isinstance(layer, _Learning) and not _all_frozen(layer)):
                layer.notes = notes
        if case.name == "inner":
            loader = noisy_loader(x, y, batch_size=4, shuffle=True)
        else:  # the tiny steps are one step, whose direction can be judged for any optimizer
            loader = quiet_loader(x, y, batch_size=14 if case.name == "tiny" else 4)
        state: dict[str, torch.Tensor] = {}
        held: set[str] = set()

        def take(value: Any) -> dict[str, Any]:
            state.update(_values(model))
            return describe(value)

        def look(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            used = {id(p) for group in optimizer.param_groups for p in group["params"] if p.grad is not None}
            held.update(n for n, p in model.named_parameters() if id(p) in used and not p.requires_grad)

        lr = 1e-10 if case.name == "tiny" else 0.05
        with seeded(case.seed + salt), _at_every_step(look):
            record = probe.call(
                candidate, model, loader, loss_fn, _EPOCHS[case.name], lr, case.seed % 1000 + seed,
                models={"model": model}, tensors={"x": x, "y": y}, take=take,
            )  # fmt: skip
        return {
            "call": record, "state": state, "losses": loss_fn.calls, "held": sorted(held), "told": notes.trained,
            "live": any(notes.passes), "idle": sorted(notes.idle),
        }  # fmt: skip

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records = []
        for name in self.case_names:
            record = evidence[name]["call"]
            if not verdict.ended(record):
                return
            records.append(record)
        if not any(r["params"] or any(k["kind"] == "step" for k in r["rows"]) for r in records):
            unrecorded = evidence["backbone"]["losses"] and not any(c[2] for c in evidence["backbone"]["losses"])
            verdict.stop("grad-disabled-in-training" if unrecorded else "wrong-result", expected="the model is trained",
                         seen="no parameter changed", cause=None if unrecorded else "")  # fmt: skip
            return
        inner, again = evidence["inner"], evidence["inner"]["again"]
        unsteady = again["call"]["ended"] == "returned" and bool(_moved(inner["state"], again["state"]))
        for name, case in cases.items():
            start, found = self._model(case), evidence[name]
            lost = [
                n for n, t in _values(start).items() if n not in found["state"] or found["state"][n].shape != t.shape
            ]
            if lost:
                verdict.stop("wrong-result", expected="the model keeps all parameters and buffers",
                             seen=f"{_names(lost)} is gone, or has another shape", cause="")  # fmt: skip
                return
            self._trains(verdict, case, start, found, unsteady=unsteady)
            self._weights(verdict, start, found)
            self._buffers(verdict, start, found)
            self._losses(verdict, found, _EPOCHS[name])
        self._repeatable(verdict, evidence, records)

    def _trains(
        self, verdict: Verdict, case: Case, start: nn.Module, found: Mapping[str, Any], *, unsteady: bool
    ) -> None:
        name, record, before, after = case.name, found["call"], _values(start), found["state"]
        if name == "tiny":
            moved = {n: after[n] - before[n] for n, p in start.named_parameters() if p.requires_grad}
            far = [n for n, d in moved.items() if float(d.abs().max()) > 1e-5]
            verdict.require("trains", not far, "nondeterministic" if unsteady else "wrong-result",
                            expected="with a learning rate of 1e-10 hardly anything moves",
                            seen=f"{_names(far)} moved by more than 1e-5",
                            cause=None if unsteady else "The learning rate given is not the one used.")  # fmt: skip
            along = torch.cat([d.flatten() for d in moved.values()])
            uphill = float(F.cosine_similarity(along, self._gradient(case), dim=0, eps=0.0).nan_to_num())
            verdict.require("trains", uphill < 0.3, expected="a step goes down the loss", seen="it goes up", cause="")
            fresh = found["fresh"]
            if fresh["call"]["ended"] != "returned" or found["held"]:  # held: told of the frozen ones already
                return
            stale = [n for n in moved if float((after[n] - fresh["state"][n]).abs().max()) > 1e-13]
            verdict.require("trains", not stale, "nondeterministic" if unsteady else "zero-grad-missing",
                            expected="the same first step, whether gradients are left over from earlier or not",
                            seen=f"with such gradients, {_names(stale)} moved otherwise")  # fmt: skip
            return
        # the bias before a BatchNorm in training mode does nothing
        idle = ("neck.0.bias", "first.0.bias")
        asked = [n for n, p in start.named_parameters() if p.requires_grad and n not in idle]
        still = [n for n in asked if torch.equal(before[n], after[n])]
        losses = [c[0] for c in found["losses"] if c[2]]
        expected = "everything that requires grad is trained, in training mode, from fresh gradients"
        if not losses and found["losses"]:
            verdict.fail("trains", "grad-disabled-in-training", expected=expected, seen="no loss could be learned from")
        verdict.require("trains", not still, expected=expected, seen=f"{_names(still)} did not move",
                        cause="The optimizer does not hold everything that requires grad.")  # fmt: skip
        if name != "inner":
            norm = "neck.1" if name == "backbone" else "first.1"
            verdict.require("trains", not torch.equal(before[f"{norm}.running_mean"], after[f"{norm}.running_mean"]),
                            "train-never-called", expected=expected,
                            seen=f"the running statistics of {norm}, which learns, did not move")  # fmt: skip
        seen = "was learned from passes in evaluation mode of"
        verdict.require("trains", "_Norm1d" not in found["idle"], "train-never-called", expected=expected,
                        seen=f"something {seen} a BatchNorm that learns")  # fmt: skip
        verdict.require("trains", not found["idle"], "dropout-missing", expected=expected,
                        seen=f"something {seen} a Dropout that is part of no frozen module")  # fmt: skip
        verdict.require("trains", "zero-grad-missing" not in record["rules"], "zero-grad-missing", expected=expected,
                        seen="gradients of the last step were still there at the next backward")  # fmt: skip

    def _gradient(self, case: Case) -> torch.Tensor:
        """Of the loss over all samples, at the start, for everything that requires grad."""
        model, (x, y) = self._model(case), self._data(case)
        model.zero_grad()
        model.train()
        model.backbone.eval()
        _NotedLoss()(model(x), y).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])

    def _weights(self, verdict: Verdict, start: nn.Module, found: Mapping[str, Any]) -> None:
        before, frozen = _values(start), [n for n, p in start.named_parameters() if not p.requires_grad]
        strayed = [n for n in frozen if not torch.equal(before[n], found["state"][n])]
        flags = found["call"]["requires_grad"]
        expected = "every parameter with requires_grad=False is the same, bit for bit"
        mistake = "optimizer-holds-frozen" if found["held"] else "frozen-weights-move"
        verdict.require("weights", not strayed, mistake, expected=expected, seen=f"{_names(strayed)} moved")
        verdict.require("weights", not flags, "frozen-weights-move", expected="every requires_grad flag is as it was",
                        seen=f"{_names([f.partition('.')[2] for f in flags])} changed")  # fmt: skip

    def _buffers(self, verdict: Verdict, start: nn.Module, found: Mapping[str, Any]) -> None:
        before = _values(start)
        kept = [
            f"{n}.{b}" if n else b for n, m in start.named_modules() if _all_frozen(m) for b, _ in m.named_buffers()
        ]
        strayed = sorted({n for n in kept if not torch.equal(before[n], found["state"][n])})
        mistake = "bn-drifts-when-frozen"
        told = found["told"]
        if False in told and found["live"] and True in told[told.index(False) :]:
            mistake = "freeze-undone-by-train"
        asleep = {r["module"] for r in found["call"]["rows"] if r["kind"] == "forward" and r["training"] is False}
        if any(n.startswith(f"{container}.") for n in strayed for container in asleep):
            mistake = "root-flag-only"  # the container is in evaluation mode, what it holds is not
        verdict.require("buffers", not strayed, mistake, expected="buffers of frozen modules are the same, bit for bit",
                        seen=f"{_names(strayed)} moved")  # fmt: skip

    def _losses(self, verdict: Verdict, found: Mapping[str, Any], count: int) -> None:
        listed = items(found["call"]["value"])
        expected = f"a list with one float per epoch, here {count}: its mean loss per sample"
        if listed is None or len(listed) != count:
            seen = named(found["call"]["value"]) if listed is None else f"{len(listed)} entries"
            verdict.fail("losses", "wrong-result", expected=expected, seen=seen, cause="")
            return
        odd = next((i for i in listed if as_float(i) is None), None)
        if odd is not None:
            tensor = odd["type"] == "Tensor" or "number" in odd
            verdict.fail("losses", "tensor-not-float" if tensor else "wrong-result", expected=expected,
                         seen=f"an entry is {named(odd)}", cause=None if tensor else "")  # fmt: skip
            return
        got = [as_float(i) for i in listed]
        ways = [_epochs(calls, 14) for calls in (found["losses"], *_once_a_batch(found["losses"]))]
        ways = [epochs for epochs in ways if epochs is not None and len(epochs) == count]
        if not ways:
            samples = sum(c[1] for c in found["losses"] if c[2])
            verdict.fail("losses", "wrong-result", expected=f"loss_fn is computed for all {14 * count} samples",
                         seen=f"for {samples}, all epochs together", cause="")  # fmt: skip
            return

        def told(averages: Callable[[_Epoch], list[float]]) -> bool:
            rows = (zip(got, map(averages, epochs), strict=True) for epochs in ways)
            return any(all(any(near(g, w, rtol=1e-6, atol=1e-9) for w in known) for g, known in row) for row in rows)

        by_batch = told(lambda epoch: [epoch.by_batch])
        verdict.require(
            "losses", told(lambda epoch: epoch.means), "batch-mean-of-means" if by_batch else "wrong-result",
            expected=f"{ways[0][0].means[0]:.4g} after the first epoch, the mean over its samples",
            seen=f"{got[0]:.4g}", cause=None if by_batch else "",
        )  # fmt: skip

    def _repeatable(self, verdict: Verdict, evidence: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        inner = evidence["inner"]
        again, other = inner["again"], inner["reseeded"]
        if again["call"]["ended"] == "returned":
            strayed = _moved(inner["state"], again["state"])
            verdict.require(
                "repeatable", not strayed and inner["call"]["value"] == again["call"]["value"], "nondeterministic",
                expected="one start and seed give the same weights, bit for bit, whatever the caller's random state",
                seen=f"{len(strayed)} tensors differ between two runs",
            )  # fmt: skip
        if other["call"]["ended"] == "returned" and not verdict.failed("repeatable"):
            verdict.require("repeatable", bool(_moved(inner["state"], other["state"])),
                            expected="another seed gives another order of samples and other dropout masks",
                            seen="the same weights with another seed",
                            cause="The seed given is not the one used.")  # fmt: skip
        for record in records:
            verdict.require("repeatable", not record["rng_moved"], "global-rng-disturbed",
                            expected="the caller's random state is as it was",
                            seen="it is another one after the call")  # fmt: skip
        judge_modes(verdict, "repeatable", records)
        # nobody says that a caller under no_grad is to be served, but it is to stay under it
        unrecorded = evidence["tiny"]["unrecorded"]["call"]
        judge_grad_mode(verdict, "repeatable", [unrecorded] if "grad_before" in unrecorded else [])
        for record in records:
            judge_undisturbed(verdict, "repeatable", record, may=("params", "buffers", "grads", "rng", "requires_grad"))


def _all_frozen(module: nn.Module) -> bool:
    """It has parameters, and none of them requires grad."""
    return any(True for _ in module.parameters()) and _frozen(module)


@dataclass(slots=True)
class _Epoch:
    """Averages of one epoch: over samples as it trained, then over samples measured afterwards; and over batches."""

    means: list[float]
    by_batch: float


def _epochs(calls: Sequence[Sequence[Any]], samples: int) -> list[_Epoch] | None:
    """Split the noted losses into epochs of ``samples``; None if they do not add up."""
    epochs: list[_Epoch] = []
    open_: list[Sequence[Any]] = []
    measured: list[Sequence[Any]] = []
    for call in calls:
        (open_ if call[2] else measured).append(call)
        for part in (open_, measured):
            count = sum(c[1] for c in part)
            if count > samples:
                return None
            if count == samples:
                mean = sum(c[0] * c[1] for c in part) / samples
                if part is open_:
                    epochs.append(_Epoch([mean], sum(c[0] for c in part) / len(part)))
                elif epochs:
                    epochs[-1].means.append(mean)
                part.clear()
    return None if open_ else epochs


def _once_a_batch(calls: Sequence[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """The noted losses with one of each batch, where some were computed more often: the first, the last, their mean."""
    runs: list[dict[bool, list[Sequence[Any]]]] = []
    for call in calls:
        if not (runs and call[3]):
            runs.append({})
        runs[-1].setdefault(call[2], []).append(call)
    batches = [[c for c in part if c[1] == max(c[1] for c in part)] for run in runs for part in run.values()]
    if len(batches) < len(calls):
        yield [batch[0] for batch in batches]
        yield [batch[-1] for batch in batches]
        yield [[sum(c[0] for c in batch) / len(batch), *batch[0][1:]] for batch in batches]


# ---------------------------------------------------------------------- unfreeze


class _Stages(nn.Module):
    """(N, 6) to (N, 3) in three children; stem and body have been frozen, and the body holds a nested block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8))
        self.body = nn.Sequential(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.3)), nn.Tanh())
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(torch.tanh(self.stem(x))))


class Unfreeze(Exercise):
    id = "transfer.unfreeze"
    title = "Waking one child of a model"
    problem_set = _SET
    stars, minutes = 2, 20
    parameters = ("model", "optimizer", "name", "lr")
    at_stake = ("not-unfrozen", "duplicate-param-group", "blanket-train-restore")
    checks = (
        Check("awake", "The child requires grad and is in training mode, at every depth", 1, sections.UNFREEZING),
        Check("group", "Its parameters are one new group of the optimizer, with the learning rate given", 1,
              sections.UNFREEZING),
        Check("others", "All other modules, flags and groups stay", 1, sections.LASTING_FREEZE),
        Check("refusal", "ValueError if the optimizer holds one of the parameters, and nothing has changed", 1,
              sections.UNFREEZING),
    )  # fmt: skip
    _NORMAL = ("train", "asleep", "numbered", "groups")
    _HELD = ("held", "one held", "tied")
    case_names = (*_NORMAL, *_HELD)

    def _scene(self, case: Case) -> tuple[nn.Module, torch.optim.Optimizer, str, torch.Tensor]:
        """The model, an optimizer that has made a step, the child's name, inputs."""
        name = case.name
        child = "1" if name == "numbered" else "body"
        if name == "numbered":
            model: nn.Module = build(lambda: nn.Sequential(*_Stages().children()), case.seed, double=True)
        else:
            model = build(_Stages, case.seed, double=True)
        parts = dict(model.named_children())
        frozen = [n for n in parts if n not in ("head", "2")]
        model.train(name != "asleep")
        for n in frozen:
            parts[n].requires_grad_(False).eval()
        head = parts["2" if name == "numbered" else "head"]
        if name == "train":  # whose name begins like the child's
            model.register_module("body2", copy.deepcopy(model.stem))
        elif name == "groups":  # other parameters with the same values
            model.register_module("twin", copy.deepcopy(model.body[0][0]).requires_grad_(True).train())
        elif name == "tied":
            model.register_module("twin", nn.Linear(8, 8).double())
            with torch.no_grad():
                model.twin.bias.zero_()
            model.twin.weight = model.body[0][0].weight
        learning = list(head.parameters())
        groups: list[dict[str, Any]] = [{"params": learning}]
        if name == "held":
            groups = [{"params": list(model.parameters())}]
        elif name == "one held":
            last = {"params": [list(parts[child].parameters())[-1]], "lr": 0.003}
            groups = [{"params": [head.weight]}, last, {"params": [head.bias]}]  # neither the first nor the last group
        elif name == "tied":
            groups.append({"params": list(model.twin.parameters())})
        elif name == "groups":
            groups = [{"params": [head.weight, *model.twin.parameters()], "lr": 0.02},
                      {"params": [head.bias], "weight_decay": 0.0}]  # fmt: skip
        if name in ("train", "held"):
            optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.01)
        g = case.generator(7)
        for p in head.parameters():
            p.grad = torch.randn(p.shape, generator=g).double()
        optimizer.step()
        return model, optimizer, child, inputs(case.seed + 1, 9, 6, double=True)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model, optimizer, child, x = self._scene(case)
        groups, known = _groups(model, optimizer), _bool_attributes(model)
        state = _optimizer_state(optimizer)
        with torch.set_grad_enabled(case.name != "asleep"):
            record = probe.call(candidate, model, optimizer, child, _NEW_LR, models={"model": model}, rows=False)
        evidence = {"call": record, "before": groups, "after": _groups(model, optimizer),
                    "state": _moved(state, _optimizer_state(optimizer)),
                    "typo": [n for n in _bool_attributes(model) if n not in known]}  # fmt: skip
        if case.name in self._NORMAL and record["ended"] == "returned":
            evidence["moved"] = {}
            before = _values(model)

            def learn() -> None:
                optimizer.zero_grad()
                with seeded(case.seed):
                    model(x).square().mean().backward()
                optimizer.step()

            evidence["learn"] = probe.call(learn, rows=False)
            evidence["moved"] = _moved(before, _values(model))
        return evidence

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        did = False
        for name in self._NORMAL:
            found = evidence[name]
            record = found["call"]
            if name == "groups" and "ValueError" in record.get("kinds", ()):
                verdict.fail("refusal", "wrong-result", expected="no error: the optimizer holds none of the child's "
                             "parameters, only others with the same values", seen="ValueError", cause="")  # fmt: skip
                continue
            if not verdict.ended(record):
                return
            did = did or bool(record["requires_grad"]) or found["before"] != found["after"]
            did = did or record["modes_before"] != record["modes_after"]
            model, _, child, _ = self._scene(cases[name])
            self._awake(verdict, model, child, found)
            self._group(verdict, model, child, found)
            self._others(verdict, model, child, found)
        for name in self._HELD:
            self._refusal(verdict, name, evidence[name])
        if not did:
            verdict.stop("not-unfrozen", expected="the child is trained again", seen="no flag, mode or group changed",
                         cause="")  # fmt: skip

    def _awake(self, verdict: Verdict, model: nn.Module, child: str, found: Mapping[str, Any]) -> None:
        record, part = found["call"], model.get_submodule(child)
        woken = {n.partition(".")[2] for n in record["requires_grad"]}
        wanted = [f"{child}.{n}" for n, _ in part.named_parameters()]
        still = [n for n in wanted if n not in woken]
        mistake = "requires-grad-typo" if found["typo"] else "not-unfrozen"
        verdict.require("awake", not still, mistake, expected="every parameter of the child requires grad",
                        seen=f"{len(still)} of {len(wanted)} do not")  # fmt: skip
        after = record["modes_after"]["model"]
        inside = [n for n in after if n == child or n.startswith(child + ".")]
        asleep = [n for n in inside if not after[n]]
        root_only = asleep == [n for n in inside if n != child]
        verdict.require("awake", not asleep, "root-flag-only" if root_only else "not-unfrozen",
                        expected="every module in the child is in training mode",
                        seen=f"{len(asleep)} of {len(inside)} are in evaluation mode")  # fmt: skip

    def _group(self, verdict: Verdict, model: nn.Module, child: str, found: Mapping[str, Any]) -> None:
        before, after = found["before"], found["after"]
        wanted = sorted(f"{child}.{n}" for n, _ in model.get_submodule(child).named_parameters())
        expected = f"one new parameter group with all of the child's parameters and lr {_NEW_LR}"
        new = after[len(before) :]
        held = {n for group in after for n in group["names"]}
        if not new:
            inside = set(wanted) <= held
            verdict.fail("group", "wrong-result" if inside else "not-unfrozen", expected=expected,
                         seen="the child's parameters joined an old group" if inside else "no new group",
                         cause="" if inside else None)  # fmt: skip
            return
        names = sorted(n for group in new for n in group["names"])
        right = verdict.require("group", len(new) == 1 and names == wanted, expected=expected,
                                seen=f"{len(new)} new with {len(names)} of its {len(wanted)} parameters"
                                if set(names) <= set(wanted) else "parameters outside of the child in a new group",
                                cause="")  # fmt: skip
        lr = new[0]["options"].get("lr")
        verdict.require("group", not right or (isinstance(lr, (int, float)) and near(lr, _NEW_LR, rtol=1e-9, atol=0.0)),
                        expected=expected, seen=f"its lr is {lr}",
                        cause="The learning rate given is not the one used.")  # fmt: skip
        if not verdict.ended(found["learn"], ["group"]) or verdict.failed("awake"):
            return
        still = [n for n in wanted if n.endswith("weight") and n not in found["moved"]]
        verdict.require("group", not still, "not-unfrozen", expected="the next step moves the child's weights",
                        seen=f"{_names(still)} did not move")  # fmt: skip

    def _others(self, verdict: Verdict, model: nn.Module, child: str, found: Mapping[str, Any]) -> None:
        record = found["call"]
        other = [n.partition(".")[2] for n in record["requires_grad"]]
        other = [n for n in other if not n.startswith(child + ".")]
        verdict.require("others", not other, "frozen-weights-move", expected="the flags of all other parameters stay",
                        seen=f"{_names(other)} changed", cause="More than the one child was unfrozen.")  # fmt: skip
        was, now = (record[k]["model"] for k in ("modes_before", "modes_after"))
        strayed = [n for n in was if was[n] is not now.get(n) and n != child and not n.startswith(child + ".")]
        woken = any(now.get(n) for n in strayed)
        mistake = "blanket-train-restore" if woken else "mode-not-restored"
        verdict.require("others", not strayed, mistake, expected="all other modules keep their mode",
                        seen=f"{_names(strayed)} changed")  # fmt: skip
        kept = found["before"] == found["after"][: len(found["before"])]
        joined = any(set(b["names"]) < set(a["names"]) for b, a in zip(found["before"], found["after"], strict=False))
        if not (joined and verdict.failed("group")):
            verdict.require("others", kept and not found["state"], expected="the optimizer's groups and state stay",
                            seen="an old group changed" if not kept else "its state changed", cause="")  # fmt: skip
        judge_undisturbed(verdict, "others", record, may=("requires_grad",))

    def _refusal(self, verdict: Verdict, name: str, found: Mapping[str, Any]) -> None:
        record = found["call"]
        held = {"held": "all of them", "one held": "the last of them", "tied": "one that two layers share"}[name]
        expected = f"ValueError and nothing changed: the optimizer holds {held}"
        if record["ended"] == "returned":
            verdict.fail("refusal", "duplicate-param-group", expected=expected, seen="no error")
            return
        if record["ended"] != "raised" or "NotImplementedError" in record["kinds"]:
            verdict.ended(record, ["refusal"])
            return
        verdict.require("refusal", "ValueError" in record["kinds"], "duplicate-param-group", expected=expected,
                        seen=f"{record['error']}")  # fmt: skip
        changed = [what for what, differs in (
            ("flags", record["requires_grad"]), ("modes", record["modes_before"] != record["modes_after"]),
            ("groups", found["before"] != found["after"] or found["state"]),
            ("values", record["params"] or record["buffers"]),
        ) if differs]  # fmt: skip
        verdict.require("refusal", not changed, "duplicate-param-group", expected=expected,
                        seen=f"ValueError, but {' and '.join(changed)} had changed")  # fmt: skip


_NEW_LR = 0.0125


def _groups(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """The optimizer's groups as plain data: names of parameters, and the options that are numbers."""
    names = {id(p): n for n, p in model.named_parameters(remove_duplicate=True)}
    return [
        {
            "names": [names.get(id(p), "?") for p in group.get("params", ())],
            "options": {k: v if isinstance(v, (bool, int, float, str)) or v is None else str(v)[:80]
                        for k, v in group.items() if k != "params"},
        }
        for group in optimizer.param_groups
    ]  # fmt: skip


def _optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What the optimizer remembers of the parameters it holds, by their place in its groups."""
    held = [p for group in optimizer.param_groups for p in group.get("params", ())]
    return {f"{i}.{k}": v.detach().clone() for i, p in enumerate(held) for k, v in optimizer.state.get(p, {}).items()
            if isinstance(v, torch.Tensor)}  # fmt: skip


EXERCISES = (TrainableReport(), Freeze(), Classifier(), IsFrozen(), FineTune(), Unfreeze())
