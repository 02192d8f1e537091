"""Judging dropout masks: what chance allows, and which mistake explains what it does not.

A mask is random, so a judge can only say that what it counted is too unlikely. Every count here is binomial if elements
are dropped independently: elements dropped, or disjoint pairs of elements that share their fate. By Chernoff's bound a
binomial count of n trials with chance q has a share f with KL(f || q) >= t / n with probability at most 2 exp(-t).
All counts use t = 24: each calls a right solution wrong with probability below 7.6e-11. The exercises say how many they
make.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_SURPRISE = 24.0
#: How likely one count of a right solution is to be called surprising, at most.
FALSE_ALARM = 2.0 * math.exp(-_SURPRISE)
#: How likely six calls of 3,000 or more independent elements are to drop equally many, at most.
SAME_COUNTS = 0.02**5

Mistake = tuple[str, str]  # a misconception's id, and what was seen


def surprise(count: int, trials: int, chance: float) -> float:
    """How far a binomial count is from its mean, in nats: it exceeds t with probability at most 2 exp(-t)."""
    if trials == 0:
        return 0.0
    f = count / trials
    pairs = ((f, chance), (1.0 - f, 1.0 - chance))
    return trials * sum(a * math.log(a / b) for a, b in pairs if a > 0)


def surprising(count: int, trials: int, chance: float) -> bool:
    """Whether a binomial count is too far from its mean to be chance; a false alarm is less likely than FALSE_ALARM."""
    return surprise(count, trials, chance) > _SURPRISE


def solid(seed: int, *shape: int, double: bool = False) -> torch.Tensor:
    """Values of both signs, none near zero, so that a zero in the output is a dropped element."""
    g = torch.Generator().manual_seed(seed)
    x = (0.5 + 1.5 * torch.rand(*shape, generator=g)) * (torch.randint(0, 2, shape, generator=g) * 2 - 1)
    return x.double() if double else x


@dataclass(slots=True)
class Drops:
    """The outputs of training calls on one input without zeros.

    ``fresh``: between the calls nothing but the random state was the same, so that equal masks are one kept mask.
    """

    x: torch.Tensor
    outputs: list[torch.Tensor]
    p: float
    fresh: bool = True

    @property
    def masks(self) -> list[torch.Tensor]:
        return [y == 0 for y in self.outputs]

    @property
    def trials(self) -> int:
        return self.x.numel() * len(self.outputs)

    @property
    def dropped(self) -> int:
        return sum(int(m.sum()) for m in self.masks)

    @property
    def share(self) -> float:
        return self.dropped / self.trials


def nothing_done(sets: Sequence[Drops]) -> Mistake | None:
    """Whether the input came back as it was, or nothing but zeros did."""
    calls = sum(len(s.outputs) for s in sets)
    if all(torch.equal(y, s.x) for s in sets for y in s.outputs):
        return "dropout-missing", f"nothing was dropped in {calls} training calls"
    if all(s.share == 1.0 for s in sets):
        return "wrong-result", f"everything was dropped in {calls} training calls"
    return None


def mask_mistake(sets: Sequence[Drops]) -> Mistake | None:
    """What is wrong with which elements were dropped: the cause first, its consequences after it."""
    for s in sets:
        found = _shared(s, {other.share for other in sets})
        if found:
            return "shared-mask", found
    for s in sets:
        if s.fresh and 0 < s.share < 1 and all(torch.equal(s.masks[0], m) for m in s.masks[1:]):
            return "fixed-mask", f"the same elements were dropped in {len(s.masks)} calls"
    for s in sets:
        if surprising(s.dropped, s.trials, s.p):
            swapped = not surprising(s.dropped, s.trials, 1.0 - s.p)
            seen = f"{s.share:.1%} of the elements became zero with p = {s.p:g}"
            if s.dropped or not about(s.outputs[0] / s.x, float((s.outputs[0] / s.x).mean())):
                return "keep-drop-swapped" if swapped else "wrong-result", seen
            return "dropout-missing", seen
    for s in sets:
        found = _dependent(s)
        if found:
            return found
    return None


def _shared(s: Drops, shares: set[float]) -> str | None:
    """Whether all elements along a dimension have the same fate."""
    if s.share in (0.0, 1.0):
        # one decision for the whole tensor, if it went one way here and the other way there
        return "all elements are dropped or kept together" if shares == {0.0, 1.0} else None
    for axis, size in enumerate(s.x.shape):
        if size > 1 and all(bool((m == m.narrow(axis, 0, 1)).all()) for m in s.masks):
            return f"elements along dimension {axis} are dropped or kept together"
    return None


def _dependent(s: Drops) -> Mistake | None:
    """Whether fates agree or differ more often than those of independent elements do.

    The pairs of one count are disjoint, so that agreements are binomial with chance p² + (1 - p)².
    """
    alike = s.p**2 + (1.0 - s.p) ** 2
    for a, b in zip(s.masks[::2], s.masks[1::2], strict=False):
        if s.fresh and surprising(int((a == b).sum()), a.numel(), alike):
            return "fixed-mask", f"{float((a == b).double().mean()):.0%} of the elements had the same fate in two calls"
    for axis, size in enumerate(s.x.shape):
        half = size // 2
        where = torch.arange(2 * half)
        for first, second in ((where[::2], where[1::2]), (where[:half], where[half:])):
            agree = [m.index_select(axis, first) == m.index_select(axis, second) for m in s.masks]
            count, trials = sum(int(a.sum()) for a in agree), sum(a.numel() for a in agree)
            if surprising(count, trials, alike):
                seen = f"neighbours along dimension {axis} share their fate in {count / trials:.0%} of the pairs"
                return "shared-mask", seen
    # The likeliest count of 3,000 elements has a chance below 0.02, and five more calls have to agree: see SAME_COUNTS.
    if len(s.masks) >= 6 and s.x.numel() >= 3_000 and len({int(m.sum()) for m in s.masks}) == 1:
        return "wrong-result", f"exactly {int(s.masks[0].sum())} elements were dropped in each of {len(s.masks)} calls"
    return None


def scale_mistake(sets: Sequence[Drops], mask: Mistake | None) -> tuple[str, str, str] | None:
    """What is wrong with the survivors' size: (misconception, expected, seen)."""
    for s in sets:
        right = 1.0 / (1.0 - s.p)
        ratios = [(y.double() / s.x.double())[~m] for y, m in zip(s.outputs, s.masks, strict=True) if not bool(m.all())]
        if all(about(r, right) for r in ratios):
            continue
        expected = f"survivors multiplied by 1/(1 - p) = {right:.4g} for p = {s.p:g}"
        seen = f"a factor of {float(ratios[0].mean()):.4g}"
        if all(about(r, 1.0) for r in ratios):
            return "no-rescale", expected, "survivors of the same size as before"
        if mask and mask[0] == "keep-drop-swapped" and all(about(r, 1.0 / s.p) for r in ratios):
            return "keep-drop-swapped", expected, seen
        if all(about(r, float(r.mean())) for r in ratios):
            return "wrong-rescale", expected, seen
        return (
            "wrong-result",
            expected,
            f"factors between {float(ratios[0].min()):.3g} and {float(ratios[0].max()):.3g}",
        )
    return None


def about(ratios: torch.Tensor, value: float) -> bool:
    """Whether all ratios are one value, up to rounding."""
    return bool(((ratios - value).abs() <= 1e-4 * max(abs(value), 1e-3)).all())
