"""The twelve programs of the clinic, each with one real bug.

Notebook, book and tests read them here.  No repaired version is part of this package.
"""

from __future__ import annotations

import importlib
from importlib import resources
from typing import Any


def text(name: str) -> str:
    """The source of the program ``name`` (``"case_01"`` to ``"case_12"``), as the notebook shows it."""
    return (resources.files(__package__) / f"{name}.py").read_text(encoding="utf-8").rstrip()


def load(name: str, function: str) -> Any:
    """The function or class called ``function`` in the program ``name``, with its bug."""
    return getattr(importlib.import_module(f"{__package__}.{name}"), function)
