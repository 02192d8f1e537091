"""The exercises: cases, probes, judges, misconceptions.  One module per problem set."""

from . import wire
from ._evidence import EvidenceError
from ._grade import ExerciseInfo, UnknownExercise, check, collect, decide, exercises, find, grade
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
    "Report",
    "UnknownExercise",
    "check",
    "collect",
    "decide",
    "exercises",
    "find",
    "grade",
    "misconception",
    "wire",
]
