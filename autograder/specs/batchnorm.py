"""ps2: BatchNorm by hand, its running statistics, and what else a model keeps in buffers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..observe import BATCHNORM_FAMILY
from . import _sections as sections
from ._evidence import as_float, as_tensor, describe, loosely, named
from ._exercise import Case, Check, Exercise, Verdict
from ._judging import (
    blame,
    close,
    judge_modes,
    judge_no_graph,
    judge_undisturbed,
    live_calls,
    live_words,
    mode_mistake,
    near,
    passes,
    samples_seen,
)
from ._models import (
    POISON,
    Conv,
    ConvDropping,
    Dense,
    DropoutOnly,
    NormOnly,
    Plain,
    _CaseModel,
    build,
    eval_logits,
    fill_grads,
    inputs,
    mixed_modes,
)
from ._own_modules import awake, make, other_switch, switching_raised
from ._probe import Probe

_SET = "ps2-batchnorm"

Record = Mapping[str, Any]

_DETACHED = "The batch's mean and variance depend on x too; their share of the gradient is missing."


# ---------------------------------------------------------------------- what wrong formulas give


@dataclass(slots=True)
class _Given:
    """The arguments of one call, and what they may be turned into."""

    x: torch.Tensor
    mean: torch.Tensor
    var: torch.Tensor
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    eps: float = 1e-5
    momentum: float | None = 0.1

    @property
    def by_channel(self) -> torch.Tensor:
        return self.x.transpose(0, 1).flatten(1)

    @property
    def words(self) -> str:
        """What follows the normalisation."""
        names = [n for n in ("weight", "bias") if getattr(self, n) is not None]
        return f"then {' and '.join(names)}{' alone' * (len(names) == 1)}" if names else "and no more"

    def normalised(self, mean: torch.Tensor, var: torch.Tensor, eps: float | None = None) -> torch.Tensor:
        return F.batch_norm(self.x, mean, var, self.weight, self.bias, False, 0.0, self.eps if eps is None else eps)

    def affine(self, z: torch.Tensor) -> torch.Tensor:
        """``z`` as it is, but for weight and bias."""
        width = len(self.mean)
        return F.batch_norm(
            z, torch.zeros(width).to(z), torch.ones(width).to(z), self.weight, self.bias, False, 0.0, 0.0
        )

    def training(self) -> dict[str, list[torch.Tensor]]:
        """Outputs in training by the mistake that gives them; those of ``right`` first."""
        values = self.by_channel
        mean, var, wide = values.mean(1), values.var(1, correction=0), values.var(1)
        moved = self.statistics()["right"][0]
        ways = {
            "right": [self.normalised(mean, var)],
            "unbiased-normalisation": [self.normalised(mean, wide)],
            "running-stats-in-train": [self.normalised(self.mean, self.var), self.normalised(*moved)],
            "eps-misplaced": [
                *self._eps(mean, var), self.normalised(mean, var, 1e-5), self.normalised(mean, var, 1e-3),
            ],
            "wrong-reduction-dims": [self.affine(z) for z in self._other_dims()],
        }
        without = F.batch_norm(self.x, mean, var, None, None, False, 0.0, self.eps)
        ways["wrong-result"] = [without, self.normalised(mean, values.var(1, correction=0) ** 2)]
        return ways

    def evaluation(self) -> dict[str, list[torch.Tensor]]:
        values = self.by_channel
        ways = {
            "right": [self.normalised(self.mean, self.var)],
            "eps-misplaced": [*self._eps(self.mean, self.var), self.normalised(self.mean, self.var, 1e-5)],
        }
        if values.shape[1] > 1:
            mean, var = values.mean(1), values.var(1, correction=0)
            moved = self.statistics()
            ways["stats-updated-in-eval"] = [
                self.normalised(*pair)
                for n in ("right", "biased-running-var", "momentum-reversed") for pair in moved[n]
            ]
            ways["batch-stats-in-eval"] = [
                self.normalised(m, v) for m in (mean, self.mean) for v in (var, values.var(1), self.var)
                if not (m is self.mean and v is self.var)
            ]
        return ways

    def _eps(self, mean: torch.Tensor, var: torch.Tensor) -> list[torch.Tensor]:
        """eps beside the root, left out, or squared."""
        return [self.normalised(mean, v, 0.0) for v in ((var.sqrt() + self.eps) ** 2, var, var + self.eps**2)]

    def _other_dims(self) -> Iterator[torch.Tensor]:
        """The batch normalised over each other set of dimensions, with either variance."""
        dims = range(self.x.dim())
        right = tuple(d for d in dims if d != 1)
        sets = [tuple(d for d in dims if bits >> d & 1) for bits in range(1, 2 ** self.x.dim())]
        for correction in (0, 1):
            for some in sets:
                if some != right and self.x[tuple(slice(None) if d in some else 0 for d in dims)].numel() > correction:
                    var, mean = torch.var_mean(self.x, some, correction=correction, keepdim=True)
                    yield (self.x - mean) / (var + self.eps).sqrt()

    def statistics(self) -> dict[str, list[tuple[torch.Tensor, torch.Tensor]]]:
        """Running statistics after a training call, by mistake."""
        values = self.by_channel
        batch, narrow = (values.mean(1), values.var(1)), (values.mean(1), values.var(1, correction=0))
        old = self.mean, self.var
        m = 0.1 if self.momentum is None else self.momentum

        def mixed(new: tuple[torch.Tensor, torch.Tensor], share: float) -> tuple[torch.Tensor, torch.Tensor]:
            return old[0].lerp(new[0], share), old[1].lerp(new[1], share)

        return {
            "right": [mixed(batch, m)], "biased-running-var": [mixed(narrow, m)],
            "momentum-reversed": [mixed(batch, 1 - m), mixed(narrow, 1 - m)], "stats-not-updated": [old],
        }


def _recognised(value: Any, ways: Mapping[str, Sequence[Any]], *, rtol: float = 1e-6, atol: float = 1e-9) -> str | None:
    """The name of the way that gives ``value``, a tensor or a pair of tensors; None if no known one does."""
    for name, known in ways.items():
        for other in known:
            pairs = zip(value, other, strict=True) if isinstance(value, tuple) else ((value, other),)
            if all(close(a, b, rtol=rtol, atol=atol) for a, b in pairs):
                return name
    return None


def _gap(value: torch.Tensor | None, right: torch.Tensor) -> str:
    if value is None or value.shape != right.shape:
        return "another shape" if value is not None else "no tensor"
    if bool(value.isnan().any()):
        return "NaN"
    return f"numbers that differ by up to {float((value.double() - right.double()).abs().max()):.2g}"


_SEEN = {
    "unbiased-normalisation": "the batch divided by the unbiased standard deviation",
    "running-stats-in-train": "the batch normalised with the running statistics",
    "eps-misplaced": "numbers as with eps in another place, or left out",
    "wrong-reduction-dims": "mean and variance over other dimensions",
    "batch-stats-in-eval": "the batch normalised with its own statistics",
    "stats-updated-in-eval": "the batch normalised with statistics that it had moved first",
    "biased-running-var": "the biased variance of the batch taken in",
    "momentum-reversed": "the old value weighted with momentum, the new one with 1 - momentum",
    "stats-not-updated": "the values they had before",
    "grad-mode-as-mode-flag": "another result with gradients off than with gradients on",
}


def _library(records: Sequence[Record]) -> bool:
    return any(r["kind"] == "batch_norm" for record in records for r in record.get("rows", ()))


def _uneven(seed: int, *shape: int) -> torch.Tensor:
    """Channels of different means and spreads, one spread small enough for eps to show; double precision."""
    g = torch.Generator().manual_seed(seed)
    wide = [1, shape[1], *[1] * (len(shape) - 2)]
    spread = 0.4 + 2 * torch.rand(wide, generator=g)
    spread[0, 0] = 0.02
    x = torch.randn(*shape, generator=g) * spread + 3 * torch.randn(wide, generator=g)
    return x.double()


# ---------------------------------------------------------------------- batch_norm


class BatchNorm(Exercise):
    id = "batchnorm.batch_norm"
    title = "F.batch_norm by hand"
    problem_set = _SET
    stars, minutes = 2, 30
    parameters = ("x", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    at_stake = (
        "biased-running-var", "unbiased-normalisation", "momentum-reversed", "wrong-reduction-dims",
        "single-value-not-rejected",
    )
    checks = (
        Check(
            "training", "In training a batch (N, C) is normalised with its own mean and variance", 1,
            sections.BATCH_OR_RUNNING,
        ),
        Check("statistics", "In training the running statistics are updated, in place", 1, sections.TWO_VARIANCES),
        Check("evaluation", "In evaluation the running statistics are used, and rest", 1, sections.BATCH_OR_RUNNING),
        Check("images", "Images (N, C, H, W): one mean and one variance per channel", 1, sections.BATCH_OR_RUNNING),
        Check(
            "rest", "One value per channel is refused, gradients flow, nothing else is touched", 1,
            sections.BATCH_OF_ONE,
        ),
    )
    case_names = ("flat", "images", "limits")

    def _given(self, case: Case, turn: str) -> _Given:
        channels = 3 + case.seed % 3
        shape = {
            "image": (4, channels, 2, 3), "image eval": (3, channels, 2, 3), "image alone": (1, channels, 2, 3),
            "one": (1, channels), "lone": (1, channels), "one pixel": (1, channels, 1, 1), "weight only": (2, channels),
            "bare": (8, 1),  # one channel: no dimension may be squeezed away, none counted on
        }.get(turn, (8, channels))
        channels = shape[1]
        g = case.generator(sum(map(ord, turn)))
        mean, var = torch.randn(channels, generator=g).double(), (0.3 + torch.rand(channels, generator=g)).double()
        weight, bias = (0.5 + torch.rand(channels, generator=g)).double(), torch.randn(channels, generator=g).double()
        given = _Given(_uneven(case.seed + len(turn), *shape), mean, var, weight, bias)
        if turn == "positional":
            given.momentum, given.eps = 0.3, 0.01
        if turn == "image":
            given.momentum, given.eps = 0.25, 1e-4
        if turn in ("bare", "bare eval"):
            given.weight = given.bias = None
        if turn in ("eval", "image eval"):
            given.eps = 0.01
        if turn == "weight only":
            given.momentum = 0.0
        if turn in ("weight only", "image eval"):
            given.bias = None
        if turn == "lone":
            given.weight = None
        if turn == "bare eval":
            given.x, given.mean, given.var = given.x.float(), mean.float(), var.float()
        return given

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        def call(turn: str, *names: str, grad: bool = True, positional: bool = False, **kwargs: Any) -> dict[str, Any]:
            given = self._given(case, turn)
            leaves = [t.requires_grad_(True) for t in (given.x, given.weight, given.bias) if t is not None and grad]
            x = given.x.clone() if grad else given.x
            homes = given.mean.data_ptr(), given.var.data_ptr()
            watched = {"x": x} | {n: t for n, t in (("weight", given.weight), ("bias", given.bias)) if t is not None}
            if not kwargs.get("training") or case.name == "limits":
                watched |= {"running_mean": given.mean, "running_var": given.var}
            for name in names:
                kwargs[name] = getattr(given, name)

            def take(y: Any) -> dict[str, Any]:
                found = {"y": describe(y), "mean": describe(given.mean), "var": describe(given.var)}
                found["moved"] = homes != (given.mean.data_ptr(), given.var.data_ptr())
                return found | {"grads": _gradients_of(y, leaves, x.shape) if grad else []}

            args = (x, given.mean, given.var)
            if positional:
                args = (*args, given.weight, given.bias, True, given.momentum, given.eps)
                kwargs = {}
            with torch.set_grad_enabled(grad):
                return probe.call(candidate, *args, tensors=watched, take=take, **kwargs)

        if case.name == "flat":
            return {
                "train": call("train", "weight", "bias", training=True),
                "positional": call("positional", grad=False, positional=True, training=True),
                "weight only": call("weight only", "weight", "momentum", training=True, eps=1e-5),
                "bare": call("bare", training=True), "eval": call("eval", "weight", "bias", "eps", training=False),
                "lone": call("lone", "bias", grad=False), "bare eval": call("bare eval", grad=False),
            }
        if case.name == "images":
            return {
                "image": call("image", "weight", "bias", "momentum", "eps", training=True),
                "image eval": call("image eval", "weight", "eps", grad=False),
                "image alone": call("image alone", "weight", "bias", training=True),
            }
        return {n: call(n, "weight", "bias", training=True) for n in ("one", "one pixel")}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        flat, images, limits = (evidence[n] for n in self.case_names)
        every = [*flat.values(), *images.values(), *limits.values()]
        if _library(every):
            verdict.stop(
                "library-layer-used", expected="the formula in your own hand",
                seen="PyTorch's own batch norm was called",
            )
            return
        if not all(verdict.ended(r) for r in (flat["train"], flat["eval"])):
            return
        if all(as_tensor(flat[n]["value"]["y"]) is None for n in ("train", "eval")):
            verdict.stop("wrong-result", expected="a tensor like x", seen=named(flat["train"]["value"]["y"]), cause="")
            return
        way = self._training(verdict, flat, cases["flat"])
        kept = self._statistics(verdict, flat, cases["flat"])
        still = self._evaluation(verdict, flat, cases["flat"], way)
        self._images(verdict, images, cases["images"], (way, kept, still))
        self._limits(verdict, limits)
        for turn, found in (("train", way), ("eval", still)):
            record, given = flat[turn], self._given(cases["flat"], turn)
            if not {"x", "weight", "bias"}.intersection(record["inputs"]) and not verdict.failed("rest"):
                _judge_gradients(verdict, "rest", record["value"]["grads"], given, found == "right", turn == "train")
        if way == "right" and not images["image"]["inputs"] and not any(map(verdict.failed, ("rest", "images"))):
            self._image_gradients(verdict, images["image"], self._given(cases["images"], "image"))
        for record in every:
            if record["ended"] == "returned":
                judge_undisturbed(verdict, "rest", record)
        if way is None and kept in (None, "stats-not-updated") and still is None:
            x, y = self._given(cases["flat"], "train").x, as_tensor(flat["train"]["value"]["y"])
            unchanged = y is not None and torch.equal(x, y)
            verdict.stop(
                "wrong-result", expected="the batch is normalised", cause="",
                seen="x came back unchanged" if unchanged else "numbers of no known origin, in every call",
            )

    def _training(self, verdict: Verdict, flat: Mapping[str, Any], case: Case) -> str | None:
        """The way in which (N, C) is normalised in training; None if none of the known."""
        first = None
        for turn in ("train", "bare", "weight only", "positional"):
            if not verdict.ended(flat[turn], ["training"]):
                continue
            given = self._given(case, turn)
            ways = given.training()
            y = as_tensor(flat[turn]["value"]["y"])
            way = _recognised(y, ways)
            first = way if turn == "train" else first
            if way == "right":
                continue
            if turn == "positional" and way == "running-stats-in-train" and first != way:
                way = "grad-mode-as-mode-flag"
            blame(
                verdict, "training", way or "wrong-result", seen=_SEEN.get(way or "", _gap(y, ways["right"][0])),
                expected=f"(x - mean) / sqrt(variance + eps), mean and biased variance of the batch, {given.words}",
            )
        verdict.require("training", True, expected="", seen="")
        return first

    def _statistics(self, verdict: Verdict, flat: Mapping[str, Any], case: Case) -> str | None:
        first = None
        for turn in ("train", "bare", "positional", "weight only"):
            if verdict.ended(flat[turn], ["statistics"]):
                given = self._given(case, turn)
                verdict.require(
                    "statistics", not flat[turn]["value"]["moved"],
                    expected="running_mean and running_var are changed in place", cause="",
                    seen="they were given other memory: a view of them, or a state dict, keeps the old values",
                )
                way = _judge_statistics(verdict, "statistics", given, flat[turn]["value"])
                first = way if turn == "train" else first
        verdict.require("statistics", True, expected="", seen="")
        return first

    def _evaluation(self, verdict: Verdict, flat: Mapping[str, Any], case: Case, trained: str | None) -> str | None:
        first = None
        for turn in ("eval", "lone", "bare eval"):
            record = flat[turn]
            if turn == "lone" and record["ended"] == "raised" and "ValueError" in record["kinds"]:
                blame(
                    verdict, "evaluation", "single-value-not-rejected",
                    expected="a single sample is fine in evaluation", seen=f"a ValueError: {record['text']}"[:80],
                )
                continue
            if not verdict.ended(record, ["evaluation"]):
                continue
            given = self._given(case, turn)
            ways = given.evaluation()
            y = as_tensor(record["value"]["y"])
            way = _recognised(
                y, ways, rtol=1e-4 if turn == "bare eval" else 1e-6, atol=1e-4 if turn == "bare eval" else 1e-9
            )
            first = way if turn == "eval" else first
            moved = [n for n in ("running_mean", "running_var") if n in record["inputs"]]
            verdict.require(
                "evaluation", y is None or y.dtype == given.x.dtype, expected=f"a result of {given.x.dtype}, as x is",
                seen=f"{y.dtype}" if y is not None else "", cause="",
            )
            if way != "right" and not (way == trained == "eps-misplaced"):
                # who asks the grad mode is right where gradients are off
                by_grad = (
                    way == "batch-stats-in-eval"
                    and _recognised(
                        as_tensor(flat["bare eval"].get("value", {}).get("y")),
                        self._given(case, "bare eval").evaluation(), rtol=1e-4, atol=1e-4,
                    )
                    == "right"
                )
                mistake = "grad-mode-as-mode-flag" if by_grad else way or "wrong-result"
                blame(
                    verdict, "evaluation", mistake,
                    expected=f"normalised with running_mean and running_var, {given.words}",
                    seen=_SEEN.get(way or "", _gap(y, ways["right"][0])),
                )
            verdict.require(
                "evaluation", not moved, way if way == "batch-stats-in-eval" else "stats-updated-in-eval",
                expected="the running statistics rest in evaluation", seen=f"{' and '.join(moved)} changed",
            )
        verdict.require("evaluation", True, expected="", seen="")
        return first

    def _images(self, verdict: Verdict, images: Mapping[str, Any], case: Case, flat: tuple[str | None, ...]) -> None:
        """With images the same way as with (N, C), whatever it is: that one has been judged."""
        trained, kept, still = flat
        for turn in ("image", "image alone"):
            record, given = images[turn], self._given(case, turn)
            if self._over_dims(verdict, record):
                continue
            if record["ended"] == "raised" and "ValueError" in record["kinds"] and turn == "image alone":
                verdict.fail(
                    "images", "single-value-not-rejected", expected="one image of several pixels is normalised",
                    seen="a ValueError", cause="What counts is the number of values per channel, not of samples.",
                )
                continue
            if not verdict.ended(record, ["images"]):
                continue
            ways = given.training()
            y = as_tensor(record["value"]["y"])
            way = _recognised(y, {"right": ways["right"]}) or _recognised(
                y, {trained or "": ways.get(trained or "", [])}
            )
            if way is None:
                way = _recognised(y, ways) or ("wrong-reduction-dims" if trained == "right" else None)
                blame(
                    verdict, "images", way or "wrong-result", seen=_SEEN.get(way or "", _gap(y, ways["right"][0])),
                    expected="each channel is normalised over the batch, height and width",
                )
            elif not verdict.failed("images"):
                _judge_statistics(verdict, "images", given, record["value"], kept)
        record, given = images["image eval"], self._given(case, "image eval")
        if not self._over_dims(verdict, record) and verdict.ended(record, ["images"]):
            ways = given.evaluation()
            y = as_tensor(record["value"]["y"])
            way = _recognised(y, {"right": ways["right"]}) or _recognised(y, {still or "": ways.get(still or "", [])})
            if way is None:
                way = _recognised(y, ways)
                blame(
                    verdict, "images", way or "wrong-result", seen=_SEEN.get(way or "", _gap(y, ways["right"][0])),
                    expected="in evaluation each channel uses its running statistics",
                )
        verdict.require("images", True, expected="", seen="")

    def _over_dims(self, verdict: Verdict, record: Record) -> bool:
        """An error about shapes that (N, C) did not give."""
        if record["ended"] != "raised" or not re.search(r"size|shape|dimension", record["text"]):
            return False
        verdict.fail(
            "images", "wrong-reduction-dims", expected="a batch (N, C, H, W) is normalised per channel",
            seen=f"{record['error']}: {record['text']}"[:100],
        )
        return True

    def _limits(self, verdict: Verdict, limits: Mapping[str, Any]) -> None:
        for name, shape in (("one", "(1, C)"), ("one pixel", "(1, C, 1, 1)")):
            record = limits[name]
            if record["ended"] == "timeout":
                verdict.ended(record, ["rest"])
            raised = record["ended"] == "raised"
            verdict.require(
                "rest", raised and "ValueError" in record["kinds"], "single-value-not-rejected",
                expected=f"a ValueError when training on {shape}", seen=record["error"] if raised else "no error",
            )
            touched = {"running_mean", "running_var"}.intersection(record.get("inputs", ()))
            verdict.require(
                "rest", not raised or not touched, "input-touched", expected="what is refused changes no statistics",
                seen=f"{' and '.join(sorted(touched))} moved before the error",
            )

    def _image_gradients(self, verdict: Verdict, record: Record, given: _Given) -> None:
        """Those of a batch (N, C) have been found right."""
        pairs = list(zip(map(as_tensor, record["value"]["grads"]), _right_gradients(given), strict=False))
        verdict.require(
            "images", len(pairs) == 3 and all(close(g, r, rtol=1e-5, atol=1e-7) for g, r in pairs),
            "wrong-reduction-dims", expected="gradients of images reach x, weight and bias as those of (N, C) do",
            seen="others, or none", cause="The dimensions in backward suit (N, C) only.",
        )


def _gradients_of(y: Any, leaves: Sequence[torch.Tensor], shape: torch.Size) -> list[dict[str, Any]]:
    """Descriptions of the gradients of a weighted sum of ``y``; empty where autograd refuses."""
    if isinstance(y, torch.Tensor) and y.requires_grad and y.shape == shape:
        with contextlib.suppress(RuntimeError):
            return [describe(g) for g in torch.autograd.grad(y, leaves, _ramp(y), allow_unused=True)]
    return []


def _ramp(y: torch.Tensor) -> torch.Tensor:
    """Weights for a sum whose gradient with respect to x is not zero, as that of the plain sum is."""
    return torch.linspace(-1.0, 2.0, y.numel()).to(y.dtype).view(y.shape) ** 2


def _right_gradients(given: _Given, training: bool = True) -> Sequence[torch.Tensor]:
    leaves = [t.detach().clone().requires_grad_(True) for t in (given.x, given.weight, given.bias)]
    y = F.batch_norm(leaves[0], given.mean, given.var, leaves[1], leaves[2], training, 0.0, given.eps)
    return torch.autograd.grad(y, leaves, _ramp(y))


def _judge_gradients(
    verdict: Verdict, check: str, described: Sequence[Record], given: _Given, comparable: bool, training: bool = True
) -> None:
    names = ["x", "weight", "bias"]
    grads = [*map(as_tensor, described), None, None, None][:3]
    right = _right_gradients(given, training)
    missing = [n for n, g in zip(names, grads, strict=True) if g is None]
    expected = f"gradients reach x, weight and bias{'' if training else ', in evaluation too'}"
    verdict.require(
        check, not missing, "grad-disabled-in-training", expected=expected, seen=f"none reaches {', '.join(missing)}",
        cause="The result was cut from its graph.",
    )
    if not missing and comparable:
        wrong = [n for n, g, r in zip(names, grads, right, strict=True) if not close(g, r, rtol=1e-5, atol=1e-7)]
        verdict.require(
            check, not wrong, "grad-disabled-in-training" if wrong == ["x"] else "wrong-result", expected=expected,
            seen=f"another gradient of {' and '.join(wrong)}",
            cause=_DETACHED if training and wrong == ["x"] else "",
        )


def _judge_statistics(
    verdict: Verdict, check: str, given: _Given, value: Record, excused: str | None = None
) -> str | None:
    """The way in which the running statistics were updated; ``excused`` is one that another check has judged."""
    mean, var = as_tensor(value["mean"]), as_tensor(value["var"])
    ways = given.statistics()
    way = _recognised((mean, var), ways)
    if way is None:
        # the two may have gone different ways
        parts = [{n: [(pair[i],) for pair in known] for n, known in ways.items()} for i in (0, 1)]
        found = [_recognised((t,), p) for t, p in zip((mean, var), parts, strict=True)]
        way = next((n for n in found if n not in (None, "right")), None)
    if way is None or way not in ("right", excused):
        right = ways["right"][0]
        seen = _SEEN.get(way or "") or f"running_mean: {_gap(mean, right[0])}; running_var: {_gap(var, right[1])}"
        blame(
            verdict, check, way or "wrong-result", seen=seen,
            expected=f"(1 - {given.momentum:g}) old + {given.momentum:g} new; new: the batch's mean, unbiased variance",
        )
    grads = [n for n in ("mean", "var") if value[n].get("requires_grad")]
    verdict.require(
        check, not grads, "graph-built", expected="running statistics keep no graph",
        seen=f"running_{' and running_'.join(grads)} require grad",
    )
    return way


# ---------------------------------------------------------------------- BatchNorm1d

_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {}, "momentum": {"eps": 0.01, "momentum": 0.3}, "cumulative": {"momentum": None},
    "bare": {"affine": False}, "untracked": {"track_running_stats": False}, "still": {"momentum": 0.0},
}


class BatchNorm1d(Exercise):
    id = "batchnorm.BatchNorm1d"
    title = "nn.BatchNorm1d by hand"
    problem_set = _SET
    stars, minutes = 2, 30
    wants = "class"
    parameters = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    at_stake = ("buffers-not-registered", "momentum-none-not-cumulative", "counter-not-updated", "library-layer-used")
    checks = (
        Check("training", "In training mode the outputs are those of nn.BatchNorm1d", 1, sections.BATCH_OR_RUNNING),
        Check("statistics", "Statistics and counter move as its, with momentum=None too", 1, sections.BN_MOMENTUM),
        Check(
            "evaluation", "In evaluation mode the outputs are its, and the buffers rest", 1, sections.BATCH_OR_RUNNING
        ),
        Check(
            "state", "The state dict has its names, shapes and starting values, and can be loaded", 1,
            sections.BN_BUFFERS,
        ),
        Check(
            "options", "affine=False, track_running_stats=False, and no training on one sample", 1,
            sections.BATCH_OF_ONE,
        ),
    )
    case_names = tuple(_OPTIONS)

    def _state(self, case: Case) -> dict[str, torch.Tensor]:
        """Weights and statistics as after some training."""
        c, g = 4 + case.seed % 3, case.generator(3)
        values = {
            "weight": 0.5 + torch.rand(c, generator=g), "bias": torch.randn(c, generator=g),
            "running_mean": torch.randn(c, generator=g), "running_var": 0.3 + torch.rand(c, generator=g),
        }
        state = {k: v.double() for k, v in values.items()} | {"num_batches_tracked": torch.tensor(20)}
        drop = {"bare": ("weight", "bias"), "untracked": _NAMES[2:]}.get(case.name, ())
        return {k: v for k, v in state.items() if k not in drop}

    def _batches(self, case: Case) -> list[torch.Tensor]:
        c = 4 + case.seed % 3
        return [_uneven(case.seed + 10 + n, n, c) for n in (7, 2, 8)]

    def _reference(self, case: Case) -> nn.BatchNorm1d:
        return nn.BatchNorm1d(4 + case.seed % 3, **_OPTIONS[case.name]).double()

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        layer, made = make(probe, lambda: candidate(4 + case.seed % 3, **_OPTIONS[case.name]))
        if layer is None:
            return {"made": made}
        made["value"] |= {"family": isinstance(layer, nn.modules.batchnorm._NormBase), **_snapshot(layer)}
        parent = nn.Sequential(nn.Identity(), layer).double()
        for name, value in list(vars(layer).items()):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                setattr(layer, name, value.double())  # what is not registered is judged elsewhere
        state = self._state(case)

        def call(x: torch.Tensor, mode: bool | None = None, grad: bool = True, fresh: bool = False) -> dict[str, Any]:
            """One call; if not ``fresh``, from known statistics, so that no call suffers from another's mistakes."""
            leaves = [
                x.clone().requires_grad_(True), *(p for p in map(layer._parameters.get, _NAMES[:2]) if p is not None),
            ]
            x = leaves[0].clone() if grad else x.clone()

            def run() -> Any:
                if mode is not None:
                    parent.train() if mode else parent.eval()
                with torch.set_grad_enabled(grad):
                    return parent(x)

            def take(y: Any) -> dict[str, Any]:
                return {"y": describe(y), "grads": _gradients_of(y, leaves, x.shape) if grad and not fresh else []}

            if not fresh:
                _put(layer, state)
            record = probe.call(run, models={"model": parent}, tensors={"x": x}, take=take)
            return {"call": record, "after": _snapshot(layer)}

        first, second, third = self._batches(case)
        if case.name == "still":
            return {"made": made, "fresh": [call(first, fresh=True)]}
        evidence: dict[str, Any] = {"made": made, "fresh": [call(x, fresh=True) for x in (first, second, third)]}
        evidence["loaded"] = probe.call(lambda: layer.load_state_dict(dict(state)) and None, rows=False)
        evidence["train"], evidence["train, no grad"] = call(first), call(second, grad=False)
        evidence["train, one"] = call(third[:1])
        evidence["eval"], evidence["eval, no grad"] = call(third, False), call(third, False, grad=False)
        if case.name != "untracked":
            evidence["eval, one"] = call(third[:1], False)
            evidence["switch"] = other_switch(layer, third, lambda y, x: close(layer(x[:2]), y[:2]))
        evidence["again"] = call(first, True)
        return evidence

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        calls = ("train", "train, no grad", "eval", "eval, no grad")
        for name in self.case_names:
            known = evidence[name]
            made = known["made"]
            if name in ("plain", "momentum", "cumulative") and not verdict.ended(made):
                return
            if made["ended"] != "returned":
                continue
            if not made["value"]["module"]:
                verdict.stop(
                    "wrong-result", expected="BatchNorm1d(...) makes an nn.Module", seen=made["value"]["type"], cause=""
                )
                return
            if made["value"]["family"] or _library([known[k]["call"] for k in calls if k in known]):
                seen = (
                    "a class of PyTorch's own family" if made["value"]["family"]
                    else "PyTorch's own batch norm was called"
                )
                verdict.stop("library-layer-used", expected="the layer in your own hand", seen=seen)
                return
        sound = False
        for name in ("plain", "momentum", "cumulative"):
            known, case = evidence[name], cases[name]
            self._state_dict(verdict, known, case)
            if known["train"]["call"]["ended"] == "returned":
                sound = sound or self._does_something(known, case)
            self._training(verdict, known, case)
            self._statistics(verdict, known, case)
            self._evaluation(verdict, known, case)
            for key in calls:
                if known[key]["call"]["ended"] == "returned":
                    judge_undisturbed(
                        verdict, "evaluation" if "eval" in key else "training", {**known[key]["call"], "settings": []},
                        may=("buffers", "params"),
                    )
        self._still(verdict, evidence["still"])
        self._options(verdict, evidence, cases)
        if not sound:
            record = evidence["plain"]["train"]["call"]
            if record["ended"] == "returned":
                verdict.stop(
                    "wrong-result", expected="the batch is normalised",
                    seen="the input came back unchanged, or nothing did", cause="",
                )

    def _does_something(self, known: Mapping[str, Any], case: Case) -> bool:
        y, x = as_tensor(known["train"]["call"]["value"]["y"]), self._batches(case)[0]
        return y is not None and y.shape == x.shape and not torch.equal(y, x)

    def _given(self, case: Case, x: torch.Tensor) -> _Given:
        reference, state = self._reference(case), self._state(case)
        values = [state.get(n) for n in ("running_mean", "running_var", "weight", "bias")]
        if values[0] is None:
            values[:2] = torch.zeros(x.shape[1]).double(), torch.ones(x.shape[1]).double()
        return _Given(x, *values, reference.eps, reference.momentum)

    def _training(self, verdict: Verdict, known: Mapping[str, Any], case: Case, check: str = "training") -> None:
        batches = self._batches(case)
        expected = "outputs of nn.BatchNorm1d in training mode"
        for key, x in (("train", batches[0]), ("train, no grad", batches[1])):
            record = known[key]["call"]
            if not verdict.ended(record, [check]):
                continue
            ways = self._given(case, x).training()
            y = as_tensor(record["value"]["y"])
            way = _recognised(y, ways)
            if way == "right":
                continue
            if key != "train" and way == "running-stats-in-train" and not verdict.failed(check):
                way = "grad-mode-as-mode-flag"
            blame(
                verdict, check, way or "wrong-result", expected=expected,
                seen=_SEEN.get(way or "", _gap(y, ways["right"][0])),
            )
        record = known["train"]["call"]
        if check == "training":
            self._gradients(verdict, known, record, self._given(case, batches[0]), check)
        verdict.require(check, True, expected="", seen="")

    def _evaluation(self, verdict: Verdict, known: Mapping[str, Any], case: Case, check: str = "evaluation") -> None:
        third = self._batches(case)[2]
        for key in ("eval", "eval, no grad", "eval, one"):
            if key not in known:
                continue
            record, x = known[key]["call"], third[:1] if key == "eval, one" else third
            if switching_raised(record):
                verdict.fail(
                    check, "train-override-broken", expected="the parent's train() and eval() reach the layer",
                    seen=f"{record['error']}: {record['text']}"[:120],
                )
            if not verdict.ended(record, [check]):
                continue
            given = self._given(case, x)
            ways = given.evaluation() if "running_mean" in self._state(case) else given.training()
            y = as_tensor(record["value"]["y"])
            way = _recognised(y, ways)
            if way != "right" and not (way == "eps-misplaced" and verdict.failed("training")):
                mistake = self._evaluation_mistake(known, case, way)
                blame(
                    verdict, check, mistake, expected="outputs of nn.BatchNorm1d in evaluation mode",
                    seen=_SEEN.get(way or "", _gap(y, ways["right"][0])),
                )
            state = self._state(case)
            moved = [
                n for n in _NAMES[2:] if n in state and not _equal(as_tensor(known[key]["after"].get(n)), state[n])
                and known[key]["after"].get(n, {}).get("type") == "Tensor"
            ]
            mistake = way if way == "batch-stats-in-eval" else "stats-updated-in-eval"
            verdict.require(
                check, not moved, self._evaluation_mistake(known, case, mistake),
                expected="the buffers rest in evaluation mode", seen=f"{' and '.join(moved)} changed",
            )
        if check == "evaluation" and not verdict.failed("training"):
            self._gradients(verdict, known, known["eval"]["call"], self._given(case, third), check)
        again = known["again"]["call"]
        if verdict.ended(again, [check]) and "running_mean" in self._state(case) and not verdict.failed("training"):
            x = self._batches(case)[0]
            by_batch = _recognised(as_tensor(again["value"]["y"]), self._given(case, x).training()) == "right"
            verdict.require(
                check, by_batch, "train-override-broken", expected="after the parent's train() it trains again",
                seen="it did not",
            )
        verdict.require(check, True, expected="", seen="")

    def _gradients(
        self, verdict: Verdict, known: Mapping[str, Any], record: Record, given: _Given, check: str
    ) -> None:
        """Those of weight and bias where they are parameters; whether they are is judged elsewhere."""
        if not {"weight", "bias"} <= {*known["made"]["value"]["parameters"]}:
            return
        if record["ended"] == "returned" and not record["inputs"]:
            grads, fine = record["value"]["grads"], not verdict.failed(check)
            _judge_gradients(verdict, check, grads, given, fine, check == "training")

    def _evaluation_mistake(self, known: Mapping[str, Any], case: Case, way: str | None) -> str:
        """Why evaluation uses the batch: a broken train(), the grad mode, a flag of its own, or no reason known."""
        if way != "batch-stats-in-eval":
            return way or "wrong-result"
        return "train-override-broken" if awake(known["eval"]["call"]) else known.get("switch") or way

    def _statistics(self, verdict: Verdict, known: Mapping[str, Any], case: Case) -> None:
        batches = self._batches(case)
        reference = self._reference(case).train()
        expected_fresh = []
        for x in batches:
            reference(x)
            expected_fresh.append({n: getattr(reference, n).clone() for n in _NAMES[2:]})
        for turn, (entry, right) in enumerate(zip(known["fresh"], expected_fresh, strict=True)):
            if not verdict.ended(entry["call"], ["statistics"]):
                return
            got = {n: as_tensor(entry["after"].get(n)) for n in _NAMES[2:]}
            self._counter(verdict, got["num_batches_tracked"], turn + 1)
            # who keeps them as plain attributes keeps them in single precision
            fine = all(close(got[n], right[n], rtol=1e-5, atol=1e-6) for n in _NAMES[2:4])
            if not fine:
                before = (
                    expected_fresh[turn - 1] if turn
                    else {"running_mean": right["running_mean"] * 0, "running_var": right["running_var"] * 0 + 1}
                )
                self._blame_statistics(verdict, got, right, before, batches[turn], case)
                return
        entry = known["train"]
        if entry["call"]["ended"] == "returned" and not verdict.failed("state") and not verdict.failed("statistics"):
            reference.load_state_dict(self._state(case))
            reference(batches[0])
            got = {n: as_tensor(entry["after"].get(n)) for n in _NAMES[2:]}
            fine = all(close(got[n], getattr(reference, n), rtol=1e-5, atol=1e-6) for n in _NAMES[2:4])
            mistake = "momentum-none-not-cumulative" if case.name == "cumulative" else "wrong-result"
            if not fine:
                blame(
                    verdict, "statistics", mistake,
                    expected="after loading a state dict, statistics go on from what was loaded",
                    seen=_gap(got["running_mean"], reference.running_mean),
                )
            self._counter(verdict, got["num_batches_tracked"], 21)
        quiet = known["train, no grad"]
        if quiet["call"]["ended"] == "returned" and not verdict.failed("statistics"):
            reference.load_state_dict(self._state(case))
            reference(batches[1])
            got = {n: as_tensor(quiet["after"].get(n)) for n in _NAMES[2:]}
            other = [n for n in _NAMES[2:] if not close(got[n], getattr(reference, n), rtol=1e-5, atol=1e-6)]
            verdict.require(
                "statistics", not other, "grad-mode-as-mode-flag",
                expected="in training mode statistics and counter move under no_grad as without it",
                seen=f"{' and '.join(other)} did not",
            )
        grads = [n for n in _NAMES[2:4] if entry["after"].get(n, {}).get("requires_grad")]
        verdict.require(
            "statistics", not grads, "graph-built", expected="running statistics keep no graph",
            seen=f"{' and '.join(grads)} require grad",
        )
        verdict.require("statistics", True, expected="", seen="")

    def _still(self, verdict: Verdict, known: Mapping[str, Any]) -> None:
        """With momentum=0.0; the counter has been judged with other values."""
        if verdict.failed("statistics") or not verdict.ended(known["made"], ["statistics"]):
            return
        entry = known["fresh"][0]
        if verdict.ended(entry["call"], ["statistics"]):
            mean, var = (as_tensor(entry["after"].get(n)) for n in _NAMES[2:4])
            verdict.require(
                "statistics", mean is not None and var is not None and not mean.any() and bool((var == 1).all()),
                expected="momentum=0.0: running_mean and running_var stay as they are", seen="they moved",
                cause="0.0 counts as false, but it is not None.",
            )

    def _counter(self, verdict: Verdict, counter: torch.Tensor | None, count: int) -> None:
        verdict.require(
            "statistics", counter is not None and counter.numel() == 1 and int(counter) == count, "counter-not-updated",
            expected=f"num_batches_tracked is {count} after {count} training calls",
            seen="there is no such tensor" if counter is None else f"{counter.tolist()}"[:40],
        )

    def _blame_statistics(
        self,
        verdict: Verdict,
        got: Mapping[str, Any],
        right: Mapping[str, torch.Tensor],
        before: Mapping[str, torch.Tensor],
        x: torch.Tensor,
        case: Case,
    ) -> None:
        given = _Given(
            x, before["running_mean"], before["running_var"], None, None, 1e-5, self._reference(case).momentum
        )
        ways = given.statistics()
        pair = (got["running_mean"], got["running_var"])
        if case.name == "cumulative":
            ways = {"stats-not-updated": ways["stats-not-updated"]}
            values = x
            shares = [
                float(s)
                for s in ((right["running_mean"] - before["running_mean"]) / (values.mean(0) - before["running_mean"]))[
                    :1
                ]
            ]
            ways["biased-running-var"] = [
                (
                    before["running_mean"].lerp(values.mean(0), shares[0]),
                    before["running_var"].lerp(values.var(0, correction=0), shares[0]),
                )
            ]
        way = _recognised(pair, ways, rtol=1e-5, atol=1e-6)
        if case.name == "cumulative" and way == "stats-not-updated":
            way = "momentum-none-not-cumulative"  # with a number for momentum they did move
        if way in (None, "right"):
            way = "momentum-none-not-cumulative" if case.name == "cumulative" else "wrong-result"
        momentum = self._reference(case).momentum
        words = (
            "the plain average over all batches so far" if momentum is None
            else f"a share of {momentum:g} for each new batch"
        )
        blame(
            verdict, "statistics", way, expected=f"momentum={momentum}: {words}, with the unbiased variance",
            seen=_SEEN.get(way) or f"running_mean: {_gap(pair[0], right['running_mean'])}; "
            f"running_var: {_gap(pair[1], right['running_var'])}",
        )

    def _state_dict(self, verdict: Verdict, known: Mapping[str, Any], case: Case, check: str = "state") -> None:
        made, state = known["made"]["value"], self._reference(case).state_dict()
        keys = made["keys"]
        missing, extra = [n for n in state if n not in keys], [n for n in keys if n not in state]
        expected = f"the state dict's keys are {', '.join(state) or 'none'}"
        if missing:
            statistics = [n for n in missing if n.startswith("running_")]
            alone = missing == ["num_batches_tracked"]
            mistake = "buffers-not-registered" if statistics else "counter-not-updated" if alone else "wrong-result"
            blame(verdict, check, mistake, expected=expected, seen=f"{', '.join(missing)} missing")
        if extra:
            blame(verdict, check, "wrong-result", expected=expected, seen=f"{', '.join(extra)[:60]} too")
        learned = [n for n in _NAMES[:2] if n in state]
        wrongly = [n for n in made["parameters"] if n.startswith("running_")]
        verdict.require(
            check, not wrongly, "buffers-not-registered", expected="running statistics are buffers",
            seen=f"{', '.join(wrongly)} among the parameters", cause="They are state, but nothing learns them.",
        )
        verdict.require(
            check, sorted(made["parameters"]) == sorted(learned),
            expected=f"parameters: {', '.join(learned) or 'none'}", seen=", ".join(made["parameters"])[:60] or "none",
            cause="",
        )
        fresh = nn.BatchNorm1d(4 + case.seed % 3, **_OPTIONS[case.name]).state_dict()
        for name, value in fresh.items():
            got = as_tensor(made.get(name))
            if got is not None and name in keys:
                verdict.require(
                    check, got.shape == value.shape and got.dtype == value.dtype and torch.equal(got, value),
                    expected=f"{name} starts as in nn.BatchNorm1d, shape {tuple(value.shape)}, {value.dtype}",
                    seen=f"shape {tuple(got.shape)}, {got.dtype}, {got.flatten()[:1].tolist()}", cause="",
                )
        loaded = known["loaded"]
        verdict.require(
            check, loaded["ended"] == "returned", expected="a state dict of nn.BatchNorm1d can be loaded",
            seen=f"{loaded.get('error')}: {loaded.get('text', '')}"[:100], cause="",
        )
        verdict.require(check, True, expected="", seen="")

    def _options(self, verdict: Verdict, evidence: Mapping[str, Any], cases: Mapping[str, Case]) -> None:
        for name in ("plain", "cumulative", "bare", "untracked"):
            record = evidence[name].get("train, one", {}).get("call")
            if record is None:
                continue  # it could not be made, which is judged elsewhere
            option = "".join(f" with {k}={v}" for k, v in _OPTIONS[name].items())
            raised = record["ended"] == "raised"
            verdict.require(
                "options", raised and "ValueError" in record["kinds"], "single-value-not-rejected",
                expected=f"a ValueError when training on one sample{option}",
                seen=record["error"] if raised else "no error",
            )
        for name in ("bare", "untracked"):
            known, case = evidence[name], cases[name]
            if not verdict.ended(known["made"], ["options"]):
                continue
            for part in ("training", "evaluation"):
                # the same mistake as without the option has been judged where it belongs
                if not verdict.failed(part) and not (name == "untracked" and verdict.failed("training")):
                    (self._training if part == "training" else self._evaluation)(verdict, known, case, "options")
            if not verdict.failed("state"):
                self._state_dict(verdict, known, case, "options")
        verdict.require("options", True, expected="", seen="")


def _equal(a: torch.Tensor | None, b: torch.Tensor) -> bool:
    return (
        a is not None and a.shape == b.shape
        and torch.equal(a.double(), b.float().double() if a.dtype != b.dtype else b.double())
    )


def _snapshot(layer: Any) -> dict[str, Any]:
    """The tensors under BatchNorm's names, registered or not, and what is registered."""
    found: dict[str, Any] = {n: describe(v) for n in _NAMES if isinstance(v := getattr(layer, n, None), torch.Tensor)}
    if isinstance(layer, nn.Module):
        found["keys"] = [str(k)[:60] for k in list(layer.state_dict())[:20]]
        found["parameters"] = [n[:60] for n, _ in list(layer.named_parameters())[:20]]
    return found


def _put(layer: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Set the tensors under BatchNorm's names, registered or not."""
    with torch.no_grad():
        for name, value in state.items():
            own = getattr(layer, name, None)
            if isinstance(own, torch.Tensor) and own.shape == value.shape:
                if own.requires_grad and not own.is_leaf:
                    setattr(layer, name, value.clone())
                else:
                    own.copy_(value)


# ---------------------------------------------------------------------- from_keras_momentum


class FromKerasMomentum(Exercise):
    id = "batchnorm.from_keras_momentum"
    title = "Keras's momentum in PyTorch"
    problem_set = _SET
    stars, minutes = 1, 5
    parameters = ("m",)
    at_stake = ("momentum-reversed",)
    checks = (Check("momentum", "The same running averages as in Keras", 1, sections.BN_MOMENTUM),)

    def _values(self, case: Case) -> list[float]:
        return [0.99, round(0.6 + 0.3 * float(torch.rand((), generator=case.generator())), 2) + 0.0037, 0.9, 0.0, 1.0]

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        return {"calls": [probe.call(candidate, m) for m in self._values(case)]}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        for m, record in zip(self._values(cases["case"]), evidence["case"]["calls"], strict=True):
            if not verdict.ended(record):
                return
            got = loosely(record["value"])
            expected = f"the momentum of nn.BatchNorm1d for Keras's {m:g}, a Python float"
            if got is None:
                blame(verdict, "momentum", "wrong-result", expected=expected, seen=named(record["value"]))
                continue
            right = near(got, 1 - m, rtol=1e-9, atol=1e-9)
            # the answer is not shown: it is the whole exercise
            blame_as = "momentum-reversed" if near(got, m, rtol=1e-9, atol=1e-9) else "wrong-result"
            verdict.require(
                "momentum", right, blame_as, expected=expected, seen=f"{got:g}",
                cause="" if blame_as == "wrong-result" else None,
            )
            if as_float(record["value"]) is None:
                mistake = "tensor-not-float" if record["value"]["type"] == "Tensor" else "wrong-result"
                blame(verdict, "momentum", mistake, expected=expected, seen=named(record["value"]))
            judge_undisturbed(verdict, "momentum", record)


# ---------------------------------------------------------------------- predict_one


class _Single(Dense):
    """(N, 6) to (N, 1): an output dimension that is 1 is no batch dimension."""

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return super().classify(x)[:, :1]


class _Rows(NormOnly):
    """(N, 6) to (N, 3, 2): an answer has dimensions of its own, which stay."""

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        y = super().classify(x)
        return torch.stack([y, -y], 2)


class PredictOne(Exercise):
    id = "batchnorm.predict_one"
    title = "The answer for a single sample"
    problem_set = _SET
    stars, minutes = 1, 15
    parameters = ("model", "x")
    timeline = True
    at_stake = ("eval-never-called", "mode-not-restored", "graph-built")
    checks = (
        Check("answer", "The evaluation-mode answer, without a batch dimension", 1, sections.BATCH_OF_ONE),
        Check("modes", "Every submodule's mode is as it was, also after an exception", 1, sections.RESTORE_MODES),
        Check("graph", "No autograd graph is recorded, and nothing else is changed", 1, sections.NO_GRAPH),
    )
    case_names = ("train", "mixed", "plain", "dropout", "quiet", "single", "raises")

    def _scene(self, case: Case) -> tuple[nn.Module, torch.Tensor]:
        name = case.name
        makers = {"mixed": ConvDropping, "plain": Plain, "dropout": DropoutOnly, "quiet": _Rows, "single": _Single}
        maker = makers.get(name, Dense)
        model = build(maker, case.seed, double=name == "plain")
        if name == "mixed":
            mixed_modes(model, "norm.0")
            model.stem.requires_grad_(False)
        elif name == "dropout":
            model.eval()
            model.block.train()
        else:
            model.train(name != "quiet")
        if name == "train":
            fill_grads(model, case.seed)
        x = inputs(case.seed + 1, *((1, 6, 6) if name == "mixed" else (6,)), double=name == "plain")
        x.requires_grad_(name == "plain")
        if name == "raises":
            model.fragile = True
            x[1] = POISON * 10
        return model, x

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model, x = self._scene(case)
        with torch.set_grad_enabled(case.name != "quiet"):
            return {"call": probe.call(candidate, model, x, models={"model": model}, tensors={"x": x})}

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        normal, worked, tried = [], False, None
        for name in self.case_names[:-1]:
            record = evidence[name]["call"]
            if record["ended"] == "raised" and "more than 1 value per channel" in record["text"]:
                roots = [r["training"] for r in passes(record)]
                mistake = "root-flag-only" if roots and not any(roots) else "eval-never-called"
                blame(
                    verdict, "answer", mistake, expected="the evaluation-mode answer",
                    seen="BatchNorm refused a batch of one",
                )
            if not verdict.ended(record, ["answer"]):
                tried = tried or record
                continue
            normal.append(record)
            self._answer(verdict, record, *self._scene(cases[name]))
            worked = worked or samples_seen(record) > 0 or not verdict.failed("answer")
            judge_no_graph(verdict, "graph", record, {"the result": record["value"]})
            judge_undisturbed(verdict, "graph", record)
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "modes", normal, [raising] if "modes_before" in raising else [])
        _judge_arrival(verdict, "modes", raising)
        if "modes_before" in raising:
            verdict.require(
                "graph", raising["grad_before"] == raising["grad_after"], "grad-mode-leaked",
                seen="it was left changed",
                expected="gradient recording is as before, also when an exception passes through",
            )
        if not normal:
            verdict.ended(tried)
        elif not worked:
            verdict.stop(
                "wrong-result", expected="the model is run on the sample",
                seen=f"{named(normal[0]['value'])} came back, and the model was not called", cause="",
            )

    def _answer(self, verdict: Verdict, record: Record, model: nn.Module, x: torch.Tensor) -> None:
        right = eval_logits(model, x[None])[0]
        got = as_tensor(record["value"])
        if got is not None and got.shape == right.shape and close(got, right):
            verdict.require(
                "answer", got.dtype == right.dtype, expected=f"a tensor of {right.dtype}", seen=f"{got.dtype}", cause=""
            )
            return
        mistake = mode_mistake(record)
        expected = f"the evaluation-mode answer, a tensor of shape {tuple(right.shape)}"
        if mistake:
            verdict.fail("answer", mistake, expected=expected, seen=f"other numbers; {live_words(record)}")
        elif got is not None and got.shape == (1, *right.shape):
            verdict.fail(
                "answer", "wrong-result", expected=expected, seen=named(record["value"]),
                cause="The batch dimension that was added for the model is still there.",
            )
        else:
            seen = _gap(got, right) if got is not None and got.shape == right.shape else named(record["value"])
            blame(verdict, "answer", "wrong-result", expected=expected, seen=seen)


def _judge_arrival(verdict: Verdict, check: str, raising: Record) -> None:
    failed = any(r["detail"].get("failed") for r in passes(raising))
    verdict.require(
        check, not failed or raising["ended"] != "returned",
        expected="an exception inside the model reaches the caller",
        seen="the call returned as if nothing had happened", cause="The exception was caught and not raised again.",
    )


# ---------------------------------------------------------------------- recalibrate


class _Stack(_CaseModel):
    """(N, 6) to (N, 3): tracking and other norms, dropouts of both kinds, a layer with a memory of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, momentum=0.05), nn.Tanh(), nn.Dropout(0.4))
        self.memory = nn.InstanceNorm1d(2, track_running_stats=True)
        self.mid = nn.Sequential(nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6, momentum=None)), nn.Tanh())
        self.deep = nn.BatchNorm3d(2)
        self.loose = nn.BatchNorm1d(6, track_running_stats=False)
        self.out = nn.Linear(6, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.memory(x.view(-1, 2, 4)).flatten(1)
        x = F.dropout(self.mid(x), 0.3, self.training)
        x = self.deep(x.view(-1, 2, 3, 1, 1)).flatten(1)
        return self.out(self.loose(x))


class Recalibrate(Exercise):
    id = "batchnorm.recalibrate"
    title = "Running statistics estimated anew"
    problem_set = _SET
    stars, minutes = 2, 25
    parameters = ("model", "batches")
    timeline = True
    at_stake = ("stats-not-reset", "momentum-none-not-cumulative", "momentum-not-restored", "dropout-in-eval")
    checks = (
        Check("statistics", "Running statistics become the plain average over the batches", 1, sections.RECALIBRATION),
        Check("rest", "Dropout is off, and nothing but BatchNorm's statistics changes", 1, sections.RECALIBRATION),
        Check("restored", "Momentum and modes are as they were, also after an exception", 1, sections.RESTORE_MODES),
        Check("graph", "No autograd graph is recorded", 1, sections.NO_GRAPH),
    )
    case_names = ("train", "mixed", "images", "eval", "none", "raises")

    def _scene(self, case: Case) -> tuple[nn.Module, list[torch.Tensor]]:
        name = case.name
        maker = {"images": Conv, "eval": NormOnly, "none": DropoutOnly}.get(name, _Stack)
        model = build(maker, case.seed, double=True)
        if name == "mixed":
            mixed_modes(model, "stem.1", "mid.0", "out")
            for p in model.stem.parameters():
                p.requires_grad_(False)
        else:
            model.train(name not in ("eval",))
        if name == "train":
            fill_grads(model, case.seed)
        sizes = {"train": (9, 6, 4), "eval": (7,), "none": (4, 4)}.get(name, (8, 5, 6, 3))
        shape = (1, 6, 6) if name == "images" else (6,)
        batches = [
            inputs(case.seed + 1 + i, n, *shape, double=True) * (1 + 0.4 * i) + 0.3 * i for i, n in enumerate(sizes)
        ]
        if name == "raises":
            batches[2][1] = POISON * 10
            model.fragile = True
        return model, batches

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        model, batches = self._scene(case)
        given: Any = (b for b in batches) if case.name == "mixed" else batches
        kept: dict[str, Any] = {}

        def take(value: Any) -> dict[str, Any]:
            kept["requires"] = [n for n, b in model.named_buffers() if b.requires_grad]
            return describe(value)

        with torch.set_grad_enabled(case.name != "eval"):
            record = probe.call(
                candidate, model, given, models={"model": model},
                tensors={f"batch {i}": b for i, b in enumerate(batches)}, take=take,
            )
        return {
            "call": record, "momenta": _momenta(model),
            "state": {n: b.detach().clone() for n, b in model.named_buffers()}, "requires": kept.get("requires", []),
        }

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        names = [n for n in self.case_names if n != "raises"]
        records = {n: evidence[n]["call"] for n in names}
        for name in names:
            if not verdict.ended(records[name]):
                return
        rows = len(self._scene(cases["train"])[1])
        if not samples_seen(records["train"]):
            moved = bool(records["train"]["buffers"])
            verdict.stop(
                "wrong-result" if moved else "stats-not-updated", expected="the model is run on every batch",
                seen=f"none of {rows} batches went through it", cause="" if moved else None,
            )
            return
        for name in names:
            self._statistics(verdict, evidence[name], cases[name])
            self._rest(verdict, evidence[name], cases[name])
            judge_no_graph(verdict, "graph", records[name])
            verdict.require(
                "graph", not evidence[name]["requires"], "graph-built", expected="running statistics keep no graph",
                seen="some of them require grad",
            )
            verdict.require(
                "graph", records[name]["grad_before"] == records[name]["grad_after"], "grad-mode-leaked",
                expected="gradient recording is as before the call", seen="it was left changed",
            )
        raising = evidence["raises"]["call"]
        judge_modes(verdict, "restored", list(records.values()), [raising] if "modes_before" in raising else [])
        if "modes_before" in raising:
            verdict.require(
                "graph", raising["grad_before"] == raising["grad_after"], "grad-mode-leaked",
                expected="gradient recording is as before, also when an exception passes through",
                seen="it was left changed",
            )
        for name in self.case_names:
            right = _momenta(self._scene(cases[name])[0])
            changed = [n for n, m in right.items() if evidence[name]["momenta"].get(n, "gone") != m]
            after = ", also after an exception" if name == "raises" else ""
            mistake = "restore-skipped-on-exception" if name == "raises" else "momentum-not-restored"
            verdict.require(
                "restored", not changed, mistake, expected=f"every layer's momentum is as it was{after}",
                seen=f"{len(changed)} of {len(right)} layers have another momentum",
            )
        _judge_arrival(verdict, "restored", raising)

    def _statistics(self, verdict: Verdict, known: Mapping[str, Any], case: Case) -> None:
        model, batches = self._scene(case)
        known_ways = _recalibrated(model, batches)
        right = known_ways("right")[0]
        live = "dropout" in live_calls(known["call"])
        parts = ("running_mean", "running_var")
        for layer in _tracking(model):
            pair, wanted = (tuple(state.get(f"{layer}.{n}") for n in parts) for state in (known["state"], right))
            other = [i for i in (0, 1) if not close(pair[i], wanted[i], rtol=1e-6, atol=1e-8)][:1]
            if not other:
                continue
            ways = {n: [tuple(s[f"{layer}.{k}"] for k in parts) for s in known_ways(n)] for n in _RECALIBRATED}
            way = _recognised(pair, ways, rtol=1e-6, atol=1e-8)
            if way is None and live:
                return  # what comes after a live dropout cannot be told; that is judged elsewhere
            if way is None and known["call"]["params"]:
                way = "parameters-changed"
            gaps = [f"{layer}.{parts[i]}: {_gap(pair[i], wanted[i])}" for i in other]
            blame(
                verdict, "statistics", way or "wrong-result", seen=_RECALIBRATED.get(way or "", gaps[0]),
                expected=f"the plain average of the statistics of {len(batches)} batches",
            )
            return
        verdict.require("statistics", True, expected="", seen="")

    def _rest(self, verdict: Verdict, known: Mapping[str, Any], case: Case) -> None:
        record = known["call"]
        model = self._scene(case)[0]
        live = "dropout" in live_calls(record)
        whole = any(r["training"] for r in passes(record))
        verdict.require(
            "rest", not live, "dropout-in-eval", seen="dropout dropped units",
            expected="dropout is off while the statistics are estimated",
            cause="To wake BatchNorm the whole model went into training mode, and dropout woke up with it." if whole
            else None,
        )
        tracking = _tracking(model)
        others = [n for n in record["buffers"] if n.removeprefix("model.").rpartition(".")[0] not in tracking]
        verdict.require(
            "rest", not others, "eval-never-called", expected="only BatchNorm's statistics change",
            seen=f"{others[0].removeprefix('model.')} changed" if others else "",
            cause="More layers than BatchNorm were in training mode.",
        )
        settings = [s for s in record["settings"] if not s.endswith(".momentum")]  # which is judged elsewhere
        judge_undisturbed(
            verdict, "rest", {**record, "grad_after": record["grad_before"], "settings": settings}, may=("buffers",)
        )


_RECALIBRATED = {
    "stats-not-reset": "averages in which the old statistics still take part",
    "momentum-none-not-cumulative": "a moving average, in which later batches count more",
    "biased-running-var": "the biased variances averaged", "stats-not-updated": "the values they had before",
}


def _tracking(model: nn.Module) -> list[str]:
    return [n for n, m in model.named_modules() if isinstance(m, BATCHNORM_FAMILY) and m.running_mean is not None]


def _momenta(model: nn.Module) -> dict[str, Any]:
    """The momentum of every BatchNorm, as plain data."""
    return {n: describe(m.momentum) for n, m in model.named_modules() if isinstance(m, BATCHNORM_FAMILY)}


def _recalibrated(
    model: nn.Module, batches: Sequence[torch.Tensor]
) -> Callable[[str], list[dict[str, torch.Tensor]]]:
    """What gives the buffers of ``model`` after the ways of going through the batches that stand for a mistake."""
    before = {n: b.clone() for n, b in model.named_buffers()}
    layers = {n: model.get_submodule(n) for n in _tracking(model)}
    momenta = {n: m.momentum for n, m in layers.items()}

    def run(fresh: bool, momentum: Any, used: Sequence[torch.Tensor] = batches, counted: bool = False) -> Any:
        for n, b in model.named_buffers():
            b.copy_(before[n])
        model.eval()
        for n, m in layers.items():
            m.train()
            m.momentum = momenta[n] if momentum == "own" else momentum
            if fresh:
                m.reset_running_stats()
            if counted:
                m.num_batches_tracked.copy_(before[f"{n}.num_batches_tracked"])
        for x in used:
            model(x)
        return {n: b.clone() for n, b in model.named_buffers()}

    def biased() -> dict[str, torch.Tensor]:
        narrow: dict[nn.Module, list[torch.Tensor]] = {m: [] for m in layers.values()}

        def note(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            narrow[layer].append(args[0].transpose(0, 1).flatten(1).var(1, correction=0))

        hooks = [m.register_forward_pre_hook(note) for m in narrow]
        state = run(True, None)
        for hook in hooks:
            hook.remove()
        return state | {f"{n}.running_var": torch.stack(narrow[m]).mean(0) for n, m in layers.items()}

    def states(way: str) -> Iterator[dict[str, torch.Tensor]]:
        if way == "right":
            yield run(True, None)
        elif way == "stats-not-reset":
            yield from (run(False, None), run(False, "own"), run(False, 0.1), run(True, None, counted=True))
        elif way == "momentum-none-not-cumulative":
            yield from (run(True, "own"), run(True, 0.1), run(True, 1.0), run(True, None, batches[-1:]))
        elif way == "biased-running-var":
            yield biased()
        elif way == "stats-not-updated":
            yield from (before, run(True, None, ()))

    def given_by(way: str) -> list[dict[str, torch.Tensor]]:
        with torch.no_grad():
            return list(states(way))

    return given_by


# ---------------------------------------------------------------------- ema_update


class _Tied(_CaseModel):
    """(N, 6) to (N, 6): a weight used twice, a buffer outside BatchNorm, and one that no state dict holds."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 6, bias=False)
        self.last.weight = self.first.weight
        self.register_buffer("shift", torch.randn(6))
        self.register_buffer("scale", 1 + torch.rand(6), persistent=False)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x)) + self.shift) * self.scale


class EmaUpdate(Exercise):
    id = "batchnorm.ema_update"
    title = "A moving average of a model"
    problem_set = _SET
    stars, minutes = 1, 15
    parameters = ("ema_model", "model", "decay")
    at_stake = ("buffers-forgotten", "momentum-reversed", "graph-built")
    checks = (
        Check("parameters", "Parameters become decay * ema + (1 - decay) * model", 1, sections.AVERAGED_MODELS),
        Check("buffers", "Buffers become those of the model", 1, sections.AVERAGED_MODELS),
        Check("in place", "In place, without a graph, and nothing else is changed", 1, sections.AVERAGED_MODELS),
    )
    case_names = ("dense", "images", "bufferless", "tied", "ends")

    def _scene(self, case: Case) -> tuple[nn.Module, nn.Module, float]:
        name = case.name
        maker = {"images": Conv, "bufferless": Plain, "tied": _Tied, "ends": NormOnly}.get(name, Dense)
        ema, model = (build(maker, case.seed + i, double=name != "images") for i in (0, 1))
        ema.eval()
        if name == "images":
            mixed_modes(model, "norm")
            model.stem.requires_grad_(False)
            fill_grads(ema, case.seed)
        if name == "tied":
            mixed_modes(ema, "norm")
            fill_grads(model, case.seed)
        if name == "dense":
            for p in ema.parameters():
                p.requires_grad_(False)
        if name == "bufferless":
            next(iter(model.parameters())).grad = torch.ones_like(next(iter(model.parameters())))
        return ema, model, {"dense": 0.9, "images": 0.75, "bufferless": 0.99, "tied": 0.8}.get(name, 0.0)

    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        ema, model, decay = self._scene(case)
        homes = {n: t.data_ptr() for n, t in (*ema.named_parameters(), *ema.named_buffers())}
        with torch.set_grad_enabled(case.name != "ends"):
            record = probe.call(candidate, ema, model, decay, models={"ema": ema, "model": model})
        after = dict((*ema.named_parameters(), *ema.named_buffers()))
        theirs = {t.data_ptr() for t in (*model.parameters(), *model.buffers())}
        return {
            "call": record, "state": {n: t.detach().clone() for n, t in after.items()},
            "lost": [n for n in homes if n not in after],
            "moved": [n for n, t in after.items() if homes.get(n) != t.data_ptr()],
            "shared": [n for n, t in after.items() if t.numel() and t.data_ptr() in theirs],
            "graph": [n for n, t in after.items() if t.grad_fn is not None],
        }

    def judge(self, evidence: Mapping[str, Any], cases: Mapping[str, Case], verdict: Verdict) -> None:
        if not all(verdict.ended(evidence[n]["call"]) for n in self.case_names):
            return
        if not any(evidence[n]["call"][k] for n in self.case_names for k in ("params", "buffers", "replaced")):
            verdict.stop("wrong-result", expected="ema_model moves towards model", seen="nothing changed", cause="")
            return
        for name, case in cases.items():
            known = evidence[name]
            ema, model, decay = self._scene(case)
            mine = [n for n in (*known["call"]["params"], *known["call"]["buffers"]) if n.startswith("model.")]
            recorded = [n for n in known["lost"] if known["call"]["graph_results"]]
            if recorded:
                verdict.fail(
                    "parameters", "graph-built", expected="ema_model keeps its parameters",
                    seen=f"{recorded[0]} is no parameter any more, but the result of a recorded operation",
                )
            if mine and not any(n.startswith("ema.") for n in known["call"]["params"]):
                verdict.fail(
                    "parameters", "parameters-changed", expected="ema_model moves towards model",
                    seen="model moved towards ema_model",
                )
            self._parameters(verdict, known["state"], ema, model, decay)
            self._buffers(verdict, known["state"], ema, model, decay)
            self._in_place(verdict, known)

    def _parameters(
        self, verdict: Verdict, state: Mapping[str, torch.Tensor], ema: nn.Module, model: nn.Module, decay: float
    ) -> None:
        old, new = dict(ema.named_parameters()), dict(model.named_parameters())
        with torch.no_grad():
            ways = {
                "wrong-result": {n: old[n] for n in old}, "right": {n: new[n].lerp(old[n], decay) for n in old},
                "momentum-reversed": {n: old[n].lerp(new[n], decay) for n in old},
            }
        fits = [
            w for w, values in ways.items()
            if all(close(state.get(n), v, rtol=1e-5, atol=1e-7) for n, v in values.items())
        ]
        mistake = "momentum-reversed" if fits == ["momentum-reversed"] else "wrong-result"
        seen = {"momentum-reversed": "decay and 1 - decay exchanged"}.get(mistake)
        name = next(
            (n for n in old if not close(state.get(n), ways["right"][n], rtol=1e-5, atol=1e-7)), next(iter(old))
        )
        twice = new[name].detach().lerp(old[name].detach(), decay**2)
        verdict.require(
            "parameters",
            "right" in fits,
            mistake,
            expected=f"decay * ema + (1 - decay) * model with decay = {decay:g}",
            seen=seen
            or (
                "the old parameters" if "wrong-result" in fits
                else f"{name} averaged twice" if close(state.get(name), twice, rtol=1e-5, atol=1e-7)
                else f"{name}: {_gap(state.get(name), ways['right'][name])}"
            ),
            cause="decay is the share of the old value here." if seen else "",
        )

    def _buffers(
        self, verdict: Verdict, state: Mapping[str, torch.Tensor], ema: nn.Module, model: nn.Module, decay: float
    ) -> None:
        old, new = dict(ema.named_buffers()), dict(model.named_buffers())
        wrong = [n for n in new if state.get(n) is None or not torch.equal(state[n], new[n])]
        kept = [
            n for n in wrong
            if new[n].is_floating_point() and state.get(n) is not None and torch.equal(state[n], old[n])
        ]
        averaged = [
            n for n in wrong if close(state.get(n), new[n].double().lerp(old[n].double(), decay), rtol=1e-4, atol=1e-5)
        ]
        mistake = "buffers-forgotten" if wrong and (kept or not averaged) else "wrong-result"
        seen = (
            f"{len(kept)} of {len(new)} are still the old ones" if kept
            else f"{len(averaged)} of {len(new)} were averaged"
        )
        verdict.require(
            "buffers", not wrong, mistake, expected="every buffer has the model's value", seen=seen,
            cause="Averages of buffers are no statistics of this model." if mistake == "wrong-result" else None,
        )

    def _in_place(self, verdict: Verdict, known: Mapping[str, Any]) -> None:
        record = known["call"]
        mine = [n for n in (*record["params"], *record["buffers"]) if n.startswith("model.")]
        verdict.require(
            "in place", not mine, "parameters-changed", expected="model is untouched",
            seen=f"{len(mine)} of its tensors changed",
        )
        verdict.require(
            "in place", not known["graph"] and record["graph_results"] == 0, "graph-built",
            expected="no autograd graph is recorded", seen="the update was recorded",
        )
        verdict.require(
            "in place", not known["shared"], "best-state-aliased", expected="ema_model keeps tensors of its own",
            seen=f"{len(known['shared'])} of them are the model's own tensors",
            cause="A tensor that both models hold changes in both.",
        )
        replaced = record["replaced"] or known["moved"]
        verdict.require(
            "in place", not replaced, expected="the tensors of ema_model are changed in place",
            seen=f"{len(replaced)} were replaced by new ones", cause="",
        )
        judge_undisturbed(verdict, "in place", record, may=("params", "buffers"))
        judge_modes(verdict, "in place", [record], unasked=True)


EXERCISES = (BatchNorm(), BatchNorm1d(), FromKerasMomentum(), PredictOne(), Recalibrate(), EmaUpdate())
