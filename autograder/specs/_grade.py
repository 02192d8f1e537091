"""The engine: from an exercise's id and a candidate to a report."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import _best, _evidence, wire
from ._exercise import Check, Exercise, Verdict
from ._limit import CouldNotGrade
from ._probe import Probe, own_surroundings
from ._report import CheckFailed, Finding, Report
from .misconceptions import misconception

#: The seed learners' own checks use; grading uses the course's secret one.
PUBLIC_SEED = 20_230_307

_MODE_VARIABLE = "NBGRADER_EXECUTION"


class UnknownExercise(LookupError):
    """No exercise has this id."""


@dataclass(frozen=True, slots=True)
class ExerciseInfo:
    """What may be known about an exercise without grading: for notebooks, the book and instructors."""

    id: str
    title: str
    points: float
    problem_set: str
    stars: int
    minutes: int
    at_stake: tuple[str, ...]


@cache
def registry() -> Mapping[str, Exercise]:
    """All exercises by id.  Every module of this package without a leading underscore may define ``EXERCISES``."""
    found: dict[str, Exercise] = {}
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.name.startswith("_"):
            for exercise in getattr(importlib.import_module(f"{package}.{module.name}"), "EXERCISES", ()):
                found[exercise.id] = exercise
    return dict(sorted(found.items(), key=lambda pair: pair[1].problem_set))


def exercises() -> list[ExerciseInfo]:
    """All exercises of the course, in the order of its problem sets."""
    return [
        ExerciseInfo(e.id, e.title, e.points, e.problem_set, e.stars, e.minutes, e.at_stake)
        for e in registry().values()
    ]


def find(exercise_id: str) -> Exercise:
    """The exercise with this id.

    Raises:
        UnknownExercise: with the closest ids that exist.
    """
    known = registry()
    if not isinstance(exercise_id, str):
        raise UnknownExercise(
            f"The first argument is the exercise's id, a string such as 'evaluation.evaluate', not {exercise_id!r:.60}."
        )
    if exercise_id not in known:
        close = [i for i in known if i.rpartition(".")[2] == exercise_id.rpartition(".")[2]]
        close = close or difflib.get_close_matches(exercise_id, known, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownExercise(f"There is no exercise {exercise_id!r}.{hint} autograder.exercises() lists them all.")
    return known[exercise_id]


# ---------------------------------------------------------------------- probe and judge


def collect(exercise: Exercise, candidate: Any, seed: int) -> bytes:
    """Run the candidate on every case and return the evidence.  Runs where the learner's code runs."""
    refusal = exercise.refuse(candidate)
    if refusal is not None:
        return _evidence.pack({"refused": refusal})
    probe = Probe()
    cases: dict[str, Any] = {}
    with own_surroundings():
        for case in exercise.cases(seed):
            skipped = {"call": {"ended": "skipped"}}
            cases[case.name] = skipped if probe.exhausted else exercise.probe(case, candidate, probe)
    return _evidence.pack({"cases": cases})


def decide(exercise: Exercise, evidence: bytes, seed: int) -> Report:
    """Judge evidence.  Runs no code of the learner's.

    Raises:
        EvidenceError: if the bytes are not evidence.
    """
    known = _evidence.unpack(evidence)
    cases = {case.name: case for case in exercise.cases(seed)}
    _expect(known, cases)
    if "refused" in known:
        return _refused(exercise, known["refused"])
    verdict = Verdict(exercise)
    endless = next((r for e in known["cases"].values() for r in _calls(e) if r["ended"] == "timeout"), None)
    if endless is not None:
        verdict.stop_with(endless)
    else:
        with own_surroundings():
            exercise.judge(known["cases"], cases, verdict)
        _judge_rules_for_all(verdict, known["cases"])
    findings = []
    for check, outcome in verdict.outcomes():
        if outcome.passed:
            findings.append(Finding(check.title, True, check.points, check.points, None, "Passed.", str(check.read)))
        else:
            mistake = outcome.misconception or "wrong-result"
            findings.append(
                Finding(
                    check.title, False, 0.0, check.points, mistake, _message(outcome, check, mistake), str(check.read)
                )
            )
    return Report(exercise.id, exercise.title, tuple(findings), _rows(exercise, known["cases"]))


def _expect(known: Any, cases: Mapping[str, Any]) -> None:
    """Raise EvidenceError for what `collect` cannot have written."""
    if not isinstance(known, dict):
        raise _evidence.EvidenceError("not evidence: no dict")
    if set(known) == {"refused"} and isinstance(known["refused"], str):
        return
    told = known.get("cases")
    if set(known) != {"cases"} or not isinstance(told, dict) or set(told) != set(cases):
        raise _evidence.EvidenceError("not evidence of this exercise: other cases than it has")
    if not all(isinstance(evidence, dict) for evidence in told.values()):
        raise _evidence.EvidenceError("not evidence of this exercise: a case without a record")


def _judge_rules_for_all(verdict: Verdict, evidence: Mapping[str, Any]) -> None:
    """No exercise lets a candidate seed the caller's generator, replace a library function, or leave another dtype."""
    for record in (r for case in evidence.values() for r in _calls(case) if r["ended"] == "returned"):
        if record.get("reseeded"):
            verdict.fail_if_nothing_else(
                "global-rng-disturbed",
                expected="the global random generator goes on from where it was",
                seen="it was given another seed",
            )
        if record.get("library"):
            verdict.fail_if_nothing_else(
                "wrong-result",
                expected="PyTorch's own functions stay as they are",
                seen=f"{record['library'][0]} was replaced",
                cause="",
            )
        if record.get("dtype_changed"):
            verdict.fail_if_nothing_else(
                "wrong-result", expected="the default dtype is as it was", seen="another one", cause=""
            )


def _calls(evidence: Any) -> Iterator[Mapping[str, Any]]:
    """The records of calls in a case's evidence, at whatever depth a probe put them."""
    if isinstance(evidence, dict):
        if isinstance(evidence.get("ended"), str):
            yield evidence
        else:
            for part in evidence.values():
                yield from _calls(part)
    elif isinstance(evidence, list):
        for part in evidence:
            yield from _calls(part)


def _message(outcome: Any, check: Check, mistake: str) -> str:
    cause = misconception(mistake).cause if outcome.cause is None else outcome.cause
    parts = [f"Expected: {outcome.expected.rstrip('.')}.", f"Seen: {outcome.seen.rstrip('.')}."]
    if cause:
        parts.append(f"Likely cause: {cause.rstrip('.')}.")
    parts.append(f"Reread {check.read}.")
    return " ".join(parts)


def _refused(exercise: Exercise, reason: str) -> Report:
    findings = [Finding(c.title, False, 0.0, c.points, "wrong-result", reason, str(c.read)) for c in exercise.checks]
    return Report(exercise.id, exercise.title, tuple(findings))


def _rows(exercise: Exercise, cases: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    if not exercise.timeline:
        return ()
    for evidence in cases.values():
        rows = evidence.get("call", {}).get("rows")
        if rows:
            return tuple(rows)
    return ()


# ---------------------------------------------------------------------- the public two


def grade(exercise_id: str, candidate: Any, *, seed: int | None = None) -> Report:
    """Grade a candidate for an exercise.

    Args:
        exercise_id: for example ``"evaluation.evaluate"``.
        candidate: the function, class or dict that the exercise asks for.
        seed: decides the hidden inputs; None uses the public ones, which learners see too.

    Returns:
        The report.  A wrong candidate gets failed findings, never an exception.

    Raises:
        UnknownExercise: if no exercise has this id.
    """
    exercise = find(exercise_id)
    number = PUBLIC_SEED if seed is None else int(seed)
    return decide(exercise, collect(exercise, candidate, number), number)


def check(exercise_id: str, candidate: Any) -> Report:
    """Grade a candidate and show the report, in a notebook or on the terminal.

    Raises:
        CheckFailed: an AssertionError, if not everything passed.  In the cell that is being graded nothing is raised:
            a referee outside this process judges, and what is returned is for looking at only.
        CouldNotGrade: in the cell that is being graded, if the check itself breaks.
        UnknownExercise: if no exercise has this id.
    """
    line = wire.line()
    if line is not None and (report := _refereed(line, find(exercise_id), candidate)) is not None:
        return report
    if os.environ.get(_MODE_VARIABLE) == "validate":
        # `nbgrader validate` prints error messages only, and takes anything on stderr (a torch warning) for a failure
        with contextlib.redirect_stderr(sys.stdout):
            report = grade(exercise_id, candidate)
        displayed = False
    else:
        report = grade(exercise_id, candidate)
        if line is None and not os.environ.get(_MODE_VARIABLE):  # what a grader runs is nobody's progress
            _best.record(report)
        displayed = _show(report)
    if not report.passed:
        raise CheckFailed(report, displayed=displayed)
    return report


def _refereed(line: wire.Line, exercise: Exercise, candidate: Any) -> Report | None:
    """The referee's report on evidence collected here; None if this call of `check` is not the one that counts."""
    case = line.ask({"ask": exercise.id})
    if "seed" not in case:
        return None
    try:
        evidence = collect(exercise, candidate, int(case["seed"]))
    except Exception as error:  # the learner's errors are in the evidence: this one is the probe's
        line.ask({"nonce": case["nonce"], "fault": f"{type(error).__name__}: {error}"[:400]})
        raise CouldNotGrade(f"the check broke: {type(error).__name__}: {error}") from error
    answer = line.ask({"nonce": case["nonce"]}, evidence)
    if "report" not in answer:
        raise CouldNotGrade(str(answer.get("rejected", "the referee gave no reason")))
    return Report.from_dict(answer["report"])


def _show(report: Report) -> bool:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = lambda: None  # noqa: E731
    if get_ipython() is None:
        if report.passed:
            print(report)
        return False
    display(report._repr_mimebundle_(), raw=True)
    report.shown.append(True)
    return True
