"""ps0: the two switches, and which layers listen to the mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..observe import BATCHNORM_FAMILY, DROPOUT_FAMILY
from . import _sections as sections
from ._evidence import describe, items, named, with_article
from ._exercise import Case, Check, Exercise, Verdict
from ._judging import judge_modes, judge_undisturbed
from ._models import build, inputs, seeded
from ._probe import Probe

_SET = "ps0-switches"

# ---------------------------------------------------------------------- truth_table

_MODES = ("train", "eval")
_GRADS = ("grad", "no_grad", "inference")
_FACTS = ("dropout_drops", "bn_normalises_with", "bn_updates_buffers", "builds_graph")
_GRAD_WORDS = {"grad": "gradients on", "no_grad": "no_grad", "inference": "inference_mode"}


class TruthTable(Exercise):
    id = "switches.truth_table"
    title = "What the two switches do, in six rows"
    problem_set = _SET
    stars, minutes = 1, 10
    wants = "dict"
    at_stake = ("grad-mode-as-mode-flag", "graph-built", "stats-updated-in-eval")
    checks = tuple(
        Check(f"{mode}/{grad}", f"{mode}() with {_GRAD_WORDS[grad]}", 4 / 6, sections.TRUTH_TABLE)
        for mode in _MODES
        for grad in _GRADS
    )

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        rows: list[list[Any]] = []
        for key, value in list(dict.items(candidate))[:50]:
            cells = (
                [[str.__str__(k), describe(v)] for k, v in list(dict.items(value))[:20] if isinstance(k, str)]
                if isinstance(value, dict)
                else None
            )
            rows.append([describe(key), cells, describe(value)["type"]])
        return {"rows": rows}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        table: dict[tuple[str, str], tuple[Any, str]] = {}
        for key, cells, sort in evidence["case"]["rows"]:
            parts = items(key) or []
            if len(parts) == 2 and all(p["type"] == "str" for p in parts):
                table[parts[0]["value"], parts[1]["value"]] = (dict(cells) if cells is not None else None, sort)
        truth = measured_table(cases["case"].seed)
        for mode in _MODES:
            for grad in _GRADS:
                self._row(verdict, mode, grad, truth[mode, grad], table.get((mode, grad)))

    def _row(self, verdict: Verdict, mode: str, grad: str, truth: dict[str, Any], row: Any) -> None:
        check = f"{mode}/{grad}"
        if row is None or row[0] is None:
            seen = "no such row" if row is None else f"the value is {named({'type': row[1]})}"
            verdict.fail(
                check,
                "wrong-result",
                expected=f"a row with the key ({mode!r}, {grad!r}), itself a dict",
                seen=seen,
                cause="",
            )
            return
        for fact in _FACTS:
            cell = row[0].get(fact)
            wanted = "bool" if isinstance(truth[fact], bool) else "str"
            fits = cell is not None and cell["type"] == wanted
            if not fits or wanted == "str" and cell["value"] not in ("batch", "running"):
                what = repr(cell["value"])[:40] if fits else "nothing" if cell is None else named(cell)
                options = "True or False" if wanted == "bool" else "'batch' or 'running'"
                verdict.fail(check, "wrong-result", expected=f"{fact} is {options}", seen=what, cause="")
                return
        wrong = {f: row[0][f]["value"] for f in _FACTS if row[0][f]["value"] != truth[f]}
        if not wrong:
            verdict.require(check, True, expected="", seen="")
            return
        fact, value = next(iter(wrong.items()))
        # the answer itself is not shown: the learner can measure it
        verdict.fail(
            check,
            _mistake_in_table(mode, grad, fact, value),
            expected="what a small network does when it is run that way",
            seen=f"{', '.join(f'{k}: {v}' for k, v in wrong.items())}, which is not what it does",
            cause=_GRAPH if fact == "builds_graph" else None,
        )


#: Of a wrong answer, not of a loop that was watched.
_GRAPH = "Whether a graph is built is gradient recording's affair alone; the mode has no part in it"


def _mistake_in_table(mode: str, grad: str, fact: str, value: Any) -> str:
    """The belief that puts ``value`` into this cell."""
    if fact == "builds_graph":
        return "grad-disabled-in-training" if mode == "train" and not value else "graph-built"
    if mode == "train":
        if grad != "grad":
            return "grad-mode-as-mode-flag"
        return {
            "dropout_drops": "dropout-missing",
            "bn_normalises_with": "running-stats-in-train",
            "bn_updates_buffers": "stats-not-updated",
        }[fact]
    return {
        "dropout_drops": "dropout-in-eval",
        "bn_normalises_with": "batch-stats-in-eval",
        "bn_updates_buffers": "stats-updated-in-eval",
    }[fact]


def measured_table(seed: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Run a Dropout and a BatchNorm layer under each of the six settings and write down what they did."""
    table: dict[tuple[str, str], dict[str, Any]] = {}
    contexts = {"grad": nullcontext, "no_grad": torch.no_grad, "inference": torch.inference_mode}
    x = inputs(seed, 64, 4) + 3.0
    for mode in _MODES:
        for grad in _GRADS:
            drop, norm = nn.Dropout(0.5), nn.BatchNorm1d(4)
            layer = nn.Sequential(nn.Linear(4, 4), drop).train(mode == "train")
            norm.train(mode == "train")
            with seeded(seed), contexts[grad]():
                hidden = layer[0](x)
                dropped = not torch.equal(drop(hidden), hidden)
                before = norm.running_mean.clone()
                y = norm(x)
                by_batch = torch.allclose(y.mean(0), torch.zeros(4), atol=1e-4)
                table[mode, grad] = {
                    "dropout_drops": dropped,
                    "bn_normalises_with": "batch" if by_batch else "running",
                    "bn_updates_buffers": not torch.equal(before, norm.running_mean),
                    "builds_graph": y.grad_fn is not None,
                }
    return table


# ---------------------------------------------------------------------- live_modules


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(4, 2, dropout=0.1)
        self.norm = nn.LayerNorm(4)
        self.dropout = 0.1  # a number called dropout is no layer


class _OwnDropout(nn.Dropout):
    """A subclass belongs to the family."""


class _OwnNorm(nn.BatchNorm1d):
    """Of the family as well, and no leaf of the tree of modules."""

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        self.inner = nn.Dropout(0.3)


class _Grandchild(_OwnNorm):
    """And so is a subclass of a subclass."""


class _LooksLike(nn.Module):
    """Called like a dropout, but none of PyTorch's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 0.5, self.training)


class Dropout(_LooksLike):
    """A class that only shares its name with PyTorch's."""


class BatchNorm1d(_LooksLike):
    """Another."""


def _asleep(layers: Sequence[nn.Module], awake: nn.Module, generator: torch.Generator) -> list[int]:
    """Which half of the layers sleeps: some of the `nn.Dropout` and of the `nn.BatchNorm1d`, and not all of `awake`.

    Many candidates know these two kinds only, and have to show with them whether they look at each layer's own flag.
    """
    kinds = [[i for i, m in enumerate(layers) if isinstance(m, kind)] for kind in (nn.Dropout, nn.BatchNorm1d)]
    held = {i for i, m in enumerate(layers) if any(m is child for child in awake.children())}
    while True:
        half = set(torch.randperm(len(layers), generator=generator).tolist()[: len(layers) // 2])
        if all(0 < len(half.intersection(kind)) < len(kind) for kind in kinds) and held - half:
            return sorted(half)


def _corner() -> nn.Module:
    """A few layers of both families, where what is asked has nothing to do with which kinds there are."""
    model = nn.Module()
    model.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.2))
    model.blocks = nn.ModuleList(
        [
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, affine=False), nn.Dropout(0.0)),
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.AlphaDropout(0.3)),
        ]
    )
    model.Upper = nn.Sequential(nn.Sequential(nn.Sequential(nn.BatchNorm1d(4))))
    model.tail = nn.Module()
    model.tail.own = _OwnDropout(0.3)
    model.add_module("tail-2", nn.Sequential(nn.Dropout(0.2)))  # before "tail.own" as strings are sorted
    return model


def _zoo() -> nn.Module:
    """Every kind that a candidate may know or forget, or take for one of the family."""
    model = _corner()
    model.blocks.extend(
        [
            nn.Sequential(nn.Dropout1d(0.1), nn.Dropout3d(0.1), nn.BatchNorm3d(2), nn.FeatureAlphaDropout(0.2)),
            nn.Sequential(
                nn.BatchNorm1d(4, momentum=None),
                nn.BatchNorm2d(4, momentum=0.0),
                nn.LazyBatchNorm2d(affine=False, track_running_stats=False),
                nn.Dropout(1.0),
                nn.Dropout2d(0.1, inplace=True),
                _Grandchild(4),
            ),
        ]
    )
    # more than ten, so that "10" comes before "2"
    model.row = nn.Sequential(*(nn.Dropout(0.1) if i % 2 else nn.Identity() for i in range(12)))
    model.encoder = nn.TransformerEncoderLayer(4, 2, 8)
    model.register_module("nothing", None)
    model.decoys = nn.ModuleDict(
        {
            "instance": nn.InstanceNorm1d(4, track_running_stats=True),
            "plane": nn.InstanceNorm2d(4, track_running_stats=True),
            "layer": nn.LayerNorm(4),
            "group": nn.GroupNorm(2, 4),
            "rnn": nn.LSTM(4, 4, num_layers=2, dropout=0.4),
            "rrelu": nn.RReLU(),
            "attention": _Attention(),
            "look": _LooksLike(),
            "name": Dropout(),
            "norm": BatchNorm1d(),
            "identity": nn.Identity(),
        }
    )
    model.tail.sync = nn.SyncBatchNorm(4)
    return model


_FAMILY = (DROPOUT_FAMILY, BATCHNORM_FAMILY)
#: Cases with every kind of layer.
_WHOLE = ("all", "mixed", "asleep root")
_HALF_ASLEEP = ("mixed", "asleep root", "again")


@dataclass(frozen=True, slots=True)
class _Truth:
    """What a case's model holds: its own flag, the family's kinds and which of them are live, by qualified name."""

    root: bool
    kinds: Mapping[str, str]
    family: frozenset[str]
    dropouts: frozenset[str]
    live: list[str]

    @classmethod
    def of(cls, model: nn.Module) -> _Truth:
        modules = dict(model.named_modules())
        family = frozenset(n for n, m in modules.items() if isinstance(m, _FAMILY))
        return cls(
            model.training,
            {n: type(m).__name__ for n, m in modules.items()},
            family,
            frozenset(n for n in family if isinstance(modules[n], DROPOUT_FAMILY)),
            sorted(n for n in family if modules[n].training),
        )


class LiveModules(Exercise):
    id = "switches.live_modules"
    title = "Which layers are live right now"
    problem_set = _SET
    stars, minutes = 1, 15
    parameters = ("model",)
    at_stake = ("root-flag-only", "dropout-missing")
    checks = (
        Check("family", "PyTorch's dropout and BatchNorm layers are found, and nothing else", 1, sections.WHO_LISTENS),
        Check("own flag", "Each layer's own flag decides, at every depth", 1, sections.WHO_LISTENS),
        Check("names", "A sorted list of qualified names, and the model is left as it was", 1, sections.FOUR_PLACES),
    )
    case_names = (
        "all", "mixed", "asleep root", "again", "shared", "single dropout", "single norm", "single asleep", "none",
    )  # fmt: skip

    def cases(self, seed: int) -> list[Case]:
        """The same layers sleep under the waking root and under the sleeping one.

        So who looks at the root's flag alone is wrong in one of the two, however few kinds of layers they know.
        """
        cases = {case.name: case for case in super().cases(seed)}
        cases["asleep root"] = replace(cases["asleep root"], seed=cases["mixed"].seed)
        return list(cases.values())

    def _model(self, case: Case) -> nn.Module:
        return self._switched(build(lambda: self._layers(case), case.seed), case)

    def _layers(self, case: Case) -> nn.Module:
        if case.name.startswith("single"):
            return nn.BatchNorm1d(3) if case.name == "single norm" else nn.Dropout(0.5)
        if case.name == "none":
            return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.LayerNorm(2)))
        if case.name in _WHOLE:
            return _zoo()
        model = _corner()
        if case.name == "shared":
            model.again = model.stem[3]
        return model

    def _switched(self, model: nn.Module, case: Case) -> nn.Module:
        model.train()
        if case.name in _HALF_ASLEEP:
            g = case.generator(1)
            listening = [m for m in model.modules() if isinstance(m, _FAMILY)]
            for i in _asleep(listening, model.blocks[0], g):
                listening[i].training = False
            model.blocks[0].training = False  # a container's own flag says nothing about what it holds
        model.training = case.name not in ("asleep root", "single asleep")
        return model

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model = self._model(case)
        if case.name == "again":  # who keeps an earlier answer is to give it away
            flags = {module: module.training for module in model.modules()}
            first = probe.call(candidate, model.train(), models={"model": model})
            if first["ended"] != "returned":
                return {"call": first}
            for module, flag in flags.items():
                module.training = flag
        with torch.set_grad_enabled(case.name != "shared"):
            if case.name == "shared":
                for parameter in model.parameters():
                    parameter.grad = torch.ones_like(parameter)
                model.stem[0].requires_grad_(False)
            return {"call": probe.call(candidate, model, models={"model": model})}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        records = []
        answers: dict[str, list[str]] = {}
        truths = self._truths(cases)
        for name in cases:
            record = evidence[name]["call"]
            if not verdict.ended(record):
                return
            records.append(record)
            listed = items(record["value"])
            odd = next((i for i in listed or () if i["type"] != "str"), None)
            if listed is None or odd is not None:
                seen = named(record["value"]) + (f" with {named(odd)} in it" if odd is not None else "")
                verdict.stop("wrong-result", expected="a sorted list of names, which are strings", seen=seen, cause="")
                return
            verdict.require(
                "names", record["value"]["type"] == "list", expected="a sorted list of names",
                seen=named(record["value"]), cause="",
            )  # fmt: skip
            answers[name] = [i["value"] for i in listed]
        self._family(verdict, set(answers["all"]), truths["all"])
        self._flags(verdict, answers, truths)
        self._names(verdict, answers, truths)
        for record in records:
            judge_undisturbed(verdict, "names", record)
        judge_modes(verdict, "names", records, unasked=True)
        if not any(answers.values()):
            verdict.stop(
                "wrong-result", expected="the names of the live layers", seen="an empty list for every model", cause=""
            )

    def _truths(self, cases: Mapping[str, Case]) -> dict[str, _Truth]:
        """Flags and names do not depend on the values of parameters: one model serves all cases with its layers."""
        whole = self._layers(cases["all"])
        return {
            name: _Truth.of(self._switched(whole if name in _WHOLE else self._layers(case), case))
            for name, case in cases.items()
        }

    def _family(self, verdict: Verdict, got: set[str], truth: _Truth) -> None:
        right = set(truth.live)
        missing, extra = sorted(right - got), sorted(got - right)
        expected = f"{len(right)} layers, every one of PyTorch's dropout and BatchNorm family"
        if missing:
            mistake = "dropout-missing" if set(missing) == truth.dropouts else "wrong-result"
            kind = truth.kinds[missing[0]]
            verdict.fail(
                "family",
                mistake,
                expected=expected,
                seen=f"{len(missing)} {'is' if len(missing) == 1 else 'are'} missing, {with_article(kind)} for one",
                cause=None if mistake == "dropout-missing" else "",
            )
        elif extra:
            kind = truth.kinds.get(extra[0], "name that the model does not have")
            seen = f"{len(extra)} too many, {with_article(kind)} for one"
            verdict.fail("family", "wrong-result", expected=expected, seen=seen, cause="")
        else:
            verdict.require("family", True, expected="", seen="")

    def _flags(self, verdict: Verdict, answers: Mapping[str, list[str]], truths: Mapping[str, _Truth]) -> None:
        whole = set(answers["all"])
        rows = []
        for name in _HALF_ASLEEP:
            truth = truths[name]
            rows.append((set(answers[name]) & truth.family, set(truth.live), whole & truth.family, truth.root))
        # who finds none of the family under a waking root has not looked at flags at all
        by_root = all(got == (every if root else set()) for got, _, every, root in rows)
        by_root = by_root or any(not got and right for got, right, _, _ in rows)
        mistake = "root-flag-only" if by_root and any(every for _, _, every, _ in rows) else "wrong-result"
        for got, right, every, _ in rows:
            # of the kinds that the candidate knows; what it has forgotten is `_family`'s to tell
            asleep, unseen = got - right, (right & every if every else right) - got
            seen = (
                f"{len(asleep)} of the sleeping layers are listed" if asleep else f"{len(unseen)} live ones are missing"
            )
            verdict.require(
                "own flag",
                not asleep and not unseen,
                mistake,
                expected=f"the {len(right)} layers whose own training flag is True",
                seen=seen,
                cause=None if mistake == "root-flag-only" else "",
            )
        verdict.require(
            "own flag",
            answers["single asleep"] == [],
            expected="an empty list when the model itself is such a layer and sleeps",
            seen="it is listed",
            cause="",
        )

    def _names(self, verdict: Verdict, answers: Mapping[str, list[str]], truths: Mapping[str, _Truth]) -> None:
        for name, got in answers.items():
            right = truths[name].live
            verdict.require(
                "names", got == sorted(got), expected="a sorted list of names", seen="a list in another order", cause=""
            )
            verdict.require(
                "names", len(got) == len(set(got)), expected="each name once", seen="a name twice", cause=""
            )
            if name == "shared" and not verdict.failed("family"):
                verdict.require(
                    "names",
                    set(got) == set(right),
                    expected="a shared layer appears under one name, as in named_modules()",
                    seen="it appears under another name or twice",
                    cause="",
                )
            if name in ("single dropout", "single norm"):
                verdict.require(
                    "names",
                    got == right,
                    expected="the name '' when the model itself is such a layer",
                    seen=f"{got!r}"[:60],
                    cause="",
                )
            if name == "none":
                verdict.require(
                    "names",
                    got == [],
                    expected="an empty list for a model without such layers",
                    seen=f"{len(got)} names",
                    cause="",
                )


EXERCISES = (TruthTable(), LiveModules())
