"""Judging in a process of its own: it is asked over a socket, in frames as `wire` has them, and answers there.

    {"judge": "evaluation.evaluate", "seed": 123, "points": 5.0} + evidence  ->  {} + verdict  or  {"none": "why"}

The verdict is JSON. Who asks is trusted, the evidence is not: whatever it is made of, it ends no other process than
this one, which holds nothing but the seeds that it was asked about.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import socket
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from . import wire
from ._evidence import EvidenceError
from ._grade import UnknownExercise, decide, find
from ._report import Report

#: Seconds of computing that judging one exercise may take; the slowest of the corpora takes less than a tenth of one.
JUDGING_SECONDS = 30.0
#: As many more, and the system ends the process: an exception reaches Python code only.
_GRACE_SECONDS = 10


class JudgingTooLong(BaseException):
    """Raised inside a judge that does not come to an end."""


def judge_all(end: socket.socket) -> None:
    """Judge what comes, one after the other, until the other end closes."""
    line = wire.Line(end)
    with contextlib.suppress(wire.LineError, OSError):
        while True:
            asked, evidence = line.receive()
            _limit_computing()
            try:
                verdict = judge(asked["judge"], evidence, asked["seed"], asked["points"])
            except EvidenceError as error:
                line.send({"none": str(error)[:1000]})
            else:
                line.send({}, json.dumps(verdict).encode())


def judge(exercise_id: str, evidence: bytes, seed: int, max_points: float) -> dict[str, Any]:
    """The verdict on evidence that may have been made by anybody: what `grading.verdict.Verdict` is made of.

    Call it in the main thread, on Linux or macOS: what stops it is a signal.

    Raises:
        EvidenceError: if the bytes are not evidence of this exercise.
    """

    def fault(reason: str) -> dict[str, Any]:
        return {
            "points": 0.0,
            "max_points": max_points,
            "refusal": f"The check could not be judged: {reason}.",
            "our_fault": True,
        }

    try:
        exercise = find(exercise_id)
        if exercise.points != max_points:
            return fault(f"it is worth {exercise.points:g} points, the cell says {max_points:g}. Release again")
        with _within(JUDGING_SECONDS):
            return _verdict(decide(exercise, evidence, seed))
    except EvidenceError:
        raise
    except JudgingTooLong:
        raise EvidenceError(f"judging it took more than {JUDGING_SECONDS:.0f} seconds of computing") from None
    except UnknownExercise as error:
        return fault(str(error).rstrip("."))
    except Exception as error:
        # Well-formed, but the judge stumbled over it: a fault of ours, or forged with care. A person has to look.
        return fault(f"{type(error).__name__}: {error}"[:300])


def _verdict(report: Report) -> dict[str, Any]:
    report = dataclasses.replace(report, graded=True)
    try:
        shown = report._repr_mimebundle_()
    except Exception:  # the picture is drawn from what the kernel wrote, and decides nothing
        report = dataclasses.replace(report, rows=())
        shown = report._repr_mimebundle_()
    findings = report.as_dict()["findings"]
    return {"points": report.points, "max_points": report.max_points, "findings": findings, "shown": shown}


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise JudgingTooLong when this process has computed for `seconds`.

    Time on the clock would depend on what else the machine does, and with it a verdict.
    """
    over = False

    def stop(number: int, frame: FrameType | None) -> None:
        if not over:
            raise JudgingTooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _limit_computing() -> None:
    """Have the system end this process when it has computed for much longer than one judging may take."""
    import resource  # not on every system that checks; on every one that grades

    most = int(time.process_time() + JUDGING_SECONDS) + _GRACE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
