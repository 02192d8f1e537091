"""What judges of training and evaluation loops share: averages over samples, a reference training, a history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..observe import BATCHNORM_FAMILY, DROPOUT_FAMILY
from ._evidence import as_float, entry, items, loosely, named
from ._exercise import Case, Verdict
from ._judging import Record, close, live_words, mode_mistake, near, passes, samples_seen
from ._models import NormOnly, build, eval_logits, inputs

# ---------------------------------------------------------------------- averages over samples


@dataclass(slots=True)
class Averages:
    """The right loss and accuracy of an evaluation, and those of the usual wrong averages."""

    loss: float
    accuracy: float
    by_batch: tuple[float, float]
    others: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, model: nn.Module, x: torch.Tensor, y: torch.Tensor, batch_size: int, loss_fn: Any) -> Averages:
        """Those of ``model`` in evaluation mode, which it is left in."""
        logits = eval_logits(model, x)
        losses, hits, sizes = [], [], []
        for z, t in zip(logits.split(batch_size), y.split(batch_size), strict=True):
            losses.append(float(loss_fn(z, t)))
            hits.append(float((z.argmax(1) == t).double().mean()))
            sizes.append(len(t))
        return cls.from_batches(losses, hits, sizes)

    @classmethod
    def from_batches(cls, losses: list[float], hits: list[float], sizes: list[int]) -> Averages:
        """From each batch's mean loss, share of right answers and size; all but the last batch are full."""
        n, k, full = sum(sizes), len(sizes), len(sizes) * sizes[0]
        weighted = [sum(v * s for v, s in zip(values, sizes, strict=True)) for values in (losses, hits)]
        right = (weighted[0] / n, weighted[1] / n)
        by_batch = (sum(losses) / k, sum(hits) / k)
        others = ((sum(losses), sum(hits)), (weighted[0], weighted[1]), (sum(losses) / n, weighted[1] / n),
                  (weighted[0] / full, weighted[1] / full), (losses[-1], hits[-1]), (right[0], right[1] * 100),
                  (weighted[0] / n, weighted[1]))  # fmt: skip
        return cls(*right, by_batch, others)


def loss_and_accuracy(verdict: Verdict, check: str, value: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Loss and accuracy as returned; says what is wrong with their form."""
    expected = "a dict with the keys 'loss' and 'accuracy', both Python floats"
    if value["type"] != "dict" or entry(value, "loss") is None or entry(value, "accuracy") is None:
        what = named(value)
        if value["type"] == "dict":
            keys = [k.get("value") for k, _ in value["pairs"]][:4]
            what = f"a dict with the keys {keys}"
        verdict.fail(check, "wrong-result", expected=expected, seen=what, cause="")
        return None, None
    for key in ("loss", "accuracy"):
        part = entry(value, key)
        if as_float(part) is None:
            mistake = not_a_float(part)
            verdict.fail(check, mistake, expected=expected, seen=f"{key} is {named(part)}",
                         cause=None if mistake == "tensor-not-float" else "")  # fmt: skip
    return loosely(entry(value, "loss")), loosely(entry(value, "accuracy"))


def not_a_float(part: Mapping[str, Any]) -> str:
    """The misconception behind a number that is no Python float."""
    return "tensor-not-float" if part["type"] == "Tensor" or "number" in part else "wrong-result"


def judge_averages(
    verdict: Verdict, record: Record, values: tuple[float | None, float | None], known: Averages, *,
    averages: str = "averages", mode: str = "evaluation mode",
) -> bool:  # fmt: skip
    """Judge averages and mode apart: a wrong average does not hide a right mode, nor the other way round.

    ``averages`` and ``mode`` name the two checks.
    """
    loss, accuracy = values
    mistake = mode_mistake(record)
    if loss is None or accuracy is None:
        if mistake:
            verdict.fail(mode, mistake, expected="the model is measured in evaluation mode", seen=live_words(record))
        return False
    right = near(loss, known.loss) and near(accuracy, known.accuracy)
    kinds = [(known.loss, known.accuracy), known.by_batch, *known.others]
    as_evaluated = any(near(loss, k[0]) for k in kinds) and any(near(accuracy, k[1]) for k in kinds)
    if not as_evaluated and mistake:
        verdict.fail(
            mode, mistake, expected=f"loss {short(known.loss)}, as measured in evaluation mode",
            seen=f"loss {short(loss)}; {live_words(record)}",
        )  # fmt: skip
        return False
    verdict.require(mode, True, expected="", seen="")
    if right:
        verdict.require(averages, True, expected="", seen="")
        return True
    by_batch = [near(loss, known.by_batch[0]), near(accuracy, known.by_batch[1])]
    good = [near(loss, known.loss), near(accuracy, known.accuracy)]
    verdict.fail(
        averages, "batch-mean-of-means" if all(b or g for b, g in zip(by_batch, good, strict=True)) else "wrong-result",
        expected=f"loss {short(known.loss)} and accuracy {short(known.accuracy)} over all samples",
        seen=f"loss {short(loss)} and accuracy {short(accuracy)}",
    )  # fmt: skip
    return False


def short(value: float | None) -> str:
    """A number in a message."""
    return "nothing" if value is None else f"{value:.4g}"


# ---------------------------------------------------------------------- a reference training


@dataclass(slots=True)
class Training:
    """All that a training loop is given; both data sets come in batches of ``batch_size``."""

    model: nn.Module
    train: tuple[torch.Tensor, torch.Tensor]
    val: tuple[torch.Tensor, torch.Tensor]
    loss_fn: Any
    optimizer: torch.optim.Optimizer
    batch_size: int = 4

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """What must not change, for a probe to watch."""
        return {"x": self.train[0], "y": self.train[1], "vx": self.val[0], "vy": self.val[1]}


def a_training(case: Case, model: nn.Module, loss_fn: Any = F.cross_entropy, lr: float = 0.05) -> Training:
    """A training whose last batches are short; numbers in the precision of the model."""
    double = next(model.parameters()).dtype == torch.float64
    x = inputs(case.seed + 1, 14, 6, double=double)
    y = torch.randint(0, 3, (14,), generator=case.generator(2))
    vx = inputs(case.seed + 3, 10, 6, double=double)
    vy = torch.randint(0, 3, (10,), generator=case.generator(4))
    return Training(model, (x, y), (vx, vy), loss_fn, torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5))


@dataclass(slots=True)
class Reference:
    """What must come out of a training; one entry per epoch. ``running`` averages the steps' own losses."""

    running: list[Averages] = field(default_factory=list)
    after: list[Averages] = field(default_factory=list)
    val: list[Averages] = field(default_factory=list)
    states: list[dict[str, torch.Tensor]] = field(default_factory=list)

    @property
    def params(self) -> dict[str, torch.Tensor]:
        return {k: v for k, v in self.states[-1].items() if "running_" not in k and "num_batches" not in k}


def reference_run(t: Training, epochs: int) -> Reference:
    """Train ``t.model`` under ``train()`` without shuffling, and evaluate it after every epoch."""
    result = Reference()
    for _ in range(epochs):
        t.model.train()
        losses, hits, sizes = [], [], []
        for x, y in zip(*(part.split(t.batch_size) for part in t.train), strict=True):
            loss, hit = one_step(t, x, y)
            losses.append(loss)
            hits.append(hit)
            sizes.append(len(y))
        result.running.append(Averages.from_batches(losses, hits, sizes))
        result.after.append(Averages.of(t.model, *t.train, t.batch_size, t.loss_fn))
        result.val.append(Averages.of(t.model, *t.val, t.batch_size, t.loss_fn))
        result.states.append(state_of(t.model))
    return result


#: Validation sets that a training may have, and the size of each.
_CHOICE, _VALIDATION = 128, 10


def turning_training(
    case: Case, epochs: int, turns: Callable[[Reference], bool], loss_fn: Any = F.cross_entropy
) -> Training:
    """A training by cross entropy whose reference run over so many epochs `turns`."""
    number, place = _turning(case, epochs, turns)
    training = _turning_try(case, number, loss_fn)
    training.val = tuple(part.split(_VALIDATION)[place] for part in _validation_sets(case, number))
    return training


@lru_cache(maxsize=64)
def _turning(case: Case, epochs: int, turns: Callable[[Reference], bool]) -> tuple[int, int]:
    """Which of the case's trainings turns, and on which validation set: found by trying one after the other.

    Validation has no part in the training, so one run tells about many sets.
    """
    for number in range(200):
        training = _turning_try(case, number)
        reference = reference_run(training, epochs)
        x, y = _validation_sets(case, number)
        losses, hits = [], []
        for state in reference.states:
            training.model.load_state_dict(state)
            logits = eval_logits(training.model, x)
            losses.append(F.cross_entropy(logits, y, reduction="none").view(_CHOICE, -1).mean(1).tolist())
            hits.append((logits.argmax(1) == y).double().view(_CHOICE, -1).mean(1).tolist())
        for place in range(_CHOICE):
            val = [Averages(loss[place], hit[place], (), ()) for loss, hit in zip(losses, hits, strict=True)]
            if turns(replace(reference, val=val)):
                return number, place
    raise LookupError(f"no training of {case} turns")


def _turning_try(case: Case, number: int, loss_fn: Any = F.cross_entropy) -> Training:
    other = Case(case.exercise, case.name, case.seed + 1_000 * number)
    return a_training(other, build(NormOnly, other.seed, double=True).train(), loss_fn, lr=0.3)


def _validation_sets(case: Case, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One after the other, in the same two tensors."""
    seed, count = case.seed + 1_000 * number + 5, _CHOICE * _VALIDATION
    y = torch.randint(0, 3, (count,), generator=torch.Generator().manual_seed(seed + 1))
    return inputs(seed, count, 6, double=True), y


def one_step(t: Training, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Learn from one batch in the modes at hand; its loss, and the share of right answers."""
    logits = t.model(x)
    loss = t.loss_fn(logits, y)
    t.optimizer.zero_grad()
    loss.backward()
    t.optimizer.step()
    return float(loss.detach()), float((logits.argmax(1) == y).double().mean())


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def same_state(
    state: Mapping[str, torch.Tensor], known: Mapping[str, torch.Tensor], *, rtol: float = 1e-3, atol: float = 1e-4
) -> bool:
    return all(k in state and close(state[k], v, rtol=rtol, atol=atol) for k, v in known.items())


def learning_unrecorded(record: Record) -> bool:
    """Steps were made, but every forward pass had gradients switched off."""
    return not record["params"] and all(r["grad"] != "on" for r in passes(record))


def steps_made(record: Record) -> int:
    return sum(r["kind"] == "step" for r in record["rows"])


def asleep(record: Record) -> bool:
    """Passes under a flag that says training, of layers that never worked as in training."""
    norms = {bool(r["detail"].get("training")) for r in record["rows"] if r["kind"] == "batch_norm"}
    return norms == {False} and any(r["training"] for r in passes(record))


def sleeping_layers(record: Record, model: nn.Module, steps: int) -> tuple[str, str] | None:
    """Layers that did not work as in training at each of so many steps: the misconception, and what was seen.

    Passes that nothing is learned from may come on top.  None where the number of steps was another.
    """
    if steps_made(record) != steps:
        return None
    families = {"batch_norm": BATCHNORM_FAMILY, "dropout": DROPOUT_FAMILY}
    wanted = {k: steps * sum(isinstance(m, f) for m in model.modules()) for k, f in families.items()}
    live = {k: sum(r["kind"] == k and bool(r["detail"].get("training")) for r in record["rows"]) for k in wanted}
    short_of = [k for k in wanted if live[k] < wanted[k]]
    if not short_of:
        return None
    kind = short_of[0]
    layers = {"batch_norm": "BatchNorm", "dropout": "dropout"}[kind]
    seen = f"{live[kind]} of {wanted[kind]} passes through the {layers} layers were in training mode"
    # one kind of layer put to sleep, or layers that the root's flag did not wake
    one_kind = live[kind] == 0 and any(live[k] >= wanted[k] > 0 for k in wanted)
    return "train-never-called" if one_kind else "root-flag-only", seen


def training_mistake(record: Record) -> tuple[str, str]:
    """Why the trained weights are not what they should be: the misconception nearest the cause, and what was seen."""
    steps = steps_made(record)
    if learning_unrecorded(record) and samples_seen(record):
        return "grad-disabled-in-training", "every pass ran without recording, and no parameter changed"
    if "zero-grad-missing" in record["rules"]:
        return "zero-grad-missing", "gradients of the last step were still there at the next backward"
    if "train-never-called" in record["rules"]:
        return "train-never-called", "optimizer steps on evaluation-mode passes"
    if steps and asleep(record):
        return "root-flag-only", "the model's own flag says training, its layers work as in evaluation"
    if not record["params"]:
        return "wrong-result", "no parameter changed"
    if record["reseeded"]:
        return "global-rng-disturbed", "the global random generator was given another seed"
    return "wrong-result", f"other weights, after {steps} steps"


def validation_mode(record: Record) -> str | None:
    """Passes that nothing was learned from, with layers live: the misconception nearest the cause."""
    for rule in ("root-flag-only", "eval-never-called"):
        if rule in record["rules"]:
            return rule
    return None


# ---------------------------------------------------------------------- a history

HISTORY = ("train_loss", "val_loss", "val_accuracy")


def history_lists(
    verdict: Verdict, check: str, value: Mapping[str, Any] | None, epochs: int
) -> dict[str, list[float]] | None:
    """The three lists as returned; None, after saying what is wrong with their form."""
    shape = f"a dict of lists train_loss, val_loss and val_accuracy, {epochs} floats each"
    got: dict[str, list[float]] = {}
    for key in HISTORY:
        listed = items(entry(value, key))
        if listed is None or len(listed) != epochs:
            seen = named(value) if listed is None else f"{key} has {len(listed)} entries for {epochs} epochs"
            verdict.fail(check, "wrong-result", expected=shape, seen=seen, cause="")
            return None
        odd = next((i for i in listed if as_float(i) is None), None)
        if odd is not None:
            verdict.fail(check, not_a_float(odd), expected=shape, seen=f"{key} holds {named(odd)}")
            return None
        got[key] = [as_float(i) for i in listed]
    return got


def judge_history(verdict: Verdict, check: str, got: Mapping[str, list[float]], reference: Reference) -> None:
    """Each epoch's numbers are averages per sample.

    The training loss may be that of the steps, or measured after the epoch.
    """

    def all_near(values: list[float], *known: list[float]) -> bool:
        rows = zip(values, *known, strict=True)
        return all(any(near(v, k, rtol=1e-3, atol=1e-4) for k in right) for v, *right in rows)

    losses, accuracies = got["val_loss"], got["val_accuracy"]
    right = [a.loss for a in reference.val], [a.accuracy for a in reference.val]
    by_batch = [a.by_batch[0] for a in reference.val], [a.by_batch[1] for a in reference.val]
    if not (all_near(losses, right[0]) and all_near(accuracies, right[1])):
        means = all_near(losses, right[0], by_batch[0]) and all_near(accuracies, right[1], by_batch[1])
        verdict.fail(
            check, "batch-mean-of-means" if means else "wrong-result",
            expected=f"validation loss {short(right[0][0])} and accuracy {short(right[1][0])} after the first epoch",
            seen=f"{short(losses[0])} and {short(accuracies[0])}",
        )  # fmt: skip
    losses = got["train_loss"]
    running = [a.loss for a in reference.running]
    if not (all_near(losses, running) or all_near(losses, [a.loss for a in reference.after])):
        means = all_near(losses, [a.by_batch[0] for a in reference.running])
        verdict.fail(
            check, "batch-mean-of-means" if means else "wrong-result",
            expected=f"a mean training loss per sample of {short(running[0])} in the first epoch",
            seen=short(losses[0]),
        )  # fmt: skip
    verdict.require(check, True, expected="", seen="")
