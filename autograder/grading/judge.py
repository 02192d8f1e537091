"""Who judges: a trusted process, forked from the same warm one as the kernels, that runs nothing of a learner's.

It has all that it needs from birth, so neither it nor the process that asks imports torch. What it is asked and what it
answers is data.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from functools import cache

from ..kernel.provisioner import start_service
from ..specs import wire
from .verdict import Verdict


class NoEvidence(ValueError):
    """The bytes are no evidence of the exercise; the message says why."""


class Judge:
    """A process that judges, behind the walls around what kernels of a sandbox level are forked from; started now.

    Any number of threads may ask it; it answers one after the other.

    Raises SandboxUnavailable if this machine does not have the level, RuntimeError or OSError if it does not start.
    """

    def __init__(self, sandbox: str) -> None:
        self._sandbox = sandbox
        self._starting = threading.Lock()
        self._line = self._start()

    def _start(self) -> wire.Line:
        return wire.Line(start_service(self._sandbox, "autograder.specs.service:judge_all"))

    def __call__(self, exercise: str, evidence: bytes, seed: int, max_points: float) -> Verdict:
        """The verdict on evidence that may have been made by anybody.

        A process that ends while it judges is replaced once; then the verdict is that the check could not be judged.

        Raises NoEvidence if the bytes are not evidence of this exercise.
        """
        for _ in range(2):
            line = self._line
            try:
                answer, verdict = line.exchange({"judge": exercise, "seed": seed, "points": max_points}, evidence)
            except (wire.LineError, OSError):
                self._replace(line)
            else:
                if "none" in answer:
                    raise NoEvidence(answer["none"])
                return Verdict(**json.loads(verdict))
        reason = "The check could not be judged: the process that judges ended twice. Grade again."
        return Verdict(0.0, max_points, refusal=reason, our_fault=True)

    def _replace(self, line: wire.Line) -> None:
        with self._starting, contextlib.suppress(OSError, RuntimeError):
            if line is self._line:  # and no other thread has been here
                line.close()
                self._line = self._start()

    def close(self) -> None:
        """End the process."""
        self._line.close()


@cache
def judge_of(sandbox: str) -> Judge:
    """This process's judge for a sandbox level; `Judge` says what is raised."""
    return Judge(sandbox)


os.register_at_fork(after_in_child=judge_of.cache_clear)
