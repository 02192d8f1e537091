"""ps4: switching gradient recording for a while, and giving it back."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from . import _sections as sections
from ._evidence import as_tensor, describe, entry, items, loosely, named
from ._exercise import Case, Check, Exercise, Verdict
from ._judging import (
    SWITCH,
    Record,
    close,
    judge_grad_mode,
    judge_modes,
    judge_no_graph,
    judge_ordinary,
    judge_undisturbed,
    live_words,
    mode_mistake,
    near,
    passes,
    samples_seen,
)
from ._loops import (
    Averages,
    Reference,
    Training,
    a_training,
    history_lists,
    judge_averages,
    judge_history,
    learning_unrecorded,
    loss_and_accuracy,
    reference_run,
    same_state,
    short,
    state_of,
    steps_made,
    training_mistake,
    turning_training,
    validation_mode,
)
from ._models import (
    POISON,
    Augmented,
    Dense,
    DenseDropping,
    NormOnly,
    Scene,
    a_scene,
    build,
    eval_logits,
    fill_grads,
    inputs,
    mixed_modes,
    noisy_loader,
    quiet_loader,
    seeded,
)
from ._probe import Probe

_SET = "ps4-gradmode"


class _Passing(Exception):
    """Raised on purpose, to see whether it passes through."""


# ---------------------------------------------------------------------- what the loops of this set share


def _but_grad_mode(record: Record) -> dict[str, Any]:
    """The record for checks that leave the grad mode to another one."""
    return {**record, "grad_after": record["grad_before"], "inference_after": False}


_STALE = "gradients that were there before the call went into the first step"


def _uncleared(state: Mapping[str, torch.Tensor], t: Training, reference: Reference) -> bool:
    """Whether ``state`` is that of somebody who clears the gradients only after each step."""
    t.model.train()
    for _ in reference.states:
        for x, y in zip(*(part.split(t.batch_size) for part in t.train), strict=True):
            t.loss_fn(t.model(x), y).backward()
            t.optimizer.step()
            t.optimizer.zero_grad()
        if same_state(state, {k: v for k, v in state_of(t.model).items() if k in reference.params}):
            return True
    return False


# ---------------------------------------------------------------------- run_phase


class RunPhase(Exercise):
    id = "gradmode.run_phase"
    title = "One loop for both phases"
    problem_set = _SET
    stars, minutes = 2, 30
    parameters = ("model", "loader", "loss_fn", "phase", "optimizer")
    timeline = True
    at_stake = ("grad-mode-leaked", "eval-never-called", "grad-disabled-in-training", "mode-not-restored")
    checks = (
        Check("training", "Phase train: training mode, gradients on, one clean step per batch", 1, sections.TWO_PHASES),
        Check("validation", "Phase val: evaluation mode, no graph, nothing changed", 1, sections.EVALUATION_MODE),
        Check("averages", "Loss and accuracy are averages over all samples, as Python floats", 1, sections.PER_SAMPLE),
        Check(
            "as found",
            "Grad mode and every submodule's mode are as found, also after an exception",
            1,
            sections.GIVING_BACK,
        ),
        Check("refusals", "ValueError for other phases and for training without an optimizer", 1, sections.TWO_PHASES),
    )
    case_names = (
        "train",
        "train under no_grad",
        "train mixed",
        "train raises",
        "val",
        "val mixed",
        "val under no_grad",
        "val plain",
        "val dropout",
        "val raises",
        "refused",
    )
    _VAL = ("val plain", "val", "val mixed", "val under no_grad", "val dropout")
    _SCENES: ClassVar[dict[str, str]] = {
        "val": "train",
        "val mixed": "mixed",
        "val under no_grad": "quiet",
        "val plain": "plain",
        "val dropout": "dropout",
        "val raises": "raises",
    }

    def _learning(self, case: Case) -> Training:
        if case.name == "train mixed":
            model = mixed_modes(build(Dense, case.seed), "features.1")
        else:
            model = build(NormOnly, case.seed, double=True).train(case.name == "train under no_grad")
        fill_grads(model, case.seed + 7)
        t = a_training(case, model)
        if case.name == "train raises":
            t.train[0][5] = POISON * 10
            model.fragile = True
        return t

    def _scene(self, case: Case) -> Scene:
        scene = a_scene(self._SCENES[case.name], case.seed)
        if case.name == "val mixed":
            fill_grads(scene.model, case.seed + 7)
            scene.model.out.bias.requires_grad_(False)
        return scene

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        if case.name == "refused":
            return {"calls": [self._refused(case, candidate, probe, *way) for way in self._WAYS]}
        if case.name == "train mixed":
            return {"call": self._train(case, candidate, probe, 5), "other": self._train(case, candidate, probe, 6)}
        if case.name.startswith("train"):
            return {"call": self._train(case, candidate, probe, 5)}
        scene = self._scene(case)
        # an optimizer may be there while validating; it has nothing to do
        more = (
            {}
            if case.name in ("val", "val dropout")
            else {"optimizer": torch.optim.SGD(scene.model.parameters(), lr=1.0)}
        )
        with torch.set_grad_enabled(scene.caller_grad):
            record = probe.call(
                candidate,
                scene.model,
                scene.loader,
                scene.loss_fn,
                "val",
                models={"model": scene.model},
                tensors={"x": scene.x, "y": scene.y},
                **more,
            )
        return {"call": record}

    def _train(self, case: Case, candidate: Any, probe: Probe, salt: int) -> dict[str, Any]:
        t = self._learning(case)
        state: dict[str, torch.Tensor] = {}

        def take(value: Any) -> dict[str, Any]:
            state.update(state_of(t.model))
            return describe(value)

        loader = quiet_loader(*t.train, batch_size=t.batch_size)
        named_optimizer = case.name == "train under no_grad"
        with seeded(case.seed + salt), torch.set_grad_enabled(case.name != "train under no_grad"):
            record = probe.call(
                candidate,
                t.model,
                loader,
                t.loss_fn,
                "train",
                *(() if named_optimizer else (t.optimizer,)),
                models={"model": t.model},
                tensors={"x": t.train[0], "y": t.train[1]},
                take=take,
                **({"optimizer": t.optimizer} if named_optimizer else {}),
            )
        record["state"] = state
        return record

    #: Phase, and whether there is an optimizer.
    _WAYS = (
        ("train", False),
        ("test", True),
        ("eval", False),
        ("Train", True),
        ("", True),
        ("training", True),
        ("validation", True),
    )

    def _refused(self, case: Case, candidate: Any, probe: Probe, phase: str, optimizer: bool) -> dict[str, Any]:
        model = mixed_modes(build(NormOnly, case.seed), "body.1")
        t = a_training(case, model)
        given = (t.optimizer,) if optimizer else ()
        return probe.call(
            candidate,
            model,
            quiet_loader(*t.train, batch_size=4),
            t.loss_fn,
            phase,
            *given,
            models={"model": model},
            tensors=t.tensors,
        )

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        learned = [evidence[n]["call"] for n in ("train", "train under no_grad", "train mixed")]
        validated = {n: evidence[n]["call"] for n in self._VAL}
        if learned[0]["ended"] != "returned" and validated["val plain"]["ended"] != "returned":
            verdict.ended(learned[0])
            return
        neither = _only_the_gradient_switch(*learned[:2], validated["val"])
        self._judge_training(verdict, evidence, cases, neither)
        self._judge_validation(verdict, validated, cases, neither)
        normal = [r for r in (*learned, *validated.values()) if r["ended"] == "returned"]
        raising = [evidence[n]["call"] for n in ("train raises", "val raises") if "modes_before" in evidence[n]["call"]]
        judge_modes(verdict, "as found", normal, raising)
        judge_grad_mode(verdict, "as found", normal, raising)
        self._judge_refusals(verdict, evidence["refused"]["calls"])
        if not any(samples_seen(r) for r in normal):
            verdict.stop(
                "wrong-result",
                expected="the model is run on every batch, and trained in phase train",
                seen=f"no sample went through the model, and {named(normal[0]['value'])} came back",
                cause="",
            )

    def _judge_training(
        self, verdict: Verdict, evidence: Mapping[str, Any], cases: Mapping[str, Case], neither: bool
    ) -> None:
        expected = "one forward, backward and step per batch, in training mode, from fresh gradients"
        for name in ("train", "train under no_grad", "train mixed"):
            record = evidence[name]["call"]
            if not verdict.ended(record, ["training"]):
                continue
            values = loss_and_accuracy(verdict, "averages", record["value"])
            judge_undisturbed(
                verdict,
                "training",
                _but_grad_mode(record),
                may=("params", "buffers", "grads") + (("rng",) if name == "train mixed" else ()),
            )
            if name == "train mixed":
                counters = [f"model.{k}" for k in record["state"] if "num_batches" in k]
                still = sum(k not in record["buffers"] for k in counters)
                verdict.require(
                    "training",
                    not still,
                    "root-flag-only" if still < len(counters) else "train-never-called",
                    expected="every submodule is in training mode in phase train",
                    seen=f"{still} of {len(counters)} BatchNorm layers worked as in evaluation",
                )
                continue
            reference = reference_run(self._learning(cases[name]), 1)
            if not same_state(record["state"], reference.params):
                mistake, seen = training_mistake(record)
                if _uncleared(record["state"], self._learning(cases[name]), reference):
                    mistake, seen = "zero-grad-missing", _STALE
                mistake = _other_switch(neither, mistake)
                verdict.fail(
                    "training", mistake, expected=expected, seen=seen, cause=None if mistake != "wrong-result" else ""
                )
                continue
            counted = {k: v for k, v in record["state"].items() if "running_" in k or "num_batches" in k}
            verdict.require(
                "training",
                same_state(counted, {k: v for k, v in reference.states[-1].items() if k in counted}),
                expected=expected,
                seen="the right weights, but other running statistics: not one pass per batch",
                cause="",
            )
            if None not in values:
                self._judge_train_averages(verdict, values, reference)
        mixed = evidence["train mixed"]
        if mixed["call"]["ended"] == mixed["other"]["ended"] == "returned" and mixed["call"]["params"]:
            verdict.require(
                "training",
                not _identical(mixed["call"]["state"], mixed["other"]["state"]),
                "global-rng-disturbed",
                expected="dropout draws from the caller's random state",
                seen="another random state gives the same training, so the generator is seeded inside",
            )

    def _judge_train_averages(self, verdict: Verdict, values: tuple[Any, Any], reference: Reference) -> None:
        loss, accuracy = values
        running, after = reference.running[0], reference.after[0]
        right = any(near(loss, a.loss) and near(accuracy, a.accuracy) for a in (running, after))
        means = all(
            near(value, mean) or near(value, sound)
            for value, mean, sound in zip(values, running.by_batch, (running.loss, running.accuracy), strict=True)
        )
        verdict.require(
            "averages",
            right,
            "batch-mean-of-means" if means else "wrong-result",
            expected=f"loss {short(running.loss)} and accuracy {short(running.accuracy)} over all samples trained on",
            seen=f"loss {short(loss)} and accuracy {short(accuracy)}",
        )

    def _judge_validation(
        self, verdict: Verdict, records: Mapping[str, Any], cases: Mapping[str, Case], neither: bool
    ) -> None:
        for name, record in records.items():
            if not verdict.ended(record, ["validation"]):
                continue
            scene = self._scene(cases[name])
            known = Averages.of(scene.model, scene.x, scene.y, scene.batch_size, scene.loss_fn)
            values = loss_and_accuracy(verdict, "averages", record["value"])
            verdict.require(
                "validation",
                not any(r["kind"] == "step" for r in record["rows"]),
                "validation-trains",
                expected="phase val measures and changes nothing",
                seen="the optimizer stepped",
            )
            if neither:
                verdict.require(
                    "validation",
                    mode_mistake(record) is None,
                    "grad-mode-as-mode-flag",
                    expected="the model is measured in evaluation mode",
                    seen=live_words(record),
                )
            if not verdict.failed("validation") or not record["params"]:
                judge_averages(verdict, record, values, known, mode="validation")
            judge_no_graph(verdict, "validation", record)
            judge_undisturbed(verdict, "validation", _but_grad_mode(record))

    def _judge_refusals(self, verdict: Verdict, records: Sequence[Record]) -> None:
        for (phase, optimizer), record in zip(self._WAYS, records, strict=True):
            call = f"phase {phase!r} {'with' if optimizer else 'without'} an optimizer"
            if record["ended"] == "skipped":
                return
            seen = "it returned" if record["ended"] == "returned" else f"{record.get('error', 'no end')}"
            verdict.require(
                "refusals",
                record["ended"] == "raised" and "ValueError" in record["kinds"],
                expected=f"ValueError for {call}",
                seen=seen,
                cause="",
            )
            judge_modes(verdict, "refusals", [record], unasked=True)
            judge_undisturbed(verdict, "refusals", record)


def _only_the_gradient_switch(asleep: Record, awake: Record, validated: Record) -> bool:
    """Every phase runs in the mode it finds, with gradients switched as the phase needs them."""
    if any(r["ended"] != "returned" for r in (asleep, awake, validated)):
        return False
    found = "train-never-called" in asleep["rules"] and "train-never-called" not in awake["rules"]
    return found and mode_mistake(validated) == "eval-never-called" and not validated["graph_results"]


def _other_switch(neither: bool, mistake: str) -> str:
    return "grad-mode-as-mode-flag" if neither and mistake == "train-never-called" else mistake


def _identical(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


# ---------------------------------------------------------------------- without_grad


class WithoutGrad(Exercise):
    id = "gradmode.without_grad"
    title = "A decorator that switches at the call"
    problem_set = _SET
    stars, minutes = 2, 20
    parameters = ("fn",)
    at_stake = ("decorator-flips-at-definition", "grad-mode-leaked", "restore-skipped-on-exception")
    checks = (
        Check("decoration", "Nothing happens while a function is decorated", 1, sections.DECORATORS),
        Check("inside", "Inside nothing is recorded; arguments and result pass through", 1, sections.NO_GRAPH),
        Check(
            "comes back",
            "The caller's grad mode is back after return, exception and recursion",
            1,
            sections.GIVING_BACK,
        ),
    )
    #: The grad mode while decorating, and while calling.
    _CALLERS: ClassVar[dict[str, tuple[bool, bool]]] = {
        "on, on": (True, True),
        "on, off": (True, False),
        "off, on": (False, True),
        "off, off": (False, False),
    }
    case_names = (*_CALLERS, "exception", "recursion", "flipping")

    def refuse(self, candidate: Any) -> str | None:
        # the class decorates like its instances, though its signature does not say so
        if isinstance(candidate, type) and issubclass(candidate, torch.no_grad):
            return None
        return super().refuse(candidate)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        notes: dict[str, Any] = {"calls": []}
        block = {"exception": _raise_inside, "recursion": _recurse, "flipping": _flip_inside}.get(case.name)
        if block is None:
            decorating, calling = self._CALLERS[case.name]
            record = probe.call(lambda: _call_twice(candidate, notes, case, decorating, calling), rows=False)
        else:
            record = probe.call(lambda: block(candidate, notes, case), rows=False)
        return {"call": record, "notes": notes}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name in self.case_names:
            if evidence[name]["notes"].get("callable") is False:
                verdict.stop(
                    "wrong-result",
                    expected="without_grad(fn) gives a function",
                    seen=f"it gives {named(evidence[name]['notes']['made'])}",
                    cause="",
                )
                return
            plain = name in self._CALLERS
            if not verdict.ended(evidence[name]["call"], None if plain else ["comes back"]) and plain:
                return
        notes = {n: evidence[n]["notes"] for n in self.case_names}
        flips = any(
            notes[name]["grad_decorated"] != decorating or notes[name]["inference_decorated"]
            for name, (decorating, _) in self._CALLERS.items()
        )
        self._judge_decoration(verdict, notes)
        self._judge_inside(verdict, notes, flips)
        self._judge_back(verdict, notes, flips)
        for name in self._CALLERS:
            judge_undisturbed(verdict, "inside", _but_grad_mode(evidence[name]["call"]))
        if not flips and all(c["recorded"] for n in self._CALLERS if self._CALLERS[n][1] for c in notes[n]["calls"]):
            verdict.stop(
                "graph-built",
                expected="inside the decorated function nothing is recorded",
                seen="gradients are on inside, as if there were no decorator",
                cause="",
            )

    def _judge_decoration(self, verdict: Verdict, notes: Mapping[str, Any]) -> None:
        for name, (decorating, _) in self._CALLERS.items():
            verdict.require(
                "decoration",
                notes[name]["grad_decorated"] == decorating and not notes[name]["inference_decorated"],
                "decorator-flips-at-definition",
                expected=f"gradient recording stays {SWITCH[decorating]} while decorating",
                seen=f"it is {SWITCH[not decorating]} after the decoration, before any call",
            )
            verdict.require(
                "decoration",
                notes[name]["calls_decorated"] == 0,
                expected="the function is not run while it is decorated",
                seen=f"it ran {notes[name]['calls_decorated']} times",
                cause="",
            )

    def _judge_inside(self, verdict: Verdict, notes: Mapping[str, Any], flips: bool) -> None:
        for name, (_, calling) in self._CALLERS.items():
            calls = notes[name]["calls"]
            verdict.require(
                "inside",
                len(calls) == 2,
                expected="each call of the decorated function runs the function once",
                seen=f"{len(calls)} runs for 2 calls",
                cause="",
            )
            recorded = [c for c in calls if c["recorded"]]
            again = len(recorded) < len(calls)
            kind = "grad-mode-leaked" if again and calling else "graph-built"
            verdict.require(
                "inside",
                not recorded,
                "decorator-flips-at-definition" if flips else kind,
                expected="inside the decorated function nothing is recorded",
                seen=f"a product with a parameter required grad in {len(recorded)} of {len(calls)} calls",
                cause=None if flips or kind == "grad-mode-leaked" else "",
            )
            verdict.require(
                "inside",
                all(c["arguments"] for c in calls),
                expected="all arguments reach the function, by name and position",
                seen="others arrived",
                cause="",
            )
            verdict.require(
                "inside",
                all(notes[name]["returned"]),
                expected="the function's own result comes back",
                seen="something else came back",
                cause="",
            )

        verdict.require(
            "inside",
            not any(notes["recursion"].get("woken", ())),
            "decorator-flips-at-definition" if flips else "graph-built",
            expected="inside nothing is recorded, also in an inner call made with gradients switched on again",
            seen="the inner call recorded",
            cause=None if flips else "Only the outermost call switches",
        )

    def _judge_back(self, verdict: Verdict, notes: Mapping[str, Any], flips: bool) -> None:
        leak = "decorator-flips-at-definition" if flips else "grad-mode-leaked"
        for name, (_, calling) in self._CALLERS.items():
            verdict.require(
                "comes back",
                notes[name]["grad_after"] == [calling] * 2 and not notes[name]["inference"],
                leak,
                expected=f"gradient recording is {SWITCH[calling]} after the call, as it was before",
                seen=f"it is {SWITCH[not calling]}" if not notes[name]["inference"] else "inference mode",
            )
        deep = notes["recursion"]
        if "after" in deep:
            verdict.require(
                "comes back",
                not any(deep["levels"]),
                leak,
                expected="gradients stay off in the outer call when an inner one has returned",
                seen="they are on again inside, after the inner call",
            )
            verdict.require(
                "comes back",
                all(deep["waking"]),
                leak,
                expected="an inner call made with gradients switched on gives that back to its own caller",
                seen="they are off after the inner call",
            )
            verdict.require(
                "comes back",
                deep["after"] == [True, True],
                leak,
                expected="gradient recording is on after a recursive call, as it was before",
                seen="it is off",
            )
        flipped = notes["flipping"]
        if "after" in flipped:
            verdict.require(
                "comes back",
                flipped["after"] == [False, True],
                leak,
                expected="the caller's setting comes back whatever the function did to the switch",
                seen="the function's own setting is left behind",
            )
        raised = notes["exception"]
        if "passed" in raised:
            verdict.require(
                "comes back",
                all(raised["passed"]),
                expected="an exception passes through",
                seen="it did not arrive outside",
                cause="",
            )
            verdict.require(
                "comes back",
                raised["after"] == [True, False],
                leak if flips else "restore-skipped-on-exception",
                expected="the caller's grad mode is back, also when an exception passes through",
                seen="it is another after an exception",
                cause=None if flips else "The switch is put back only when all goes well",
            )


def _decorate(candidate: Any, notes: dict[str, Any], function: Callable[..., Any]) -> Any:
    """Decorate, note what that did, and put the caller's grad mode back so that the call is seen apart from it."""
    before = torch.is_grad_enabled()
    made = candidate(function)
    notes["callable"] = callable(made)
    notes["made"] = describe(made)
    notes["calls_decorated"] = len(notes["calls"])
    notes["grad_decorated"] = torch.is_grad_enabled()
    notes["inference_decorated"] = torch.is_inference_mode_enabled()
    torch._C._set_grad_enabled(before)
    return made


def _recording() -> bool:
    """Whether a graph would be recorded right now, told by a result."""
    return (torch.ones((), requires_grad=True) * 2.0).requires_grad


def _call_twice(candidate: Any, notes: dict[str, Any], case: Case, decorating: bool, calling: bool) -> None:
    x = inputs(case.seed, 3)
    weight = torch.ones(3, requires_grad=True)
    token = object()
    results: list[Any] = []

    def function(a: Any, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> Any:
        product = weight * x
        notes["calls"].append(
            {
                "recorded": bool(product.requires_grad),
                "arguments": a is x and (b, rest, c, more) in ((5, (6,), 7, {"d": token}), (2, (), 3, {})),
            }
        )
        results.append((token, product, weight) if len(results) else weight)
        return results[-1]

    notes["grad_after"], notes["returned"], notes["inference"] = [], [], False
    with torch.set_grad_enabled(decorating):
        made = _decorate(candidate, notes, function)
        if not notes["callable"]:
            return
    for args, kwargs in (((x, 5, 6), {"c": 7, "d": token}), ((x,), {})):
        torch._C._set_grad_enabled(calling)
        result = made(*args, **kwargs)
        notes["grad_after"].append(torch.is_grad_enabled())
        notes["inference"] = notes["inference"] or torch.is_inference_mode_enabled()
        notes["returned"].append(bool(results) and result is results[-1])
    torch._C._set_grad_enabled(True)


def _recurse(candidate: Any, notes: dict[str, Any], case: Case) -> None:
    depth = 3 + case.seed % 2
    notes["levels"], notes["woken"], notes["waking"], notes["after"] = [], [], [], []

    def function(level: int) -> int:
        if level > 0:
            made(level - 1)
            if level == 1:
                other()
                made(0)
                with torch.enable_grad():
                    made(-1)
                    notes["waking"].append(torch.is_grad_enabled())
        notes["levels" if level >= 0 else "woken"].append(_recording())
        return level

    other = _decorate(candidate, notes, lambda: None)
    made = _decorate(candidate, notes, function)
    if notes["callable"]:
        for _ in range(2):
            torch._C._set_grad_enabled(True)
            made(depth)
            notes["after"].append(torch.is_grad_enabled())
    torch._C._set_grad_enabled(True)


def _flip_inside(candidate: Any, notes: dict[str, Any], case: Case) -> None:
    """The function is itself one of those that leave the switch changed."""
    notes["after"] = []
    made = _decorate(candidate, notes, lambda value: torch._C._set_grad_enabled(value))
    if notes["callable"]:
        for calling, left in ((False, True), (True, False)):
            torch._C._set_grad_enabled(calling)
            made(left)
            notes["after"].append(torch.is_grad_enabled())
    torch._C._set_grad_enabled(True)


def _raise_inside(candidate: Any, notes: dict[str, Any], case: Case) -> None:
    def function() -> None:
        raise _Passing

    notes["after"], notes["passed"] = [], []
    made = _decorate(candidate, notes, function)
    if notes["callable"]:
        for calling in (True, False):
            torch._C._set_grad_enabled(calling)
            try:
                made()
                notes["passed"].append(False)
            except _Passing:
                notes["passed"].append(True)
            notes["after"].append(torch.is_grad_enabled())
    torch._C._set_grad_enabled(True)


# ---------------------------------------------------------------------- stream_logits


class StreamLogits(Exercise):
    id = "gradmode.stream_logits"
    title = "A generator that holds no switch open"
    problem_set = _SET
    stars, minutes = 3, 30
    parameters = ("model", "loader")
    timeline = True
    at_stake = ("generator-leaks-grad-mode", "inference-tensor-escapes", "mode-not-restored")
    checks = (
        Check(
            "logits",
            "A generator of evaluation-mode logits, batch by batch in loader order",
            1,
            sections.EVALUATION_MODE,
        ),
        Check("ordinary tensors", "Ordinary tensors without a graph", 1, sections.INFERENCE_TENSORS),
        Check("between", "Between two items the caller has its own grad mode and model modes", 1, sections.GENERATORS),
        Check("afterwards", "Exhausted, abandoned or failed, it leaves nothing changed", 1, sections.GIVING_BACK),
    )
    _WHOLE = ("train", "mixed", "quiet", "plain", "dropout")
    _ENDS = ("closed", "dropped", "not started", "thrown into")
    case_names = (*_WHOLE, "changing", "raises", *_ENDS)

    def _scene(self, case: Case) -> Scene:
        name = {"changing": "train", "closed": "mixed", "not started": "mixed"}.get(case.name, case.name)
        scene = a_scene(name, case.seed)
        if name == "mixed":
            scene.model.out.bias.requires_grad_(False)
        return scene

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        scene = self._scene(case)
        notes: dict[str, Any] = {"between": []}
        taken: list[Any] = []
        block = {
            "changing": _changing_caller,
            "closed": _close_half_way,
            "dropped": _drop_half_way,
            "not started": _never_start,
            "thrown into": _throw_half_way,
        }.get(case.name, _exhaust)

        def consume(model: nn.Module, loader: Any) -> None:
            notes["found"] = _switches(model)
            stream = candidate(model, loader)
            notes["made"] = _switches(model)
            notes["made_type"] = type(stream).__name__
            notes["iterates"] = hasattr(type(stream), "__next__")
            if not hasattr(type(stream), "__iter__"):
                return
            holder = [iter(stream)]
            del stream
            block(holder, model, taken, notes)
            holder.clear()
            notes["done"] = _switches(model)

        with torch.set_grad_enabled(scene.caller_grad):
            record = probe.call(
                consume,
                scene.model,
                scene.loader,
                models={"model": scene.model},
                tensors={"x": scene.x, "y": scene.y},
                take=lambda _: [describe(item) for item in taken],
            )
        return {"call": record, "notes": notes}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        whole = (*self._WHOLE, "changing")
        for name in whole:
            record, notes = evidence[name]["call"], evidence[name]["notes"]
            if not verdict.ended(record):
                return
            if "done" not in notes:
                verdict.stop(
                    "wrong-result",
                    expected="a generator: something to go through with for",
                    seen=f"a {notes['made_type']}",
                    cause="",
                )
                return
        if not any(samples_seen(evidence[name]["call"]) for name in whole):
            verdict.stop(
                "wrong-result",
                expected="the model is run on every batch of the loader",
                seen="no sample went through it",
                cause="",
            )
            return
        left_open = self._judge_between(verdict, evidence)
        for name in whole:
            if name == "changing" and left_open:
                continue  # what the caller sets meanwhile and what the generator left mix: judged by the other cases
            record, notes = evidence[name]["call"], evidence[name]["notes"]
            self._judge_items(verdict, record, self._scene(cases[name]))
            verdict.require(
                "logits",
                notes["iterates"],
                expected="a generator, which gives one item at a time",
                seen=f"a {notes['made_type']}",
                cause="",
            )
            judge_undisturbed(verdict, "afterwards", _but_grad_mode(record))
        self._judge_afterwards(verdict, evidence, left_open)

    def _judge_items(self, verdict: Verdict, record: Record, scene: Scene) -> None:
        right = eval_logits(scene.model, scene.x).split(scene.batch_size)
        got = record["value"]
        expected = "the evaluation-mode logits of each batch, in loader order"
        tensors = [as_tensor(item) for item in got]
        mistake = mode_mistake(record)
        if len(got) == len(right) and all(close(a, b) for a, b in zip(tensors, right, strict=True)):
            verdict.require("logits", True, expected=expected, seen="")
        elif mistake:
            verdict.fail("logits", mistake, expected=expected, seen=f"other numbers; {live_words(record)}")
        elif len(got) != len(right):
            verdict.fail(
                "logits",
                "wrong-result",
                expected=f"{len(right)} items for {len(right)} batches",
                seen=f"{len(got)} items",
                cause="",
            )
        else:
            odd = next(
                (g for g, t, r in zip(got, tensors, right, strict=True) if t is None or t.shape != r.shape), None
            )
            seen = "other numbers" if odd is None else named(odd)
            if odd is None and all(close(t, r.softmax(1)) for t, r in zip(tensors, right, strict=True)):
                seen = "probabilities"
            verdict.fail("logits", "wrong-result", expected=expected, seen=seen, cause="")
        judge_no_graph(verdict, "ordinary tensors", record, {f"item {i + 1}": item for i, item in enumerate(got)})
        for item in got:
            judge_ordinary(verdict, "ordinary tensors", item, "each item")

    def _judge_between(self, verdict: Verdict, evidence: Mapping[str, Any]) -> str | None:
        """Judge the caller's switches at each item; return the misconception that explains what is left behind."""
        cause: str | None = None
        expected = "between two items, {} as the caller had it before"
        for name in self._WHOLE:
            notes = evidence[name]["notes"]
            found, done = notes["found"], notes["done"]
            for now in (notes["made"], *notes["between"]):
                if (now["grad"], now["inference"]) != (found["grad"], found["inference"]):
                    kept = (done["grad"], done["inference"]) == (found["grad"], found["inference"])
                    cause = cause or ("generator-leaks-grad-mode" if kept else "grad-mode-leaked")
                    verdict.fail(
                        "between",
                        cause,
                        expected=expected.format(f"gradient recording is {SWITCH[found['grad']]}"),
                        seen="inference mode" if now["inference"] else f"it is {SWITCH[now['grad']]}",
                    )
                if now["modes"] != found["modes"]:
                    strayed = [n for n, flag in now["modes"].items() if flag != found["modes"].get(n)]
                    if done["modes"] == found["modes"]:
                        cause = cause or "mode-not-restored"
                        verdict.fail(
                            "between",
                            cause,
                            expected=expected.format("every submodule's mode is"),
                            seen=f"{len(strayed)} submodules are in another mode until the generator ends",
                        )
        # modes that never come back are named by what is left in the end
        records = [
            _as_modes(evidence[n]["notes"]["found"], now)
            for n in self._WHOLE
            for now in evidence[n]["notes"]["between"]
        ]
        judge_modes(verdict, "between", records)
        for found, now in evidence["changing"]["notes"]["changes"]:
            same_grad = (now["grad"], now["inference"]) == (found["grad"], found["inference"])
            verdict.require(
                "between",
                same_grad,
                cause or "generator-leaks-grad-mode",
                expected=expected.format(f"gradient recording is {SWITCH[found['grad']]}"),
                seen=f"it is {SWITCH[now['grad']]}: as at an earlier item",
                cause=None if cause else "What is put back is what was found earlier, not what the caller has now",
            )
            verdict.require(
                "between",
                now["modes"] == found["modes"],
                cause or "mode-not-restored",
                expected=expected.format("every submodule's mode is"),
                seen="modes that the caller had set between two items are gone after the next",
                cause=None if cause else "What is put back is what was found earlier, not what the caller has now",
            )
        verdict.require("between", True, expected="", seen="")
        return cause

    def _judge_afterwards(self, verdict: Verdict, evidence: Mapping[str, Any], left_open: str | None) -> None:
        whole = [evidence[n]["call"] for n in self._WHOLE]
        judge_modes(verdict, "afterwards", whole)
        judge_grad_mode(verdict, "afterwards", whole)
        words = {
            "closed": "closed half-way",
            "dropped": "dropped half-way",
            "not started": "made and never used",
            "thrown into": "left by an exception at an item",
        }
        for name in self._ENDS:
            record, notes = evidence[name]["call"], evidence[name]["notes"]
            if not verdict.ended(record, ["afterwards"]):
                continue
            kept = notes.get("done", notes["made"]) == notes["found"]
            verdict.require(
                "afterwards",
                kept,
                left_open or "restore-skipped-on-exception",
                expected=f"every mode and the grad mode are as found when the generator is {words[name]}",
                seen="they are not",
                cause=None if left_open else "The switch is put back only when all goes well",
            )
            judge_undisturbed(verdict, "afterwards", _but_grad_mode(record))
        failed = evidence["raises"]["call"]
        if "modes_before" in failed:
            judge_modes(verdict, "afterwards", [], [failed])
            judge_grad_mode(verdict, "afterwards", [], [failed])


def _switches(model: nn.Module) -> dict[str, Any]:
    return {
        "modes": {n: m.training for n, m in model.named_modules()},
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
    }


def _as_modes(found: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Two looks at the switches as a record that judge_modes reads."""
    return {"modes_before": {"model": found["modes"]}, "modes_after": {"model": now["modes"]}}


#: No case's loader has more batches.
_MOST_BATCHES = 12


def _exhaust(holder: list[Any], model: nn.Module, taken: list[Any], notes: dict[str, Any]) -> None:
    for _, item in zip(range(_MOST_BATCHES), holder[0], strict=False):
        taken.append(item)
        notes["between"].append(_switches(model))


def _changing_caller(holder: list[Any], model: nn.Module, taken: list[Any], notes: dict[str, Any]) -> None:
    """A caller that works with the model between two items: each time with other switches."""
    notes["changes"] = []
    ways = ((True, model.train), (False, model.eval), (True, model.eval), (False, model.train))
    for i in range(_MOST_BATCHES):
        grad, set_modes = ways[i % len(ways)]
        set_modes()
        if i % 3 == 1:
            model.features.train()
        with torch.set_grad_enabled(grad):
            found = _switches(model)
            try:
                taken.append(next(holder[0]))
            except StopIteration:
                break
            notes["changes"].append([found, _switches(model)])
    # the caller's own last word, so that the end is judged as in the other cases
    model.train()
    for name, flag in notes["found"]["modes"].items():
        model.get_submodule(name).training = flag


def _take_two(holder: list[Any], taken: list[Any]) -> None:
    for _ in range(2):
        with suppress(StopIteration):
            taken.append(next(holder[0]))


def _close_half_way(holder: list[Any], model: nn.Module, taken: list[Any], notes: dict[str, Any]) -> None:
    _take_two(holder, taken)
    if hasattr(holder[0], "close"):
        holder[0].close()


def _drop_half_way(holder: list[Any], model: nn.Module, taken: list[Any], notes: dict[str, Any]) -> None:
    _take_two(holder, taken)


def _never_start(holder: list[Any], model: nn.Module, taken: list[Any], notes: dict[str, Any]) -> None:
    pass


def _throw_half_way(holder: list[Any], model: nn.Module, taken: list[Any], notes: dict[str, Any]) -> None:
    _take_two(holder, taken)
    if hasattr(holder[0], "throw"):
        with suppress(_Passing, StopIteration):
            holder[0].throw(_Passing())


# ---------------------------------------------------------------------- BatchNorm1d

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_MOMENTUM, _EPS = 0.3, 0.2


class BatchNorm1d(Exercise):
    id = "gradmode.BatchNorm1d"
    title = "A layer that asked the wrong switch"
    problem_set = _SET
    stars, minutes = 2, 25
    wants = "class"
    parameters = ("num_features", "eps", "momentum")
    at_stake = ("grad-mode-as-mode-flag", "buffers-not-registered", "counter-not-updated")
    checks = (
        Check("mode", "Its own mode decides, whatever the grad mode is", 1, sections.LAYER_THAT_ASKS),
        Check("numbers", "Outputs and gradients are those of nn.BatchNorm1d", 1, sections.LAYER_THAT_ASKS),
        Check(
            "statistics", "Running statistics and counter move as those of nn.BatchNorm1d", 1, sections.LAYER_THAT_ASKS
        ),
        Check("state", "Saved, loaded and converted under the names of nn.BatchNorm1d", 1, sections.PLAIN_ATTRIBUTES),
    )
    case_names = ("switches", "gradients", "defaults", "cumulative", "no momentum", "single", "pair", "one", "saved",
                  "loaded", "continued", "converted")  # fmt: skip

    def _inputs(self, case: Case) -> tuple[torch.Tensor, ...]:
        """Three batches whose features have means and spreads of their own, and an affine map."""
        features = 3 + case.seed % 3
        scale = 0.5 + torch.rand(features, generator=case.generator(1))
        shift = 2.0 + torch.rand(features, generator=case.generator(2))
        batches = [inputs(case.seed + 3 + i, 6 + i, features) * scale + shift * (1 + 0.4 * i) for i in range(3)]
        return (*batches, 1.0 + scale, shift - 1.0)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        x, *_ = given = self._inputs(case)
        watched = {"tensors": {"x": x}, "rows": False}
        if case.name == "switches":
            return {
                key: probe.call(lambda grad=grad: _both_modes(candidate, given, grad), **watched)
                for key, grad in (("on", True), ("off", False))
            }
        if case.name == "single":
            return {
                "call": probe.call(lambda: _one_sample(candidate, given), **watched),
                "off": probe.call(lambda: torch.no_grad()(_one_sample)(candidate, given), **watched),
            }
        block = {
            "gradients": _learn_twice,
            "defaults": _by_default,
            "cumulative": _accumulate,
            "no momentum": _stand_still,
            "pair": lambda made, batches: made(len(batches[-1])).train()(batches[0][:2]),
            "one": _one_in_evaluation,
            "saved": _save,
            "loaded": _load,
            "continued": _continue,
            "converted": _convert,
        }[case.name]
        return {"call": probe.call(lambda: block(candidate, given), **watched)}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        on, off = evidence["switches"]["on"], evidence["switches"]["off"]
        for record in (on, off):
            if not verdict.ended(record):
                return
            if entry(record["value"], "made") is not None:
                verdict.stop(
                    "wrong-result",
                    expected="a class derived from nn.Module",
                    seen=f"BatchNorm1d(...) gave {named(entry(record['value'], 'made'))}",
                    cause="",
                )
                return
        given = self._inputs(cases["switches"])
        asks = _differ(on["value"], off["value"])
        saved = evidence["saved"]["call"]
        unregistered = _unregistered(saved)
        if asks and unregistered:
            verdict.stop(
                "grad-mode-as-mode-flag",
                expected="a layer that asks its own mode, with statistics PyTorch knows",
                seen="both faults of the layer as given are still there",
            )
            return
        train = self._judge_mode(verdict, on["value"], off["value"], asks, given)
        self._judge_numbers(verdict, on["value"], off["value"] if asks else on["value"], given, train)
        self._judge_switch(verdict, off["value"], evidence["single"])
        self._judge_gradients(verdict, evidence["gradients"]["call"], self._inputs(cases["gradients"]), train)
        self._judge_single(verdict, evidence["single"]["call"], evidence["pair"]["call"])
        self._judge_one(verdict, evidence["one"]["call"], self._inputs(cases["one"]))
        self._judge_statistics(verdict, on["value"], given)
        self._judge_defaults(verdict, evidence["defaults"]["call"], self._inputs(cases["defaults"]), train)
        self._judge_cumulative(verdict, evidence["cumulative"]["call"], self._inputs(cases["cumulative"]))
        self._judge_no_momentum(verdict, evidence["no momentum"]["call"])
        self._judge_state(verdict, evidence, cases)
        for record in (on, off, evidence["gradients"]["call"]):
            if record["ended"] == "returned":
                judge_undisturbed(verdict, "mode", record)

    # .................................................................. mode

    def _judge_mode(
        self,
        verdict: Verdict,
        on: Mapping[str, Any],
        off: Mapping[str, Any],
        asks: str | None,
        given: Sequence[torch.Tensor],
    ) -> str | None:
        """Judge the mode without a formula: which rows depend on their batch-mates, and when statistics move.

        Returns the misconception behind a training pass that does not use the batch.
        """
        if asks:
            verdict.fail(
                "mode",
                "grad-mode-as-mode-flag",
                expected="the same results with gradients on and off, in training and in evaluation",
                seen=f"{asks} differ",
            )
        deaf = entry(on, "deaf")["value"]
        stuck = "own-training-flag" if _texts(on, "flags") else None
        if deaf or entry(on, "eval_flag")["value"]:
            stuck = "train-override-broken"
        verdict.require(
            "mode",
            not deaf,
            "train-override-broken",
            expected="the layer follows the train() and eval() of the model around it",
            seen=deaf,
        )
        train_uses_batch, eval_uses_batch = _uses_batch(on, "train"), _batch_in_evaluation(off if asks else on, given)
        wrong_train = None
        if not train_uses_batch:
            wrong_train = stuck or "running-stats-in-train"
            if close(as_tensor(entry(on, "train")), _training_ways(given)["wrong-reduction-dims"]):
                wrong_train = "wrong-reduction-dims"
        verdict.require(
            "mode",
            train_uses_batch,
            wrong_train or "wrong-result",
            expected="in training, a row's result depends on the other rows of its batch",
            seen="it does not",
        )
        verdict.require(
            "mode",
            not eval_uses_batch,
            stuck or "batch-stats-in-eval",
            expected="in evaluation, a row's result is the same in any company",
            seen="it changes with the other rows of its batch",
        )
        moved = _moved(off if asks else on, "after_training", "after_evaluation")
        verdict.require(
            "mode",
            not moved,
            (stuck or "batch-stats-in-eval") if eval_uses_batch else "stats-updated-in-eval",
            expected="in evaluation the running statistics rest",
            seen="they moved",
        )
        verdict.require(
            "mode",
            bool(entry(on, "train_returns")["value"]),
            "train-override-broken",
            expected="train() gives the layer back",
            seen="it gives something else",
        )
        return wrong_train

    def _judge_switch(self, verdict: Verdict, off: Mapping[str, Any], single: Mapping[str, Record]) -> None:
        """What else the caller's grad mode must decide, and must not."""
        refused = {k: r["ended"] == "raised" and "ValueError" in r["kinds"] for k, r in single.items()}
        verdict.require(
            "mode",
            refused["off"] or not refused["call"] or single["off"]["ended"] == "skipped",
            "grad-mode-as-mode-flag",
            expected="a batch of one is refused in training with gradients on and off",
            seen="with gradients off it is not",
        )
        verdict.require(
            "mode",
            not entry(off, "recorded")["value"],
            "graph-built",
            expected="under the caller's no_grad the output has no graph, in training mode too",
            seen="it requires grad",
            cause="The layer switches gradients on itself; that is the caller's to say",
        )

    # .................................................................. numbers

    def _judge_numbers(
        self,
        verdict: Verdict,
        on: Mapping[str, Any],
        resting: Mapping[str, Any],
        given: Sequence[torch.Tensor],
        train: str | None,
    ) -> None:
        x3, bias = given[2], given[4]
        touched = entry(on, "touched")["value"]
        verdict.require(
            "numbers", not touched, "input-touched", expected="the input is left as it was", seen="the layer changed it"
        )
        ways = _training_ways(given)
        for when in ("before", "after_training"):
            mean, var = _own_statistics(entry(on, when), bias)
            ways[f"running-stats-in-train {when}"] = _ways(given[1], mean, var, *given[3:])["right"]
        # a pass that used the wrong statistics was told with the mode; its numbers say nothing more
        if not train:
            self._one_of(verdict, "in training", as_tensor(entry(on, "train")), ways)
        if not _batch_in_evaluation(resting, given):
            mean, var = _own_statistics(entry(resting, "after_training"), bias)
            self._one_of(verdict, "in evaluation", as_tensor(entry(resting, "eval")), _ways(x3, mean, var, *given[3:]))
        for name, value in (("weight", 1.0), ("bias", 0.0)):
            start = as_tensor(entry(entry(on, "initial"), name))
            verdict.require(
                "numbers",
                start is not None and bool((start == value).all()),
                expected=f"{name} starts as {value:g}",
                seen="it does not exist" if start is None else "other numbers",
                cause="",
            )

    def _one_of(self, verdict: Verdict, when: str, got: torch.Tensor | None, ways: Mapping[str, torch.Tensor]) -> None:
        right = ways["right"]
        expected = f"{when} the output of nn.BatchNorm1d, of shape {tuple(right.shape)}"
        if close(got, right):
            verdict.require(
                "numbers", got.dtype == right.dtype, expected=f"{right.dtype}", seen=f"{got.dtype}", cause=""
            )
            return
        known = next((k for k, v in ways.items() if v.shape == right.shape and close(got, v)), None)
        known = known and known.partition(" before")[0].partition(" after")[0]
        same = {"all": "wrong-reduction-dims", "no eps": "eps-misplaced", "eps outside": "eps-misplaced"}
        mistake = "wrong-result" if known in (None, "no affine") else same.get(known, known)
        if got is None or got.shape != right.shape:
            seen = "nothing" if got is None else f"shape {tuple(got.shape)}"
        else:
            gap = float((got - right).abs().max())
            seen = "no weight and bias in it" if known == "no affine" else f"up to {gap:.2g} off"
        verdict.fail("numbers", mistake, expected=expected, seen=seen, cause=None if mistake != "wrong-result" else "")

    def _judge_gradients(
        self, verdict: Verdict, record: Record, given: Sequence[torch.Tensor], train: str | None
    ) -> None:
        if record["ended"] == "raised" and "backward through the graph a second time" in record["text"]:
            verdict.fail(
                "statistics",
                "graph-built",
                expected="running statistics are numbers, without a graph",
                seen="the second backward went through the first one's graph, which they keep",
                cause="The batch's mean and variance went into the statistics with their graph",
            )
            return
        if not verdict.ended(record, ["numbers"]):
            return
        x, _, _, weight, bias = given
        layer = nn.BatchNorm1d(len(bias), eps=_EPS, momentum=_MOMENTUM)
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        right = _gradients_of(layer, x)
        kept = [
            n for n in _STATISTICS[:2] if (entry(entry(record["value"], "statistics"), n) or {}).get("requires_grad")
        ]
        verdict.require(
            "statistics",
            not kept,
            "graph-built",
            expected="running statistics are numbers, without a graph",
            seen=f"{', '.join(kept)} requires grad after a training pass",
            cause="The batch's mean and variance went into the statistics with their graph",
        )
        for name in ("x", "weight", "bias"):
            if train:
                break
            got = as_tensor(entry(record["value"], name))
            constant = name == "x" and close(got, _gradient_with_constants(layer, x), rtol=1e-3, atol=1e-4)
            verdict.require(
                "numbers",
                close(got, right[name], rtol=1e-3, atol=1e-4),
                "grad-disabled-in-training" if constant else "wrong-result",
                expected=f"in training, the gradient of {name} as in nn.BatchNorm1d",
                seen="none"
                if got is None
                else "mean and variance counted as constants"
                if constant
                else "other numbers",
                cause=None if constant else "",
            )

        flows = entry(record["value"], "in_evaluation")
        verdict.require(
            "numbers",
            flows["value"] is True,
            "grad-disabled-in-training",
            expected="in evaluation the output is differentiable too",
            seen="it requires no grad",
        )
        if verdict.failed("mode") or flows["value"] is not True:
            return  # which statistics evaluation uses was told with the mode
        mean, var = _own_statistics(entry(record["value"], "statistics"), bias)
        leaves = [v.clone().requires_grad_(True) for v in (x, weight, bias)]
        _weighted(_ways(leaves[0], mean, var, *leaves[1:])["right"], 2).backward()
        for name, leaf in zip(("x", "weight", "bias"), leaves, strict=True):
            got = as_tensor(entry(entry(record["value"], "evaluation"), name))
            missing = got is None or not got.any()
            verdict.require(
                "numbers",
                close(got, leaf.grad, rtol=1e-3, atol=1e-4),
                "grad-disabled-in-training" if missing else "wrong-result",
                expected=f"in evaluation, the gradient of {name} as in nn.BatchNorm1d",
                seen="none" if missing else "other numbers",
                cause="The graph is cut inside the layer" if missing else "",
            )

    def _judge_defaults(
        self, verdict: Verdict, record: Record, given: Sequence[torch.Tensor], train: str | None
    ) -> None:
        if not verdict.ended(record, ["numbers"]):
            return
        known = _by_default(nn.BatchNorm1d, given)
        same = {n: close(as_tensor(entry(record["value"], n)), known[n], rtol=1e-3) for n in ("y", "running_mean")}
        verdict.require(
            "numbers",
            same["y"] or train is not None or verdict.failed("numbers"),
            expected="eps is 1e-5 when none is given",
            seen="the output for small inputs is another",
            cause="",
        )
        verdict.require(
            "statistics",
            same["running_mean"] or verdict.failed("statistics"),
            expected="momentum is 0.1 when none is given",
            seen=_moved_words(as_tensor(entry(record["value"], "running_mean")), known["running_mean"]),
            cause="",
        )

    def _judge_single(self, verdict: Verdict, record: Record, pair: Record) -> None:
        verdict.ended(pair, ["numbers"])
        refused = record["ended"] == "raised" and "ValueError" in record["kinds"]
        if record["ended"] == "raised" and not refused:
            verdict.ended(record, ["numbers"])
        verdict.require(
            "numbers",
            refused or record["ended"] == "skipped",
            "single-value-not-rejected",
            expected="ValueError for a batch of one in training, as nn.BatchNorm1d raises",
            seen="it returned",
        )

    def _judge_one(self, verdict: Verdict, record: Record, given: Sequence[torch.Tensor]) -> None:
        if record["ended"] == "skipped" or verdict.failed("mode"):
            return
        right = record["ended"] == "returned" and close(
            as_tensor(entry(record["value"], "y")), _one_in_evaluation(nn.BatchNorm1d, given)["y"]
        )
        verdict.require(
            "numbers",
            right,
            expected="in evaluation a batch of one works, as in nn.BatchNorm1d",
            seen="other numbers" if record["ended"] == "returned" else f"{record.get('error', 'no end')}",
            cause="",
        )

    def _judge_no_momentum(self, verdict: Verdict, record: Record) -> None:
        if record["ended"] == "skipped" or not verdict.ended(record, ["statistics"]) or verdict.failed("statistics"):
            return
        for name, known in (("running_mean", 0.0), ("running_var", 1.0)):
            got = as_tensor(entry(record["value"], name))
            verdict.require(
                "statistics",
                got is not None and close(got, torch.full_like(got, known)),
                expected=f"with momentum=0.0, {name} stays where it is",
                seen="it moved",
                cause="0.0 was taken for None; it is a number like any other",
            )

    def _judge_cumulative(self, verdict: Verdict, record: Record, given: Sequence[torch.Tensor]) -> None:
        if record["ended"] == "raised":
            verdict.fail(
                "statistics",
                "momentum-none-not-cumulative",
                expected="momentum=None works as in nn.BatchNorm1d",
                seen=f"{record['error']}: {record['text'][:60]}",
            )
        if record["ended"] != "returned":
            return
        right = _averages(given)
        biased = sum(x.var(0, correction=0) for x in given[:3]) / 3
        for name, known in zip(_STATISTICS[:2], right, strict=True):
            got = as_tensor(entry(record["value"], name))
            if name == "running_var" and close(got, biased):
                continue  # the biased variance is judged with a momentum
            verdict.require(
                "statistics",
                close(got, known),
                "momentum-none-not-cumulative",
                expected=f"with momentum=None, {name} is the mean over all batches",
                seen=_moved_words(got, known),
            )

    # .................................................................. statistics and state

    def _judge_statistics(self, verdict: Verdict, on: Mapping[str, Any], given: Sequence[torch.Tensor]) -> None:
        layer = nn.BatchNorm1d(len(given[-1]), eps=_EPS, momentum=_MOMENTUM)
        for name in _STATISTICS:
            start, known = as_tensor(entry(entry(on, "initial"), name)), getattr(layer, name)
            number = entry(entry(on, "initial"), name)
            plain = (
                number is not None and number["type"] in ("int", "float") and number["value"] == float(known.sum()) != 1
            )
            verdict.require(
                "statistics",
                plain or (start is not None and bool((start == known).all())),
                "counter-not-updated" if name == _STATISTICS[2] else "wrong-result",
                expected=f"{name} starts as in nn.BatchNorm1d",
                seen="it does not exist" if number is None or number["type"] == "None" else "another start",
            )
        first, second = given[0], given[1]
        with torch.no_grad():
            layer(first)
            layer(second)
        after = entry(on, "after_training")
        for name in _STATISTICS[:2]:
            description, known = entry(after, name), getattr(layer, name)
            got = as_tensor(description)
            if got is not None and (description["requires_grad"] or description["graph"]):
                verdict.fail(
                    "statistics",
                    "graph-built",
                    expected="running statistics are numbers, without a graph",
                    seen=f"{name} requires grad after a training pass",
                    cause="The batch's mean and variance went into the statistics with their graph",
                )
            if not close(got, known):
                verdict.fail(
                    "statistics",
                    _moving_mistake(name, got, first, second),
                    expected=f"{name} after two training batches as in nn.BatchNorm1d, momentum {_MOMENTUM}",
                    seen=_moved_words(got, known),
                )
        count = entry(after, _STATISTICS[2])
        counted = as_tensor(count)
        number = float(counted.sum()) if counted is not None else (count or {}).get("value")
        verdict.require(
            "statistics",
            number == 2,
            "counter-not-updated",
            expected="num_batches_tracked is 2 after two batches",
            seen="it does not exist" if number is None else f"{number:g}",
        )

    def _judge_state(self, verdict: Verdict, evidence: Mapping[str, Any], cases: Mapping[str, Case]) -> None:
        saved = evidence["saved"]["call"]
        names = ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"]
        if verdict.ended(saved, ["state"]):
            keys = sorted(k["value"] for k, _ in entry(saved["value"], "state")["pairs"])
            missing = [n for n in names if n not in keys]
            if _unregistered(saved):
                verdict.fail(
                    "state",
                    "buffers-not-registered",
                    expected=f"a state_dict with {', '.join(names)}",
                    seen=f"{', '.join(_unregistered(saved))} is not among them",
                )
            elif missing:
                verdict.fail(
                    "state",
                    "counter-not-updated" if missing == names[1:2] else "wrong-result",
                    expected=f"a state_dict with {', '.join(names)}",
                    seen=f"{', '.join(missing)} missing",
                    cause=None if missing == names[1:2] else "",
                )
            else:
                verdict.require(
                    "state",
                    keys == names,
                    expected=f"a state_dict with {', '.join(names)} alone",
                    seen=f"{', '.join(k for k in keys if k not in names)} besides",
                    cause="",
                )
            learned = sorted(_texts(saved["value"], "parameters"))
            verdict.require(
                "state",
                learned == ["bias", "weight"],
                "buffers-not-registered" if any(n in learned for n in _STATISTICS) else "wrong-result",
                expected="weight and bias are the parameters",
                seen=f"{', '.join(learned) or 'none'}",
            )
            count = as_tensor(entry(entry(saved["value"], "state"), _STATISTICS[2]))
            verdict.require(
                "state",
                count is not None and count.dtype == torch.int64 and count.dim() == 0,
                "counter-not-updated",
                expected="num_batches_tracked is one whole number, as in nn.BatchNorm1d",
                seen="it is not saved"
                if count is None
                else f"{str(count.dtype).removeprefix('torch.')}, shape {tuple(count.shape)}",
                cause="",
            )
        loaded = evidence["loaded"]["call"]
        if verdict.ended(loaded, ["state"]):
            _, x, _, weight, bias = self._inputs(cases["loaded"])
            right = _loaded_layer(x, weight, bias)
            with torch.no_grad():
                known = right.eval()(x)
            told = verdict.failed("mode") or verdict.failed("numbers")
            for key in ("there", "back"):
                verdict.require(
                    "state",
                    close(as_tensor(entry(loaded["value"], key)), known) or told,
                    expected="a state saved by one of the two layers works in the other",
                    seen="other results after loading",
                    cause="",
                )
        continued = evidence["continued"]["call"]
        if not verdict.failed("statistics") and verdict.ended(continued, ["state"]):
            for name, known in zip(_STATISTICS[:2], _averages(self._inputs(cases["continued"])), strict=True):
                got = as_tensor(entry(continued["value"], name))
                verdict.require(
                    "state",
                    close(got, known),
                    "momentum-none-not-cumulative",
                    expected=f"with momentum=None, a loaded layer counts on: {name} is the mean over all three batches",
                    seen=_moved_words(got, known),
                    cause="The loaded num_batches_tracked has no part in the mean",
                )
        converted = evidence["converted"]["call"]
        if verdict.ended(converted, ["state"]):
            sorts = {k["value"]: v["value"] for k, v in entry(converted["value"], "dtypes")["pairs"]}
            verdict.require(
                "state",
                sorts == {"running_mean": "float64", "running_var": "float64", "num_batches_tracked": "int64"},
                "buffers-not-registered",
                expected="double() converts the running statistics, and leaves the counter",
                seen=", ".join(f"{k} {v}" for k, v in sorts.items()),
            )


def _statistics(layer: nn.Module) -> dict[str, Any]:
    values = {n: getattr(layer, n, None) for n in (*_STATISTICS, "weight", "bias")}
    return {n: _kept(v) for n, v in values.items()}


def _kept(value: Any) -> Any:
    """A copy of a tensor that still tells whether it hangs on a graph."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def _made(candidate: Any, given: Sequence[torch.Tensor]) -> Any:
    """A layer with the case's affine map, and how it was before that."""
    weight, bias = given[-2:]
    layer = candidate(len(bias), eps=_EPS, momentum=_MOMENTUM)
    if not isinstance(layer, nn.Module):
        return layer, {}
    with torch.no_grad():
        initial = _statistics(layer)
        for name, value in (("weight", weight), ("bias", bias)):
            if isinstance(getattr(layer, name, None), torch.Tensor):
                getattr(layer, name).copy_(value)
    return layer, initial


def _both_modes(candidate: Any, given: Sequence[torch.Tensor], grad: bool) -> dict[str, Any]:
    first, second, third, *_ = given
    with torch.set_grad_enabled(True):
        layer, initial = _made(candidate, given)
    if not isinstance(layer, nn.Module):
        return {"made": layer}
    parent = nn.Sequential(nn.Identity(), layer)
    notes: dict[str, Any] = {"initial": initial, "deaf": "", "touched": False, "recorded": False}

    def switch(mode: bool) -> None:
        try:
            parent.train(mode)
        except TypeError as error:  # a train() of its own: see what the layer does when it is asked itself
            notes["deaf"] = notes["deaf"] or str(error)[:120]
            (layer.train if mode else layer.eval)()

    def run(x: torch.Tensor) -> Any:
        own = x.clone()
        y = parent(own)
        notes["touched"] = notes["touched"] or not torch.equal(own, x)
        notes["recorded"] = notes["recorded"] or bool(getattr(y, "requires_grad", False))
        return _kept(y)

    with torch.set_grad_enabled(grad):
        switch(True)
        run(first)
        notes["before"] = _statistics(layer)
        notes["train"] = run(second)
        notes["after_training"] = _statistics(layer)
        switch(False)
        notes["eval_flag"] = bool(layer.training)
        notes["eval"], notes["eval_part"] = run(third), run(third[:3])
        notes["after_evaluation"] = _statistics(layer)
        switch(True)
        notes["train_part"] = run(second[:3])
        notes["train_returns"] = layer.train() is layer
    notes["flags"] = [
        k for k, v in vars(layer).items() if isinstance(v, bool) and k != "training" and "train" in k.lower()
    ]
    return notes


def _gradients_of(layer: nn.Module, x: torch.Tensor) -> dict[str, Any]:
    """Two training steps' worth of backward passes through the layer."""
    layer.train()
    leaf = x.clone().requires_grad_(True)
    for power in (2, 3):
        _weighted(layer(leaf), power).backward()
    leaves = {n: getattr(layer, n, None) for n in ("weight", "bias")} | {"x": leaf}
    notes = {n: _kept(getattr(v, "grad", None)) for n, v in leaves.items()} | {"statistics": _statistics(layer)}
    for value in leaves.values():
        if getattr(value, "grad", None) is not None:
            value.grad = None
    y = layer.eval()(leaf)
    if y.requires_grad:
        _weighted(y, 2).backward()
    notes["evaluation"] = {n: getattr(v, "grad", None) for n, v in leaves.items()}
    return {**notes, "in_evaluation": y.requires_grad}


def _weighted(y: torch.Tensor, power: int) -> torch.Tensor:
    """One number to go back from, in which no two rows count the same."""
    return (y**power * torch.linspace(0.5, 1.5, len(y))[:, None]).sum()


def _gradient_with_constants(layer: nn.BatchNorm1d, x: torch.Tensor) -> torch.Tensor:
    """The gradient of x by somebody who takes mean and variance for constants."""
    leaf = x.clone().requires_grad_(True)
    y = (leaf - x.mean(0)) / (x.var(0, correction=0) + _EPS).sqrt() * layer.weight.detach() + layer.bias.detach()
    scale = torch.linspace(0.5, 1.5, len(x))[:, None]
    return torch.autograd.grad(((y**2 + y**3) * scale).sum(), leaf)[0]


def _by_default(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    """One batch whose variance is about as small as the default eps."""
    layer = candidate(len(given[-1]))
    layer.train()
    return {"y": layer(given[0] * 3e-3), "running_mean": layer.running_mean}


def _accumulate(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    layer = candidate(len(given[-1]), _EPS, None)
    layer.train()
    for x in given[:3]:
        layer(x)
    return _statistics(layer)


def _averages(given: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The running mean and variance after three batches, with momentum=None."""
    return [sum(parts) / 3 for parts in zip(*((x.mean(0), x.var(0)) for x in given[:3]), strict=True)]


def _continue(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Two batches in one layer, the third in another that was loaded with what the first one knew."""
    first, second = (candidate(len(given[-1]), _EPS, None).train() for _ in range(2))
    for x in given[:2]:
        first(x)
    second.load_state_dict(first.state_dict())
    second(given[2])
    return _statistics(second)


def _stand_still(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    layer = candidate(len(given[-1]), _EPS, 0.0)
    layer.train()
    for x in given[:2]:
        layer(x)
    return _statistics(layer)


def _one_in_evaluation(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    layer = candidate(len(given[-1]), _EPS, _MOMENTUM)
    layer.eval()
    with torch.no_grad():
        return {"y": layer(given[0][:1])}


def _one_sample(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    layer = candidate(len(given[-1]), eps=_EPS, momentum=_MOMENTUM)
    layer.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own remark about the variance of one value, once per process
        return {"y": layer(given[0][:1])}


def _learn_twice(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    return _gradients_of(_made(candidate, given)[0], given[0])


def _save(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    layer, _ = _made(candidate, given)
    layer.train()
    layer(given[0])
    return {
        "state": {str(k): _kept(v) for k, v in layer.state_dict().items()},
        "parameters": [n for n, _ in layer.named_parameters()],
        "attributes": [n for n in _STATISTICS if getattr(layer, n, None) is not None],
        "buffers": [n for n, _ in layer.named_buffers()],
    }


def _loaded_layer(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> nn.BatchNorm1d:
    layer = nn.BatchNorm1d(len(bias), eps=_EPS, momentum=_MOMENTUM)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
        layer(x * 1.5)
        layer(x + 0.5)
    return layer


def _load(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    _, x, _, weight, bias = given
    source = _loaded_layer(x, weight, bias)
    layer = candidate(len(bias), eps=_EPS, momentum=_MOMENTUM)
    layer.load_state_dict(source.state_dict())
    target = nn.BatchNorm1d(len(bias), eps=_EPS, momentum=_MOMENTUM)
    target.load_state_dict(layer.state_dict())
    with torch.no_grad():
        return {"there": layer.eval()(x), "back": target.eval()(x)}


def _convert(candidate: Any, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    layer = candidate(len(given[-1]), eps=_EPS, momentum=_MOMENTUM).double()
    values = {n: getattr(layer, n, None) for n in _STATISTICS}
    return {"dtypes": {n: str(getattr(v, "dtype", type(v).__name__)).removeprefix("torch.") for n, v in values.items()}}


def _texts(value: Mapping[str, Any], key: str) -> list[str]:
    return [i["value"] for i in entry(value, key)["items"]]


def _unregistered(saved: Record) -> list[str]:
    """Statistics that the layer has, but that PyTorch does not know as buffers."""
    if saved["ended"] != "returned":
        return []
    known = [k["value"] for k, _ in entry(saved["value"], "state")["pairs"]]
    return [n for n in _texts(saved["value"], "attributes") if n not in known]


def _differ(on: Mapping[str, Any], off: Mapping[str, Any]) -> str | None:
    """What differs between the same calls with gradients on and off."""
    pairs = {
        "outputs in training": [("train",), ("train_part",)],
        "outputs in evaluation": [("eval",), ("eval_part",)],
        "running statistics": [(when, n) for when in ("after_training", "after_evaluation") for n in _STATISTICS],
    }
    for words, paths in pairs.items():
        for path in paths:
            a, b = on, off
            for key in path:
                a, b = entry(a, key), entry(b, key)
            x, y = as_tensor(a), as_tensor(b)
            if x is not None and y is not None and (x.shape != y.shape or not close(x, y)):
                return words
    return None


def _uses_batch(value: Mapping[str, Any], mode: str) -> bool:
    whole, part = as_tensor(entry(value, mode)), as_tensor(entry(value, f"{mode}_part"))
    if whole is None or part is None or part.dim() == 0 or whole.shape[1:] != part.shape[1:]:
        return False
    return not close(whole[: len(part)], part, rtol=1e-3, atol=1e-3)


def _batch_in_evaluation(value: Mapping[str, Any], given: Sequence[torch.Tensor]) -> bool:
    """Rows that change in other company, unless that is because the statistics moved between the two passes."""
    mean, var = _own_statistics(entry(value, "after_training"), given[4])
    by_statistics = _ways(given[2], mean, var, *given[3:])
    return _uses_batch(value, "eval") and not any(
        close(as_tensor(entry(value, "eval")), w) for w in by_statistics.values()
    )


def _own_statistics(statistics: Mapping[str, Any] | None, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's own running mean and variance; NaN, which equals nothing, if it has none."""
    mean, var = (as_tensor(entry(statistics, n)) for n in _STATISTICS[:2])
    if mean is None or var is None or mean.shape != like.shape or var.shape != like.shape:
        return torch.full_like(like, torch.nan), torch.full_like(like, torch.nan)
    return mean, var


def _moved(value: Mapping[str, Any], before: str, after: str) -> bool:
    for name in _STATISTICS:
        a, b = as_tensor(entry(entry(value, before), name)), as_tensor(entry(entry(value, after), name))
        if a is not None and b is not None and not (a.shape == b.shape and torch.equal(a, b)):
            return True
    return False


def _ways(
    x: torch.Tensor, mean: torch.Tensor, var: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> dict[str, torch.Tensor]:
    centred = x - mean
    return {
        "right": centred / (var + _EPS).sqrt() * weight + bias,
        "no eps": centred / var.sqrt() * weight + bias,
        "eps outside": centred / (var.sqrt() + _EPS) * weight + bias,
        "no affine": centred / (var + _EPS).sqrt(),
    }


def _training_ways(given: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the second batch may become in training, rightly and wrongly."""
    x, affine = given[1], given[3:]
    wrong = {
        "unbiased-normalisation": (x.mean(0), x.var(0)),
        "wrong-reduction-dims": (x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)),
        "all": (x.mean(), x.var(correction=0)),
    }
    others = {k: _ways(x, mean, var, *affine)["right"] for k, (mean, var) in wrong.items()}
    return {**_ways(x, x.mean(0), x.var(0, correction=0), *affine), **others}


def _moving_mistake(name: str, got: torch.Tensor | None, first: torch.Tensor, second: torch.Tensor) -> str:
    if got is None:
        return "wrong-result"
    start = torch.full_like(first[0], float(name == "running_var"))
    if got.shape == start.shape and close(got, start):
        return "stats-not-updated"
    values = {
        "right": [b.mean(0) if name == "running_mean" else b.var(0) for b in (first, second)],
        "biased-running-var": [
            b.mean(0) if name == "running_mean" else b.var(0, correction=0) for b in (first, second)
        ],
    }
    for kind, (a, b) in values.items():
        for m, mistake in ((_MOMENTUM, kind), (1 - _MOMENTUM, "momentum-reversed")):
            if close(got, (start * (1 - m) + a * m) * (1 - m) + b * m):
                return mistake if mistake != "right" else "wrong-result"
    return "wrong-result"


def _moved_words(got: torch.Tensor | None, known: torch.Tensor) -> str:
    if got is None:
        return "it does not exist"
    if got.shape != known.shape:
        return f"shape {tuple(got.shape)}"
    return f"{float(got[0]):.4g} instead of {float(known[0]):.4g} in the first feature"


# ---------------------------------------------------------------------- fit

_EPOCHS = 6


def _level_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross entropy to learn from, with a value that is always the same, and above what anybody starts from."""
    loss = F.cross_entropy(logits, y)
    return loss - loss.detach() + 1e12


def _falling_loss(model: nn.Module) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Cross entropy to learn from, whose value falls a very little with every batch that ``model`` was trained on."""

    def loss_fn(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(logits, y)
        return loss - loss.detach() + 1.0 - 5e-6 * float(model.get_buffer("body.1.num_batches_tracked"))

    return loss_fn


class Fit(Exercise):
    id = "gradmode.fit"
    title = "A run that repeats itself and keeps its best weights"
    problem_set = _SET
    stars, minutes = 3, 45
    parameters = ("model", "loaders", "loss_fn", "optimizer", "epochs", "seed")
    timeline = True
    at_stake = ("best-state-aliased", "nondeterministic", "global-rng-disturbed", "buffers-forgotten")
    checks = (
        Check("training", "The model is trained, in training mode, one clean step per batch", 1, sections.TWO_PHASES),
        Check(
            "history",
            "One float per epoch; validation is measured in evaluation mode, per sample",
            1,
            sections.PER_SAMPLE,
        ),
        Check(
            "repeats",
            "Start and seed decide the run, bit for bit; validating does not change it",
            1,
            sections.REPEATABLE_RUNS,
        ),
        Check(
            "best weights",
            "It ends with the weights of the best validation loss, the first of equals",
            1,
            sections.BEST_WEIGHTS,
        ),
        Check("best state", "best_state is a copy of the best epoch's whole state", 1, sections.BEST_WEIGHTS),
        Check(
            "as found", "The caller's random state and every submodule's mode are as found", 1, sections.RESTORE_MODES
        ),
    )
    case_names = _RETURNING = ("best", "level", "falling", "drawn")

    def _training(self, case: Case) -> Training:
        if case.name == "best":
            t = turning_training(case, _EPOCHS, _turns, nn.CrossEntropyLoss())
        elif case.name == "drawn":
            t = a_training(case, build(DenseDropping, case.seed).eval())
            t.model.get_submodule("features.0.0").requires_grad_(False)
        else:
            model = mixed_modes(build(NormOnly, case.seed, double=True), "body.1", "out")
            t = a_training(case, model, _falling_loss(model) if case.name == "falling" else _level_loss)
        fill_grads(t.model, case.seed + 7)
        return t

    #: Sizes of the training loader's batches.
    _BATCHES = (4, 4, 4, 2)

    def _epochs(self, name: str) -> int:
        return {"best": _EPOCHS, "level": 3}.get(name, 2)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        seed = case.seed % 1000
        evidence = {"call": self._run(case, candidate, probe, 5, seed)}
        if case.name == "drawn":
            evidence["elsewhere"] = self._run(case, candidate, probe, 6, seed)
            evidence["reseeded"] = self._run(case, candidate, probe, 5, seed + 1)
            evidence["quiet"] = self._run(case, candidate, probe, 5, seed, val="quiet")
            evidence["augmented"] = [self._run(case, candidate, probe, salt, seed, val="augmented") for salt in (5, 6)]
        return evidence

    def _run(self, case: Case, candidate: Any, probe: Probe, salt: int, seed: int, *, val: str = "") -> dict[str, Any]:
        t = self._training(case)
        if case.name == "drawn":
            train, val_loader = (noisy_loader(*p, batch_size=4, shuffle=p is t.train) for p in (t.train, t.val))
            if val == "quiet":  # the same batches, from a loader that draws nothing
                val_loader = quiet_loader(*t.val, batch_size=4)
            elif val == "augmented":  # other numbers in the batches, with the random state
                val_loader = DataLoader(Augmented(*t.val), batch_size=4)
        else:
            train, val_loader = (quiet_loader(*part, batch_size=4) for part in (t.train, t.val))
        notes: dict[str, Any] = {"aliased": False}

        def take(value: Any) -> dict[str, Any]:
            notes["state"] = state_of(t.model)
            description = describe(value)
            notes["aliased"] = _aliased(value, t.model)
            return description

        with seeded(case.seed + salt):
            torch.rand(1)  # the caller has drawn before: to seed again is not to give back
            record = probe.call(
                candidate,
                t.model,
                {"train": train, "val": val_loader},
                t.loss_fn,
                t.optimizer,
                self._epochs(case.name),
                seed,
                models={"model": t.model},
                tensors=t.tensors,
                take=take,
            )
        return {**record, **notes}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        runs = {n: evidence[n]["call"] for n in self._RETURNING}
        drawn = evidence["drawn"]
        every = [*runs.values(), *(drawn[k] for k in ("elsewhere", "reseeded", "quiet")), *drawn["augmented"]]
        for record in every:
            if not verdict.ended(record):
                return
        if not any(samples_seen(r) for r in runs.values()):
            verdict.stop(
                "wrong-result",
                expected="the model is trained for the epochs asked for",
                seen="no sample went through it",
                cause="",
            )
            return
        references = {n: reference_run(self._training(cases[n]), self._epochs(n)) for n in self._RETURNING[:3]}
        trained = self._judge_training(verdict, runs, references["best"], self._training(cases["best"]))
        measured = self._judge_history(verdict, runs, references["best"], trained)
        for name in ("level", "falling", "drawn"):
            history_lists(verdict, "history", entry(runs[name]["value"], "history"), self._epochs(name))
        self._judge_repeats(verdict, drawn, measured)
        if trained:
            for name, reference in references.items():
                self._judge_best(verdict, runs[name], reference, measured)
        else:
            stepped = "validation-trains" if steps_made(runs["best"]) > _EPOCHS * len(self._BATCHES) else None
            self._judge_own_best(verdict, runs["best"], cases["best"], measured or stepped)
        self._judge_form(verdict, runs)
        for record in runs.values():
            verdict.require(
                "best weights",
                not record["replaced"],
                expected="the best values in the model's own parameters, which the optimizer holds",
                seen="new parameters, which no optimizer knows",
                cause="",
            )
        for record in every:
            verdict.require(
                "as found",
                not record["rng_moved"],
                "global-rng-disturbed",
                expected="the caller's random state comes back untouched",
                seen="it is another after the call",
            )
        judge_modes(verdict, "as found", every)
        for record in every:
            judge_undisturbed(verdict, "as found", record, may=("params", "buffers", "grads", "rng"))

    def _judge_training(
        self, verdict: Verdict, runs: Mapping[str, Any], reference: Reference, t: Training
    ) -> bool:
        expected = "one forward, backward and step per training batch, in training mode, from fresh gradients"
        steps = steps_made(runs["best"])
        idle = any("train-never-called" in r["rules"] for r in runs.values())
        if steps > _EPOCHS * len(self._BATCHES):
            verdict.fail(
                "training",
                "validation-trains",
                expected=expected,
                seen=f"{steps} steps in {_EPOCHS} epochs of {len(self._BATCHES)} batches",
            )
        elif idle:
            # the first pass tells whether train() was forgotten altogether, or only after a validation
            once = any(r["training"] for r in passes(runs["drawn"])[:1])
            verdict.fail(
                "training",
                "mode-not-restored" if once else "train-never-called",
                expected=expected,
                seen="optimizer steps on evaluation-mode passes" + (", after a validation" if once else ""),
            )
        elif not _trained(runs["best"], reference):
            mistake, seen = training_mistake(runs["best"])
            if _uncleared(runs["best"]["state"], t, reference):
                mistake, seen = "zero-grad-missing", _STALE
            verdict.fail(
                "training", mistake, expected=expected, seen=seen, cause=None if mistake != "wrong-result" else ""
            )
        return verdict.require("training", True, expected="", seen="") and not verdict.failed("training")

    def _judge_history(
        self, verdict: Verdict, runs: Mapping[str, Any], reference: Reference, trained: bool
    ) -> str | None:
        """Judge the history; return the misconception behind validation passes that were none."""
        mistake = next((m for m in map(validation_mode, runs.values()) if m), None)
        history = entry(runs["best"]["value"], "history")
        if history is None:
            verdict.fail(
                "history",
                "wrong-result",
                expected="a dict with the keys 'history' and 'best_state'",
                seen=named(runs["best"]["value"]),
                cause="",
            )
            return mistake
        got = history_lists(verdict, "history", history, _EPOCHS)
        if got is None:
            return mistake
        if mistake and not learning_unrecorded(runs["best"]):
            verdict.fail(
                "history",
                mistake,
                expected="validation runs in evaluation mode",
                seen="layers worked as in training while validating",
            )
        if trained:
            judge_history(verdict, "history", got, reference)
        verdict.require("history", True, expected="", seen="")
        return mistake

    def _judge_repeats(self, verdict: Verdict, drawn: Mapping[str, Any], measured: str | None) -> None:
        here, elsewhere, other = drawn["call"], drawn["elsewhere"], drawn["reseeded"]
        strayed = [k for k, v in here["state"].items() if not torch.equal(v, elsewhere["state"][k])]
        seen = (
            f"{len(strayed)} of {len(here['state'])} tensors differ"
            if strayed
            else "the histories or best states differ"
        )
        verdict.require(
            "repeats",
            not strayed and _alike(here["value"], elsewhere["value"]),
            "nondeterministic",
            expected="the same run from the same start and seed, whatever the caller's random state",
            seen=seen,
        )
        one, two = drawn["augmented"]
        verdict.require(
            "repeats",
            _identical(one["state"], two["state"]) and _alike(one["value"], two["value"]),
            "nondeterministic",
            expected="the same validation losses from the same start and seed, also with random augmentation",
            seen="others, when the caller's random state is another",
        )
        # a validation in training mode draws and moves statistics: that is told where it is measured
        awake = any(p["training"] and p["grad"] != "on" for p in passes(here))
        verdict.require(
            "repeats",
            measured is not None
            or (_identical(here["state"], drawn["quiet"]["state"]) and _alike(here["value"], drawn["quiet"]["value"])),
            "eval-never-called" if awake else "validation-disturbs-rng",
            expected="the same training, whether the validation loader draws random numbers or not",
            seen="another one: the model's own flag said training while it was measured"
            if awake
            else "another training with a loader that draws none",
        )
        if here["params"]:
            verdict.require(
                "repeats",
                not _identical(here["state"], other["state"]),
                expected="another seed gives another run",
                seen="the same weights, bit for bit: the seed is not used",
                cause="",
            )

    def _judge_best(self, verdict: Verdict, record: Record, reference: Reference, measured: str | None) -> None:
        final, kept = _epoch_of(record["state"], reference), _epoch_of(_best_state(record), reference)
        best = _best_epoch(record, reference)
        expected = f"the weights of epoch {best + 1}, whose validation loss is the lowest"
        if reference.val[0].loss == reference.val[-1].loss:
            expected = "the weights of epoch 1: all validation losses are equal, and the first wins"
        if final is None and kept is None:
            for check in ("best weights", "best state"):
                verdict.fail(
                    check, "wrong-result", expected=expected, seen="weights of no epoch of this training", cause=""
                )
            return
        aliased = record["aliased"] and final == len(reference.states) - 1 != best
        words = "weights of no epoch" if final is None else f"those of epoch {final + 1}"
        verdict.require(
            "best weights",
            final == best,
            "best-state-aliased" if aliased else "wrong-result",
            expected=expected,
            seen=words,
            cause=None if aliased else "",
        )
        state = _best_state(record)
        buffers = {k: v for k, v in reference.states[best].items() if k not in reference.params}
        if final == best and not measured:
            verdict.require(
                "best weights",
                same_state(record["state"], buffers),
                "buffers-forgotten",
                expected="running statistics of the best epoch too",
                seen="those of another moment",
            )
        if not state:
            return
        verdict.require(
            "best state",
            not record["aliased"],
            "best-state-aliased",
            expected="a state that no longer changes when the model does",
            seen="it changes with the model",
        )
        missing = [k for k in record["state"] if k not in state]
        verdict.require(
            "best state",
            not missing,
            "buffers-forgotten" if all(k in buffers for k in missing) else "wrong-result",
            expected="all entries of the model's state_dict",
            seen=f"{', '.join(missing[:2])} missing",
            cause=None if all(k in buffers for k in missing) else "",
        )
        if not missing:
            verdict.require(
                "best state",
                kept == best,
                "wrong-result",
                expected=expected,
                seen="other weights" if kept is None else f"those of epoch {kept + 1}",
                cause="",
            )
            verdict.require(
                "best state",
                kept != best or measured is not None or same_state(state, buffers),
                "buffers-forgotten",
                expected="running statistics of the best epoch too",
                seen="those of another moment",
            )

    def _judge_own_best(self, verdict: Verdict, record: Record, case: Case, measured: str | None) -> None:
        """Where the training itself went another way: the weights must give the lowest of the losses it reported."""
        t = self._training(case)
        listed = [loosely(i) for i in items(entry(entry(record["value"], "history"), "val_loss")) or []]
        lowest = min((v for v in listed if v is not None), default=None)
        for check, state in (("best weights", record["state"]), ("best state", _best_state(record))):
            loss = None
            if state.keys() == t.model.state_dict().keys():
                t.model.load_state_dict(state)
                loss = Averages.of(t.model, *t.val, t.batch_size, t.loss_fn).loss
            verdict.require(
                check,
                lowest is not None and near(loss, lowest),
                measured or "wrong-result",
                expected=f"weights with the lowest validation loss of the history, {short(lowest)}",
                seen=f"weights with {short(loss)}",
                cause=None if measured else "",
            )

    def _judge_form(self, verdict: Verdict, runs: Mapping[str, Any]) -> None:
        value = entry(runs["best"]["value"], "best_state")
        verdict.require(
            "best state",
            value is not None and value["type"] == "dict",
            expected="best_state is a dict like the model's state_dict",
            seen=named(value),
            cause="",
        )
        extra = [k for k in _best_state(runs["best"]) if k not in runs["best"]["state"]]
        verdict.require(
            "best state",
            not extra,
            expected="the entries of the model's state_dict and no others",
            seen=f"{', '.join(extra[:2])} besides",
            cause="",
        )


def _trained(record: Record, reference: Reference) -> bool:
    """The weights at the end, the best ones or the training losses are those of the reference."""
    if any(_epoch_of(state, reference) is not None for state in (record["state"], _best_state(record))):
        return True
    listed = items(entry(entry(record["value"], "history"), "train_loss")) or []
    losses = [loosely(i) for i in listed]
    return len(losses) == len(reference.running) and any(
        all(near(a, b.loss, rtol=1e-3, atol=1e-4) for a, b in zip(losses, way, strict=True))
        for way in (reference.running, reference.after)
    )


def _turns(reference: Reference) -> bool:
    """Whether the validation loss is lowest in the middle, where neither accuracy nor training loss is best.

    Not in the second epoch: who compares the first two would find it there.  After that it falls again, though not as
    low: an epoch better than the one before is no best one.
    """
    losses, accuracies = [a.loss for a in reference.val], [a.accuracy for a in reference.val]
    best = losses.index(min(losses))
    clear = sorted(losses)[1] - min(losses) > 0.01
    elsewhere = accuracies[best] < max(accuracies) and all(
        [a.loss for a in way].index(min(a.loss for a in way)) != best for way in (reference.running, reference.after)
    )
    again = any(later < earlier - 1e-3 for earlier, later in itertools.pairwise(losses[best:]))
    return 1 < best < _EPOCHS - 1 and clear and elsewhere and again


def _best_state(record: Record) -> dict[str, torch.Tensor]:
    value = entry(record["value"], "best_state")
    if value is None or value["type"] != "dict":
        return {}
    return {k["value"]: v["tensor"] for k, v in value["pairs"] if k["type"] == "str" and as_tensor(v) is not None}


def _epoch_of(state: Mapping[str, torch.Tensor], reference: Reference) -> int | None:
    """After which epoch of the reference the parameters were these."""
    params = reference.params
    for i, known in enumerate(reference.states):
        if same_state(state, {k: known[k] for k in params}):
            return i
    return None


def _best_epoch(record: Record, reference: Reference) -> int:
    """The first lowest validation loss: by the candidate's own account if there is one, else by the reference."""
    listed = entry(entry(record["value"], "history"), "val_loss")
    losses = [i.get("value") for i in listed["items"]] if listed is not None and "items" in listed else []
    if len(losses) != len(reference.states) or not all(isinstance(v, float) for v in losses):
        losses = [a.loss for a in reference.val]
    return losses.index(min(losses))


def _alike(a: Any, b: Any) -> bool:
    """Two descriptions say the same, to the last bit."""
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_alike(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return a == b


def _aliased(value: Any, model: nn.Module) -> bool:
    """Whether the returned best state changes when the model does."""
    state = value.get("best_state") if isinstance(value, dict) else None
    tensors = [v for v in state.values() if isinstance(v, torch.Tensor)] if isinstance(state, dict) else []
    before = [v.detach().clone() for v in tensors]
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
    return any(not torch.equal(a.detach(), b) for a, b in zip(tensors, before, strict=True))


EXERCISES = (RunPhase(), WithoutGrad(), StreamLogits(), BatchNorm1d(), Fit())
