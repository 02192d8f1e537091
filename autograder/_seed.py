"""One call that makes a notebook repeatable."""

from __future__ import annotations

import random

import torch


def set_seed(seed: int) -> None:
    """Seed Python's, NumPy's (where it is installed) and torch's global generators.

    Args:
        seed: any integer from 0 to 2**32 - 1.

    Raises:
        ValueError: if ``seed`` is out of that range.

    Source: PyTorch documentation, "Reproducibility".
    """
    if not 0 <= int(seed) < 2**32:
        raise ValueError(f"A seed is an integer from 0 to 2**32 - 1, not {seed}.")
    random.seed(int(seed))
    torch.manual_seed(int(seed))
    try:
        import numpy
    except ImportError:
        return
    numpy.random.seed(int(seed))
