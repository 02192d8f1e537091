"""What holds for any seed and any evidence."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import grade
from autograder.specs._evidence import EvidenceError, pack, unpack
from tests.corpora import load

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text("xyz", min_size=1), PLAIN, max_size=4))
def test_plain_data_survives_the_journey(data) -> None:
    assert unpack(pack(data)) == data


DTYPES = st.sampled_from([torch.float32, torch.float64, torch.int64])


@given(shape=st.lists(st.integers(0, 4), max_size=3), dtype=DTYPES)
def test_tensors_survive_the_journey_bit_for_bit(shape: list[int], dtype: torch.dtype) -> None:
    tensor = torch.arange(math.prod(shape)).reshape(shape).to(dtype)
    back = unpack(pack({"a": [tensor, tensor.T if tensor.dim() == 2 else tensor]}))["a"]
    assert back[0].dtype == dtype
    assert torch.equal(back[0], tensor)


@given(junk=st.binary(max_size=200))
def test_no_bytes_can_make_unpack_fail_otherwise(junk: bytes) -> None:
    with pytest.raises(EvidenceError):
        unpack(junk)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**48))
@pytest.mark.parametrize("exercise", ["evaluation.evaluate", "evaluation.saliency", "switches.live_modules"])
def test_verdicts_hold_for_any_seed(exercise: str, seed: int) -> None:
    candidates = load(exercise)
    right = [c for c in candidates if c.right]
    wrong = [c for c in candidates if not c.right]
    good, bad = right[seed % len(right)], wrong[seed % len(wrong)]
    assert grade(exercise, good.build(), seed=seed).passed, good.title
    report = grade(exercise, bad.build(), seed=seed)
    first = next(f for f in report.findings if not f.passed)
    assert first.misconception == bad.misconception, (bad.title, str(report))
