"""*Two Switches*: watch and grade what PyTorch code does with mode and gradient recording.

>>> from autograder import check, ModeTrace
>>> check("evaluation.evaluate", evaluate)
"""

from ._seed import set_seed
from .observe import ModeTrace
from .specs import CheckFailed, Finding, Report, check, exercises, grade, progress

__all__ = ["CheckFailed", "Finding", "ModeTrace", "Report", "check", "exercises", "grade", "progress", "set_seed"]
