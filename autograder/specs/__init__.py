"""The exercises: cases, probes, judges, misconceptions.  One module per problem set."""

from . import wire
from ._best import ProgressError
from ._evidence import EvidenceError
from ._grade import ExerciseInfo, UnknownExercise, check, collect, decide, exercises, find, grade
from ._progress import Progress, progress
from ._report import MIME, CheckFailed, Finding, Report
from .misconceptions import REGISTRY, Misconception, misconception

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
