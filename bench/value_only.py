"""What a check of returned values alone would have caught, against what the autograder catches.

The value-only check is the usual one of courses: call the candidate once on ordinary inputs and compare what comes back
with what a reference solution returns on the same inputs.  Both judge the same wrong candidates of the corpora; an
exercise takes part if a call of it returns something to compare.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from autograder import exercises
from autograder.specs import collect, decide, find
from autograder.specs._evidence import unpack
from bench import _record
from tests.corpora import load

SEED = 1


def returned(exercise: str, candidate: Any) -> tuple[Any, bool]:
    """What the candidate returned on the first case (None if it did not), and whether the autograder passes it."""
    evidence = collect(find(exercise), candidate, SEED)
    cases = unpack(evidence).get("cases", {})
    first = next(iter(cases.values()), {}) if cases else {}
    call = first.get("call", {}) if isinstance(first, dict) else {}
    return call.get("value") if call.get("ended") == "returned" else None, decide(find(exercise), evidence, SEED).passed


def same(a: Any, b: Any) -> bool:
    """Equal up to rounding; tensors and numbers by value, everything else exactly."""
    if isinstance(a, dict) and isinstance(b, dict):
        if "tensor" in a and "tensor" in b:
            x, y = a["tensor"], b["tensor"]
            return x.shape == y.shape and torch.allclose(x.double(), y.double(), rtol=1e-4, atol=1e-5)
        number = [v.get("value", v.get("number")) for v in (a, b)]
        if all(isinstance(n, (int, float)) for n in number):
            return abs(number[0] - number[1]) <= 1e-5 + 1e-4 * abs(number[1])
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@click.command(help=__doc__)
def main() -> None:
    rows: dict[str, dict[str, int]] = {}
    print(f"{'exercise':34}{'wrong':>8}{'killed by values':>18}{'killed by ours':>16}")
    for info in exercises():
        candidates = load(info.id)
        reference, _ = returned(info.id, next(c for c in candidates if c.right).build())
        if not isinstance(reference, dict) or reference.get("type") == "None":
            continue
        counts: Counter[str] = Counter()
        for candidate in (c for c in candidates if not c.right):
            value, passed = returned(info.id, candidate.build())
            counts["wrong"] += 1
            counts["values"] += value is None or not same(value, reference)
            counts["ours"] += not passed
        rows[info.id] = dict(counts)
        print(f"{info.id:34}{counts['wrong']:8}{counts['values']:18}{counts['ours']:16}", flush=True)
    total = {k: sum(r.get(k, 0) for r in rows.values()) for k in ("wrong", "values", "ours")}
    print(f"{'all':34}{total['wrong']:8}{total['values'] / total['wrong']:18.0%}{total['ours'] / total['wrong']:16.0%}")
    _record.write("value_only", seed=SEED, exercises=rows, total=total)


if __name__ == "__main__":
    main()
