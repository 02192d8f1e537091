"""ps3: evaluation loops that measure without disturbing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from . import _sections as sections
from ._evidence import as_tensor, describe, entry, items, loosely, named
from ._exercise import Case, Check, Exercise, Verdict
from ._judging import (
    SWITCH,
    close,
    judge_modes,
    judge_no_graph,
    judge_ordinary,
    judge_undisturbed,
    live_words,
    mode_mistake,
    near,
    samples_seen,
)
from ._loops import (
    Averages,
    Reference,
    Training,
    history_lists,
    judge_averages,
    judge_history,
    learning_unrecorded,
    loss_and_accuracy,
    reference_run,
    short,
    sleeping_layers,
    validation_mode,
)
from ._models import (
    Augmented,
    Conv,
    ConvDropping,
    Dense,
    DropoutOnly,
    NormOnly,
    Scene,
    Shuffling,
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

_SET = "ps3-evaluation"


def _call(probe: Probe, candidate: Any, scene: Scene, *args: Any, take: Any = describe) -> dict[str, Any]:
    with torch.set_grad_enabled(scene.caller_grad):
        return probe.call(
            candidate,
            scene.model,
            *args,
            models={"model": scene.model},
            tensors={"x": scene.x, "y": scene.y},
            take=take,
        )


def _scene(case: Case) -> Scene:
    """The situation of that name, with what an evaluation must respect: frozen weights, the caller's own loss."""
    scene = a_scene(case.name, case.seed)
    if case.name == "mixed":
        scene.model.stem.requires_grad_(False)
    if case.name == "dropout":
        scene.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.2)
    return scene


def _loader(case: Case, scene: Scene) -> DataLoader:
    """In one case the samples lie in another order than the loader gives them."""
    if case.name != "quiet":
        return scene.loader
    order = torch.randperm(len(scene.x), generator=case.generator(9))
    back = order.argsort()
    dataset = Subset(TensorDataset(scene.x[back], scene.y[back]), order.tolist())
    return DataLoader(dataset, batch_size=scene.batch_size, generator=torch.Generator().manual_seed(0))


class _Stopped(Exception):
    """Raised on purpose; not an Exception, as when somebody presses stop."""


def _stop(*_: Any) -> Any:
    raise _Stopped


_GRAPH = Check("graph", "No autograd graph is recorded", 1, sections.NO_GRAPH)
_MODES = Check("modes", "Every submodule's mode is as it was, also after an exception", 1, sections.RESTORE_MODES)


# ---------------------------------------------------------------------- evaluate


class Evaluate(Exercise):
    id = "evaluation.evaluate"
    title = "An evaluation loop"
    problem_set = _SET
    stars, minutes = 1, 20
    parameters = ("model", "loader", "loss_fn")
    timeline = True
    at_stake = ("eval-never-called", "mode-not-restored", "graph-built", "batch-mean-of-means")
    checks = (
        Check("averages", "Loss and accuracy are averages over all samples, as Python floats", 1, sections.PER_SAMPLE),
        Check("evaluation mode", "The model is measured in evaluation mode", 1, sections.EVALUATION_MODE),
        _MODES,
        _GRAPH,
        Check("undisturbed", "Nothing else is changed", 1, sections.FOUR_PLACES),
    )
    case_names = ("train", "mixed", "quiet", "plain", "dropout", "raises", "stopped")

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        scene = _scene(case)
        loss_fn = _stop if case.name == "stopped" else scene.loss_fn
        first = _call(probe, candidate, scene, _loader(case, scene), loss_fn)
        if case.name in ("raises", "stopped"):
            return {"call": first}
        return {"call": first, "again": _call(probe, candidate, scene, _loader(case, scene), loss_fn)}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        normal = []
        worked = False
        names = ("plain", "train", "mixed", "quiet", "dropout")
        for name in names:  # first of all cases: by chance, one of them may repeat what is random
            _require_repeatable(verdict, evidence[name])
        for name in names:
            record = evidence[name]["call"]
            if not verdict.ended(record):
                return
            scene = _scene(cases[name])
            normal.append(record)
            known = Averages.of(scene.model, scene.x, scene.y, scene.batch_size, scene.loss_fn)
            values = loss_and_accuracy(verdict, "averages", record["value"])
            sound = judge_averages(verdict, record, values, known)
            worked = worked or sound or samples_seen(record) >= len(scene.x)
            judge_no_graph(verdict, "graph", record, {"loss": entry(record["value"], "loss")})
            judge_undisturbed(verdict, "undisturbed", record)
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "modes", normal, [raising] if "modes_before" in raising else [])
        if "modes_before" in raising:
            verdict.require(
                "undisturbed",
                raising["grad_before"] == raising["grad_after"],
                "grad-mode-leaked",
                expected="gradient recording is as before, also when an exception passes through",
                seen="it was left changed after an exception inside the model",
            )
        stopped = evidence["stopped"]["call"]
        if "modes_before" in stopped:
            verdict.require(
                "modes",
                stopped["modes_before"] == stopped["modes_after"],
                "restore-skipped-on-exception",
                expected="every submodule's mode is as it was, also when loss_fn is interrupted",
                seen="modes were left changed",
            )
        if not worked:
            verdict.stop(
                "wrong-result",
                expected="the model is run on every batch and the loss and accuracy are measured",
                seen=f"{samples_seen(normal[0])} samples went through it, and {named(normal[0]['value'])} came back",
                cause="",
            )


def _require_repeatable(verdict: Verdict, evidence: Mapping[str, Any]) -> None:
    """The second call gave what the first did, where both gave numbers and modes are not why they differ."""
    first, again = evidence["call"], evidence["again"]
    if first["ended"] != "returned" or again["ended"] != "returned" or mode_mistake(first) is not None:
        return
    values, repeat = (
        tuple(loosely(entry(call["value"], name)) for name in ("loss", "accuracy")) for call in (first, again)
    )
    if None in values:
        return
    verdict.require(
        "averages",
        all(b is not None and near(a, b) for a, b in zip(values, repeat, strict=True)),
        "nondeterministic",
        expected="two calls on the same data give the same numbers",
        seen=f"loss {short(values[0])} and then {short(repeat[0])}",
    )


# ---------------------------------------------------------------------- evaluating


class Evaluating(Exercise):
    id = "evaluation.evaluating"
    title = "A context manager for evaluation mode"
    problem_set = _SET
    stars, minutes = 2, 20
    parameters = ("model",)
    at_stake = ("mode-not-restored", "blanket-train-restore", "restore-skipped-on-exception", "root-flag-only")
    checks = (
        Check("inside", "Inside the block every submodule is in evaluation mode", 1, sections.EVALUATION_MODE),
        Check("after", "After the block every mode is as it was, nested blocks included", 1, sections.RESTORE_MODES),
        Check("exception", "An exception passes through and the modes are as they were", 1, sections.RESTORE_MODES),
        Check("undisturbed", "The block gets the model itself, and nothing else is changed", 1, sections.FOUR_PLACES),
    )
    case_names = ("train", "mixed", "eval", "nested", "exception")

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model = build(Conv if case.name == "mixed" else Dense, case.seed)
        if case.name == "mixed":
            mixed_modes(model, "norm", "drop")
            fill_grads(model, case.seed + 7)
            next(model.parameters()).requires_grad_(False)
        else:
            model.train(case.name not in ("eval", "nested"))
        if case.name == "nested":  # live below a block and a root that sleep
            model.get_submodule("features.0.3").train()
        notes: dict[str, Any] = {}

        def modes() -> dict[str, bool]:
            return {n: m.training for n, m in model.named_modules()}

        def block(model: nn.Module) -> None:
            notes["found"] = modes()
            manager = candidate(model)
            notes["manager"] = hasattr(type(manager), "__enter__") and hasattr(type(manager), "__exit__")
            notes["made"] = modes()
            notes["made_type"] = type(manager).__name__
            if not notes["manager"]:
                return
            with manager as given:
                notes["yields_model"] = given is model
                notes["inside"] = modes()
                notes["grad_inside"] = torch.is_grad_enabled()
                if case.name == "nested":
                    with candidate(model):
                        notes["inner"] = modes()
                    notes["between"] = modes()
                    with candidate(model.get_submodule("features")):
                        pass
                    notes["between_parts"] = modes()
                    model.train()
                    with candidate(model):
                        notes["asleep"] = modes()
                    notes["woken"] = modes()
                if case.name == "exception":
                    try:
                        with candidate(model):
                            raise _Passing
                    except _Passing:
                        notes["inner_passed"] = True
                    notes["between"] = modes()
                    raise _Stopped

        with torch.set_grad_enabled(case.name != "eval"):
            record = probe.call(block, model, models={"model": model})
        return {"call": record, "notes": notes}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        inside = "all submodules are in evaluation mode inside the block"
        normal = []
        for name in ("train", "mixed", "eval", "nested"):
            record, notes = evidence[name]["call"], evidence[name]["notes"]
            if not verdict.ended(record):
                return
            if not notes["manager"]:
                verdict.stop(
                    "wrong-result",
                    expected="something that can stand after with: a context manager",
                    seen=f"evaluating(model) gave a {notes['made_type']}",
                    cause="",
                )
                return
            normal.append(record)
            live = [n for n, flag in notes["inside"].items() if flag]
            if live and not notes["yields_model"] and notes["inside"] == notes["found"]:
                verdict.stop(
                    "wrong-result",
                    expected="the model itself is in evaluation mode inside the block",
                    seen="the model did not change; the block got something else",
                    cause="",
                )
                return
            verdict.require(
                "inside",
                not live,
                "root-flag-only" if not notes["inside"][""] else "eval-never-called",
                expected=inside,
                seen=f"{len(live)} of {len(notes['inside'])} submodules are in training mode",
            )
            verdict.require(
                "inside",
                notes["made"] == notes["found"],
                "mode-not-restored",
                expected="modes change when the block is entered",
                seen="evaluating(model) alone, without with, changed them",
                cause="The switch is thrown where the object is made.",
            )
            verdict.require(
                "undisturbed",
                notes["yields_model"],
                expected="with evaluating(model) as m gives the model itself",
                seen="it gives something else",
                cause="",
            )
            verdict.require(
                "undisturbed",
                notes["grad_inside"] == record["grad_before"],
                "grad-mode-leaked",
                expected="gradient recording inside the block is the caller's own",
                seen=f"it is {SWITCH[notes['grad_inside']]} inside the block",
                cause="Two switches turned at once: mode and gradients are independent.",
            )
            judge_undisturbed(verdict, "undisturbed", record)
        *normal, nested = normal
        judge_modes(verdict, "after", normal)
        notes = evidence["nested"]["notes"]
        for key in ("inner", "between", "between_parts"):
            live = [n for n, flag in notes[key].items() if flag and not notes["inside"][n]]
            mistake = "blanket-train-restore" if key.startswith("between") else "root-flag-only"
            verdict.require(
                "after",
                not live,
                mistake,
                expected="after an inner block the outer one still holds",
                seen=f"{len(live)} submodules are back in training mode inside the outer block",
            )
        live = [n for n, flag in notes["asleep"].items() if flag]
        verdict.require(
            "inside",
            not live,
            "root-flag-only" if not notes["asleep"][""] else "eval-never-called",
            expected=inside + ", also of an inner one when the model was woken in the outer one",
            seen=f"{len(live)} of {len(notes['asleep'])} submodules are in training mode",
        )
        verdict.require(
            "after",
            all(notes["woken"].values()),
            "mode-not-restored",
            expected="after an inner block the modes are those before it",
            seen="modules that had been woken before it are in evaluation mode",
        )
        judge_modes(verdict, "after", [nested], unasked=True)
        record, notes = evidence["exception"]["call"], evidence["exception"]["notes"]
        expected = "the exception passes through, and every mode is as it was"
        passed_on = record["ended"] == "raised" and "_Stopped" in record["kinds"] and notes.get("inner_passed", False)
        verdict.require(
            "exception", passed_on, expected=expected, seen="the exception did not arrive outside", cause=""
        )
        if "modes_before" in record:
            if verdict.failed("after") and record["modes_before"] != record["modes_after"]:
                judge_modes(verdict, "exception", [*normal, record])  # the same mistake as without an exception
            verdict.require(
                "exception",
                record["modes_before"] == record["modes_after"],
                "restore-skipped-on-exception",
                expected=expected,
                seen="modes were left in evaluation after the exception",
            )
        if not any(
            any(
                flag != before
                for flag, before in zip(
                    evidence[n]["notes"]["inside"].values(), evidence[n]["notes"]["found"].values(), strict=True
                )
            )
            for n in ("train", "mixed")
        ):
            verdict.stop("eval-never-called", expected=inside, seen="no submodule's mode changed inside the block")


class _Passing(Exception):
    """Raised inside the learner's block."""


# ---------------------------------------------------------------------- predict_proba


class PredictProba(Exercise):
    id = "evaluation.predict_proba"
    title = "Class probabilities for a whole loader"
    problem_set = _SET
    stars, minutes = 1, 15
    parameters = ("model", "loader")
    timeline = True
    at_stake = ("eval-never-called", "inference-tensor-escapes", "graph-built")
    checks = (
        Check(
            "probabilities",
            "Softmax over the classes, in loader order, in evaluation mode",
            1,
            sections.EVALUATION_MODE,
        ),
        Check("ordinary tensor", "An ordinary tensor without a graph", 1, sections.INFERENCE_TENSORS),
        Check(
            "undisturbed",
            "Modes and everything else are as they were, also after an exception",
            1,
            sections.RESTORE_MODES,
        ),
    )
    case_names = ("train", "mixed", "quiet", "plain", "dropout", "raises")

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        scene = _scene(case)
        if case.name == "raises":
            scene.model.classify = _stop
        usable: dict[str, Any] = {}

        def take(value: Any) -> dict[str, Any]:
            usable.update(_used_in_autograd(value))
            return describe(value)

        if case.name == "dropout":  # a single batch needs no joining
            scene.batch_size = len(scene.x)
        record = _call(probe, candidate, scene, _loader(case, scene), take=take)
        return {"call": record, "usable": usable}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        normal, worked = [], False
        for name in ("plain", "train", "mixed", "quiet", "dropout"):
            record = evidence[name]["call"]
            if not verdict.ended(record):
                return
            normal.append(record)
            scene = _scene(cases[name])
            worked = self._values(verdict, record, scene) or worked or samples_seen(record) >= len(scene.x)
            judge_no_graph(verdict, "ordinary tensor", record, {"the result": record["value"]})
            judge_ordinary(verdict, "ordinary tensor", record["value"], "the result")
            usable = evidence[name]["usable"]
            verdict.require(
                "ordinary tensor",
                usable.get("ended") == "returned",
                "inference-tensor-escapes",
                expected="the result can be used in a later loss",
                seen=usable.get("text") or "it is no tensor",
            )
            judge_undisturbed(verdict, "undisturbed", record)
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "undisturbed", normal, [raising] if "modes_before" in raising else [])
        if "modes_before" in raising:
            verdict.require(
                "undisturbed",
                raising["grad_before"] == raising["grad_after"],
                "grad-mode-leaked",
                expected="gradient recording is as before, also when an exception passes through",
                seen="it was left changed after an exception inside the model",
            )
        if not worked:
            verdict.stop(
                "wrong-result",
                expected="the model is run on every batch of the loader",
                seen=f"{samples_seen(normal[0])} samples went through it, and {named(normal[0]['value'])} came back",
                cause="",
            )

    def _values(self, verdict: Verdict, record: Mapping[str, Any], scene: Scene) -> bool:
        check, value = "probabilities", record["value"]
        logits = eval_logits(scene.model, scene.x)
        right = logits.softmax(1)
        got = as_tensor(value)
        shape = tuple(right.shape)
        if got is None:
            verdict.fail(check, "wrong-result", expected=f"a tensor of shape {shape}", seen=named(value), cause="")
            return False
        if close(got, right):
            return verdict.require(
                check, got.dtype == right.dtype, expected=f"a tensor of {right.dtype}", seen=f"{got.dtype}", cause=""
            )
        mistake = mode_mistake(record)
        expected = "softmax of the evaluation-mode logits, one row per sample in loader order"
        if mistake:
            verdict.fail(check, mistake, expected=expected, seen=f"other numbers; {live_words(record)}")
        elif tuple(got.shape) != shape:
            verdict.fail(check, "wrong-result", expected=f"a tensor of shape {shape}", seen=named(value), cause="")
        else:
            known = {
                "the logits themselves": logits,
                "log-probabilities": logits.log_softmax(1),
                "a softmax over the samples instead of the classes": logits.softmax(0),
                "independent sigmoids": logits.sigmoid(),
            }
            what = next((k for k, v in known.items() if close(got, v)), None)
            if what is None:
                gap = float((got.double() - right.double()).abs().max())
                what = f"numbers that differ by up to {gap:.2g}"
                if close(got.sort(0).values, right.sort(0).values):
                    what = "the right rows in another order"
            verdict.fail(check, "wrong-result", expected=expected, seen=what, cause="")
        return False


def _used_in_autograd(value: Any) -> dict[str, Any]:
    from ._limit import attempt

    def use() -> None:
        with torch.enable_grad():
            weight = torch.ones((), dtype=value.dtype, requires_grad=True)
            (value * weight).sum().backward()

    return attempt(use, 5.0)[1]


# ---------------------------------------------------------------------- saliency


class Saliency(Exercise):
    id = "evaluation.saliency"
    title = "Gradients in evaluation mode: a saliency map"
    problem_set = _SET
    stars, minutes = 2, 25
    parameters = ("model", "x", "target")
    timeline = True
    at_stake = ("eval-never-called", "parameter-grads-touched", "grad-disabled-in-training", "input-touched")
    checks = (
        Check("gradient", "The size of each class score's gradient, in evaluation mode", 1, sections.GRADIENTS_IN_EVAL),
        Check(
            "any caller", "It works under no_grad too, and the result requires no grad", 1, sections.GRADIENTS_IN_EVAL
        ),
        Check("grads untouched", "The input and every parameter's .grad are as they were", 1, sections.FOUR_PLACES),
        Check(
            "undisturbed",
            "Modes and everything else are as they were, also after an exception",
            1,
            sections.RESTORE_MODES,
        ),
    )
    case_names = ("train", "mixed", "no_grad", "frozen", "leaf", "dropout", "raises")

    def _scene(self, case: Case) -> Scene:
        maker, shape, classes = (ConvDropping, (1, 6, 6), 4) if case.name == "mixed" else (Dense, (6,), 3)
        if case.name == "dropout":
            maker = DropoutOnly
        double = case.name == "no_grad"
        model = build(maker, case.seed, double=double)
        if case.name == "mixed":
            mixed_modes(model, "norm.0")
        elif case.name == "no_grad":
            mixed_modes(model, "features.1").get_submodule("features.1.1").train()
        elif case.name == "leaf":
            model.eval().get_submodule("features.0").train()
        elif case.name == "frozen":
            model.eval()
            for p in model.parameters():
                p.requires_grad_(False)
        else:
            model.train()
        if case.name in ("train", "no_grad", "dropout"):
            fill_grads(model, case.seed + 7)
        x = inputs(case.seed + 1, 5, *shape, double=double)
        y = torch.randint(0, classes, (5,), generator=case.generator(3))
        if case.name == "leaf":
            x.requires_grad_(True)
            x.grad = torch.ones_like(x)
        if case.name == "raises":
            model.classify = _stop
        return Scene(model, x, y, 5, None, caller_grad=case.name != "no_grad")

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        scene = self._scene(case)
        return {"call": _call(probe, candidate, scene, scene.x, scene.y)}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        normal, worked = [], False
        for name in ("train", "mixed", "frozen", "leaf", "dropout", "no_grad"):
            record = evidence[name]["call"]
            check = {"no_grad": ["any caller"], "frozen": ["gradient"], "leaf": ["gradient"]}.get(name)
            if not verdict.ended(record, check):
                if check is None:
                    return
                continue
            normal.append(record)
            scene = self._scene(cases[name])
            value = record["value"]
            right = self._right(verdict, "any caller" if name == "no_grad" else "gradient", record, scene)
            worked = worked or right or samples_seen(record) >= len(scene.x)
            wants = bool(value.get("requires_grad"))
            verdict.require(
                "any caller",
                not wants,
                "graph-built",
                expected="the result requires no grad",
                seen="it requires grad, so it keeps a graph alive",
            )
            judge_ordinary(verdict, "any caller", value, "the result")
            verdict.require(
                "grads untouched",
                not record["inputs"],
                "input-touched",
                expected="the input, its requires_grad flag and its .grad are as they were",
                seen="the input was changed, or its flag or .grad",
            )
            verdict.require(
                "grads untouched",
                not record["grads"],
                "parameter-grads-touched",
                expected="every parameter's .grad is as it was",
                seen=f"{len(record['grads'])} parameters got another .grad",
            )
            judge_undisturbed(verdict, "undisturbed", {**record, "inputs": [], "grads": []})
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "undisturbed", normal, [raising] if "modes_before" in raising else [])
        if "modes_before" in raising:
            verdict.require(
                "undisturbed",
                raising["grad_before"] == raising["grad_after"] and not raising["requires_grad"],
                "grad-mode-leaked",
                expected="an exception leaves gradient recording and flags as they were",
                seen="they were left changed after an exception",
            )
        if not worked:
            first = normal[0]
            verdict.stop(
                "wrong-result",
                expected="the model is run and its class scores are differentiated",
                seen=f"no sample went through the model, and {named(first['value'])} came back",
                cause="",
            )

    def _right(self, verdict: Verdict, check: str, record: Mapping[str, Any], scene: Scene) -> bool:
        value = record["value"]
        got = as_tensor(value)
        shape = tuple(scene.x.shape)
        if got is None or tuple(got.shape) != shape:
            verdict.fail(
                check, "wrong-result", expected=f"a tensor of shape {shape}, like x", seen=named(value), cause=""
            )
            return False
        signed = _input_gradient(scene, lambda z, y: z.gather(1, y[:, None]).sum())
        if close(got, signed.abs(), atol=1e-6):
            return verdict.require(check, True, expected="", seen="")
        mistake = mode_mistake(record)
        expected = "the absolute gradient of each sample's target score, in evaluation mode"
        if mistake:
            verdict.fail(check, mistake, expected=expected, seen=f"other numbers; {live_words(record)}")
            return False
        known = {
            "the gradient with its sign": signed,
            "the gradient of the loss": _input_gradient(scene, F.cross_entropy).abs(),
            "the gradient of the summed loss": _input_gradient(
                scene, lambda z, y: F.cross_entropy(z, y, reduction="sum")
            ).abs(),
            "the gradient of the probability": _input_gradient(
                scene, lambda z, y: z.softmax(1).gather(1, y[:, None]).sum()
            ).abs(),
            "the gradient of all scores together": _input_gradient(scene, lambda z, y: z.sum()).abs(),
            "the gradient of the highest score": _input_gradient(scene, lambda z, y: z.max(1).values.sum()).abs(),
            "the gradient divided by the number of samples": signed.abs() / len(scene.x),
        }
        what = next((k for k, v in known.items() if close(got, v, atol=1e-6)), None)
        if what is None and scene.x.grad is not None and close(got, (signed + scene.x.grad).abs(), atol=1e-6):
            verdict.fail(
                check, "input-touched", expected=expected, seen="the gradient added to the .grad that x had before"
            )
            return False
        if what is None and not bool(got.any()):
            verdict.fail(check, "grad-disabled-in-training", expected=expected, seen="only zeros")
            return False
        if what is None:
            what = f"numbers that differ by up to {float((got.double() - signed.abs().double()).abs().max()):.2g}"
        verdict.fail(check, "wrong-result", expected=expected, seen=what, cause="")
        return False


def _input_gradient(scene: Scene, score: Any) -> torch.Tensor:
    scene.model.eval()
    with torch.enable_grad():
        leaf = scene.x.detach().clone().requires_grad_(True)
        return torch.autograd.grad(score(scene.model(leaf), scene.y), leaf)[0]


# ---------------------------------------------------------------------- train_with_validation

_EPOCHS = 3


class TrainWithValidation(Exercise):
    id = "evaluation.train_with_validation"
    title = "Training that validation does not disturb"
    problem_set = _SET
    stars, minutes = 3, 40
    parameters = ("model", "train_loader", "val_loader", "loss_fn", "optimizer", "epochs")
    timeline = True
    at_stake = ("validation-disturbs-rng", "train-never-called", "eval-never-called", "zero-grad-missing")
    checks = (
        Check(
            "training",
            "The model is trained, under model.train(), one clean step per batch",
            1,
            sections.EVALUATION_MODE,
        ),
        Check(
            "history",
            "One float per epoch; validation is measured in evaluation mode, per sample",
            1,
            sections.PER_SAMPLE,
        ),
        Check(
            "quiet",
            "Trained with or without validation, the model is the same to the last bit",
            2,
            sections.QUIET_VALIDATION,
        ),
        Check("modes", "Afterwards every submodule's mode is as it was", 1, sections.RESTORE_MODES),
    )
    case_names = ("plain", "mixed", "shuffled", "augmented")

    def _training(self, case: Case) -> Training:
        maker = NormOnly if case.name == "plain" else Dense
        double = (
            case.name == "plain"
        )  # where numbers are compared with a reference, rounding must not grow into a verdict
        model = build(maker, case.seed, double=double)
        if case.name == "plain":
            model.train()
        elif case.name == "mixed":
            mixed_modes(model, "features.1")
        else:
            model.eval()
        x = inputs(case.seed + 1, 15, 6, double=double)
        y = torch.randint(0, 3, (15,), generator=case.generator(2))
        vx = inputs(case.seed + 3, 10, 6, double=double)
        vy = torch.randint(0, 3, (10,), generator=case.generator(4))
        if case.name == "shuffled":
            optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        else:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
        if case.name == "mixed":
            model.get_submodule("features.0.0").requires_grad_(False)
        smoothing = 0.2 if case.name == "plain" else 0.0
        loss_fn = nn.CrossEntropyLoss(label_smoothing=smoothing) if case.name != "augmented" else F.cross_entropy
        return Training(model, (x, y), (vx, vy), loss_fn, optimizer)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        with_val = self._run(case, candidate, probe, validate=True)
        without = self._run(case, candidate, probe, validate=False)
        evidence = {"call": with_val, "without": without}
        if case.name == "shuffled":
            evidence["reseeded"] = self._run(case, candidate, probe, validate=False, salt=6)["state"]
        return evidence

    def _run(self, case: Case, candidate: Any, probe: Probe, *, validate: bool, salt: int = 5) -> dict[str, Any]:
        t = self._training(case)
        if case.name in ("plain", "mixed"):
            train = quiet_loader(*t.train, batch_size=4)
            val = quiet_loader(*t.val, batch_size=4)
        elif case.name == "shuffled":
            train = noisy_loader(*t.train, batch_size=4, shuffle=True)
            val = noisy_loader(*t.val, batch_size=4, shuffle=False)
        else:
            train = DataLoader(Augmented(*t.train), batch_size=4, shuffle=True)
            val = Shuffling(Augmented(*t.val), batch_size=4)
        state: dict[str, torch.Tensor] = {}

        def take(value: Any) -> dict[str, Any]:
            state.update({k: v.detach().clone() for k, v in t.model.state_dict().items()})
            return describe(value)

        with seeded(case.seed + salt):
            record = probe.call(
                candidate,
                t.model,
                train,
                val if validate else None,
                t.loss_fn,
                t.optimizer,
                _EPOCHS,
                models={"model": t.model},
                tensors=t.tensors,
                take=take,
            )
        record["state"] = state
        return record

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for runs in evidence.values():
            for which in ("call", "without"):
                if not verdict.ended(runs[which]):
                    return
        plain = evidence["plain"]["call"]
        reference = reference_run(self._training(cases["plain"]), _EPOCHS)
        trained = self._judge_training(verdict, evidence, reference, self._sleeping(evidence, cases, "without"))
        self._judge_history(verdict, evidence, reference)
        drawing = not _strayed(**evidence["plain"])  # nothing is drawn there
        for name, runs in evidence.items():
            sleeping = self._sleeping({name: runs}, cases, "call")
            self._judge_quiet(verdict, runs["call"], runs["without"], drawing, sleeping)
        records = [runs[w] for runs in evidence.values() for w in ("call", "without")]
        judge_modes(verdict, "modes", records)
        for record in records:
            judge_undisturbed(verdict, "modes", record, may=("params", "buffers", "grads", "rng"))
        if not trained and not any(r["kind"] == "step" for r in plain["rows"]) and not plain["params"]:
            verdict.stop(
                "wrong-result",
                expected="the model is trained for the epochs asked for",
                seen="no parameter changed",
                cause="",
            )

    def _sleeping(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], which: str) -> tuple[str, str] | None:
        """Layers that did not work as in training at every step: the misconception nearest the cause, what was seen."""
        for name, runs in evidence.items():
            t = self._training(cases[name])
            found = sleeping_layers(runs[which], t.model, _EPOCHS * -(-len(t.train[0]) // t.batch_size))
            if found is not None:
                return found
        return None

    def _judge_training(
        self, verdict: Verdict, evidence: Mapping[str, Any], reference: Reference, sleeping: tuple[str, str] | None
    ) -> bool:
        plain = evidence["plain"]["without"]
        alone = {r for runs in evidence.values() for r in runs["without"]["rules"]}
        beside = {r for runs in evidence.values() for r in runs["call"]["rules"]}
        same = all(close(plain["state"][k], v, rtol=1e-3, atol=1e-4) for k, v in reference.params.items())
        expected = "one forward, backward and step per training batch, in training mode, from fresh gradients"
        in_eval = "optimizer steps on evaluation-mode passes"
        if "train-never-called" in alone:
            verdict.fail("training", "train-never-called", expected=expected, seen=in_eval)
        elif learning_unrecorded(plain):
            verdict.fail("training", "grad-disabled-in-training", expected=expected, seen="no parameter changed")
        elif sleeping:
            verdict.fail("training", sleeping[0], expected=expected, seen=sleeping[1],
                         cause="" if sleeping[0] == "train-never-called" else None)  # fmt: skip
        elif not same:
            mistake = "wrong-result"
            seen = (
                f"{plain['params'][0].partition('.')[2]} ends elsewhere" if plain["params"] else "no parameter changed"
            )
            if "zero-grad-missing" in alone:
                mistake, seen = "zero-grad-missing", "gradients of the last step were still there at the next backward"
            verdict.fail(
                "training", mistake, expected=expected, seen=seen, cause=None if mistake != "wrong-result" else ""
            )
        elif not all(close(plain["state"][k], v, rtol=1e-3, atol=1e-4) for k, v in reference.states[-1].items()):
            seen = "the right weights, but other running statistics: not one pass per batch"
            verdict.fail("training", "wrong-result", expected=expected, seen=seen, cause="")
        elif _extra_steps(evidence["plain"]):
            verdict.fail(
                "training", "validation-trains", expected=expected, seen="more optimizer steps with validation"
            )
        elif "train-never-called" in beside:
            verdict.fail("training", "mode-not-restored", expected=expected, seen=f"{in_eval}, after a validation")
        else:
            other = evidence["shuffled"]["reseeded"]
            verdict.require(
                "training",
                any(not torch.equal(v, other[k]) for k, v in evidence["shuffled"]["without"]["state"].items()),
                "global-rng-disturbed",
                expected="the order of the batches comes from the caller's random state",
                seen="another random state gives the same training, so the generator is seeded inside",
            )
        return same

    def _judge_history(self, verdict: Verdict, evidence: Mapping[str, Any], reference: Reference) -> None:
        record = evidence["plain"]["call"]
        got = history_lists(verdict, "history", record["value"], _EPOCHS)
        if got is None:
            return
        bare = evidence["plain"]["without"]["value"]
        for key in ("val_loss", "val_accuracy"):
            listed = items(entry(bare, key))
            seen = named(entry(bare, key)) if listed is None else f"{len(listed)} entries"
            verdict.require(
                "history", listed == [], expected=f"{key} is an empty list when val_loader is None", seen=seen, cause=""
            )
        # the candidate's own validation passes are judged even where its training went another way
        mistake = validation_mode(evidence["mixed"]["call"]) or validation_mode(record)
        if mistake and not learning_unrecorded(record):
            verdict.fail("history", mistake, expected="validation runs in evaluation mode",
                         seen="layers worked as in training while validating")  # fmt: skip
        if not verdict.failed("training"):
            judge_history(verdict, "history", got, reference)

    def _judge_quiet(
        self, verdict: Verdict, record: Mapping[str, Any], without: Mapping[str, Any], drawing: bool,
        sleeping: tuple[str, str] | None,
    ) -> None:  # fmt: skip
        """``drawing``: what strays does so only where random numbers are drawn."""
        strayed = _strayed(record, without)
        expected = "the same parameters and buffers, bit for bit, as without a validation loader"
        if not strayed:
            verdict.require("quiet", True, expected=expected, seen="")
            return
        trained = [k for k in strayed if "running_" not in k and "num_batches" not in k]
        seen = f"{len(strayed)} of {len(without['state'])} tensors differ, {(trained or strayed)[0]} among them"
        if _extra_steps({"call": record, "without": without}):
            mistake = "validation-trains"
        elif record["requires_grad"]:
            mistake, seen = "grad-disabled-in-training", "validating changed which parameters require grad"
        elif validation_mode(record):
            mistake = validation_mode(record)
        elif "train-never-called" in record["rules"]:
            alone = "train-never-called" in without["rules"]
            mistake = "train-never-called" if alone else "mode-not-restored"
        elif sleeping:
            mistake = sleeping[0]
        elif drawing or _draws(record) != _draws(without) or record["rng_moved"]:
            mistake = "validation-disturbs-rng"
        else:
            mistake = "validation-trains"
        verdict.fail("quiet", mistake, expected=expected, seen=seen)


def _strayed(call: Mapping[str, Any], without: Mapping[str, Any]) -> list[str]:
    """Names of the tensors that validating has changed."""
    return [k for k, v in without["state"].items() if not torch.equal(v, call["state"][k])]


def _extra_steps(pair: Mapping[str, Any]) -> bool:
    """More steps or backwards with a validation loader than without."""
    kinds = ("step", "backward")
    counts = [[sum(r["kind"] == k for r in pair[w]["rows"]) for k in kinds] for w in ("call", "without")]
    return counts[0] > counts[1]


def _draws(record: Mapping[str, Any]) -> int:
    return sum(r["kind"] == "random" for r in record["rows"])


EXERCISES = (Evaluate(), Evaluating(), PredictProba(), Saliency(), TrainWithValidation())
