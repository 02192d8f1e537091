"""ps6: twelve programs, each with one real bug.

A candidate is a pair: the id of the misconception, and the repaired function or class.  The programs live in
``_clinic``, where notebook, book and tests read them; there is no repaired version.  Each docstring there is a
contract, and the judges here hold a repair against that contract: what it leaves open is not looked at.
"""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
import itertools
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from . import _clinic
from . import _sections as sections
from ._evidence import as_float, as_tensor, describe, entry, items, named
from ._exercise import Case, Check, Exercise, Verdict, _refuse
from ._judging import (
    Record,
    blame,
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
)
from ._limit import attempt
from ._loops import (
    Averages,
    Reference,
    Training,
    a_training,
    not_a_float,
    one_step,
    reference_run,
    same_state,
    short,
    state_of,
    training_mistake,
    turning_training,
    validation_mode,
)
from ._masks import FALSE_ALARM, Drops, mask_mistake, nothing_done, scale_mistake, surprising
from ._models import (
    POISON,
    Dense,
    NormOnly,
    Plain,
    Scene,
    _CaseModel,
    a_scene,
    build,
    eval_logits,
    fill_grads,
    inputs,
    mixed_modes,
    quiet_loader,
    seeded,
)
from ._own_modules import make, other_switch, why_awake, why_random
from ._probe import Probe
from .misconceptions import REGISTRY, Misconception

_SET = "ps6-clinic"
_REPAIR = "repair"
#: What a training may change, and leave changed.
_TRAINED = ("params", "buffers", "grads", "rng")


def source(name: str) -> str:
    """The source of the program ``name``, ``"case_01"`` to ``"case_12"``, as notebook and book show it.

    Raises:
        LookupError: there is no such program.
    """
    return _patient(name).program


def program(name: str) -> Any:
    """The function or class that is to be repaired in the program ``name``, with its bug; raises as ``source`` does."""
    return _clinic.load(name, _patient(name).function)


def _patient(name: str) -> Patient:
    known = {p.id.rpartition(".")[2]: p for p in EXERCISES}
    if name not in known:
        raise LookupError(f"There is no program {name!r}. They are called case_01 to case_{len(known)}.")
    return known[name]


# ---------------------------------------------------------------------- what all patients share


class Patient(Exercise):
    """A program with one bug.

    Attributes:
        function: what the program calls the thing to repair.
        diagnoses: the misconceptions that are true of the bug, each of which earns the point; nearest the cause first.
        shows: what a run of the program shows, for somebody who has named another misconception.
    """

    problem_set = _SET
    function: ClassVar[str]
    diagnoses: ClassVar[tuple[str, ...]]
    shows: ClassVar[str]
    # at_stake stays empty: it would give the diagnosis away

    @property
    def name(self) -> str:
        return self.function

    @property
    def program(self) -> str:
        """The source of the program, with its bug."""
        return _clinic.text(self.id.rpartition(".")[2])

    def refuse(self, candidate: Any) -> str | None:
        pair = _pair(candidate)
        if not isinstance(pair, str):
            return None
        short_name = self.id.rpartition(".")[2]
        return (
            f"Expected: {short_name}, a pair of the misconception's id and your repaired {self.function}. "
            f'Seen: {pair}. Write {short_name} = ("the-id", {self.function}).'
        )

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        diagnosis, repair = _pair(candidate)
        if isinstance(diagnosis, Misconception):
            diagnosis = diagnosis.id
        unusable = _refuse(self, repair)
        if unusable is not None:
            return {"diagnosis": describe(diagnosis), "unusable": unusable}
        return {"diagnosis": describe(diagnosis), **self.examine(case, repair, probe)}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        known = evidence[self.case_names[0]]
        found = self._diagnosis(verdict, known.get("diagnosis"))
        if "unusable" in known:
            expected, _, seen = known["unusable"].removeprefix("Expected: ").partition(". Seen: ")
            verdict.fail(_REPAIR, "wrong-result", expected=expected, seen=seen, cause="")
        else:
            self.judge_repair(evidence, cases, verdict)
        if not found:
            verdict.withhold_cause(_REPAIR, self.diagnoses)

    @abstractmethod
    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        """Run the repaired program on ``case`` and return evidence, as ``probe`` does."""

    @abstractmethod
    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        """Hold the evidence against the program's docstring; speaks of the check ``repair`` only."""

    def _diagnosis(self, verdict: Verdict, given: Mapping[str, Any] | None) -> bool:
        said = given.get("value") if given is not None and given["type"] == "str" else None
        if said is None or not said.strip():
            seen = "none yet" if said is not None or given is None else named(given)
            verdict.fail("diagnosis", "wrong-result", expected="the id of a misconception, as a string", seen=seen,
                         cause="")  # fmt: skip
            return False
        told = "-".join(said.strip().lower().replace("_", "-").split())
        if told in REGISTRY:
            return verdict.require(
                "diagnosis", told in self.diagnoses, self.diagnoses[0],
                expected=f"the misconception that explains this: {self.shows}",
                seen=f"'{told}', which is another one: {REGISTRY[told].title}", cause="",
            )  # fmt: skip
        alike = difflib.get_close_matches(told, REGISTRY, n=2, cutoff=0.5)
        closest = " and ".join(f"'{a}'" for a in alike)
        words = " ".join(said.split()[:6])[:60]
        verdict.fail(
            "diagnosis", self.diagnoses[0], expected="an id from the list of misconceptions",
            seen=f"'{words}', which is none" + (f"; near it are {closest}" if alike else ""), cause="",
        )  # fmt: skip
        return False


def _checks(read: sections.Section) -> tuple[Check, Check]:
    return (
        Check("diagnosis", "The misconception behind the bug is named", 1, sections.EXAMINING),
        Check(_REPAIR, "The repaired program does what its docstring says", 2, read),
    )


_ID_KEYS = ("id", "misconception", "misconception_id", "diagnosis")
_REPAIR_KEYS = ("repair", "repaired", "repaired_function", "function")


def _pair(candidate: Any) -> tuple[Any, Any] | str:
    """The diagnosis and the repair of a candidate; what was seen instead, if these are not to be told.

    Besides a tuple or list of two: a dict with a key for each, or a function without parameters that returns the pair.
    """
    if inspect.isfunction(candidate) or isinstance(candidate, functools.partial):
        try:
            inspect.signature(candidate).bind()
        except (TypeError, ValueError):
            return "a function alone"
        given, outcome = attempt(candidate, 2.0)
        if outcome["ended"] != "returned":
            return "a function that does not return" if outcome["ended"] == "timeout" else f"{outcome['error']} from it"
        return "a function that returns no pair" if callable(given) or isinstance(_pair(given), str) else _pair(given)
    if isinstance(candidate, dict):
        ids = [k for k in candidate if k in _ID_KEYS]
        repairs = [k for k in candidate if k in _REPAIR_KEYS]
        if len(ids) == len(repairs) == 1:
            return candidate[ids[0]], candidate[repairs[0]]
        return f"a dict with the keys {[str(k)[:20] for k in candidate][:3]}"
    if isinstance(candidate, (tuple, list)):
        if len(candidate) != 2:
            return f"a {type(candidate).__name__} of {len(candidate)}"
        diagnosis, repair = candidate
        if isinstance(repair, str) and callable(diagnosis):
            return "the function first"
        return diagnosis, repair
    if isinstance(candidate, str):
        return "a string alone"
    if isinstance(candidate, type):
        return "a class alone"
    return named(describe(candidate))


# ---------------------------------------------------------------------- what judges of several patients share


def _numbers(verdict: Verdict, value: Mapping[str, Any], keys: Sequence[str]) -> list[float] | None:
    """The floats that a dict holds under ``keys``; says what is wrong with their form."""
    expected = f"a dict with the keys {' and '.join(keys)}, Python floats"
    found = []
    for key in keys:
        part = entry(value, key)
        if part is None:
            seen = f"no entry {key!r}" if value["type"] == "dict" else named(value)
            verdict.fail(_REPAIR, "wrong-result", expected=expected, seen=seen, cause="")
            return None
        if as_float(part) is None:
            blame(verdict, _REPAIR, not_a_float(part), expected=expected, seen=f"{key} is {named(part)}")
            return None
        found.append(as_float(part))
    return found


def _losses(
    verdict: Verdict, value: Mapping[str, Any] | None, known: Sequence[Averages], what: str, double: bool, *,
    otherwise: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    """A list of floats, one for each of ``known``; ``otherwise`` is what explains other numbers, and what was seen."""
    listed = items(value)
    expected = f"a list of {len(known)} {what}, floats"
    if listed is None or len(listed) != len(known):
        seen = named(value) if listed is None else f"{len(listed)} entries"
        verdict.fail(_REPAIR, "wrong-result", expected=expected, seen=seen, cause="")
        return
    odd = next((i for i in listed if as_float(i) is None), None)
    if odd is not None:
        blame(verdict, _REPAIR, not_a_float(odd), expected=expected, seen=f"an entry is {named(odd)}")
        return
    got = [as_float(i) for i in listed]

    def all_near(wanted: Sequence[float]) -> bool:
        return all(near(g, w, **_tolerance(double)) for g, w in zip(got, wanted, strict=True))

    if all_near([k.loss for k in known]):
        return
    mistake, seen = otherwise or ("wrong-result", "")
    if all_near([k.by_batch[0] for k in known]):
        mistake, seen = "batch-mean-of-means", ""
    pairs = enumerate(zip(got, known, strict=True))
    first = next(i for i, (g, k) in pairs if not near(g, k.loss, **_tolerance(double)))
    blame(verdict, _REPAIR, mistake, expected=f"{what}: {short(known[first].loss)} as entry {first + 1}",
          seen=short(got[first]) + (f"; {seen}" if seen else ""))  # fmt: skip


def _tolerance(double: bool) -> dict[str, float]:
    return {"rtol": 1e-6, "atol": 1e-9} if double else {"rtol": 1e-3, "atol": 1e-4}


def _batches(t: Training) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(*(part.split(t.batch_size) for part in t.train), strict=True))


def _is_double(model: nn.Module) -> bool:
    return next(model.parameters()).dtype == torch.float64


def _with_state(model: nn.Module) -> tuple[dict[str, Any], Callable[[Any], dict[str, Any]]]:
    """A place for the model's state right after a call, and the ``take`` that fills it."""
    state: dict[str, torch.Tensor] = {}

    def take(value: Any) -> dict[str, Any]:
        state.update(state_of(model))
        return describe(value)

    return state, take


def _validation_mistake(record: Record) -> tuple[str, str] | None:
    mistake = validation_mode(record)
    return (mistake, "layers worked as in training while validating") if mistake else None


def _judge_validation_graph(verdict: Verdict, record: Record) -> None:
    verdict.require(
        _REPAIR, "graph-built" not in record["rules"], "graph-built",
        expected="validation records no graph", seen="it recorded one that nobody used",
    )  # fmt: skip


def _judge_left_in_training(verdict: Verdict, record: Record) -> None:
    asleep = [n for subs in record["modes_after"].values() for n, flag in subs.items() if not flag]
    verdict.require(
        _REPAIR, not asleep, "mode-not-restored", expected="the model is left in training mode",
        seen=f"{len(asleep)} of its modules are in evaluation mode",
    )  # fmt: skip


def _trained_asleep(record: Record) -> bool:
    """Passes that a step learned from, in evaluation mode."""
    return any(r["detail"].get("used") and r["detail"].get("mode") == "eval" for r in passes(record))


def _trained_awake(record: Record) -> bool:
    return any(r["detail"].get("used") and r["detail"].get("mode") == "train" for r in passes(record))


def _half_frozen(training: Training) -> Training:
    """With a layer whose flags nobody is asked to change, in an optimizer that holds all parameters."""
    training.model.get_submodule("features.0.0").requires_grad_(False)
    return training


def _a_scene(case: Case) -> Scene:
    """A scene for an evaluation; in one of them a module three levels below the model sleeps alone."""
    scene = a_scene(case.name, case.seed)
    if case.name == "plain":
        mixed_modes(scene.model, "net.2.1")
        scene.model.net[0].requires_grad_(False)
    return scene


# ---------------------------------------------------------------------- 01


class Case01(Patient):
    id = "clinic.case_01"
    title = "A test report"
    stars, minutes = 1, 10
    function, parameters = "test_report", ("model", "loader")
    checks = _checks(sections.EVALUATION_MODE)
    timeline = True
    diagnoses = ("eval-never-called",)
    shows = "nothing is learned and no graph is recorded, and yet each run on the same data gives other numbers"
    case_names = ("train", "plain", "mixed", "quiet", "dropout")

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        scene = _a_scene(case)
        with torch.set_grad_enabled(scene.caller_grad):
            return {"call": probe.call(repair, scene.model, scene.loader, models={"model": scene.model},
                                       tensors={"x": scene.x, "y": scene.y})}  # fmt: skip

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records = [evidence[n]["call"] for n in cases]
        for record, case in zip(records, cases.values(), strict=True):
            if not verdict.ended(record, [_REPAIR]):
                return
            self._report(verdict, record, case)
        judge_modes(verdict, _REPAIR, records)
        for record in records:
            judge_undisturbed(verdict, _REPAIR, record)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _report(self, verdict: Verdict, record: Record, case: Case) -> None:
        got = _numbers(verdict, record["value"], ("accuracy", "confidence"))
        if got is None:
            return
        scene = _a_scene(case)
        p = eval_logits(scene.model, scene.x).softmax(1).double()
        each = torch.stack([(p.argmax(1) == scene.y).double(), p.max(1).values], 1)
        right = each.mean(0).tolist()
        if all(near(g, r) for g, r in zip(got, right, strict=True)):
            return
        by_batch = torch.stack([part.mean(0) for part in each.split(scene.batch_size)]).mean(0).tolist()
        means = all(near(g, r) or near(g, b) for g, r, b in zip(got, right, by_batch, strict=True))
        mistake = "batch-mean-of-means" if means else mode_mistake(record) or "wrong-result"
        seen = f"{short(got[0])} and {short(got[1])}"
        blame(
            verdict, _REPAIR, mistake, expected=f"accuracy {short(right[0])} and confidence {short(right[1])}",
            seen=seen if mistake in ("wrong-result", "batch-mean-of-means") else f"{seen}; {live_words(record)}",
        )  # fmt: skip


# ---------------------------------------------------------------------- 02


class Case02(Patient):
    id = "clinic.case_02"
    title = "One loop for two phases"
    stars, minutes = 1, 15
    function, parameters = "run_phases", ("model", "loaders", "loss_fn", "optimizer", "epochs")
    checks = _checks(sections.GIVING_BACK)
    timeline = True
    diagnoses = ("grad-mode-leaked",)
    shows = "both histories are right, and what its caller does next with tensors that require grad records nothing"
    case_names = ("train", "off", "dropout", "val raises", "train raises")
    _NORMAL = ("train", "off", "dropout")

    def _training(self, case: Case) -> Training:
        if case.name == "dropout":
            return _half_frozen(a_training(case, build(Dense, case.seed).train()))
        t = a_training(case, build(NormOnly, case.seed, double=True).train(case.name != "off"))
        if case.name in ("val raises", "train raises"):
            (t.val if case.name == "val raises" else t.train)[0][5] = POISON * 10
            t.model.fragile = True
        return t

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        t = self._training(case)
        state, take = _with_state(t.model)
        loaders = {k: quiet_loader(*part, batch_size=t.batch_size) for k, part in (("train", t.train), ("val", t.val))}
        with seeded(case.seed + 5), torch.set_grad_enabled(case.name not in ("off", "train raises")):
            record = probe.call(repair, t.model, loaders, t.loss_fn, t.optimizer, 2, models={"model": t.model},
                                tensors=t.tensors, take=take)  # fmt: skip
        return {"call": record, "state": state}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name in self._NORMAL:
            if not verdict.ended(evidence[name]["call"], [_REPAIR]):
                return
            self._history(verdict, evidence[name], cases[name])
        raising = [evidence[n]["call"] for n in ("val raises", "train raises")]
        for record in raising:
            verdict.require(
                _REPAIR, "ForwardFailed" in record.get("kinds", ()), seen="it did not arrive", cause="",
                expected="an error in the model reaches the caller",
            )  # fmt: skip
        judge_grad_mode(verdict, _REPAIR, [evidence[n]["call"] for n in self._NORMAL],
                        [r for r in raising if "grad_before" in r])  # fmt: skip
        for name in self._NORMAL:
            _judge_validation_graph(verdict, evidence[name]["call"])
            _judge_left_in_training(verdict, evidence[name]["call"])
            judge_undisturbed(verdict, _REPAIR, evidence[name]["call"], may=_TRAINED)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _history(self, verdict: Verdict, found: Mapping[str, Any], case: Case) -> None:
        record, t = found["call"], self._training(case)
        double = _is_double(t.model)
        with seeded(case.seed + 5):
            reference = reference_run(t, 2)
        if not same_state(found["state"], reference.states[-1], **_tolerance(double)):
            mistake, seen = training_mistake(record)
            live = validation_mode(record)
            if live and mistake == "wrong-result":
                mistake, seen = live, "layers worked as in training while validating"
            blame(verdict, _REPAIR, mistake, expected="weights and statistics as trained in training mode", seen=seen)
        value = record["value"]
        for key, known in (("train", reference.running), ("val", reference.val)):
            if value["type"] != "dict" or entry(value, key) is None:
                verdict.fail(_REPAIR, "wrong-result", expected="a dict with the keys train and val", seen=named(value),
                             cause="")  # fmt: skip
                return
            _losses(verdict, entry(value, key), known, f"mean {key} losses per sample", double,
                    otherwise=_validation_mistake(record) if key == "val" else None)  # fmt: skip


# ---------------------------------------------------------------------- 03


class Case03(Patient):
    id = "clinic.case_03"
    title = "A meter for loss and accuracy"
    stars, minutes = 1, 10
    function, parameters = "Meter", ("loss_fn",)
    checks = _checks(sections.PER_SAMPLE)
    diagnoses = ("batch-mean-of-means",)
    shows = "one model and one data set give another loss and accuracy for each batch size"
    case_names = ("uneven", "even", "double")

    def _scene(self, case: Case) -> tuple[Any, list[tuple[torch.Tensor, torch.Tensor]]]:
        """A loss and batches; those of the last sizes are answered less well than the rest."""
        double = case.name == "double"
        sizes = {"uneven": (5, 5, 2), "even": (4, 4, 4), "double": (1, 7, 3 + case.seed % 3)}[case.name]
        z = inputs(case.seed, sum(sizes), 3, double=double)
        y = z.argmax(1)
        y[-sizes[-1] :] = (y[-sizes[-1] :] + 1) % 3
        loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1) if case.name == "uneven" else F.cross_entropy
        return loss_fn, list(zip(z.split(sizes), y.split(sizes), strict=True))

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        loss_fn, batches = self._scene(case)
        said: list[Any] = []

        def use() -> None:
            meter, other = repair(loss_fn), repair(loss_fn)
            other.update(*batches[-1])
            for i, (z, y) in enumerate(batches):
                # as it comes from a model while gradients are on
                meter.update((z.clone().requires_grad_() * 1.0) if case.name == "even" else z, y)
                if i:
                    said.append(describe(meter.compute()))
            said.append(describe(meter.compute()))
            meter.reset()
            for z, y in batches[1:]:
                meter.update(z, y)
            said.append(describe(meter.compute()))
            said.append(describe(other.compute()))

        tensors = {f"{k} {i}": t for i, pair in enumerate(batches) for k, t in zip(("logits", "y"), pair, strict=True)}
        return {"call": probe.call(use, tensors=tensors, rows=False), "said": said}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            record, said = evidence[name]["call"], evidence[name]["said"]
            loss_fn, batches = self._scene(case)
            asked = (
                (batches[:2], "after two batches"), (batches, "after three batches"), (batches, "when asked again"),
                (batches[1:], "after a reset and two batches"), (batches[-1:], "from a second meter"),
            )  # fmt: skip
            for value, (part, when) in zip(said, asked, strict=False):
                self._answer(verdict, value, loss_fn, part, when)
            if not verdict.ended(record, [_REPAIR]):
                return
            judge_undisturbed(verdict, _REPAIR, record)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _answer(self, verdict: Verdict, value: Any, loss_fn: Any, part: Sequence[Any], when: str) -> None:
        got = _numbers(verdict, value, ("loss", "accuracy"))
        if got is None:
            return
        z, y = (torch.cat(tensors) for tensors in zip(*part, strict=True))
        right = [float(loss_fn(z, y)), float((z.argmax(1) == y).double().mean())]
        means = [[float(loss_fn(a, b)), float((a.argmax(1) == b).double().mean())] for a, b in part]
        by_batch = [sum(column) / len(part) for column in zip(*means, strict=True)]
        good = [near(g, r) for g, r in zip(got, right, strict=True)]
        usual = [near(g, b) for g, b in zip(got, by_batch, strict=True)]
        mistake = "batch-mean-of-means" if all(g or u for g, u in zip(good, usual, strict=True)) else "wrong-result"
        if not all(good):
            blame(
                verdict, _REPAIR, mistake, expected=f"loss {short(right[0])} and accuracy {short(right[1])} {when}",
                seen=f"{short(got[0])} and {short(got[1])}",
            )  # fmt: skip


# ---------------------------------------------------------------------- 04


class _Asked(nn.Module):
    """A module that takes more than an input, as one that does not."""

    def __init__(self, net: nn.Module, *rest: Any) -> None:
        super().__init__()
        self.net = net
        self.rest = rest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x, *self.rest)


def _set_up(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Load weights as from a saved model and switch the mode; plain data on how that went."""

    def switch() -> bool:
        return model.eval() is model and model.training is False and model.train() is model and model.training is True

    keys = sorted(model.state_dict())
    _, outcome = attempt(lambda: model.load_state_dict(dict(weights)), 2.0)
    return {"keys": keys, "loaded": outcome["ended"] == "returned", "switches": bool(attempt(switch, 2.0)[0])}


def _judge_module(verdict: Verdict, evidence: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether there is a module that loads the weights of a saved model."""
    made = evidence["made"]
    if not verdict.ended(made, [_REPAIR]):
        return False
    module = verdict.require(_REPAIR, "loaded" in evidence, expected="a class that makes an nn.Module",
                             seen=f"calling it made {made['value']['type']}", cause="")  # fmt: skip
    if not module:
        return False
    keys = evidence["loaded"]["keys"]
    strange = sorted(set(keys) ^ set(weights))
    return verdict.require(
        _REPAIR, evidence["loaded"]["loaded"] and not strange, expected="a saved model loads: the same state_dict keys",
        seen=f"{strange[0]} is {'new' if strange[0] in keys else 'missing'}" if strange else "other shapes", cause="",
    )  # fmt: skip


def _judge_switches(verdict: Verdict, evidence: Mapping[str, Any]) -> None:
    """The module's own ``train()`` and ``eval()``; a parent passes by what these return, and by their defaults."""
    verdict.require(
        _REPAIR, evidence["loaded"]["switches"], "train-override-broken",
        expected="train() and eval() switch the module's mode and return the module", seen="one of them does not",
    )  # fmt: skip


def _judge_evaluation(verdict: Verdict, known: Mapping[str, Any], right: torch.Tensor, scaled: torch.Tensor) -> None:
    """Two calls in evaluation mode: the same, right, and nothing drawn; ``scaled`` is what 1 - p as a factor makes."""
    first, second = (as_tensor(r["value"]) for r in known["eval"])
    expected = "in evaluation mode, the output without dropout, the same in each call"
    if first is None or second is None or first.shape != right.shape:
        verdict.fail(_REPAIR, "wrong-result", expected=f"a tensor of shape {tuple(right.shape)}",
                     seen=named(known["eval"][0]["value"]), cause="")  # fmt: skip
        return
    same = torch.equal(first, second)
    if not same or known["eval"][0]["rng_moved"]:
        seen = "random numbers were drawn" if same else "two different outputs"
        blame(verdict, _REPAIR, (why_random if same else why_awake)(known), expected=expected, seen=seen)
    if close(first, scaled):
        verdict.fail(_REPAIR, "rescale-at-eval", expected=expected, seen="the numbers that 1 - p as a factor makes")
    verdict.require(_REPAIR, close(first, right), expected=expected, seen="other numbers", cause="")


def _direction(y: torch.Tensor) -> torch.Tensor:
    return inputs(7, *y.shape, double=True).to(y.dtype)


def _with_grads(model: nn.Module) -> tuple[dict[str, Any], Callable[[Any], dict[str, Any]]]:
    """A place for the gradients that a call's (first) output sends to the weights, and the ``take`` that fills it."""
    found: dict[str, Any] = {}

    def take(value: Any) -> dict[str, Any]:
        y = value[0] if isinstance(value, list) else value
        own = {n: p for n, p in model.named_parameters() if p.requires_grad}
        grads, outcome = attempt(
            lambda: torch.autograd.grad(y, list(own.values()), _direction(y), allow_unused=True), 2.0
        )
        found.update(outcome, graph=describe(y).get("graph"), names=[n for n, _ in model.named_parameters()])
        found["grads"] = {n: describe(g) for n, g in zip(own, grads or (), strict=False)}
        return describe(value)

    return found, take


def _judge_gradients(
    verdict: Verdict, known: Mapping[str, Any], mode: str, weights: Mapping[str, torch.Tensor],
    answer: Callable[[Mapping[str, torch.Tensor]], torch.Tensor],
) -> None:  # fmt: skip
    """The gradients of a call in ``mode``; ``answer`` computes its output from the weights."""
    found = known[f"{mode} grads"]
    expected = f"the output can be learned from in {'training' if mode == 'train' else 'evaluation'} mode"
    if verdict.failed(_REPAIR) or not found:
        return
    if not found["graph"]:
        verdict.fail(_REPAIR, "grad-disabled-in-training", expected=expected, seen="it has no graph")
        return
    if found["ended"] != "returned":
        verdict.fail(_REPAIR, "wrong-result", expected=expected, cause="",
                     seen=f"in backward(), {found.get('text', 'an error')[:90]}")  # fmt: skip
        return
    leaves = {n: w.clone().requires_grad_() for n, w in weights.items()}
    y = answer(leaves)
    right = torch.autograd.grad(y, list(leaves.values()), _direction(y), allow_unused=True)
    for name, grad in zip(leaves, right, strict=True):
        # a module may keep its weights under other names, and save them under these
        if grad is None or name not in found["names"]:
            continue
        got = as_tensor(found["grads"].get(name))
        verdict.require(_REPAIR, got is not None, "grad-disabled-in-training", expected=expected,
                        seen=f"no gradient reaches {name}")  # fmt: skip
        verdict.require(_REPAIR, got is None or close(got, grad), expected=expected, cause="",
                        seen=f"a part of the way to {name} is cut off, or its gradient is another one")  # fmt: skip


def _judge_drops(verdict: Verdict, sets: Sequence[Drops], what: str) -> None:
    """Training calls whose outputs are a known tensor after dropout."""
    p = sets[0].p
    expected = f"in training mode, each of the {what} is dropped with p = {p:g}, survivors scaled by 1/(1 - p)"
    if any(y is None or y.shape != s.x.shape for s in sets for y in s.outputs):
        verdict.fail(_REPAIR, "wrong-result", expected="outputs of the same shape in training mode",
                     seen="something else", cause="")  # fmt: skip
        return
    if all(close(y, s.x) for s in sets for y in s.outputs):
        verdict.fail(_REPAIR, "dropout-missing", expected=expected, seen="nothing was dropped")
        return
    wrong = nothing_done(sets) or mask_mistake(sets)
    scale = None if wrong and wrong[0] == "wrong-result" else scale_mistake(sets, wrong)
    if wrong:
        blame(verdict, _REPAIR, wrong[0], expected=expected, seen=wrong[1])
    if scale:
        blame(verdict, _REPAIR, scale[0], expected=scale[1], seen=scale[2])


class Case04(Patient):
    """Heads hand the dropped features out: all, three, or each twice, where both have to share its fate.

    Statistical: at most 20 binomial counts (see ``_masks``) in each of two cases.
    """

    id = "clinic.case_04"
    title = "One model for several tasks"
    stars, minutes = 1, 10
    wants = "class"
    function, parameters = "MultiTask", ("n_in", "n_hidden", "sizes", "p")
    checks = _checks(sections.WHO_IGNORES_EVAL)
    diagnoses = ("dropout-not-registered",)
    shows = "after eval() every module in named_modules() says evaluation, and two calls give different answers"
    case_names = ("given", "default")
    false_alarm = 40 * FALSE_ALARM

    def _sizes(self, case: Case) -> tuple[int, int, tuple[int, ...], float]:
        hidden = 14 + case.seed % 4
        p = 0.1 if case.name == "default" else 0.24 + case.seed % 13 / 100
        return hidden + 3, hidden, (hidden, 3, 2 * hidden), p

    def _weights(self, case: Case) -> dict[str, torch.Tensor]:
        n_in, hidden, sizes, _ = self._sizes(case)
        g = case.generator(5)

        def draw(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=g).double() * 0.4

        found = {"encoder.weight": draw(hidden, n_in), "encoder.bias": draw(hidden)}
        for i, size in enumerate(sizes):
            found[f"heads.{i}.weight"] = torch.eye(hidden).double().repeat(2, 1)[-size:]
            found[f"heads.{i}.bias"] = draw(size) if size == 3 else torch.zeros(size).double()
        return found

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        n_in, hidden, sizes, p = self._sizes(case)
        model, made = make(probe, repair, n_in, hidden, list(sizes), *(() if case.name == "default" else (p,)))
        if model is None:
            return {"made": made}
        model.double()
        loaded = _set_up(model, self._weights(case))
        if not loaded["loaded"]:
            return {"made": made, "loaded": loaded}
        x = inputs(case.seed + 1, 120, n_in, double=True)
        parent = nn.ModuleDict({"net": model})

        def call(turn: int, *tasks: int, mode: bool = True, take: Any = describe) -> dict[str, Any]:
            def run() -> list[Any]:
                parent.train() if mode else parent.eval()
                return [parent["net"](x, task) for task in tasks]

            with seeded(case.seed + 200 + turn):
                return probe.call(run, models={"model": parent}, tensors={"x": x}, take=take)

        (waking, take), (sleeping, take_asleep) = (_with_grads(model) for _ in range(2))
        found: dict[str, Any] = {
            "eval": [call(0, 1, 0, 2, mode=False, take=take_asleep), call(1, 1, 0, 2, mode=False)],
            "train": [call(4, 0, 1, 2, take=take), call(5, 0, 1, 2), call(6, 0, 1, 2)],
            "train grads": waking, "eval grads": sleeping,
        }  # fmt: skip
        asked = _Asked(model, 0)
        found["flag"] = other_switch(asked, x, lambda y, x: torch.equal(y, asked(x)))
        with torch.no_grad():
            found["no grad"] = call(7, 0)
        return {"made": made, "loaded": loaded, **found}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            known, weights = evidence[name], self._weights(case)
            if not _judge_module(verdict, known, weights):
                return
            every = [*known["eval"], *known["train"]]
            if not all(verdict.ended(r, [_REPAIR]) for r in (*every, known["no grad"])):
                return
            n_in, _, _, p = self._sizes(case)
            x = inputs(case.seed + 1, 120, n_in, double=True)
            features = torch.tanh(F.linear(x, weights["encoder.weight"], weights["encoder.bias"]))
            for i, task in enumerate((1, 0, 2)):
                right, scaled = (_answer(weights, x, task, factor) for factor in (1.0, 1 - p))
                parts = [{**r, "value": items(r["value"])[i]} for r in known["eval"]]
                _judge_evaluation(verdict, {**known, "eval": parts}, right, scaled)
            first, three, twice = zip(*(map(as_tensor, items(r["value"])) for r in known["train"]), strict=True)
            bias = weights["heads.1.bias"]
            few = [y - bias if y is not None and y.shape == (120, 3) else None for y in three]
            halves = [None if y is None or y.dim() != 2 else y.chunk(2, 1) for y in twice]
            sets = [Drops(features, list(first), p), Drops(features[:, -3:], few, p),
                    Drops(features, [h and h[0] for h in halves], p)]  # fmt: skip
            _judge_drops(verdict, sets, "features")
            verdict.require(
                _REPAIR, all(h is not None and len(h) == 2 and torch.equal(*h) for h in halves), cause="",
                expected="dropout acts on the features, before the head",
                seen="a feature has a fate of its own for each output",
            )  # fmt: skip
            bare = as_tensor(items(known["no grad"]["value"])[0])
            verdict.require(
                _REPAIR, bare is None or not close(bare, features), "grad-mode-as-mode-flag",
                expected="in training mode it drops under no_grad too", seen="nothing was dropped",
            )  # fmt: skip
            if not verdict.failed(_REPAIR):
                kept = first[0] / features
                _judge_gradients(verdict, known, "train", weights, lambda w, x=x, kept=kept: _answer(w, x, 0, kept))
            _judge_gradients(verdict, known, "eval", weights, lambda w, x=x: _answer(w, x, 1))
            for record in every:
                judge_undisturbed(verdict, _REPAIR, {**record, "settings": []}, may=("rng",))
            _judge_switches(verdict, known)
        verdict.require(_REPAIR, True, expected="", seen="")


def _answer(weights: Mapping[str, torch.Tensor], x: torch.Tensor, task: int, factor: Any = 1.0) -> torch.Tensor:
    """What a task's head makes of the features, each times a factor."""
    features = torch.tanh(F.linear(x, weights["encoder.weight"], weights["encoder.bias"]))
    return F.linear(features * factor, weights[f"heads.{task}.weight"], weights[f"heads.{task}.bias"])


# ---------------------------------------------------------------------- 05


class _Telling(nn.BatchNorm1d):
    """A BatchNorm that writes down what it is told, by which a freeze undone is told from one never made."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.told: list[bool] = []

    def train(self, mode: bool = True) -> _Telling:
        self.told.append(mode)
        return super().train(mode)


class _Pretrained(nn.Module):
    """(N, 6) to (N, 3): a backbone with statistics and dropout of its own, and a head that has them too."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Linear(6, 12), _Telling(12), nn.Tanh(), nn.Dropout(0.3),
            nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8, affine=False)),
            nn.Unflatten(1, (2, 2, 2)), nn.BatchNorm2d(2), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(p), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


class Case05(Patient):
    id = "clinic.case_05"
    title = "A new head on a pretrained backbone"
    stars, minutes = 2, 15
    function, parameters = "train_head", ("model", "loader", "loss_fn", "epochs", "lr")
    checks = _checks(sections.FROZEN_YET_MOVING)
    timeline = True
    diagnoses = ("bn-drifts-when-frozen",)
    shows = "every parameter of the backbone is as before, and the backbone computes something else"
    case_names = ("train", "asleep", "dropout")
    _EPOCHS, _LR = 2, 0.1

    def _training(self, case: Case) -> Training:
        model = build(lambda: _Pretrained(0.3 if case.name == "dropout" else 0.0), case.seed, double=True)
        model.train(case.name != "asleep")
        model.backbone[1].told.clear()
        t = a_training(case, model)
        t.optimizer = torch.optim.SGD(model.head.parameters(), lr=self._LR)
        return t

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        t = self._training(case)
        state, take = _with_state(t.model)
        loader = quiet_loader(*t.train, batch_size=t.batch_size)
        with seeded(case.seed + 5):
            record = probe.call(repair, t.model, loader, t.loss_fn, self._EPOCHS, self._LR, models={"model": t.model},
                                tensors=t.tensors, take=take)  # fmt: skip
        return {"call": record, "state": state, "told": t.model.backbone[1].told}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            record, state = evidence[name]["call"], evidence[name]["state"]
            if not verdict.ended(record, [_REPAIR]):
                return
            self._backbone(verdict, evidence[name], state_of(self._training(case).model))
            self._head(verdict, record, case, state)
            left = [n for n in record["grads"] if n.startswith("model.backbone.")]
            verdict.require(
                _REPAIR, not left, "parameter-grads-touched", expected="a frozen backbone gathers no gradients",
                seen=f"{left[0].removeprefix('model.') if left else ''} has one now",
            )  # fmt: skip
            # a hook may be what keeps the backbone asleep
            judge_undisturbed(verdict, _REPAIR, {**record, "hooks": []}, may=(*_TRAINED, "requires_grad"))
        verdict.require(_REPAIR, True, expected="", seen="")

    def _backbone(self, verdict: Verdict, found: Mapping[str, Any], before: Mapping[str, torch.Tensor]) -> None:
        after, told = found["state"], found["told"]
        moved = [n for n, t in before.items() if n.startswith("backbone.")
                 and (n not in after or not torch.equal(t, after[n]))]  # fmt: skip
        weights = [n for n in moved if n.endswith((".weight", ".bias"))]
        verdict.require(
            _REPAIR, not weights, "frozen-weights-move", expected="the backbone's parameters stay, bit for bit",
            seen=f"{', '.join(weights[:2])} moved",
        )  # fmt: skip
        rows = [r for r in found["call"]["rows"] if r["kind"] == "forward" and r["module"] == "backbone"]
        mistake = "bn-drifts-when-frozen"
        if rows and not any(r["training"] for r in rows):
            mistake = "root-flag-only"
        elif False in told and True in told[told.index(False) :]:
            mistake = "freeze-undone-by-train"
        verdict.require(
            _REPAIR, not moved, mistake, expected="the backbone's buffers stay, bit for bit",
            seen=f"{', '.join(moved[:2])} moved",
        )  # fmt: skip

    def _head(self, verdict: Verdict, record: Record, case: Case, state: Mapping[str, torch.Tensor]) -> None:
        t = self._training(case)
        known = []
        with seeded(case.seed + 5):
            for _ in range(self._EPOCHS):
                t.model.train()
                t.model.backbone.eval()
                steps = [(*one_step(t, x, y), len(y)) for x, y in _batches(t)]
                known.append(Averages.from_batches(*(list(column) for column in zip(*steps, strict=True))))
        expected = "the head as trained in training mode, by plain SGD, on the backbone's evaluation-mode features"
        right = {n: v for n, v in state_of(t.model).items() if n.startswith("head.")}
        if not same_state(state, right, **_tolerance(double=True)):
            live = [r for r in record["rows"] if r["kind"] in ("batch_norm", "dropout") and r["detail"].get("training")
                    and r["module"].startswith("backbone")]  # fmt: skip
            learned = [n for n in right if n.endswith("weight") and not torch.equal(
                state[n], state_of(self._training(case).model)[n])]  # fmt: skip
            statistics = torch.equal(state["head.1.running_mean"],
                                     self._training(case).model.head[1].running_mean)  # fmt: skip
            if not learned:
                blame(verdict, _REPAIR, "head-frozen-too", expected=expected, seen="the head did not move")
            elif live:
                blame(verdict, _REPAIR, "eval-never-called", expected=expected,
                      seen=f"{live[0]['module']} worked as in training")  # fmt: skip
            elif statistics:
                blame(verdict, _REPAIR, "train-never-called", expected=expected,
                      seen="the running statistics of the head did not move")  # fmt: skip
            else:
                mistake, seen = training_mistake(record)
                blame(verdict, _REPAIR, mistake, expected=expected, seen=seen)
        _losses(verdict, record["value"], known, "mean losses per sample", double=True)


# ---------------------------------------------------------------------- 06


class Case06(Patient):
    id = "clinic.case_06"
    title = "Features kept for later"
    stars, minutes = 2, 10
    function, parameters = "cache_features", ("backbone", "loader")
    checks = _checks(sections.INFERENCE_TENSORS)
    timeline = True
    diagnoses = ("inference-tensor-escapes",)
    shows = "the features are right, and training a head on them raises an error"
    case_names = ("train", "plain", "mixed", "quiet", "dropout")

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        scene = _a_scene(case)
        used: dict[str, Any] = {}

        def take(value: Any) -> dict[str, Any]:
            used.update(attempt(lambda: _train_on(value), 5.0)[1])
            return describe(value)

        with torch.set_grad_enabled(scene.caller_grad):
            record = probe.call(repair, scene.model, self._loader(case, scene), models={"backbone": scene.model},
                                tensors={"x": scene.x, "y": scene.y}, take=take)  # fmt: skip
        return {"call": record, "used": used}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records = [evidence[n]["call"] for n in cases]
        for record, case in zip(records, cases.values(), strict=True):
            if not verdict.ended(record, [_REPAIR]) or not self._batches(verdict, record, case):
                return
            used = evidence[case.name]["used"]
            verdict.require(
                _REPAIR, used.get("ended") == "returned", "inference-tensor-escapes",
                expected="a head can be trained on the batches", seen=f"{used.get('text', 'an error')[:70]}",
            )  # fmt: skip
        judge_modes(verdict, _REPAIR, records)
        for record in records:
            judge_undisturbed(verdict, _REPAIR, record)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _loader(self, case: Case, scene: Scene) -> DataLoader:
        """One of them gives the samples in another order each time that it is asked."""
        if case.name != "train":
            return scene.loader
        own = torch.Generator().manual_seed(case.seed)
        return DataLoader(TensorDataset(scene.x, scene.y), batch_size=scene.batch_size, shuffle=True, generator=own)

    def _batches(self, verdict: Verdict, record: Record, case: Case) -> bool:
        scene = _a_scene(case)
        given = list(self._loader(case, scene))
        features, labels = [eval_logits(scene.model, x) for x, _ in given], [y for _, y in given]
        listed = items(record["value"])
        pairs = [items(i) or [] for i in listed or []]
        expected = f"a list of {len(labels)} batches (features, y), as the loader gives them"
        fits = listed is not None and len(pairs) == len(labels) and all(len(p) == 2 for p in pairs)
        if not verdict.require(
            _REPAIR, fits and all(as_tensor(part) is not None for pair in pairs for part in pair), expected=expected,
            seen=f"{named(record['value'])}" + (f" of {len(pairs)}" if listed is not None else ""), cause="",
        ):  # fmt: skip
            return False
        for (f, y), right, label in zip(pairs, features, labels, strict=True):
            verdict.require(_REPAIR, torch.equal(as_tensor(y), label), expected="each batch's y as it is",
                            seen="another one", cause="")  # fmt: skip
            if not close(as_tensor(f), right):
                mistake = mode_mistake(record)
                blame(
                    verdict, _REPAIR, mistake or "wrong-result", expected="the features of evaluation mode",
                    seen=live_words(record) if mistake else f"other numbers, in {named(f)}",
                )  # fmt: skip
            judge_ordinary(verdict, _REPAIR, f, "each batch of features")
            judge_ordinary(verdict, _REPAIR, y, "each y")
            judge_no_graph(verdict, _REPAIR, {"graph_results": 0}, {"a batch of features": f})
        return True


def _train_on(batches: Any) -> None:
    """What heads do with cached features: a loss that reaches the head, and one that reaches the labels."""
    with torch.enable_grad():
        for features, y in batches:
            weight = torch.ones(features.shape[1], 4, dtype=features.dtype, requires_grad=True)
            F.cross_entropy(features @ weight, y % 4).backward()
            F.cross_entropy(torch.zeros(len(y), 4, requires_grad=True), y % 4 if y.is_inference() else y).backward()


# ---------------------------------------------------------------------- 07


class Case07(Patient):
    id = "clinic.case_07"
    title = "Training with patience"
    stars, minutes = 2, 15
    function = "fit_until"
    parameters = ("model", "train_loader", "val_loader", "loss_fn", "optimizer", "max_epochs", "patience")
    checks = _checks(sections.RESTORE_MODES)
    timeline = True
    # the restore wakes everything, and so undoes the caller's freeze; the modes are not those that were found
    diagnoses = ("blanket-train-restore", "freeze-undone-by-train", "mode-not-restored")
    shows = "a layer that the caller had put in evaluation mode works so in the first epoch, and not in the second"
    case_names = ("mixed", "train", "asleep", "dropout", "level", "turning")

    def _training(self, case: Case) -> Training:
        if case.name == "turning":
            return turning_training(case, _EPOCHS, _turns)
        if case.name == "level":  # a model that learns nothing: no epoch is better than the first
            return a_training(case, build(Plain, case.seed, double=True).train(), lr=0.0)
        if case.name == "dropout":
            model = mixed_modes(build(Dense, case.seed), "features.1", "head.drop")
            model.get_submodule("features.1.1").train()  # awake in what sleeps
            return _half_frozen(a_training(case, model))
        model = build(NormOnly, case.seed, double=True).train(case.name != "asleep")
        return a_training(case, mixed_modes(model, "body.1") if case.name == "mixed" else model)

    def _limits(self, case: Case) -> tuple[int, int]:
        """Most epochs, and patience."""
        if case.name == "turning":
            return _EPOCHS, _PATIENCE
        return (6, 1 + case.seed % 3) if case.name == "level" else (3, 5)

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        t = self._training(case)
        state, take = _with_state(t.model)
        loaders = [quiet_loader(*part, batch_size=t.batch_size) for part in (t.train, t.val)]
        with seeded(case.seed + 5):
            record = probe.call(repair, t.model, *loaders, t.loss_fn, t.optimizer, *self._limits(case),
                                models={"model": t.model}, tensors=t.tensors, take=take)  # fmt: skip
        return {"call": record, "state": state}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records = [evidence[n]["call"] for n in cases]
        if not all(verdict.ended(r, [_REPAIR]) for r in records):
            return
        judge_modes(verdict, _REPAIR, records)
        for name, case in cases.items():
            record, t = evidence[name]["call"], self._training(case)
            double = _is_double(t.model)
            with seeded(case.seed + 5):
                known = self._reference(t, *self._limits(case))
            if not same_state(evidence[name]["state"], state_of(t.model), **_tolerance(double)):
                mistake, seen = self._mistake(record)
                blame(verdict, _REPAIR, mistake, seen=seen,
                      expected="weights and statistics as trained in the modes found")  # fmt: skip
            _losses(verdict, record["value"], known, "mean validation losses per sample", double,
                    otherwise=_validation_mistake(record))  # fmt: skip
            _judge_validation_graph(verdict, record)
            judge_undisturbed(verdict, _REPAIR, record, may=_TRAINED)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _reference(self, t: Training, max_epochs: int, patience: int) -> list[Averages]:
        found = [(m, m.training) for m in t.model.modules()]
        val: list[Averages] = []
        for _ in range(max_epochs):
            for x, y in _batches(t):
                one_step(t, x, y)
            val.append(Averages.of(t.model, *t.val, t.batch_size, t.loss_fn))
            for module, mode in found:
                module.training = mode
            losses = [v.loss for v in val]
            if len(losses) > patience and min(losses[:-patience]) <= min(losses[-patience:]):
                break
        return val

    def _mistake(self, record: Record) -> tuple[str, str]:
        before = {n for subs in record["modes_before"].values() for n, flag in subs.items() if not flag}
        woken = [r["module"] for r in record["rows"] if r["kind"] in ("batch_norm", "dropout")
                 and r["detail"].get("training") and r["module"] in before]  # fmt: skip
        if validation_mode(record):
            return _validation_mistake(record)
        if woken:
            return "blanket-train-restore", f"{woken[0]}, found in evaluation mode, worked as in training"
        if _trained_asleep(record) and _trained_awake(record):
            return "mode-not-restored", "steps on evaluation-mode passes after the first validation"
        return training_mistake(record)


_EPOCHS, _PATIENCE = 8, 2


def _turns(reference: Reference) -> bool:
    """Whether the training improves for some epochs and then no more.

    Patience ends it early, counted from the best epoch; epochs that were no better than the best were better than the
    first, and the last one better than the one before.
    """
    losses = [a.loss for a in reference.val]
    best = next(i for i in range(_EPOCHS) if losses[i] <= min(losses[i : i + _PATIENCE + 1]))
    later = losses[best + 1 : best + 1 + _PATIENCE]
    clear = all(abs(losses[i] - min(losses[:i])) > 1e-3 for i in range(1, min(best + _PATIENCE + 1, _EPOCHS)))
    return 0 < best < _EPOCHS - _PATIENCE - 1 and clear and later[-1] < min(losses[0], later[-2]) - 1e-3


# ---------------------------------------------------------------------- 08


class Case08(Patient):
    """With an identity for each head's values and one at the end, the output is the attention weights after dropout.

    Statistical: at most 20 binomial counts (see ``_masks``) in each of two cases.
    """

    id = "clinic.case_08"
    title = "Self-attention"
    stars, minutes = 2, 15
    wants = "class"
    function, parameters = "SelfAttention", ("dim", "heads", "p")
    checks = _checks(sections.WHO_IGNORES_EVAL)
    # the layer drops by a function that is not told the mode, and is itself a layer that drops in evaluation
    diagnoses = ("functional-dropout-always-on", "dropout-in-eval")
    shows = "in evaluation mode two calls give different outputs, although no module inside can be asked for its mode"
    case_names = ("given", "default")
    false_alarm = 40 * FALSE_ALARM
    _LENGTH = 14

    def _p(self, case: Case) -> float:
        return 0.1 if case.name == "default" else 0.24 + case.seed % 13 / 100

    def _weights(self, case: Case, kind: str) -> tuple[int, int, dict[str, torch.Tensor]]:
        """Width, number of heads, and weights.

        In ``masks`` each head's values are an identity, in ``level`` every position has the same value.
        """
        dim, heads = (8, 2 + 2 * (case.seed % 2)) if kind == "random" else (2 * self._LENGTH, 2)
        g = case.generator(5)

        def draw(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=g).double() * 0.5

        found = {"qkv.weight": draw(3 * dim, dim), "qkv.bias": draw(3 * dim), "out.weight": draw(dim, dim),
                 "out.bias": draw(dim)}  # fmt: skip
        if kind != "random":
            found["out.weight"], found["out.bias"] = torch.eye(dim).double(), torch.zeros(dim).double()
            position = torch.arange(dim).view(-1, 1) % self._LENGTH == torch.arange(dim)
            found["qkv.weight"][2 * dim :] = position.double() if kind == "masks" else 0.0
            found["qkv.bias"][2 * dim :] = 0.0 if kind == "masks" else torch.linspace(1.0, 2.0, dim).double()
        return dim, heads, found

    def _x(self, case: Case, kind: str) -> torch.Tensor:
        if kind == "random":
            return inputs(case.seed + 1, 3, 5, 8, double=True)
        return torch.eye(self._LENGTH, 2 * self._LENGTH).double().expand(4, -1, -1).clone()

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind in ("random", "masks", "level"):
            dim, heads, weights = self._weights(case, kind)
            if kind != "level":
                model, found["made"] = make(probe, repair, dim, heads,
                                            *(() if case.name == "default" else (self._p(case),)))  # fmt: skip
                if model is None:
                    return found
                model.double()
            found["loaded"] = _set_up(model, weights)
            if not found["loaded"]["loaded"]:
                return found
            parent = nn.ModuleDict({"net": model})
            x = self._x(case, kind)

            def call(turn: int, mode: bool, parent: nn.ModuleDict = parent, x: torch.Tensor = x,
                     take: Any = describe) -> dict[str, Any]:  # fmt: skip
                def run() -> Any:
                    parent.train() if mode else parent.eval()
                    return parent["net"](x)

                with seeded(case.seed + 200 + turn):
                    return probe.call(run, models={"model": parent}, tensors={"x": x}, take=take)

            grads, take = _with_grads(model) if case.name == "given" else ({}, describe)
            if kind == "random":
                found["eval grads"] = grads
                found["eval"] = [call(0, False, take=take), call(1, False)]
                parent.eval()
                right = _attention(x, weights, heads)
                found["flag"] = other_switch(model, x, lambda y, x, right=right: close(as_tensor(describe(y)), right))
            elif kind == "masks":
                found["train grads"] = grads
                found["train"] = [call(3, True, take=take), call(4, True), call(5, True)]
            else:
                found["level"] = [call(3, True)]
        with torch.no_grad():
            found["no grad"] = call(8, True)
        dim, heads, weights = self._weights(case, "random")
        model, _ = make(probe, repair, dim, heads, 0.0)
        if model is not None and _set_up(model.double(), weights)["loaded"]:
            found["none dropped"] = call(9, True, nn.ModuleDict({"net": model}), self._x(case, "random"))
        return found

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            known = evidence[name]
            _, heads, weights = self._weights(case, "random")
            if not _judge_module(verdict, known, weights):
                return
            every = (*known["eval"], *known["train"], *known["level"])
            if not all(verdict.ended(r, [_REPAIR]) for r in (*every, known["no grad"])):
                return
            x, p = self._x(case, "random"), self._p(case)
            right, scaled = (_attention(x, weights, heads, factor) for factor in (1.0, 1 - p))
            _judge_evaluation(verdict, known, right, scaled)
            eye, (_, two, plain) = self._x(case, "masks"), self._weights(case, "masks")
            masked, outputs = _attention(eye, plain, two), [as_tensor(r["value"]) for r in known["train"]]
            _judge_drops(verdict, [Drops(masked, outputs, p)], "attention weights")
            self._level(verdict, known, case)
            if not verdict.failed(_REPAIR):
                self._without(verdict, known, right)
                kept = (outputs[0] / masked).unflatten(-1, (two, -1)).transpose(1, 2)
                _judge_gradients(verdict, known, "train", plain,
                                 lambda w, eye=eye, two=two, kept=kept: _attention(eye, w, two, kept))  # fmt: skip
            _judge_gradients(verdict, known, "eval", weights, lambda w, x=x, heads=heads: _attention(x, w, heads))
            for record in every:
                judge_undisturbed(verdict, _REPAIR, {**record, "settings": []}, may=("rng",))
            _judge_switches(verdict, known)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _without(self, verdict: Verdict, known: Mapping[str, Any], right: torch.Tensor) -> None:
        """With p = 0 training computes what evaluation does, also where a head is not as wide as a sequence is long."""
        record = known.get("none dropped")
        if record is not None and verdict.ended(record, [_REPAIR]):
            verdict.require(
                _REPAIR, close(as_tensor(record["value"]), right), expected="with p = 0 the attention of evaluation",
                seen="other numbers in training mode", cause="",
            )  # fmt: skip

    def _level(self, verdict: Verdict, known: Mapping[str, Any], case: Case) -> None:
        """Where all positions have one value, dropping weights scales a row, and dropping anything else does not."""
        dim, heads, weights = self._weights(case, "level")
        value = weights["qkv.bias"][2 * dim :]
        y, bare = as_tensor(known["level"][0]["value"]), as_tensor(known["no grad"]["value"])
        if y is None or bare is None or y.shape != self._x(case, "level").shape:
            return
        rows = (y / value).unflatten(-1, (heads, -1))
        verdict.require(
            _REPAIR, close(rows, rows[..., :1].expand_as(rows)), expected="the attention weights are dropped",
            seen="something else is: the features of one position have different fates", cause="",
        )  # fmt: skip
        still = bool(close(bare / value, torch.ones_like(y)))
        verdict.require(
            _REPAIR, not still, "grad-mode-as-mode-flag", expected="in training mode it drops under no_grad too",
            seen="nothing was dropped",
        )  # fmt: skip


def _attention(x: torch.Tensor, weights: Mapping[str, torch.Tensor], heads: int, factor: Any = 1.0) -> torch.Tensor:
    """Without dropout; each attention weight times a factor."""
    q, k, v = F.linear(x, weights["qkv.weight"], weights["qkv.bias"]).unflatten(-1, (3, heads, -1)).unbind(2)
    scores = torch.einsum("nihd,njhd->nhij", q, k) / q.shape[-1] ** 0.5
    mixed = torch.einsum("nhij,njhd->nihd", scores.softmax(-1) * factor, v)
    return F.linear(mixed.flatten(2), weights["out.weight"], weights["out.bias"])


# ---------------------------------------------------------------------- 09


class Case09(Patient):
    id = "clinic.case_09"
    title = "A layer written anew"
    stars, minutes = 2, 15
    function, parameters = "normalise_batch", ("x", "running_mean", "running_var", "momentum", "eps")
    checks = _checks(sections.TWO_VARIANCES)
    diagnoses = ("biased-running-var",)
    shows = "what it returns is right, one of the two running statistics is not, most of all for small batches"
    case_names = ("rows", "images", "defaults")

    def _scene(self, case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float, float]:
        shape = {"rows": (3 + case.seed % 3, 4), "images": (2, 3, 2, 2), "defaults": (2, 5)}[case.name]
        momentum, eps = (0.1, 1e-5) if case.name == "defaults" else (0.25 + case.seed % 9 / 100, 0.01)
        g = case.generator(3)
        mean = torch.randn(shape[1], generator=g).double()
        var = torch.rand(shape[1], generator=g).double() + 0.5
        return inputs(case.seed + 1, *shape, double=True) + 1.0, mean, var, momentum, eps

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        x, mean, var, momentum, eps = self._scene(case)
        x.requires_grad_()
        weight = inputs(case.seed + 2, *x.shape, double=True)
        kept: dict[str, Any] = {}

        def take(y: Any) -> dict[str, Any]:
            kept.update(mean=describe(mean), var=describe(var), grad=describe(None))
            if isinstance(y, torch.Tensor) and y.requires_grad and y.shape == weight.shape:
                kept["grad"] = describe(torch.autograd.grad(y, x, weight.to(y.dtype), allow_unused=True)[0])
            return describe(y)

        args = () if case.name == "defaults" else (momentum, eps)
        found = {"call": probe.call(repair, x, mean, var, *args, tensors={"x": x}, take=take), "kept": kept}
        if case.name == "rows":
            found["still"] = self._unrecorded(case, repair, probe, 0.0)
        return found | {"unrecorded": self._unrecorded(case, repair, probe, momentum)}

    def _unrecorded(self, case: Case, repair: Any, probe: Probe, momentum: float) -> dict[str, Any]:
        """For a caller under no_grad, whose x could be overwritten."""
        x, mean, var, _, eps = self._scene(case)
        with torch.no_grad():
            record = probe.call(repair, x, mean, var, momentum, eps, tensors={"x": x})
        return {"call": record, "kept": {"mean": describe(mean), "var": describe(var)}}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            record, kept = evidence[name]["call"], evidence[name]["kept"]
            if not verdict.ended(record, [_REPAIR]):
                return
            self._output(verdict, record, case)
            self._statistics(verdict, kept, case)
            x, mean, var, momentum, eps = self._scene(case)
            leaf = x.clone().requires_grad_()
            right = torch.autograd.grad(F.batch_norm(leaf, mean, var, None, None, True, momentum, eps), leaf,
                                        inputs(case.seed + 2, *x.shape, double=True))[0]  # fmt: skip
            grad = as_tensor(kept["grad"])
            blame_grad = "grad-disabled-in-training" if grad is None else "wrong-result"
            if not close(grad, right):
                blame(verdict, _REPAIR, blame_grad, expected="gradients flow through mean and variance to x",
                      seen="no gradient reaches x" if grad is None else "other gradients")  # fmt: skip
            judge_undisturbed(verdict, _REPAIR, record)
            for more, share in (("unrecorded", momentum), ("still", 0.0)):
                if more in evidence[name] and not verdict.failed(_REPAIR):
                    self._again(verdict, evidence[name][more], case, share)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _again(self, verdict: Verdict, found: Mapping[str, Any], case: Case, momentum: float) -> None:
        """Under no_grad, with this momentum."""
        record = found["call"]
        if not verdict.ended(record, [_REPAIR]):
            return
        x, mean, var, _, eps = self._scene(case)
        right = F.batch_norm(x, mean, var, None, None, True, momentum, eps)  # moves mean and var
        moved = all(close(as_tensor(found["kept"][n]), t, rtol=1e-6, atol=1e-9)
                    for n, t in (("mean", mean), ("var", var)))  # fmt: skip
        judge_undisturbed(verdict, _REPAIR, record)
        verdict.require(
            _REPAIR, moved and close(as_tensor(record["value"]), right), "wrong-result" if momentum == 0.0
            else "grad-mode-as-mode-flag", expected=f"the same under no_grad, with a momentum of {momentum:g}",
            seen="another batch" if moved else "other running statistics", cause="" if momentum == 0.0 else None,
        )  # fmt: skip

    def _output(self, verdict: Verdict, record: Record, case: Case) -> None:
        x, mean, var, momentum, eps = self._scene(case)
        dims = [d for d in range(x.dim()) if d != 1]
        unbiased = (x - x.mean(dims, keepdim=True)) / (x.var(dims, correction=1, keepdim=True) + eps).sqrt()
        running = F.batch_norm(x, mean, var, None, None, False, momentum, eps)
        right = F.batch_norm(x, None, None, None, None, True, momentum, eps)
        got = as_tensor(record["value"])
        if got is not None and close(got, right):
            return
        known = {"unbiased-normalisation": unbiased, "running-stats-in-train": running}

        def centred(dims: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
            return x - x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)

        gap, var = centred(dims)
        known["eps-misplaced"] = gap / (var.sqrt() + eps)
        others = (d for k in range(1, x.dim() + 1) for d in itertools.combinations(range(x.dim()), k))
        for gap, var in (centred(list(d)) for d in others if list(d) != dims):
            if got is not None and close(got, gap / (var + eps).sqrt()):
                known["wrong-reduction-dims"] = got
        mistake = next((k for k, v in known.items() if got is not None and close(got, v)), "wrong-result")
        same = got is not None and got.shape == right.shape
        gap = f"numbers that differ by up to {float((got - right).abs().max()):.2g}" if same else ""
        blame(verdict, _REPAIR, mistake, expected="the batch, normalised by its own mean and biased variance"
              if mistake == "unbiased-normalisation" else "the batch, normalised by its own statistics",
              seen=gap or named(record["value"]))  # fmt: skip

    def _statistics(self, verdict: Verdict, kept: Mapping[str, Any], case: Case) -> None:
        x, *old, momentum, _ = self._scene(case)
        dims = [d for d in range(x.dim()) if d != 1]
        new = {"mean": [x.mean(dims)], "var": [x.var(dims, correction=1), x.var(dims, correction=0)]}
        for (name, batch), start in zip(new.items(), old, strict=True):
            got = as_tensor(kept[name])
            right = start + momentum * (batch[0] - start)
            wrong = {
                "stats-not-updated": start,
                "momentum-reversed": momentum * start + (1 - momentum) * batch[0],
                "biased-running-var": start + momentum * (batch[-1] - start),
            }
            if not close(got, right, rtol=1e-6, atol=1e-9):
                mistake = next((k for k, v in wrong.items() if close(got, v, rtol=1e-6, atol=1e-9)), "wrong-result")
                if mistake == "wrong-result" and close(got, momentum * start + (1 - momentum) * batch[-1]):
                    mistake = "momentum-reversed"
                shown = f"{float(got.flatten()[0]):.4g}" if got is not None and got.numel() else "nothing"
                blame(verdict, _REPAIR, mistake, expected=f"a running {'mean' if name == 'mean' else 'variance'} of "
                      f"{float(right[0]):.4g} in the first channel", seen=shown)  # fmt: skip
            verdict.require(
                _REPAIR, not kept[name].get("requires_grad"), "graph-built",
                expected="the running statistics carry no graph", seen=f"running_{name} requires grad",
            )  # fmt: skip


# ---------------------------------------------------------------------- 10


class _Gates(_CaseModel):
    """(N, 6) to (N, 3): behind a BatchNorm two numbers, each kept or dropped, so a row has four possible outcomes.

    ``alpha``: with other layers of the same families.
    """

    P = 0.3, 0.4

    def __init__(self, alpha: bool = False) -> None:
        super().__init__()
        planes = nn.Sequential(nn.Unflatten(1, (8, 1, 1)), nn.BatchNorm2d(8), nn.Flatten())
        norm = planes if alpha else nn.Sequential(nn.BatchNorm1d(8))
        self.features = nn.Sequential(nn.Linear(6, 8), norm, nn.Tanh(), nn.Linear(8, 2))
        first = nn.AlphaDropout if alpha else nn.Dropout
        self.gates = nn.ModuleList([first(self.P[0]), nn.Sequential(nn.Dropout1d(self.P[1]))])
        self.out = nn.Linear(2, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        h = self.features(x)
        second = self.gates[1](h[:, 1:, None])[..., 0]
        return self.out(torch.cat([self.gates[0](h[:, :1]), second], 1))


_ALPHA = 1.7580993408473766  # what AlphaDropout puts in a dropped number's place is minus this, before it rescales


def _outcomes(model: nn.Module, x: torch.Tensor, live: bool, off: int | None = None) -> torch.Tensor:
    """Probabilities (4, N, 3): both kept, first dropped, second dropped, both dropped.

    ``live``: with BatchNorm awake.  ``off``: the gate that hands on what it gets.
    """
    model.eval()
    with torch.no_grad():
        h = (copy.deepcopy(model.features).train() if live else model.features)(x)
        fates = []
        for i, (gate, p) in enumerate(zip(model.gates, _Gates.P, strict=True)):
            z = h[:, i]
            if isinstance(gate, nn.AlphaDropout):
                a = (1 + p * _ALPHA**2) ** -0.5 * (1 - p) ** -0.5
                kept, dropped = a * (z + p * _ALPHA), torch.full_like(z, -a * (1 - p) * _ALPHA)
            else:
                kept, dropped = z / (1 - p), torch.zeros_like(z)
            fates.append((z, z) if off == i else (kept, dropped))
        return torch.stack([model.out(torch.stack([fates[0][i], fates[1][j]], 1)).softmax(1)
                            for j in (0, 1) for i in (0, 1)])  # fmt: skip



def _explained(
    outcomes: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, n: int, correction: int = 0
) -> torch.Tensor | None:
    """How often each outcome came in ``n`` samples, (N, 4), if every row's mean and std can be told so."""
    ways = torch.tensor([c for c in itertools.product(range(n + 1), repeat=4) if sum(c) == n]).double()
    means = torch.einsum("wk,knc->wnc", ways / n, outcomes)
    squares = (outcomes[None] - means[:, None]) ** 2
    spreads = (torch.einsum("wk,wknc->wnc", ways, squares) / (n - correction)).sqrt()
    fits = ((means - mean).abs() < 1e-8).all(-1) & ((spreads - std).abs() < 1e-6).all(-1)
    return ways[fits.int().argmax(0)] if bool(fits.any(0).all()) else None


class Case10(Patient):
    """Each row has four possible outcomes, so mean and std tell how often each came.

    Statistical: 9 binomial counts (see ``_masks``).
    """

    id = "clinic.case_10"
    title = "A prediction with its spread"
    stars, minutes = 2, 15
    function, parameters = "predict_with_spread", ("model", "x", "n_samples")
    checks = _checks(sections.MC_DROPOUT)
    timeline = True
    diagnoses = ("bn-live-in-mc-dropout",)
    shows = "every parameter is as before the prediction, and the evaluation-mode answers after it are not"
    case_names = ("train", "mixed", "eval", "none")
    false_alarm = 9 * FALSE_ALARM

    def _scene(self, case: Case) -> tuple[nn.Module, torch.Tensor, int]:
        model = build(NormOnly if case.name == "none" else lambda: _Gates(case.name == "eval"), case.seed,
                      double=True)  # fmt: skip
        if case.name == "mixed":
            mixed_modes(model, "features.1", "gates.1")
            fill_grads(model, case.seed + 7)
            next(model.parameters()).requires_grad_(False)
        else:
            model.train(case.name != "eval")
        return model, inputs(case.seed + 1, 60, 6, double=True), 3 if case.name in ("mixed", "none") else 4

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        def call(salt: int) -> dict[str, Any]:
            model, x, n = self._scene(case)
            with seeded(case.seed + salt), torch.set_grad_enabled(case.name != "mixed"):
                return probe.call(repair, model, x, n, models={"model": model}, tensors={"x": x})

        return {"call": call(5), "again": call(6)} if case.name == "train" else {"call": call(5)}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records = {n: evidence[n]["call"] for n in cases}
        pairs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for name, record in records.items():
            if not verdict.ended(record, [_REPAIR]):
                return
            tensors = [as_tensor(v) for v in items(record["value"]) or []]
            shape = (60, 3)
            if len(tensors) != 2 or any(t is None or tuple(t.shape) != shape for t in tensors):
                expected = f"(mean, standard deviation), two tensors of shape {shape}"
                verdict.fail(_REPAIR, "wrong-result", expected=expected, seen=named(record["value"]), cause="")
                return
            pairs[name] = (tensors[0].double(), tensors[1].double())
        found = {n: self._read(cases[n], *pairs[n]) for n in ("train", "mixed", "eval")}
        as_found = found["train"][0] == "live" and found["eval"][0] == "off"
        for name, (kind, counts) in found.items():
            self._samples(verdict, kind, records[name], as_found=as_found)
            if counts is not None:
                self._chance(verdict, counts, self._scene(cases[name])[2])
        model, x, _ = self._scene(cases["none"])
        right = eval_logits(model, x).softmax(1)
        verdict.require(
            _REPAIR, close(pairs["none"][0], right) and float(pairs["none"][1].abs().nan_to_num(1.0).max()) < 1e-6,
            expected="the evaluation-mode answer without spread, for a model without dropout", seen="something else",
            cause="",
        )  # fmt: skip
        judge_modes(verdict, _REPAIR, list(records.values()))
        for record in records.values():
            judge_no_graph(verdict, _REPAIR, record, dict(zip(("the mean", "the spread"), items(record["value"]),
                                                              strict=True)))  # fmt: skip
            judge_undisturbed(verdict, _REPAIR, record, may=("rng",))
        again = evidence["train"]["again"]
        mean = as_tensor((items(again.get("value")) or [None])[0])
        verdict.require(
            _REPAIR, mean is None or not torch.equal(mean, pairs["train"][0].to(mean.dtype)), "global-rng-disturbed",
            expected="another random state of the caller's gives other samples",
            seen="the same samples: the generator is seeded inside",
        )  # fmt: skip

    def _read(self, case: Case, mean: torch.Tensor, std: torch.Tensor) -> tuple[str, torch.Tensor | None]:
        """What mean and std are those of, and how often each outcome came if they are right."""
        model, x, n = self._scene(case)
        outcomes = _outcomes(model, x, live=False)
        counts = _explained(outcomes, mean, std, n)
        if counts is not None:
            return "right", counts
        if _explained(_outcomes(model, x, live=True), mean, std, n) is not None:
            return "live", None
        if close(mean, eval_logits(model, x).softmax(1)):
            return "off", None
        for gate in (0, 1):
            if _explained(_outcomes(model, x, live=False, off=gate), mean, std, n) is not None:
                return "half", None
        if _explained(outcomes, mean, std, n, correction=1) is not None:
            return "correction", None
        return "other", None

    def _samples(self, verdict: Verdict, kind: str, record: Record, *, as_found: bool) -> None:
        rest = "everything but dropout works as in evaluation mode and stays as it is"
        every = "in every pass, every dropout layer drops"
        live = any(r["kind"] == "batch_norm" and r["detail"].get("training") for r in record["rows"])
        if as_found:
            blame(verdict, _REPAIR, "eval-never-called", expected=every,
                  seen="the modes were taken as they came")  # fmt: skip
        if kind == "live" or (live and kind != "right") or record["buffers"]:
            moved = f" and {len(record['buffers'])} of its buffers moved" if record["buffers"] else ""
            blame(verdict, _REPAIR, "bn-live-in-mc-dropout", expected=rest,
                  seen="BatchNorm used the batch's statistics" + moved)  # fmt: skip
        elif kind in ("off", "half"):
            blame(verdict, _REPAIR, "dropout-missing", expected=every,
                  seen="nothing was dropped" if kind == "off" else "one of two dropout layers did not")  # fmt: skip
        elif kind != "right":
            seen = "a spread divided by n - 1" if kind == "correction" else "numbers that no such samples have"
            blame(verdict, _REPAIR, "wrong-result", seen=seen,
                  expected="mean and standard deviation (correction=0) of the softmax over the passes")  # fmt: skip

    def _chance(self, verdict: Verdict, counts: torch.Tensor, n: int) -> None:
        a, b = _Gates.P
        chances = torch.tensor([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b]).double()
        same, rows = int((counts == n).any(1).sum()), len(counts)
        verdict.require(
            _REPAIR, not surprising(same, rows, float((chances**n).sum())), "fixed-mask",
            expected="each pass draws masks of its own", seen=f"{same} of {rows} rows are the same in all {n} passes",
        )  # fmt: skip
        for p, dropped in ((a, counts[:, [1, 3]].sum()), (b, counts[:, [2, 3]].sum())):
            verdict.require(
                _REPAIR, not surprising(int(dropped), rows * n, p), expected=f"{p:.0%} of the rows are dropped",
                seen=f"{float(dropped) / (rows * n):.0%} are", cause="",
            )  # fmt: skip


# ---------------------------------------------------------------------- 11


class Case11(Patient):
    id = "clinic.case_11"
    title = "Validation every few steps"
    stars, minutes = 2, 15
    function = "train"
    parameters = ("model", "loader", "val_loader", "loss_fn", "optimizer", "epochs", "val_every")
    checks = _checks(sections.RESTORE_MODES)
    timeline = True
    # the mode that validation leaves behind is the one in which training goes on
    diagnoses = ("mode-not-restored", "train-never-called")
    shows = "the rest of an epoch is another training when a validation comes in the middle of it"
    case_names = ("middle", "asleep", "dropout", "end")

    def _training(self, case: Case) -> Training:
        if case.name == "dropout":
            return _half_frozen(a_training(case, build(Dense, case.seed).train()))
        model = build(NormOnly, case.seed, double=True).train(case.name != "asleep")
        return a_training(case, mixed_modes(model, "body.1") if case.name == "end" else model)

    def _limits(self, case: Case) -> tuple[int, int]:
        """Epochs of four steps, and steps between two validations."""
        return {"middle": (2, 3), "asleep": (2, 1), "dropout": (1, 2), "end": (2, 4)}[case.name]

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        t = self._training(case)
        state, take = _with_state(t.model)
        loaders = [quiet_loader(*part, batch_size=t.batch_size) for part in (t.train, t.val)]
        with seeded(case.seed + 5):
            record = probe.call(repair, t.model, *loaders, t.loss_fn, t.optimizer, *self._limits(case),
                                models={"model": t.model}, tensors=t.tensors, take=take)  # fmt: skip
        return {"call": record, "state": state}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            record, t = evidence[name]["call"], self._training(case)
            if not verdict.ended(record, [_REPAIR]):
                return
            double = _is_double(t.model)
            epochs, every = self._limits(case)
            known: list[Averages] = []
            with seeded(case.seed + 5):
                for number, (x, y) in enumerate(_batches(t) * epochs, 1):
                    t.model.train()
                    one_step(t, x, y)
                    if number % every == 0:
                        known.append(Averages.of(t.model, *t.val, t.batch_size, t.loss_fn))
            if not same_state(evidence[name]["state"], state_of(t.model), **_tolerance(double)):
                mistake, seen = self._mistake(record)
                blame(verdict, _REPAIR, mistake, seen=seen,
                      expected="weights and statistics as trained in training mode throughout")  # fmt: skip
            _losses(verdict, record["value"], known, "mean validation losses per sample", double,
                    otherwise=_validation_mistake(record))  # fmt: skip
            _judge_left_in_training(verdict, record)
            judge_undisturbed(verdict, _REPAIR, record, may=_TRAINED)
        verdict.require(_REPAIR, True, expected="", seen="")

    def _mistake(self, record: Record) -> tuple[str, str]:
        if validation_mode(record):
            return _validation_mistake(record)
        learned = [r for r in passes(record) if r["detail"].get("used")]
        if any(r["training"] and r["detail"].get("mode") != "train" for r in learned):
            return "root-flag-only", "the model's own flag says training, its layers worked as in evaluation"
        asleep = sum(r["detail"].get("mode") == "eval" for r in learned)
        if asleep and _trained_awake(record):
            return "mode-not-restored", f"{asleep} of {len(learned)} steps were made in evaluation mode"
        return training_mistake(record)


# ---------------------------------------------------------------------- 12


class Case12(Patient):
    """Twelve epochs of small data sets.

    Statistical: that a sample which may sit out an epoch does so in all of twelve has a chance below 3e-8, all cases
    together: at most k (r / k) ** 12 for r of k samples, most for one of five.
    """

    id = "clinic.case_12"
    title = "A loader for training"
    stars, minutes = 2, 15
    function, parameters = "training_loader", ("dataset", "batch_size")
    checks = _checks(sections.BATCH_OF_ONE)
    diagnoses = ("single-value-not-rejected",)
    shows = "nothing raises, and in some batches every channel has variance zero"
    case_names = ("one over", "even", "two over", "pairs", "few", "even pairs")
    false_alarm = 3e-8
    _EPOCHS = 12
    _SIZES: ClassVar[dict[str, tuple[int, int]]] = {
        "one over": (13, 4), "even": (12, 4), "two over": (14, 4), "pairs": (9, 2), "few": (5, 4),
        "even pairs": (8, 2),
    }  # fmt: skip

    def _dataset(self, case: Case) -> list[tuple[torch.Tensor, int]]:
        count = self._SIZES[case.name][0]
        x = inputs(case.seed, count, 3)
        x[:, 0] = torch.arange(count)
        return [(row, int(i * 7 + case.seed) % 5) for i, row in enumerate(x)]

    def examine(self, case: Case, repair: Any, probe: Probe) -> dict[str, Any]:
        dataset, size = self._dataset(case), self._SIZES[case.name][1]

        def use() -> list[Any]:
            loader = repair(dataset, size)
            return [[describe(batch) for batch in loader] for _ in range(self._EPOCHS)]

        tensors = {str(i): x for i, (x, _) in enumerate(dataset)}
        with seeded(case.seed + 5):
            return {"call": probe.call(use, tensors=tensors, take=lambda value: value, rows=False)}

    def judge_repair(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for name, case in cases.items():
            record = evidence[name]["call"]
            if not verdict.ended(record, [_REPAIR]):
                return
            if not self._epochs(verdict, record["value"], case):
                return
            judge_undisturbed(verdict, _REPAIR, record, may=("rng",))
        verdict.require(_REPAIR, True, expected="", seen="")

    def _epochs(self, verdict: Verdict, epochs: Sequence[Sequence[Any]], case: Case) -> bool:
        count, size = self._SIZES[case.name]
        data = f"{count} samples in batches of {size}"
        orders = []
        for epoch in epochs:
            batches = [self._places(batch, case) for batch in epoch]
            if any(b is None for b in batches):
                strange = next(e for e, b in zip(epoch, batches, strict=True) if b is None)
                verdict.fail(_REPAIR, "wrong-result", expected="batches (x, y) of samples as they are in the data set",
                             seen=named(strange), cause="")  # fmt: skip
                return False
            lone = next((b for b in batches if len(set(b)) == 1), None)
            if lone is not None:
                seen = "one sample" if len(lone) == 1 else f"one sample {len(lone)} times"
                verdict.fail(_REPAIR, "single-value-not-rejected", seen=f"a batch of {seen}",
                             expected=f"{data}: each batch has different samples to take statistics from")  # fmt: skip
                return False
            order = [place for b in batches for place in b]
            orders.append(order)
            twice = len(order) - len(set(order))
            verdict.require(_REPAIR, not twice, expected=f"{data}: no sample twice in an epoch",
                            seen=f"{twice} came again", cause="")  # fmt: skip
            missing = count - len(set(order))
            verdict.require(_REPAIR, missing < size, expected=f"{data}: fewer than {size} samples sit out an epoch",
                            seen=f"{missing} did", cause="")  # fmt: skip
            wrong = [len(b) for b in batches[:-1] if len(b) != size]
            wrong += [len(b) for b in batches[-1:] if len(b) > size + 1]
            verdict.require(_REPAIR, not wrong, expected=f"{data}, except for the last", cause="",
                            seen=f"a batch of {(wrong or [0])[0]}")  # fmt: skip
        verdict.require(_REPAIR, len({tuple(o) for o in orders}) > 1, expected="each epoch is shuffled anew",
                        seen="the same order in each epoch", cause="")  # fmt: skip
        never = set(range(count)) - {place for order in orders for place in order}
        verdict.require(_REPAIR, not never, expected=f"{data}: nothing is left out for good",
                        seen=f"{len(never)} of them never came in {self._EPOCHS} epochs", cause="")  # fmt: skip
        return not verdict.failed(_REPAIR)

    def _places(self, batch: Any, case: Case) -> list[int] | None:
        """Which samples a batch holds; None if it is no batch of them."""
        parts = items(batch) or []
        x, y = (as_tensor(part) for part in parts) if len(parts) == 2 else (None, None)
        dataset = self._dataset(case)
        if x is None or y is None or x.dim() != 2 or x.shape[1] != 3 or y.shape != x.shape[:1] or not len(x):
            return None
        places = x[:, 0].round().long().tolist()
        if y.is_floating_point() or not all(0 <= p < len(dataset) for p in places):
            return None
        fits = all(torch.equal(x[i], dataset[p][0]) and int(y[i]) == dataset[p][1] for i, p in enumerate(places))
        return places if fits else None


EXERCISES = (
    Case01(), Case02(), Case03(), Case04(), Case05(), Case06(), Case07(), Case08(), Case09(), Case10(), Case11(),
    Case12(),
)  # fmt: skip
