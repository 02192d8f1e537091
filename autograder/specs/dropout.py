"""ps1: dropout by hand, repaired, found out, and put to use.

What is random is judged as in ``_masks``; the exercises say how many counts they make and how often they err.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from . import _sections as sections
from ._evidence import as_tensor, describe, items, named
from ._exercise import Case, Check, Exercise, Verdict
from ._judging import (
    blame,
    close,
    judge_modes,
    judge_no_graph,
    judge_undisturbed,
    live_words,
    mode_mistake,
    passes,
    samples_seen,
)
from ._masks import (
    FALSE_ALARM,
    SAME_COUNTS,
    Drops,
    Mistake,
    about,
    mask_mistake,
    nothing_done,
    scale_mistake,
    solid,
    surprising,
)
from ._models import (
    POISON,
    Dense,
    ForwardFailed,
    NormOnly,
    _CaseModel,
    build,
    eval_logits,
    fill_grads,
    inputs,
    mixed_modes,
    seeded,
)
from ._own_modules import awake, make, other_switch, switches_as_any_module, switching_raised, why_awake, why_random
from ._probe import Probe

_SET = "ps1-dropout"

Record = Mapping[str, Any]

# ---------------------------------------------------------------------- shared by the set

_CALLS = 6
#: torch.rand gives 0 once in 2 ** 24: of so few elements `rand > p` drops one at p = 0 less than once in a million.
_FEW = 6
_DRAWS_EARLY = "The mask is drawn before asking whether one is needed."


def _between(case: Case, low: float, high: float) -> float:
    """A number of this case's own, with two decimals."""
    return round(low + (high - low) * float(torch.rand((), generator=case.generator())), 2)


def _p(case: Case) -> float:
    """Away from 0.5, where keeping and dropping cannot be told apart."""
    low, high = {"rows": (0.2, 0.36), "planes": (0.62, 0.8)}.get(case.name, (0.25, 0.4))
    return _between(case, low, high)


def _state() -> str:
    return hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()[:16]


def _drawn_by_library(record: Record) -> bool:
    return any(r["kind"] == "dropout" for r in record.get("rows", ()))


def _outputs(verdict: Verdict, check: str, x: torch.Tensor, records: Sequence[Record]) -> list[torch.Tensor] | None:
    """The tensors that calls on ``x`` returned; says what is wrong with their form."""
    found = []
    for record in records:
        y = as_tensor(record["value"])
        if y is None or y.shape != x.shape or y.dtype != x.dtype:
            seen = named(record["value"]) + (f" of {y.dtype}" if y is not None and y.shape == x.shape else "")
            blame(
                verdict, check, "wrong-result", expected=f"a tensor like the input, {tuple(x.shape)}, {x.dtype}",
                seen=seen,
            )
            return None
        if not bool(torch.isfinite(y).all()):
            blame(verdict, check, "wrong-result", expected="finite numbers for finite inputs", seen="NaN or infinity")
            return None
        found.append(y)
    return found


def _with_gradient(leaf: torch.Tensor, weight: torch.Tensor) -> Callable[[Any], dict[str, Any]]:
    """Write down a result, and the gradient of its weighted sum with respect to ``leaf``: None where there is none."""

    def take(y: Any) -> dict[str, Any]:
        grad = None
        if isinstance(y, torch.Tensor) and y.requires_grad and y.shape == weight.shape:
            grad = torch.autograd.grad(y, leaf, weight.to(y.dtype), allow_unused=True)[0]
        return {"y": describe(y), "grad": describe(grad)}

    return take


def _judge_gradient(
    verdict: Verdict, check: str, value: Record, weight: torch.Tensor, factor: float | None, when: str = ""
) -> None:
    """``factor`` None: as through the identity; else survivors' gradients are multiplied by it, the others are 0."""
    y, grad = as_tensor(value["y"]), as_tensor(value["grad"])
    expected = (
        f"a gradient of 1 for every element{when}" if factor is None
        else "a gradient of 1/(1 - p) for survivors, 0 for the dropped"
    )
    if grad is None:
        verdict.fail(
            check, "grad-disabled-in-training", expected=expected, seen="no gradient reaches the input",
            cause="The result was cut from its graph.",
        )
    elif factor is None or not verdict.failed(check):
        right = weight if factor is None else weight * (y != 0) * factor
        verdict.require(check, close(grad, right), expected=expected, seen="other gradients", cause="")


def _judge_mask(verdict: Verdict, wrong: Mistake | None, reseeded: bool, p: float) -> None:
    expected = f"each element is dropped on its own, with probability p = {p:g}, anew in each call"
    if wrong is None:
        verdict.require("mask", True, expected=expected, seen="")
    elif wrong[0] == "fixed-mask" and reseeded:
        verdict.fail(
            "mask", "global-rng-disturbed", expected=expected,
            seen="the same elements after any random state: the generator is seeded inside",
        )
    elif "exactly" in wrong[1]:
        verdict.fail(
            "mask", wrong[0], expected=expected, seen=wrong[1], cause="How many are dropped is left to chance too."
        )
    else:
        blame(verdict, "mask", wrong[0], expected=expected, seen=wrong[1])


def _judge_scale(
    verdict: Verdict, sets: Sequence[Drops], wrong: Mistake | None, evaluated: Sequence[tuple[Any, Any, float]]
) -> None:
    """``evaluated``: output, input and p of calls in evaluation, where some rescale instead."""
    found = scale_mistake(sets, wrong)
    if found is None:
        verdict.require("scale", True, expected="", seen="")
        return
    mistake, expected, seen = found
    if mistake == "no-rescale" and all(y is not None and close(y, x * (1.0 - p)) for y, x, p in evaluated):
        mistake = "rescale-at-eval"
    blame(verdict, "scale", mistake, expected=expected, seen=seen)


def _evaluation_mistake(record: Record, x: torch.Tensor) -> Mistake | None:
    """Why the output in evaluation is not the input."""
    y = as_tensor(record["value"])
    if y is None or y.shape != x.shape:
        return "wrong-result", named(record["value"])
    if torch.equal(y.to(x.dtype), x):
        return None
    if bool((y == 0).any()):
        mistake = "functional-dropout-always-on" if _drawn_by_library(record) else "dropout-in-eval"
        return mistake, f"{int((y == 0).sum())} of {y.numel()} elements became zero"
    ratios = y.double() / x.double()
    if about(ratios, float(ratios.mean())):
        return "rescale-at-eval", f"the input multiplied by {float(ratios.mean()):.3g}"
    return "wrong-result", "NaN" if bool(y.isnan().any()) else "other numbers"


def _judge_no_draw(verdict: Verdict, check: str, record: Record) -> None:
    verdict.require(
        check, not record["rng_moved"], "global-rng-disturbed", expected="evaluation draws no random numbers",
        seen="the global generator has moved", cause=_DRAWS_EARLY,
    )


def _judge_end(
    verdict: Verdict, check: str, record: Record, p: int, x: torch.Tensor, mistake: str = "p-edge-cases"
) -> None:
    """A training call with p = 0 or p = 1."""
    right, words = (x, "the input unchanged") if p == 0 else (torch.zeros_like(x), "zeros")
    expected = f"{words} for p = {p} in training"
    if record["ended"] == "raised" and "NotImplementedError" not in record["kinds"]:
        verdict.fail(check, mistake, expected=expected, seen=f"{record['error']}: {record['text']}"[:90])
    elif verdict.ended(record, [check]):
        y = as_tensor(record["value"])
        seen = named(record["value"])
        if y is not None and y.shape == x.shape:
            seen = "NaN" if bool(y.isnan().any()) else "infinity" if bool(y.isinf().any()) else "other numbers"
        verdict.require(
            check, y is not None and torch.equal(y.to(x.dtype), right), mistake, expected=expected, seen=seen
        )


def _amid_training(model: nn.Module, x: torch.Tensor, seed: int) -> None:
    """Gradients and flags of the caller's own, so that it shows who clears or sets them."""
    fill_grads(model, seed)
    next(model.parameters()).requires_grad_(False)
    x.requires_grad_(True).grad = inputs(seed + 1, *x.shape).to(x.dtype)


# ---------------------------------------------------------------------- inverted_dropout


class InvertedDropout(Exercise):
    """Statistical: at most 30 binomial counts and a comparison (see ``_masks``)."""

    id = "dropout.inverted_dropout"
    title = "Inverted dropout by hand"
    problem_set = _SET
    false_alarm = 30 * FALSE_ALARM + SAME_COUNTS
    stars, minutes = 1, 20
    parameters = ("x", "p", "training", "generator")
    at_stake = ("keep-drop-swapped", "no-rescale", "shared-mask", "p-edge-cases", "generator-ignored")
    checks = (
        Check("mask", "In training each element is dropped on its own, with probability p", 1, sections.ONE_BY_ONE),
        Check("scale", "Survivors and their gradients are scaled by 1/(1-p)", 1, sections.INVERTED_SCALING),
        Check(
            "ends", "Evaluation and p = 0 change nothing, p = 1 gives zeros, other p are refused", 1, sections.ENDS_OF_P
        ),
        Check(
            "source", "Random numbers come from where they should, and nothing else is touched", 1,
            sections.RANDOM_SOURCE,
        ),
    )
    case_names = ("rows", "planes", "default", "ends")

    def _x(self, case: Case) -> torch.Tensor:
        shape = {"rows": (48, 64), "planes": (6, 4, 12, 12), "default": (67,)}.get(case.name, (6, 20))
        return solid(case.seed + 1, *shape, double=case.name == "planes")

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        p = _p(case)
        marks: list[str] = []

        def call(turn: int, *args: Any, few: bool = False, **kwargs: Any) -> dict[str, Any]:
            """A call on an input of its own, so that who changes it changes no other call."""
            x = self._x(case)[:_FEW, 0].clone() if few else self._x(case)

            def take(value: Any) -> Any:
                marks.append(_state())
                return describe(value)

            with seeded(case.seed + 100 + turn):
                return probe.call(candidate, x, *args, tensors={"x": x}, take=take, **kwargs)

        if case.name == "rows":
            records = [call(i, p=p, training=True) for i in range(_CALLS)]
            reseeded = len(set(marks)) == 1
            with torch.no_grad():
                return {"calls": records, "reseeded": reseeded, "no grad": call(_CALLS, p=p)}
        if case.name == "planes":
            return self._generators(case, call, p)
        if case.name == "default":
            return self._defaults(case, candidate, probe)
        return {
            "evaluation": call(0, p=p, training=False), "evaluation at 1": call(1, p=1.0, training=False),
            "zero": call(2, p=0.0, few=True), "one": call(3, p=1.0, few=True),
            "below": call(4, p=-0.1), "above": call(5, p=1.5, generator=torch.Generator().manual_seed(1)),
            "below in evaluation": call(6, p=-0.1, training=False, few=True),
            "above in evaluation": call(7, p=1.5, training=False, few=True),
        }

    def _generators(self, case: Case, call: Any, p: float) -> dict[str, Any]:
        """One generator twice in a row, its twin under another global state, and one of another seed."""
        seed = case.seed % 10_000
        generator, twin, other = (torch.Generator().manual_seed(s) for s in (seed, seed, seed + 1))
        start = generator.get_state()
        return {
            "first": call(0, p, True, generator), "advanced": not torch.equal(start, generator.get_state()),
            "second": call(0, p=p, training=True, generator=generator),
            "twin": call(1, p=p, training=True, generator=twin), "other": call(0, p=p, training=True, generator=other),
        }

    def _defaults(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        """Defaults, positional arguments, and gradients through a tensor that is no leaf."""
        evidence: dict[str, Any] = {}
        generator = torch.Generator().manual_seed(1)
        state = generator.get_state()
        for turn, (name, args) in enumerate(
            (
                ("bare", ()), ("positional", (0.5, True, None)), ("evaluation", (0.5, False, generator)),
                ("zero", (0.0,)),
            )
        ):
            leaf = self._x(case)[: _FEW if name == "zero" else None].requires_grad_(True)
            x = leaf.clone()
            take = _with_gradient(leaf, solid(case.seed + 2, *x.shape))
            with seeded(case.seed + 200 + turn):
                evidence[name] = probe.call(candidate, x, *args, tensors={"x": x}, take=take)
        evidence["drew"] = not torch.equal(state, generator.get_state())
        return evidence

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        calls = evidence["rows"]["calls"]
        if not all(verdict.ended(r) for r in calls):
            return
        x = {name: self._x(case) for name, case in cases.items()}
        p = {name: _p(case) for name, case in cases.items()}
        rows = _outputs(verdict, "mask", x["rows"], calls)
        if rows is None:
            verdict.stop(
                "wrong-result", expected="a tensor like x, some elements zero", seen=named(calls[0]["value"]), cause=""
            )
            return
        sets = [Drops(x["rows"], rows, p["rows"])]
        planes = {k: evidence["planes"][k] for k in ("first", "second", "twin", "other")}
        drawn = None
        if [verdict.ended(r, ["source"]) for r in planes.values()] == [True] * 4:
            drawn = _outputs(verdict, "source", x["planes"], list(planes.values()))
        if drawn is not None:
            sets += [Drops(x["planes"], [y], p["planes"], fresh=False) for y in (drawn[0], drawn[3])]
        nothing = nothing_done(sets)
        if nothing:
            share = f"about {p['rows']:.0%} of the elements are zero after a training call with p = {p['rows']:g}"
            verdict.stop(
                nothing[0], expected=share, seen=nothing[1], cause="" if nothing[0] == "wrong-result" else None
            )
            return
        wrong = mask_mistake(sets)
        _judge_mask(verdict, wrong, evidence["rows"]["reseeded"], p["rows"])
        quiet = evidence["rows"]["no grad"]
        if verdict.ended(quiet, ["mask"]) and wrong is None:
            y = as_tensor(quiet["value"])
            verdict.require(
                "mask", y is not None and bool((y == 0).any()), "grad-mode-as-mode-flag",
                expected="training=True drops under no_grad too", seen="nothing was dropped",
            )
        ends = evidence["ends"]
        zero = evidence["default"]["zero"]
        evaluated = [(as_tensor(ends["evaluation"].get("value")), x["ends"], p["ends"])]
        _judge_scale(verdict, sets, wrong, evaluated)
        self._defaults_judged(verdict, evidence["default"], x["default"], cases["default"])
        self._ends(verdict, ends, x["ends"], wrong)
        if zero["ended"] == "returned" and not verdict.failed("ends"):
            _judge_gradient(verdict, "ends", zero["value"], solid(cases["default"].seed + 2, _FEW), None, " for p = 0")
        if drawn is not None:
            self._source(verdict, evidence["planes"], drawn, wrong)
        verdict.require(
            "source", not ends["above"].get("rng_moved"), "restore-skipped-on-exception",
            expected="with a generator given, an error leaves the global one as it was", seen="it was left changed",
            cause="It is given back only when all goes well.",
        )
        for record in (
            *calls, quiet, *planes.values(), *(evidence["default"][k] for k in ("bare", "positional")), *ends.values(),
        ):
            if record["ended"] == "returned":
                judge_undisturbed(verdict, "source", record, may=("rng",))
        for record in (ends["evaluation"], ends["evaluation at 1"], evidence["default"]["evaluation"]):
            if record["ended"] == "returned":
                _judge_no_draw(verdict, "source", record)

    def _defaults_judged(self, verdict: Verdict, known: Mapping[str, Any], x: torch.Tensor, case: Case) -> None:
        weight = solid(case.seed + 2, *x.shape)
        for name in ("bare", "positional"):
            if not verdict.ended(known[name], ["mask"]):
                continue
            y = as_tensor(known[name]["value"]["y"])
            if y is None or y.shape != x.shape:
                blame(
                    verdict, "mask", "wrong-result", expected=f"a tensor like the input, {tuple(x.shape)}",
                    seen=named(known[name]["value"]["y"]),
                )
                continue
            dropped = int((y == 0).sum())
            if not verdict.failed("mask"):
                verdict.require(
                    "mask", not surprising(dropped, y.numel(), 0.5), expected="p is 0.5 and training True by default",
                    seen=f"{dropped} of {y.numel()} elements became zero", cause="",
                )
            _judge_gradient(verdict, "scale", known[name]["value"], weight, 2.0)
        if verdict.ended(known["evaluation"], ["ends"]):
            y = as_tensor(known["evaluation"]["value"]["y"])
            if y is not None and torch.equal(y, x):
                _judge_gradient(verdict, "ends", known["evaluation"]["value"], weight, None)
            verdict.require(
                "source", not known["drew"], "global-rng-disturbed", expected="evaluation draws no random numbers",
                seen="the generator that was given has moved", cause=_DRAWS_EARLY,
            )

    def _ends(self, verdict: Verdict, ends: Mapping[str, Any], x: torch.Tensor, wrong: Mistake | None) -> None:
        edge = "keep-drop-swapped" if wrong and wrong[0] == "keep-drop-swapped" else "p-edge-cases"
        for name in ("evaluation", "evaluation at 1"):
            record = ends[name]
            if name == "evaluation at 1" and record["ended"] == "raised":
                verdict.fail(
                    "ends", edge, expected="evaluation returns x unchanged, for p = 1 too", seen=record["error"]
                )
            elif verdict.ended(record, ["ends"]):
                found = _evaluation_mistake(record, x)
                if found:
                    blame(verdict, "ends", found[0], expected="evaluation returns x unchanged", seen=found[1])
        _judge_end(verdict, "ends", ends["zero"], 0, x[:_FEW, 0], edge)
        _judge_end(verdict, "ends", ends["one"], 1, x[:_FEW, 0], edge)
        for name in ("below", "above", "below in evaluation", "above in evaluation"):
            record, p = ends[name], -0.1 if name.startswith("below") else 1.5
            when = " in evaluation too" if name.endswith("evaluation") else ""
            if record["ended"] == "timeout":
                verdict.ended(record, ["ends"])
            raised = record["ended"] == "raised"
            verdict.require(
                "ends", raised and "ValueError" in record["kinds"], "p-edge-cases",
                expected=f"a ValueError for p = {p:g}{when}", seen=record["error"] if raised else "no error",
            )

    def _source(
        self, verdict: Verdict, planes: Mapping[str, Any], drawn: Sequence[torch.Tensor], wrong: Mistake | None
    ) -> None:
        first, second, twin, other = drawn
        expected = "with a generator given, all random numbers come from it and none from the global one"
        same_seed, same_mask = torch.equal(first, twin), torch.equal(first, other)
        if not same_seed:
            verdict.fail(
                "source", "generator-ignored", expected=expected, seen="two generators of one seed gave two masks"
            )
        elif same_mask and not (wrong and wrong[0] == "shared-mask"):  # few decisions may well agree
            kept = wrong is not None and wrong[0] == "fixed-mask"
            verdict.fail(
                "source", "fixed-mask" if kept else "generator-ignored", expected=expected,
                seen="generators of two seeds gave the same mask",
            )
        elif any(planes[k]["rng_moved"] for k in ("first", "second", "twin", "other")):
            verdict.fail("source", "global-rng-disturbed", expected=expected, seen="the global generator moved too")
        else:
            verdict.require(
                "source", planes["advanced"] and (wrong or not torch.equal(first, second)), "fixed-mask",
                expected="the generator moves on, so that the next call draws another mask",
                seen="two calls with one generator gave the same mask",
            )


# ---------------------------------------------------------------------- Dropout


class DropoutLayer(Exercise):
    """Statistical: at most 20 binomial counts and a comparison (see ``_masks``)."""

    id = "dropout.Dropout"
    title = "Dropout as a layer"
    problem_set = _SET
    false_alarm = 20 * FALSE_ALARM + SAME_COUNTS
    stars, minutes = 1, 15
    wants = "class"
    parameters = ("p",)
    at_stake = ("own-training-flag", "fixed-mask", "dropout-in-eval", "library-layer-used")
    checks = (
        Check(
            "modes", "It follows its parent's train() and eval(), and in evaluation it changes nothing", 1,
            sections.WHO_IGNORES_EVAL,
        ),
        Check("mask", "Each training call draws a new mask, for each element on its own", 1, sections.ONE_BY_ONE),
        Check(
            "scale", "Survivors are scaled by 1/(1-p), gradients flow, the input is untouched", 1,
            sections.INVERTED_SCALING,
        ),
    )
    case_names = ("rows", "planes", "default")

    def _x(self, case: Case) -> torch.Tensor:
        shape = {"rows": (48, 64), "planes": (3, 6, 10, 10)}.get(case.name, (83,))
        return solid(case.seed + 1, *shape, double=case.name == "planes")

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        if case.name == "default":
            return self._defaults(case, candidate, probe)
        layer, made = make(probe, candidate, _p(case))
        if layer is None:
            return {"made": made}
        parent = nn.Sequential(nn.Identity(), nn.Sequential(layer))
        marks: list[str] = []

        def call(turn: int, mode: bool | None, x: torch.Tensor | None = None) -> dict[str, Any]:
            """A call on an input of its own, after switching the parent."""
            x = self._x(case) if x is None else x

            def run() -> Any:
                if mode is not None:
                    parent.train() if mode else parent.eval()
                return parent(x)

            def take(value: Any) -> Any:
                marks.append(_state())
                return describe(value)

            with seeded(case.seed + 100 + turn):
                return probe.call(run, models={"model": parent}, tensors={"x": x}, take=take)

        evidence: dict[str, Any] = {
            "made": made, "train": [call(i, None) for i in range(_CALLS if case.name == "rows" else 2)],
        }
        evidence["reseeded"] = len(set(marks)) == 1 and len(marks) > 2
        evidence["other shape"] = call(20, None, solid(case.seed + 3, 5, 7))
        with torch.no_grad():
            evidence["train, no grad"] = call(21, None)
        evidence["eval"] = [call(10 + i, False) for i in range(2)]
        evidence["flag"] = other_switch(layer, self._x(case), lambda y, x: torch.equal(y, x))
        evidence["again"] = call(22, True)
        evidence["itself"] = switches_as_any_module(probe, layer)
        return evidence

    def _defaults(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        evidence: dict[str, Any] = {}
        for name, args in (("made", ()), ("zero", (0.0,)), ("one", (1.0,))):
            layer, evidence[name] = make(probe, candidate, *args)
            if layer is None:
                continue
            leaf = (self._x(case) if name == "made" else self._x(case)[:_FEW].clone()).requires_grad_(name == "made")
            x = leaf.clone()
            take = _with_gradient(leaf, solid(case.seed + 2, *x.shape)) if name == "made" else describe
            with seeded(case.seed + 200):
                record = probe.call(layer, x, tensors={"x": x}, take=take)
            evidence["train" if name == "made" else name] = record
            if name == "one":
                x = self._x(case)[:_FEW].clone()
                evidence["one asleep"] = probe.call(lambda layer=layer, x=x: layer.eval()(x), tensors={"x": x})
        return evidence

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        if not _modules_made(verdict, evidence, self.name):
            return
        rows, planes, default = (evidence[n] for n in self.case_names)
        training = [*rows["train"], *planes["train"]]
        every = [*training, *(r for k in (rows, planes) for r in (*k["eval"], k["again"]))]
        if any(_drawn_by_library(r) for r in every):
            verdict.stop(
                "library-layer-used", expected="a mask of your own making", seen="PyTorch's own dropout was called"
            )
            return
        if not all(verdict.ended(r) for r in training):
            return
        sets = []
        for name in ("rows", "planes"):
            x = self._x(cases[name])
            outputs = _outputs(verdict, "mask", x, evidence[name]["train"])
            if outputs is None:
                return
            sets.append(Drops(x, outputs, _p(cases[name])))
        nothing = nothing_done(sets)
        if nothing:
            share = f"about {sets[0].p:.0%} of the elements are zero after a training call with p = {sets[0].p:g}"
            verdict.stop(
                nothing[0], expected=share, seen=nothing[1], cause="" if nothing[0] == "wrong-result" else None
            )
            return
        wrong = mask_mistake(sets)
        for known, drops in zip((rows, planes), sets, strict=True):
            self._modes(verdict, known, drops.x)
        _judge_mask(verdict, wrong, rows["reseeded"], sets[0].p)
        self._mask_elsewhere(verdict, (rows, planes), default)
        touched = any(r["ended"] == "returned" and r["inputs"] for r in every)
        verdict.require(
            "scale", not touched, "input-touched", expected="the input keeps its values", seen="x itself was changed"
        )
        evaluated = [
            (as_tensor(r.get("value")), s.x, s.p) for s, k in zip(sets, (rows, planes), strict=True) for r in k["eval"]
        ]
        _judge_scale(verdict, sets, wrong, evaluated)
        x = self._x(cases["default"])
        if default["train"]["ended"] == "returned":
            _judge_gradient(
                verdict, "scale", default["train"]["value"], solid(cases["default"].seed + 2, *x.shape), 2.0
            )
        swapped = wrong is not None and wrong[0] == "keep-drop-swapped"
        for name, p in (("zero", 0), ("one", 1)):
            _judge_end(verdict, "scale", default[name], p, x[:_FEW], "keep-drop-swapped" if swapped else "p-edge-cases")
        asleep = default.get("one asleep")
        if asleep is not None and not verdict.failed("modes") and verdict.ended(asleep, ["modes"]):
            y = as_tensor(asleep["value"])
            verdict.require(
                "modes", y is not None and torch.equal(y, x[:_FEW]), "dropout-in-eval",
                expected="the input unchanged in evaluation, for p = 1 too", seen=named(asleep["value"]),
            )
        for record in every:
            if record["ended"] == "returned":
                judge_undisturbed(verdict, "scale", {**record, "settings": []}, may=("rng", "buffers"))

    def _modes(self, verdict: Verdict, known: Mapping[str, Any], x: torch.Tensor) -> None:
        for record in (*known["eval"], known["again"]):
            if switching_raised(record):
                verdict.fail(
                    "modes", "train-override-broken", expected="the parent's train() and eval() reach the layer",
                    seen=f"{record['error']}: {record['text']}"[:120],
                )
            if not verdict.ended(record, ["modes"]):
                return
        for record in known["eval"]:
            found = _evaluation_mistake(record, x)
            if found:
                mistake, seen = found
                if mistake in ("dropout-in-eval", "wrong-result") and awake(record):
                    mistake, seen = "train-override-broken", f"{seen}; the layer's own flag still says training"
                elif mistake == "dropout-in-eval":
                    mistake = known["flag"] or mistake
                blame(
                    verdict, "modes", mistake, expected="after the parent's eval() the input comes back unchanged",
                    seen=seen,
                )
            _judge_no_draw(verdict, "modes", record)
        quiet = known["train, no grad"]
        if verdict.ended(quiet, ["modes"]):
            y = as_tensor(quiet["value"])
            verdict.require(
                "modes", y is not None and bool((y == 0).any()), "grad-mode-as-mode-flag",
                expected="in training mode it drops under no_grad too", seen="nothing was dropped",
            )
        y = as_tensor(known["again"]["value"])
        mistake = "dropout-missing" if awake(known["again"]) else "train-override-broken"
        verdict.require(
            "modes", y is not None and bool((y == 0).any()), mistake,
            expected="after the parent's train() the layer drops again", seen="nothing was dropped",
        )
        verdict.require(
            "modes", known["itself"], "train-override-broken",
            expected="train() and eval() set training and return the layer itself, as in every module",
            seen="something else",
        )

    def _mask_elsewhere(self, verdict: Verdict, known: Sequence[Mapping[str, Any]], default: Mapping[str, Any]) -> None:
        for other in (k["other shape"] for k in known):
            if verdict.failed("mask") or not verdict.ended(other, ["mask"]):
                continue
            y = as_tensor(other["value"])
            verdict.require(
                "mask", y is not None and tuple(y.shape) == (5, 7), expected="the next input may have another shape",
                seen=named(other["value"]), cause="",
            )
        if not verdict.failed("mask") and verdict.ended(default["train"], ["mask"]):
            y = as_tensor(default["train"]["value"]["y"])
            dropped = int((y == 0).sum()) if y is not None else 0
            verdict.require(
                "mask", y is not None and not surprising(dropped, y.numel(), 0.5), expected="p is 0.5 by default",
                seen=f"{dropped} elements became zero", cause="",
            )


def _modules_made(verdict: Verdict, evidence: Mapping[str, Any], name: str) -> bool:
    for known in evidence.values():
        if not verdict.ended(known["made"]):
            return False
        if not known["made"]["value"]["module"]:
            verdict.stop(
                "wrong-result", expected=f"{name}(...) makes an nn.Module", seen=known["made"]["value"]["type"],
                cause="",
            )
            return False
    return True


# ---------------------------------------------------------------------- Classifier


_ROWS = 160


class Classifier(Exercise):
    """Weights are set so that each output tells which masks it went through.

    Statistical: at most 6 binomial counts (see ``_masks``).
    """

    id = "dropout.Classifier"
    title = "A classifier whose dropouts ignore eval()"
    problem_set = _SET
    false_alarm = 6 * FALSE_ALARM
    stars, minutes = 2, 15
    wants = "class"
    parameters = ("n_in", "n_hidden", "n_out", "p")
    at_stake = ("functional-dropout-always-on", "dropout-not-registered", "dropout-missing")
    checks = (
        Check("evaluation", "After eval() nothing is dropped", 1, sections.WHO_IGNORES_EVAL),
        Check("training", "In training, dropout acts after both hidden activations", 1, sections.ONE_BY_ONE),
        Check(
            "network", "Three linear layers with ReLU between them, all of them trained", 1, sections.WHO_IGNORES_EVAL
        ),
    )
    case_names = ("narrow", "wide", "default")

    def _sizes(self, case: Case) -> tuple[int, int, int, float]:
        """n_in, n_hidden, n_out, all different so that a weight's shape tells its layer; p."""
        hidden = 10 + case.seed % 4
        if case.name == "narrow":
            return hidden + 2, hidden, hidden + 1, _between(case, 0.2, 0.36)
        if case.name == "wide":
            return hidden + 3, hidden, hidden + 2, _between(case, 0.62, 0.8)
        return 20, 64, 3, 0.5

    def _weights(self, case: Case, shapes: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        g = case.generator(5)
        return [torch.randn(*shape, generator=g).double() for shape in shapes]

    def _x(self, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs for random weights, and positive ones for unit weights."""
        n_in = self._sizes(case)[0]
        return inputs(case.seed + 1, 9, n_in, double=True), solid(case.seed + 2, _ROWS, n_in, double=True).abs()

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model, made = make(probe, candidate, *(() if case.name == "default" else self._sizes(case)))
        if model is None:
            return {"made": made}
        model.double()
        shapes = [list(q.shape) for q in model.parameters()]
        parent = nn.ModuleDict({"net": model})
        x, positive = self._x(case)

        def call(turn: int, mode: bool | None, x: torch.Tensor, take: Any = describe) -> dict[str, Any]:
            def run() -> Any:
                if mode is not None:
                    parent.train() if mode else parent.eval()
                return parent["net"](x)

            with seeded(case.seed + 200 + turn):
                return probe.call(run, models={"model": parent}, tensors={"x": x}, take=take)

        reached: list[int] = []

        def learned(value: Any) -> dict[str, Any]:
            if isinstance(value, torch.Tensor) and value.requires_grad:
                found = torch.autograd.grad(value.sum(), list(model.parameters()), allow_unused=True)
                reached.append(sum(g is not None for g in found))
            return describe(value)

        units = [torch.eye(*s) if len(s) == 2 else torch.ones(s) for s in shapes]
        fresh = {}
        if case.name == "default":
            _fill(model, units)
            fresh["fresh"] = call(11, None, positive)
        _fill(model, self._weights(case, shapes))
        evidence = {
            "made": made, "shapes": shapes, **fresh, "eval": [call(i, False, x) for i in range(2)],
            "flag": other_switch(model, x, lambda y, x: torch.equal(y, model(x))),
            "trained": call(5, True, x, take=learned),
        }
        evidence["reached"] = sum(reached)
        _fill(model, units)
        evidence["train"] = [call(6 + i, True, positive) for i in range(3)]
        with torch.no_grad():
            evidence["train, no grad"] = call(9, True, positive)
        evidence["quiet"] = call(10, False, positive)
        if case.name == "default":
            evidence["itself"] = switches_as_any_module(probe, model)
        return evidence

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        if not _modules_made(verdict, evidence, self.name):
            return
        for name, case in cases.items():
            known = evidence[name]
            every = (*known["eval"], known["trained"], *known["train"], known["train, no grad"], known["quiet"])
            if any(switching_raised(r) for r in every):
                blame(
                    verdict, "evaluation", "train-override-broken",
                    expected="train(mode) and eval() work as in every module", seen="an error in one of them",
                )
            if not all(verdict.ended(r) for r in every):
                return
            n_out = self._sizes(case)[2]
            y = as_tensor(known["eval"][0]["value"])
            if y is None or tuple(y.shape) != (9, n_out):
                seen = named(known["eval"][0]["value"])
                verdict.stop(
                    "wrong-result", expected=f"logits of shape (9, {n_out}) for 9 samples", seen=seen, cause=""
                )
                return
            asleep = self._evaluation(verdict, known)
            verdict.require(
                "evaluation", known.get("itself", True), "train-override-broken",
                expected="train() and eval() set training and return the model itself, as in every module",
                seen="something else",
            )
            if not asleep and self._as_given(known, case):
                verdict.stop(
                    why_awake(known), expected="after eval() nothing is dropped",
                    seen="both dropouts drop as in training",
                )
                return
            if self._network(verdict, known, case, asleep):
                self._training(verdict, known, case)
            elif not verdict.failed("training"):
                blame(
                    verdict, "training", "wrong-result", expected="dropout after each of two hidden activations",
                    seen="another network, so it cannot be told",
                )
            for record in (*known["eval"], known["trained"]):
                judge_undisturbed(verdict, "network", {**record, "settings": []}, may=("rng", "buffers"))

    def _as_given(self, known: Mapping[str, Any], case: Case) -> bool:
        """Whether both dropouts work in evaluation as they do in training: nothing was repaired."""
        y = as_tensor(known["quiet"]["value"])
        fits = y is not None and y.shape == (_ROWS, self._sizes(case)[2])
        masks = self._masks([y], known, case) if fits else None
        return masks is not None and bool(masks.first[0].any()) and bool(masks.second[0].any())

    def _evaluation(self, verdict: Verdict, known: Mapping[str, Any]) -> bool:
        """Whether nothing random is left in evaluation."""
        first, second = (as_tensor(r["value"]) for r in known["eval"])
        same = second is not None and torch.equal(first, second)
        asleep = same and not known["eval"][0]["rng_moved"]
        if not asleep:
            verdict.fail(
                "evaluation", (why_random if same else why_awake)(known),
                expected="after eval() two calls give the same logits",
                seen="random numbers were drawn" if same else "two different results",
            )
        verdict.require("evaluation", True, expected="", seen="")
        return asleep

    def _network(self, verdict: Verdict, known: Mapping[str, Any], case: Case, asleep: bool) -> bool:
        """Whether the weights are those of the three layers, in either orientation."""
        n_in, hidden, n_out, _ = self._sizes(case)
        matrices = [tuple(s) for s in known["shapes"] if len(s) == 2]
        wanted = [(n_in, hidden), (hidden, hidden), (n_out, hidden)]
        if sorted(map(sorted, matrices)) != sorted(map(sorted, wanted)):
            blame(
                verdict, "network", "wrong-result", seen=f"weights of the shapes {matrices}"[:120],
                expected=f"three linear layers: {n_in} to {hidden}, {hidden} to {hidden}, {hidden} to {n_out}",
            )
            return False
        if asleep:
            y = as_tensor(known["eval"][0]["value"])
            right = _three_layers(self._x(case)[0], self._weights(case, known["shapes"]), hidden, n_out)
            verdict.require(
                "network", any(close(y, r) for r in right),
                expected="linear, ReLU, linear, ReLU, linear, and the logits come out as they are",
                seen="other numbers in evaluation mode", cause="",
            )
        count = len(known["shapes"])
        verdict.require(
            "network", known["reached"] == count, "grad-disabled-in-training",
            expected="every parameter gets a gradient", seen=f"{known['reached']} of {count} do",
            cause="A part of the network is cut off or not used.",
        )
        return True

    def _masks(
        self, outputs: Sequence[torch.Tensor], known: Mapping[str, Any], case: Case, factors: str = "right"
    ) -> _Masks | None:
        """The masks behind logits m2 a2 (m1 a1 (x + b) + b) + b of unit weights and biases b, if the factors fit."""
        _, hidden, n_out, p = self._sizes(case)
        q = 1.0 - p
        a1, a2 = {
            "right": (1 / q, 1 / q), "first": (1 / q, 1.0), "second": (1.0, 1 / q), "unscaled": (1.0, 1.0),
            "swapped": (1 / p, 1 / p),
        }[factors]
        b = 1.0 if [hidden] in known["shapes"] else 0.0
        end = 1.0 if [n_out] in known["shapes"] else 0.0
        width = min(hidden, n_out)
        whole = a2 * (a1 * (self._x(case)[1][:, :width] + b) + b)
        return _Masks.read([y[:, :width] - end for y in outputs], a2 * b, whole)

    def _training(self, verdict: Verdict, known: Mapping[str, Any], case: Case) -> None:
        n_out, p = self._sizes(case)[2:]
        outputs = [as_tensor(r["value"]) for r in known["train"]]
        expected = f"dropout with p = {p:g} after both hidden activations, survivors scaled by 1/(1-p)"
        quiet, without = as_tensor(known["quiet"]["value"]), as_tensor(known["train, no grad"]["value"])
        if any(y is None or y.shape != (_ROWS, n_out) for y in (*outputs, quiet, without)):
            blame(
                verdict, "training", "wrong-result", expected="logits of the same shape in training",
                seen="something else",
            )
            return
        if all(torch.equal(y, quiet) for y in outputs):
            asleep = not all(all(subs.values()) for subs in known["train"][0]["modes_after"].values())
            verdict.fail(
                "training", "train-override-broken" if asleep else "dropout-missing", expected=expected,
                seen="training computes the same as evaluation",
            )
            return
        verdict.require(
            "training", not torch.equal(without, quiet), "grad-mode-as-mode-flag",
            expected="in training mode it drops under no_grad too", seen="nothing was dropped",
        )
        masks = self._masks(outputs, known, case)
        if masks is None:
            unknown = "wrong-result", "logits that no two such dropouts can give"
            others = {
                "first": ("dropout-missing", "only the first hidden layer drops units"),
                "second": ("dropout-missing", "only the second hidden layer drops units"),
                "unscaled": ("no-rescale", "survivors keep their size"),
                "swapped": ("keep-drop-swapped", f"survivors multiplied by {1 / p:.3g}"),
            }
            found = (v for k, v in others.items() if self._masks(outputs, known, case, k) is not None)
            mistake, seen = next(found, unknown)
            blame(verdict, "training", mistake, expected=expected, seen=seen)
            return
        if [self._sizes(case)[1]] in known["shapes"] and not any(bool(m.any()) for m in masks.first):
            blame(
                verdict, "training", "shared-mask", expected=expected,
                seen="no unit is dropped after the first activation alone: both lose the same ones",
            )
        for which, drops, kept in (("second", masks.second, None), ("first", masks.first, [~m for m in masks.second])):
            found = _layer_mistake(drops, kept, p)
            if found:
                blame(verdict, "training", found[0], expected=expected, seen=f"{found[1]} after the {which} activation")
        fresh = known.get("fresh")
        if fresh is not None and verdict.ended(fresh, ["training"]):
            y = as_tensor(fresh["value"])
            verdict.require(
                "training", y is None or not torch.equal(y, quiet), "dropout-missing",
                expected="a new model is in training mode, and drops",
                seen="nothing was dropped before train() was called",
            )
        verdict.require("training", True, expected=expected, seen="")


def _fill(model: nn.Module, values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(value)


def _three_layers(x: torch.Tensor, weights: Sequence[torch.Tensor], hidden: int, n_out: int) -> list[torch.Tensor]:
    """The logits without dropout; both, if the two hidden biases could be either way round."""
    matrices = {tuple(sorted(w.shape)): w for w in weights if w.dim() == 2}
    # nn.Linear keeps (out, in); who writes x @ w keeps (in, out)
    transposed = any(tuple(w.shape) == (x.shape[1], hidden) for w in matrices.values())

    def oriented(n_from: int, n_to: int) -> torch.Tensor:
        w = matrices[tuple(sorted((n_from, n_to)))]
        return w if transposed else w.T

    inner = [w for w in weights if tuple(w.shape) == (hidden,)] or [torch.zeros(hidden).double()]
    end = next((w for w in weights if tuple(w.shape) == (n_out,)), 0.0)
    results = []
    for b1, b2 in ((inner[0], inner[-1]), (inner[-1], inner[0])):
        h = torch.relu(x @ oriented(x.shape[1], hidden) + b1)
        h = torch.relu(h @ oriented(hidden, hidden) + b2)
        results.append(h @ oriented(hidden, n_out) + end)
    return results


@dataclass(slots=True)
class _Masks:
    """What each of two dropouts in a row dropped, call by call; the first one's is known where the second one kept."""

    first: list[torch.Tensor]
    second: list[torch.Tensor]

    @classmethod
    def read(cls, values: Sequence[torch.Tensor], without_first: float, whole: torch.Tensor) -> _Masks | None:
        """None if a value is neither 0 nor ``without_first`` nor ``whole``."""
        found = cls([], [])
        for y in values:
            zero = y.abs() < 1e-9
            lone = ((y - without_first).abs() < 1e-6) & ~zero
            if not bool((zero | lone | ((y - whole).abs() < 1e-6 * whole.abs())).all()):
                return None
            found.first.append(lone)
            found.second.append(zero)
        return found


def _together(drops: torch.Tensor, where: torch.Tensor, axis: int) -> bool:
    """Whether all fates along an axis agree, as far as they are known."""
    return not bool(((drops & where).any(axis) & (~drops & where).any(axis)).any())


def _layer_mistake(drops: Sequence[torch.Tensor], where: Sequence[torch.Tensor] | None, p: float) -> Mistake | None:
    """What is wrong with one layer's masks, (samples, units) per call, known only ``where``."""
    where = [torch.ones_like(m) for m in drops] if where is None else where
    dropped, trials = sum(int(m.sum()) for m in drops), sum(int(w.sum()) for w in where)
    if dropped == 0:
        return "dropout-missing", "nothing is dropped"
    if any(all(_together(m, w, axis) for m, w in zip(drops, where, strict=True)) for axis in (0, 1)):
        return "shared-mask", "units are dropped together"
    pairs = itertools.combinations(zip(drops, where, strict=True), 2)
    if not any(bool(((m != n) & here & there).any()) for (m, here), (n, there) in pairs):
        return "fixed-mask", "the same units are dropped in three calls"
    if surprising(dropped, trials, p):
        swapped = not surprising(dropped, trials, 1.0 - p)
        return "keep-drop-swapped" if swapped else "wrong-result", f"{dropped / trials:.1%} are dropped"
    return None


# ---------------------------------------------------------------------- is_live


class _Always(_CaseModel):
    """Dropout through the functional form, which nobody tells about the mode; BatchNorm on the way."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.body = nn.Sequential(nn.Linear(6, 48), nn.BatchNorm1d(48), nn.Tanh())
        self.out = nn.Linear(48, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(F.dropout(self.body(x), self.p))


class _Late(_Always):
    """Fails only after random numbers are drawn."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.classify(x)
        if self.fragile and bool((x.detach() > POISON).any()):
            raise ForwardFailed("this sample cannot be processed")
        return y


class _Faint(_CaseModel):
    """Dropout as a function, on samples with a large first entry only, that moves one small output out of three."""

    LIMIT = 4.0

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 200)
        self.out = nn.Linear(200, 3)
        self.register_buffer("sizes", torch.tensor([1.0, 1e-3, 1.0]))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.body(x))
        still, moved = self.out(h), self.out(F.dropout(h))
        live = (x[:, :1] > self.LIMIT) & (self.sizes < 0.5)
        return torch.where(live, moved, still) * self.sizes


class _Listed(_CaseModel):
    """Dropouts in a plain list, which the model does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 40), nn.Linear(40, 40), nn.Linear(40, 3)])
        self.drops = [nn.Dropout(0.5), nn.Dropout(0.4)]

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        for layer, drop in zip(self.layers, self.drops, strict=False):
            x = drop(torch.tanh(layer(x)))
        return self.layers[2](x)


class _Flagged(_CaseModel):
    """A flag of its own, deep inside, that eval() never touches; its masks are made by hand."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(6, 40)
            self.is_training = True

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.tanh(self.mix(x))
            return x * torch.empty_like(x).bernoulli_(0.5) * 2 if self.is_training else x

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(self.Block())
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(40, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.drop(self.block(x)))


class _Attending(_CaseModel):
    """Dropout inside the attention function, which has no mode; the last output takes no part in it."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.project = nn.Linear(6, 24)
        self.p = p
        self.out = nn.Linear(8, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.project(x).view(-1, 1, 24).transpose(0, 1).chunk(3, dim=-1)
        attended = self.out(F.scaled_dot_product_attention(q, k, v, dropout_p=self.p))[0]
        return torch.cat([attended[:, :2], x[:, :1]], dim=1)


class _Restless(_CaseModel):
    """Draws random numbers in every mode, to no effect: it works through its samples in another order each time."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 3))

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        order = torch.randperm(len(x))
        rows = torch.stack([self.body(x[i : i + 1])[0] for i in order.tolist()])
        return rows[order.argsort()]


class _Recurrent(_CaseModel):
    """An LSTM with dropout between its layers, which hears eval()."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 12, num_layers=2, dropout=0.5, batch_first=True)
        self.out = nn.Linear(12, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x.view(len(x), 2, 3))[0][:, -1])


#: Whether each model is still live after eval().
_LIVE: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "functional": (_Always, True), "listed": (_Listed, True), "flagged": (_Flagged, True),
    "attention": (_Attending, True), "dense": (Dense, False), "norm": (NormOnly, False), "restless": (_Restless, False),
    "recurrent": (_Recurrent, False), "faint": (_Faint, True),
}
_WORDS = {
    "functional": "a model with dropout as a function", "listed": "a model with dropouts in a plain list",
    "flagged": "a model with a training flag of its own", "attention": "a model with dropout inside attention",
    "dense": "a model with nn.Dropout and BatchNorm", "norm": "a model without dropout",
    "restless": "a model that shuffles its samples and puts them back", "recurrent": "an LSTM with dropout",
    "faint": "a model in which dropout moves one logit of one sample, by about 0.001",
}
#: Models that are live or not as the seed has it, so that no list of answers fits to every seed.
_EITHER = tuple(f"either {i}" for i in range(1, 7))
#: What those believe who take a live model for a quiet one.
_BLIND = {
    "functional": "functional-dropout-always-on", "listed": "dropout-not-registered", "flagged": "own-training-flag",
    "attention": "functional-dropout-always-on",
}


class IsLive(Exercise):
    """The live models drop hundreds of elements with p near 0.5: two calls are equal with probability below 1e-50.

    For the one that moves a single number, in double precision, it is below 1e-12.
    """

    id = "dropout.is_live"
    title = "Is anything still random after eval()?"
    problem_set = _SET
    stars, minutes = 2, 15
    parameters = ("model", "x")
    timeline = True
    at_stake = ("functional-dropout-always-on", "mode-not-restored", "global-rng-disturbed")
    checks = (
        Check("answer", "True exactly when two calls after eval() differ", 1, sections.WHO_IGNORES_EVAL),
        Check("modes", "Every submodule's mode is as it was, also after an exception", 1, sections.RESTORE_MODES),
        Check("undisturbed", "No other trace is left, the global generator included", 1, sections.FOUR_PLACES),
    )
    case_names = (*_LIVE, *_EITHER, "raises")

    def _live(self, case: Case) -> bool:
        return _LIVE[case.name][1] if case.name in _LIVE else bool(case.seed % 2)

    def _model(self, case: Case) -> nn.Module:
        name = case.name
        if name == "raises":
            model = build(_Late, case.seed).train()
            model.fragile = True
            return model
        p = 0.5 if self._live(case) else 0.0
        model = build(_LIVE[name][0] if name in _LIVE else lambda: _Always(p), case.seed, double=name == "faint")
        if name in ("flagged", "norm"):
            return model.eval()
        if name == "listed":
            return mixed_modes(model, "layers.1")
        if name == "functional":
            return mixed_modes(model, "body.1")
        if name == "recurrent":  # what sleeps at the root does not sleep below
            mixed_modes(model, "out").training = False
            return model
        return model.train()

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model = self._model(case)
        x = inputs(case.seed + 1, 24, 6, double=case.name == "faint")
        if case.name == "raises":
            x[:] = POISON * 10
        if case.name == "faint":
            x.clamp_(max=_Faint.LIMIT - 1.0)
            x[1 + case.seed % 22, 0] = _Faint.LIMIT + 1.0
        if case.name in ("dense", "norm"):
            _amid_training(model, x, case.seed + 2)
        with seeded(case.seed + 9), torch.set_grad_enabled(case.name != "listed"):
            return {"call": probe.call(candidate, model, x, models={"model": model}, tensors={"x": x})}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records, answers = {}, {}
        right = {n: self._live(cases[n]) for n in (*_LIVE, *_EITHER)}
        for name in right:
            record = evidence[name]["call"]
            if not verdict.ended(record):
                return
            records[name], answers[name] = record, self._answer(verdict, record)
        if not any(samples_seen(r) for r in records.values()) and len(set(answers.values())) == 1:
            answer = answers["dense"]
            verdict.stop(
                "functional-dropout-always-on" if answer is False else "wrong-result",
                expected="the model is tried out, and the answer depends on what it does",
                seen="another value than True or False" if answer is None else f"{answer} for every model, none called",
                cause=None if answer is False else "",
            )
            return
        self._answers(verdict, records, answers, right)
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "modes", list(records.values()), [raising] if "modes_before" in raising else [])
        for record in records.values():
            self._undisturbed(verdict, record)
        if "modes_before" in raising:
            _judge_error(verdict, "answer", raising)
            _judge_grad_mode_after_error(verdict, "undisturbed", raising)
            verdict.require(
                "undisturbed", not raising["rng_moved"], "restore-skipped-on-exception",
                expected="the global random generator is as it was, also after an exception",
                seen="after an exception inside the model it was left changed",
                cause="It is put back only when all goes well, not when an error passes through.",
            )

    def _answer(self, verdict: Verdict, record: Record) -> bool | None:
        value, expected = record["value"], "True or False, a Python bool"
        if value["type"] == "bool":
            return value["value"]
        tensor = as_tensor(value)
        if tensor is None or tensor.numel() != 1:
            blame(verdict, "answer", "wrong-result", expected=expected, seen=named(value))
            return None
        verdict.fail(
            "answer", "tensor-not-float", expected=expected, seen=named(value),
            cause="A tensor of one element looks like a truth value but is none.",
        )
        return bool(tensor)

    def _answers(
        self, verdict: Verdict, records: Mapping[str, Record], answers: Mapping[str, bool | None],
        right: Mapping[str, bool],
    ) -> None:
        known = {n: a for n, a in answers.items() if a is not None}
        wrong = [n for n, a in known.items() if a != right[n]]
        if not wrong:
            verdict.require("answer", True, expected="", seen="")
            return
        # A quiet model called live says most: it was tried out in training mode.
        strayed = next((n for n in ("dense", "recurrent") if n in wrong), None)
        name = strayed or wrong[0]
        words = _WORDS.get(name, f"a model with dropout as a function and p = {0.5 * right[name]:g}")
        expected, seen = f"{right[name]} for {words}", f"{known[name]} for {words}"
        modes = {r["training"] for r in passes(records["dense"])}
        if len(wrong) == len(known) > 3:
            blame(verdict, "answer", "wrong-result", expected=expected, seen="every answer the other way round")
        elif strayed and modes == {True, False}:
            verdict.fail(
                "answer", "wrong-result", expected=expected, seen=f"{seen}; it was called once in each mode",
                cause="Both calls belong after eval().",
            )
        elif strayed and modes:
            mistake = mode_mistake(records[strayed]) or "eval-never-called"
            verdict.fail("answer", mistake, expected=expected, seen=f"{seen}; {live_words(records[strayed])}")
        elif _BLIND.get(name) and all(len(passes(records[n])) > 1 for n in _BLIND) and set(_BLIND) <= set(wrong):
            verdict.fail(
                "answer", "fixed-mask", expected=expected, seen=f"{seen}, after {len(passes(records[name]))} calls",
                cause="Both calls started from the same random state and drew the same masks.",
            )
        else:
            blame(verdict, "answer", _BLIND.get(name, "wrong-result"), expected=expected, seen=seen)

    def _undisturbed(self, verdict: Verdict, record: Record) -> None:
        verdict.require(
            "undisturbed", not record["rng_moved"], "global-rng-disturbed", seen="it moved during the call",
            expected="the global random generator is as it was: its state can be kept and put back",
        )
        if record["buffers"] and not verdict.failed("answer"):
            verdict.fail(
                "undisturbed", "buffers-forgotten", expected="BatchNorm's running statistics are as before",
                seen=f"{len(record['buffers'])} buffers moved",
                cause="A pass in training mode moves running statistics.",
            )
        judge_undisturbed(verdict, "undisturbed", record, may=("rng",))


def _judge_error(verdict: Verdict, check: str, raising: Record) -> None:
    verdict.require(
        check, raising["ended"] != "returned", expected="an error inside the model reaches the caller",
        seen="the call returned as if nothing had happened", cause="An except clause keeps the error to itself.",
    )


def _judge_grad_mode_after_error(verdict: Verdict, check: str, raising: Record) -> None:
    verdict.require(
        check, raising["grad_before"] == raising["grad_after"], "grad-mode-leaked", seen="it was left changed",
        expected="gradient recording is as before, also when an exception passes through",
    )


# ---------------------------------------------------------------------- mc_predict


class _Told(nn.Module):
    """Not of PyTorch's dropout family: its own code asks its own mode."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 0.5, training=self.training)


class _TokenDropout(_Told):
    """Not of the family either, though its name and its attribute say so."""

    def __init__(self) -> None:
        super().__init__()
        self.p = 0.5


class _Noise(nn.Dropout):
    """Of the family, though its name does not say so."""


class _Branches(_CaseModel):
    """(N, 6) to (N, 32): after BatchNorm, four branches of eight columns.  Each column has two possible values.

    Two dropouts of elements in a row, one of planes, one for SELU; the last branch is not of the dropout family.
    """

    P = 0.3, 0.2, 0.4, 0.25

    def __init__(
        self, outer: type[nn.Module] = nn.Dropout, planes: type[nn.Module] = nn.Dropout1d,
        alpha: type[nn.Module] = nn.AlphaDropout,
    ) -> None:
        super().__init__()
        a, b, c, d = self.P
        self.features = nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.BatchNorm1d(8)))
        self.twice = nn.Sequential(outer(a), nn.Sequential(nn.Sequential(nn.Dropout(b))))
        self.planes = planes(c)
        self.plane = {nn.Dropout1d: (2,), nn.Dropout2d: (2, 1), nn.Dropout3d: (2, 1, 1)}[planes]
        self.alpha = nn.ModuleList([alpha(d)])
        self.still = nn.ModuleDict({"told": _Told(), "named": _TokenDropout()})
        self.kinds = "nn.Dropout", f"nn.{planes.__name__}", f"nn.{alpha.__name__}"

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        z = self.features(x)
        planes = self.planes(z.view(-1, 4, *self.plane)).flatten(1)
        alpha = self.alpha[0](z.unsqueeze(2)).squeeze(2)
        still = self.still["told"](z[:, :4]), self.still["named"](z[:, 4:])
        return torch.cat([self.twice(z), planes, alpha, *still], 1)


#: The layers of each case: every kind of PyTorch's family, and a class derived from one.
_FAMILIES: dict[str, tuple[type[nn.Module], ...]] = {
    "mixed": (nn.Dropout, nn.Dropout2d, nn.FeatureAlphaDropout), "eval": (_Noise, nn.Dropout3d, nn.AlphaDropout),
}


_ALPHA = -1.7580993408473766  # where SELU saturates: what AlphaDropout puts in place of the dropped


def _two_values(z: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    """Per dropout branch: a column's value when dropped, when kept, and the chance to be kept."""
    a, b, c, d = _Branches.P
    scale = ((1 - d) * (1 + d * _ALPHA**2)) ** -0.5
    shift = -scale * _ALPHA * d
    zero = torch.zeros_like(z)
    return [
        (zero, z / ((1 - a) * (1 - b)), (1 - a) * (1 - b)), (zero, z / (1 - c), 1 - c),
        (zero + scale * _ALPHA + shift, scale * z + shift, 1 - d),
    ]


def _kept(mean: torch.Tensor, low: torch.Tensor, high: torch.Tensor, n: int) -> torch.Tensor | None:
    """How many of ``n`` samples were ``high`` where the others were ``low``; None if ``mean`` is no mean of such."""
    kept = n * (mean - low) / (high - low)
    whole = kept.round()
    fits = ((kept - whole).abs() < 1e-3) & (whole >= 0) & (whole <= n)
    return whole if bool(fits.all()) else None


@dataclass(slots=True)
class _Read:
    """What a mean and a std over ``n`` samples of ``_Branches`` tell about the samples."""

    n: int
    std: torch.Tensor
    values: list[tuple[torch.Tensor, torch.Tensor, float]]
    kept: list[torch.Tensor | None]
    off: list[bool]
    half_off: str | None
    kinds: Sequence[str]
    bn_live: bool
    told: bool
    named: bool

    @classmethod
    def of(cls, model: nn.Module, x: torch.Tensor, n: int, mean: torch.Tensor, std: torch.Tensor) -> _Read:
        model.eval()
        with torch.no_grad():
            z = model.features(x)
            live = model.features.train()(x)
        means = [mean[:, i : i + 8] for i in (0, 8, 16)]

        def read(z: torch.Tensor) -> list[torch.Tensor | None]:
            return [_kept(m, low, high, n) for m, (low, high, _) in zip(means, _two_values(z), strict=True)]

        kept, from_live = read(z), read(live)
        rest = mean[:, 24:]
        off = [close(m, z, atol=1e-9) for m in means]
        bn_live = not any(off) and all(k is None for k in kept) and any(k is not None for k in from_live)
        bn_live = bn_live or (close(rest, live) and not close(rest, z))
        if bn_live:
            z, kept, off = live, from_live, [close(m, live, atol=1e-9) for m in means]
        half_off = None
        outer = "a class derived from nn.Dropout" if type(model.twice[0]) is _Noise else "the outer"
        for which, p in (("the inner", _Branches.P[0]), (outer, _Branches.P[1])):
            if kept[0] is None and not off[0] and _kept(means[0], torch.zeros_like(z), z / (1 - p), n) is not None:
                half_off = which
        told, named = (
            not (close(rest[:, part], z[:, part]) and float(std[:, 24:][:, part].abs().nan_to_num().max()) < 1e-6)
            for part in (slice(0, 4), slice(4, 8))
        )
        return cls(n, std, _two_values(z), kept, off, half_off, model.kinds, bn_live, told, named)

    @property
    def readable(self) -> bool:
        """Whether the numbers are means of the model's outputs at all."""
        return any(self.off) or self.half_off is not None or any(k is not None for k in self.kept)


class McPredict(Exercise):
    """Each output has two values, so the mean tells how many samples kept it, and with that the std exactly.

    Statistical: at most 40 binomial counts (see ``_masks``).
    """

    id = "dropout.mc_predict"
    title = "Monte-Carlo dropout"
    problem_set = _SET
    false_alarm = 40 * FALSE_ALARM
    stars, minutes = 2, 25
    parameters = ("model", "x", "n_samples")
    timeline = True
    at_stake = ("bn-live-in-mc-dropout", "dropout-missing", "mode-not-restored", "graph-built")
    checks = (
        Check("sampling", "Every dropout layer is on, with masks of its own for each sample", 1, sections.MC_DROPOUT),
        Check(
            "rest", "Everything else is in evaluation mode, and BatchNorm keeps its statistics", 1, sections.MC_DROPOUT
        ),
        Check("numbers", "Mean and standard deviation over n_samples passes", 1, sections.MC_DROPOUT),
        Check("modes", "Every submodule's mode is as it was, also after an exception", 1, sections.RESTORE_MODES),
        Check("graph", "No autograd graph is recorded, and nothing else is changed", 1, sections.NO_GRAPH),
    )
    case_names = ("train", "mixed", "eval", "two", "default", "one", "none", "raises")

    def _scene(self, case: Case) -> tuple[nn.Module, torch.Tensor, int | None]:
        name = case.name
        maker = NormOnly if name == "none" else lambda: _Branches(*_FAMILIES.get(name, ()))
        model = build(maker, case.seed, double=True)
        if name == "mixed":
            mixed_modes(model, "features.1", "twice.1", "still")
        else:
            model.train(name not in ("eval", "two"))
        x = inputs(case.seed + 1, {"default": 3, "two": 2, "one": 4, "mixed": 20}.get(name, 30), 6, double=True)
        if name == "raises":
            x[2] = POISON * 10
            model.fragile = True
        samples = {"train": 7, "mixed": 5 + case.seed % 4, "eval": 6, "two": 2, "one": 1, "none": 3, "raises": 4}
        return model, x, samples.get(name)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model, x, samples = self._scene(case)
        args = () if samples is None or case.name == "mixed" else (samples,)
        kwargs = {"n_samples": samples} if case.name == "mixed" else {}
        if case.name == "eval":
            _amid_training(model, x, case.seed + 2)

        def call(turn: int) -> dict[str, Any]:
            with (
                seeded(case.seed + 300 + turn), torch.set_grad_enabled(case.name != "mixed"), warnings.catch_warnings(),
            ):
                # std with correction=1 warns of a single sample
                warnings.filterwarnings("ignore", message=".*degrees of freedom")
                return probe.call(candidate, model, x, *args, models={"model": model}, tensors={"x": x}, **kwargs)

        first = call(0)
        return {"call": first, "again": call(1)} if case.name == "train" else {"call": first}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        names = [n for n in self.case_names if n != "raises"]
        records = {n: evidence[n]["call"] for n in names}
        if not all(verdict.ended(r) for r in records.values()):
            return
        reads = {n: self._read(verdict, records[n], cases[n]) for n in names if n != "none"}
        rows = len(self._scene(cases["train"])[1])
        worked = self._numbers(verdict, list(reads.values()))
        if not worked and samples_seen(records["train"]) < 2 * rows:
            verdict.stop(
                "wrong-result", expected="the model is run n_samples times, and mean and std come back", cause="",
                seen=f"{samples_seen(records['train'])} rows for 7 samples of {rows}, and "
                f"{named(records['train']['value'])}",
            )
            return
        eval_read, train_read = reads["eval"], reads["train"]
        as_found = bool(train_read and eval_read and train_read.bn_live and all(eval_read.off))
        self._sampling(verdict, records, reads, as_found)
        self._rest(verdict, records, reads, as_found)
        self._without_dropout(verdict, records["none"], cases["none"])
        for record in records.values():
            pair = items(record["value"]) or [None]
            judge_no_graph(verdict, "graph", record, {"the mean": pair[0], "the std": pair[-1]})
            judge_undisturbed(verdict, "graph", record, may=("rng", "buffers"))
        self._source(verdict, evidence["train"])
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "modes", list(records.values()), [raising] if "modes_before" in raising else [])
        if "modes_before" in raising:
            _judge_error(verdict, "numbers", raising)
            _judge_grad_mode_after_error(verdict, "graph", raising)

    def _pair(
        self, verdict: Verdict, record: Record, shape: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        pair = items(record["value"]) or []
        tensors = [as_tensor(v) for v in pair]
        if len(tensors) == 2 and all(t is not None and tuple(t.shape) == shape for t in tensors):
            return tensors[0].double(), tensors[1].double()
        blame(
            verdict, "numbers", "wrong-result", expected=f"(mean, std), two tensors of shape {shape}, like the output",
            seen=" and ".join(named(v) for v in pair[:3]) or named(record["value"]),
        )
        return None

    def _read(self, verdict: Verdict, record: Record, case: Case) -> _Read | None:
        model, x, samples = self._scene(case)
        pair = self._pair(verdict, record, (len(x), 32))
        return _Read.of(model, x, samples or 100, *pair) if pair else None

    def _numbers(self, verdict: Verdict, reads: Sequence[_Read | None]) -> bool:
        """Whether any number is a right one, with dropout on."""
        sound = False
        for read in reads:
            if read is None:
                continue
            if all(read.off):
                verdict.fail(
                    "numbers", "dropout-missing", expected="the spread over passes with dropout on", seen="no spread"
                )
                continue
            for i, kept in enumerate(read.kept):
                if read.off[i] or (i == 0 and read.half_off):
                    continue
                if kept is None:
                    seen = "NaN" if bool(read.std.isnan().any()) else f"numbers that no {read.n} samples can average to"
                    blame(
                        verdict, "numbers", "wrong-result", expected=f"the mean of {read.n} outputs of the model",
                        seen=seen,
                    )
                    continue
                low, high, _ = read.values[i]
                right = self._std(verdict, read.std[:, 8 * i : 8 * i + 8], kept / read.n, (high - low).abs(), read.n)
                sound = sound or (right and read.n > 1)
        return sound

    def _std(self, verdict: Verdict, std: torch.Tensor, share: torch.Tensor, gap: torch.Tensor, n: int) -> bool:
        right = gap * (share * (1 - share)).sqrt()
        if close(std, right, atol=1e-6):
            return verdict.require("numbers", True, expected="", seen="")
        others = {"the variance": right**2, "the standard error": right / math.sqrt(n), "zeros": right * 0}
        if n > 1:
            others["the one divided by n - 1"] = right * math.sqrt(n / (n - 1))
        seen = next(
            (k for k, v in others.items() if close(std, v, atol=1e-6)),
            "NaN" if bool(std.isnan().any()) else "other numbers",
        )
        spread = f"the standard deviation over {n} samples, with correction=0" if n > 1 else "a std of 0 for one sample"
        blame(verdict, "numbers", "wrong-result", seen=seen, expected=spread)
        return False

    def _sampling(
        self, verdict: Verdict, records: Mapping[str, Record], reads: Mapping[str, _Read | None], as_found: bool
    ) -> None:
        expected = "every layer of PyTorch's dropout family drops in every sample"
        whole = all(
            r is not None and all(k is not None or o for k, o in zip(r.kept, r.off, strict=True))
            for r in reads.values()
        )
        for name, read in reads.items():
            if read is None or not read.readable:
                drops = any(r["kind"] == "dropout" and r["detail"].get("training") for r in records[name]["rows"])
                verdict.require(
                    "sampling", drops, "dropout-missing", expected=expected, seen="no layer dropped anything"
                )
                continue
            seen = [kind for kind, off in zip(read.kinds, read.off, strict=True) if off]
            if read.half_off:
                seen.append(f"one of two nn.Dropout in a row ({read.half_off})")
            if seen:
                verdict.fail(
                    "sampling", "eval-never-called" if as_found else "dropout-missing", expected=expected,
                    seen=f"{' and '.join(seen)} dropped nothing",
                    cause="The modes were taken as they came." if as_found else None,
                )
            if whole:
                self._chance(verdict, read)
        verdict.require("sampling", True, expected=expected, seen="")

    def _chance(self, verdict: Verdict, read: _Read) -> None:
        for i, (kept, (_, _, chance)) in enumerate(zip(read.kept, read.values, strict=True)):
            if read.off[i] or kept is None:
                continue
            # the two columns of one plane of nn.Dropout1d share their fate, on purpose
            kept = kept[:, ::2] if i == 1 else kept
            same = int(((kept == 0) | (kept == read.n)).sum())
            verdict.require(
                "sampling", not surprising(same, kept.numel(), chance**read.n + (1 - chance) ** read.n), "fixed-mask",
                expected="each sample draws masks of its own",
                seen=f"{same} of {kept.numel()} outputs are the same in all {read.n} samples",
            )
            count, trials = int(kept.sum()), kept.numel() * read.n
            verdict.require(
                "sampling", not surprising(count, trials, chance), expected=f"{chance:.0%} of the outputs are kept",
                seen=f"{count / trials:.0%} are", cause="",
            )

    def _rest(
        self, verdict: Verdict, records: Mapping[str, Record], reads: Mapping[str, _Read | None], as_found: bool
    ) -> None:
        expected = "BatchNorm uses its running statistics and keeps them"
        for name, record in records.items():
            read = reads.get(name)
            rows = [r for r in record["rows"] if r["detail"].get("training")]
            norms = any(r["kind"] == "batch_norm" for r in rows)
            live = read.bn_live if read is not None and read.readable else norms
            if live or record["buffers"]:
                seen = ["BatchNorm used the batch's statistics"] * live
                seen += [f"{len(record['buffers'])} of its buffers moved"] * bool(record["buffers"])
                mistake = (
                    "eval-never-called" if as_found else "bn-live-in-mc-dropout" if norms or live else "wrong-result"
                )
                blame(verdict, "rest", mistake, expected=expected, seen=" and ".join(seen))
            if read is not None and read.readable:
                told, named_so = (False, False) if live else (read.told, read.named)
            else:
                random = {r["module_type"] for r in rows if r["kind"] == "dropout"}
                told, named_so = "_Told" in random, "_TokenDropout" in random
            family = "only layers of PyTorch's dropout family are random"
            verdict.require(
                "rest", not told, "eval-never-called", expected=family,
                seen="another layer that asks for the mode was random too",
                cause="The whole model went into training mode, and not everything else came back.",
            )
            verdict.require(
                "rest", not named_so, expected=family, seen="a layer of another kind with Dropout in its name was too",
                cause="Neither a class name nor an attribute p makes a layer one of PyTorch's; its type does.",
            )

    def _without_dropout(self, verdict: Verdict, record: Record, case: Case) -> None:
        model, x, _ = self._scene(case)
        pair = self._pair(verdict, record, (len(x), 3))
        if pair is None or verdict.failed("rest"):
            return
        mean, std = pair
        still = close(mean, eval_logits(model, x)) and close(std, torch.zeros_like(std), atol=1e-6)
        verdict.require(
            "numbers", still, expected="the evaluation-mode output and a std of 0 where nothing is random",
            seen="NaN" if bool(std.isnan().any()) else f"a std of up to {float(std.abs().max()):.2g}", cause="",
        )

    def _source(self, verdict: Verdict, known: Mapping[str, Any]) -> None:
        if known["again"]["ended"] != "returned" or verdict.failed("sampling"):
            return
        first, again = (as_tensor((items(known[k]["value"]) or [None])[0]) for k in ("call", "again"))
        verdict.require(
            "graph", first is None or again is None or not torch.equal(first, again), "global-rng-disturbed",
            expected="another random state of the caller's gives other samples",
            seen="the same samples: the generator is seeded inside",
        )


EXERCISES = (InvertedDropout(), DropoutLayer(), Classifier(), IsLive(), McPredict())
