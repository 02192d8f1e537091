"""The exercises: cases, probes, judges, misconceptions.  One module per problem set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import on_first_use
from . import wire

if TYPE_CHECKING:
    from ._best import ProgressError
    from ._evidence import EvidenceError
    from ._grade import ExerciseInfo, UnknownExercise, check, collect, decide, exercises, find, grade
    from ._progress import Progress, progress
    from ._report import MIME, CheckFailed, Finding, Report
    from .misconceptions import REGISTRY, Misconception, misconception

_MODULES = {
    "_best": ("ProgressError",),
    "_evidence": ("EvidenceError",),
    "_grade": ("ExerciseInfo", "UnknownExercise", "check", "collect", "decide", "exercises", "find", "grade"),
    "_progress": ("Progress", "progress"),
    "_report": ("MIME", "CheckFailed", "Finding", "Report"),
    "misconceptions": ("REGISTRY", "Misconception", "misconception"),
}
__getattr__, __dir__ = on_first_use(__name__, {name: module for module, names in _MODULES.items() for name in names})

__all__ = [
    "MIME",
    "REGISTRY",
    "CheckFailed",
    "EvidenceError",
    "ExerciseInfo",
    "Finding",
    "Misconception",
    "Progress",
    "ProgressError",
    "Report",
    "UnknownExercise",
    "check",
    "collect",
    "decide",
    "exercises",
    "find",
    "grade",
    "misconception",
    "progress",
    "wire",
]
