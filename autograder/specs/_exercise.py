"""What an exercise is: cases, a probe that runs beside the learner's code, a judge that reads the evidence."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from ._evidence import with_article
from ._probe import Probe
from ._sections import Section
from .misconceptions import misconception


@dataclass(frozen=True, slots=True)
class Check:
    """One thing an exercise is graded on."""

    name: str
    title: str
    points: float
    read: Section


@dataclass(frozen=True, slots=True)
class Case:
    """One situation a candidate is put in.  The same seed builds the same situation in every process."""

    exercise: str
    name: str
    seed: int

    @classmethod
    def of(cls, exercise: str, name: str, seed: int) -> Case:
        digest = hashlib.sha256(f"{seed}/{exercise}/{name}".encode()).digest()
        return cls(exercise, name, int.from_bytes(digest[:6], "little"))

    def generator(self, salt: int = 0) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed + salt)


class Exercise(ABC):
    """One graded exercise.  Subclasses set the class attributes and the three methods.

    Attributes:
        id: ``set.name``, public and stable.
        title: a short phrase for report and gradebook.
        problem_set: ``psN-name``, the folder of its notebook.
        stars, minutes: difficulty 1 to 3, and the time a learner is told.
        checks: what is graded; their points add up to the exercise's.
        at_stake: misconception ids the exercise is there to meet.
        wants: what a candidate has to be: ``"function"`` (any callable), ``"class"`` (callable that makes modules), or
            ``"dict"``.
        parameters: names the candidate is called with, to explain a wrong signature.
        timeline: whether the report shows the timeline of the first case.
        false_alarm: how likely a right solution is to fail by chance, at most, over all seeds; 0 where no check is
            statistical.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    problem_set: ClassVar[str]
    stars: ClassVar[int] = 1
    minutes: ClassVar[int] = 10
    checks: ClassVar[tuple[Check, ...]]
    at_stake: ClassVar[tuple[str, ...]] = ()
    wants: ClassVar[str] = "function"
    parameters: ClassVar[tuple[str, ...]] = ()
    timeline: ClassVar[bool] = False
    false_alarm: ClassVar[float] = 0.0
    case_names: ClassVar[tuple[str, ...]] = ("case",)

    @property
    def points(self) -> float:
        return round(sum(check.points for check in self.checks), 6)

    @property
    def name(self) -> str:
        return self.id.rsplit(".", 1)[-1]

    def cases(self, seed: int) -> list[Case]:
        return [Case.of(self.id, name, seed) for name in self.case_names]

    @abstractmethod
    def probe(self, case: Case, candidate: Any, probe: Probe) -> dict[str, Any]:
        """Run ``candidate`` on ``case`` and return evidence.  Never decides anything."""

    @abstractmethod
    def judge(self, evidence: Mapping[str, dict[str, Any]], cases: Mapping[str, Case], verdict: Verdict) -> None:
        """Say through ``verdict`` what must be true.  Never runs the learner's code."""

    def refuse(self, candidate: Any) -> str | None:
        """Why ``candidate`` cannot be probed at all, in words for the learner; None if it can."""
        return _refuse(self, candidate)


def _refuse(exercise: Exercise, candidate: Any) -> str | None:
    name = exercise.name
    if exercise.wants == "dict":
        if isinstance(candidate, dict):
            return None
        if callable(candidate):
            return f"Expected: {name}, a dict. Seen: something that has to be called. Pass the dict itself to check."
        return f"Expected: {name}, a dict. Seen: {_kind_of(candidate)}. Pass the dict itself to check."
    if exercise.wants == "class":
        if callable(candidate) and not isinstance(candidate, nn.Module):
            return None
        if isinstance(candidate, nn.Module):
            return (
                f"Expected: the class {name} itself. Seen: a finished {type(candidate).__name__} object. "
                f"Pass {name}, without parentheses."
            )
        return f"Expected: {name}, a class derived from nn.Module. Seen: {_kind_of(candidate)}."
    signature = f"{name}({', '.join(exercise.parameters)})"
    if candidate is None:
        return f"Expected: the function {signature}. Seen: None. Pass the function itself, without calling it: {name}."
    if isinstance(candidate, nn.Module) and not _accepts(candidate.forward, len(exercise.parameters)):
        return f"Expected: the function {signature}. Seen: a model ({type(candidate).__name__}). Pass your function."
    if not callable(candidate):
        return f"Expected: the function {signature}. Seen: {_kind_of(candidate)}. Pass the function itself: {name}."
    if inspect.iscoroutinefunction(candidate):
        return f"Expected: the function {signature}. Seen: an async function. Write it with def alone."
    if isinstance(candidate, type) and candidate.__module__ == "builtins":
        return f"Expected: the function {signature}. Seen: the class {candidate.__name__}. Pass your function: {name}."
    if not _accepts(candidate, len(exercise.parameters)):
        takes = _signature(candidate)
        if isinstance(candidate, type):
            return f"Expected: the function {signature}. Seen: the class {candidate.__name__}{takes}. Pass a function."
        return f"Expected: a function called as {signature}. Seen: it takes {takes}. Change its parameters."
    return None


def _accepts(candidate: Callable[..., Any], count: int) -> bool:
    try:
        signature = inspect.signature(candidate)
    except (TypeError, ValueError):
        return True  # built-ins do not always tell; the call will
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _signature(candidate: Callable[..., Any]) -> str:
    try:
        names = list(inspect.signature(candidate).parameters)
    except (TypeError, ValueError):
        return ""
    return f"({', '.join(names[:6])})"


def _kind_of(value: Any) -> str:
    return "None" if value is None else with_article(type(value).__name__)


# ---------------------------------------------------------------------- verdicts


@dataclass(slots=True)
class _Outcome:
    passed: bool
    misconception: str | None = None
    expected: str = ""
    seen: str = ""
    cause: str | None = None


class Verdict:
    """What a judge says, check by check.  The first failure of a check is the one reported."""

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise
        self._checks = {check.name: check for check in exercise.checks}
        self._outcomes: dict[str, _Outcome] = {}
        self._stopped: _Outcome | None = None

    def require(
        self,
        check: str,
        holds: bool,
        mistake: str = "wrong-result",
        *,
        expected: str,
        seen: str,
        cause: str | None = None,
    ) -> bool:
        """``check`` needs ``holds``; if it does not, ``mistake`` is the misconception nearest the cause.

        ``expected`` and ``seen`` are short phrases for the learner.  ``cause`` replaces the misconception's own
        wording of the likely cause; an empty string leaves it out.
        """
        if check not in self._checks:
            raise KeyError(f"{self._exercise.id} has no check {check!r}")
        misconception(mistake)
        known = self._outcomes.get(check)
        if known is not None and not known.passed:
            return bool(holds)
        self._outcomes[check] = _Outcome(True) if holds else _Outcome(False, mistake, expected, seen, cause)
        return bool(holds)

    def fail(self, check: str, mistake: str, *, expected: str, seen: str, cause: str | None = None) -> None:
        self.require(check, False, mistake, expected=expected, seen=seen, cause=cause)

    def fail_if_nothing_else(self, mistake: str, *, expected: str, seen: str, cause: str | None = None) -> None:
        """Fail the last check, if no check has failed: what was seen is wrong, but anything else tells more."""
        if self._stopped is None and all(outcome.passed for outcome in self._outcomes.values()):
            self.fail(self._exercise.checks[-1].name, mistake, expected=expected, seen=seen, cause=cause)

    def failed(self, check: str) -> bool:
        outcome = self._outcomes.get(check)
        return outcome is not None and not outcome.passed

    def ended(self, record: Mapping[str, Any] | None, checks: Sequence[str] | None = None) -> bool:
        """Whether the call returned; if not, the checks named (default: all) fail with what happened instead."""
        if record is None or record["ended"] == "skipped":
            return False
        if record["ended"] == "returned":
            return True
        outcome = _told(self._exercise, record)
        for check in checks if checks is not None else list(self._checks):
            self.require(
                check,
                False,
                outcome.misconception or "wrong-result",
                expected=outcome.expected,
                seen=outcome.seen,
                cause=outcome.cause,
            )
        return False

    def withhold_cause(self, check: str, mistakes: Sequence[str]) -> None:
        """Leave the likely cause out of the message if ``check`` failed by one of ``mistakes``: it is to be found."""
        outcome = self._outcomes.get(check)
        if outcome is not None and outcome.misconception in mistakes:
            outcome.cause = ""

    def stop(self, mistake: str, *, expected: str, seen: str, cause: str | None = None) -> None:
        """Nothing was done that could be judged: every check fails with this one reason."""
        self._outcomes = {}
        self._stopped = _Outcome(False, mistake, expected, seen, cause)

    def stop_with(self, record: Mapping[str, Any]) -> None:
        """Every check fails with what ended this call."""
        self._outcomes, self._stopped = {}, _told(self._exercise, record)

    def outcomes(self) -> list[tuple[Check, _Outcome]]:
        rows = []
        first = self._stopped
        for check in self._exercise.checks:
            outcome = self._outcomes.get(check.name)
            if outcome is None:
                outcome = first or _Outcome(
                    False,
                    "wrong-result",
                    check.title,
                    "it could not be judged, because an earlier call did not finish",
                    "",
                )
            if not outcome.passed and first is None:
                first = outcome
            rows.append((check, outcome))
        return rows


#: What PyTorch says when a known misconception makes it raise.  Texts of torch 2.13; tests/specs runs them.
_ERRORS: tuple[tuple[str, str], ...] = (
    ("Inference tensors cannot be saved for backward", "inference-tensor-escapes"),
    ("Inplace update to inference tensor", "inference-tensor-escapes"),
    ("Setting requires_grad=True on inference tensor", "inference-tensor-escapes"),
    ("does not require grad and does not have a grad_fn", "grad-disabled-in-training"),
    ("One of the differentiated Tensors does not require grad", "grad-disabled-in-training"),
    ("Expected more than 1 value per channel when training", "eval-never-called"),
    ("Can't call numpy() on Tensor that requires grad", "graph-built"),
    ("a leaf Variable that requires grad is being used in an in-place operation", "graph-built"),
)


def _told(exercise: Exercise, record: Mapping[str, Any]) -> _Outcome:
    signature = f"{exercise.name}({', '.join(exercise.parameters)})"
    if record["ended"] == "timeout":
        return _Outcome(
            False,
            "wrong-result",
            f"{exercise.name} comes to an end",
            f"it was still running after {record['seconds']:.0f} seconds",
            "An endless loop.",
        )
    kind, text, line = record["error"], record["text"], record["line"]
    if "NotImplementedError" in record["kinds"]:
        return _Outcome(
            False,
            "wrong-result",
            f"{signature} written by you",
            "the stub that raises NotImplementedError",
            "This part is not written yet.",
        )
    where = f" in line {line} of your code" if line else ""
    seen = f"{kind}{where}" + (f": {_shortened(text)}" if text else "")
    for part, mistake in _ERRORS:
        if part in text:
            return _Outcome(False, mistake, f"{exercise.name} returns", seen)
    return _Outcome(False, "wrong-result", f"{exercise.name} returns", seen, "")


def _shortened(text: str, words: int = 18) -> str:
    parts = text.split()
    return " ".join(parts[:words]) + ("…" if len(parts) > words else "")
