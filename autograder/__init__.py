"""*Two Switches*: watch and grade what PyTorch code does with mode and gradient recording.

>>> from autograder import check, ModeTrace
>>> check("evaluation.evaluate", evaluate)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import on_first_use

if TYPE_CHECKING:
    from ._seed import set_seed
    from .observe import ModeTrace
    from .specs import CheckFailed, Finding, Report, check, exercises, grade, progress

__all__ = ["CheckFailed", "Finding", "ModeTrace", "Report", "check", "exercises", "grade", "progress", "set_seed"]

_ELSEWHERE = {"set_seed": "_seed", "ModeTrace": "observe"}
__getattr__, __dir__ = on_first_use(__name__, {name: _ELSEWHERE.get(name, "specs") for name in __all__})
