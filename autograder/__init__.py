"""*Two Switches*: watch and grade what PyTorch code does with mode and gradient recording.

>>> from autograder import check, ModeTrace
>>> check("evaluation.evaluate", evaluate)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._seed import set_seed
    from .observe import ModeTrace
    from .specs import CheckFailed, Finding, Report, check, exercises, grade, progress

__all__ = ["CheckFailed", "Finding", "ModeTrace", "Report", "check", "exercises", "grade", "progress", "set_seed"]

_ELSEWHERE = {"set_seed": "_seed", "ModeTrace": "observe"}


def __getattr__(name: str) -> Any:
    # On first use: torch takes most of a second to import, and a command can do other things meanwhile.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_ELSEWHERE.get(name, 'specs')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
