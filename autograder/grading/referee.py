"""The referee: has the evidence that a kernel sends judged, by a trusted process, and keeps the verdict.

What is trusted: this process, the seed, the judge's process. What is not: everything in the kernel, `check` included.
One cell is graded at a time, and the one who runs the cells says which. Evidence counts when it answers the one
question that was asked for this cell while it ran. Anything else on the line is refused, logged and worth nothing.

What this cannot do: tell evidence of a run from the same bytes written by hand. Evidence comes from the process that
runs the learner's code, so somebody who rewrites the probe in there can send what a right solution would have sent. To
do that for cases drawn from the seed, one has to compute what a right solution computes: more work than the exercise.
For the exercises whose evidence is the same for every seed, one needs the evidence of a right solution, which is a
copied solution by other means.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
import socket
from collections.abc import Callable
from typing import Any

from ..specs import MIME, wire
from .judge import NoEvidence
from .verdict import Verdict

log = logging.getLogger(__name__)

#: Messages that a kernel may send; a notebook has two for each check that it calls.
MOST_MESSAGES = 10_000

#: Refusals that are kept and logged for one kernel.
MOST_REFUSED = 10


class Referee:
    """Has the evidence of one kernel judged, one graded cell at a time.

    Args:
        seed_of: the seed of the cases of an exercise, by its id.
        judge: who judges; `judge.Judge`, or the like.
        name: of the submission, for the log.

    `kernel_end` is the descriptor that the kernel inherits; close it with `handed_over` once the kernel has it.
    """

    def __init__(
        self, seed_of: Callable[[str], int], judge: Callable[[str, bytes, int, float], Verdict], name: str = ""
    ) -> None:
        self._seed_of = seed_of
        self._judge = judge
        self._name = name
        self._own, self._kernels = socket.socketpair()
        self._asked: _Question | None = None
        self._messages = 0
        #: What was refused, in words.
        self.refused: list[str] = []

    @property
    def kernel_end(self) -> int:
        return self._kernels.fileno()

    def handed_over(self) -> None:
        """The kernel has its end: forget it here, so that a kernel that dies closes the line."""
        self._kernels.close()

    # ------------------------------------------------------------------ one graded cell at a time

    def expect(self, exercise: str, max_points: float) -> None:
        """A graded cell begins: evidence for `exercise` counts from now on."""
        self._asked = _Question(exercise, max_points)

    def settle(self) -> Verdict | None:
        """The graded cell has ended: its verdict, or None if no evidence came."""
        asked, self._asked = self._asked, None
        if asked is None:
            raise RuntimeError("no cell is being graded")
        if asked.spoiled:
            return Verdict(0.0, asked.max_points, refusal=asked.spoiled)
        return asked.verdict

    # ------------------------------------------------------------------ the line

    async def serve(self) -> None:
        """Answer the kernel until it closes the line or misuses it. Never raises for anything that it sends."""
        reader, writer = await asyncio.open_connection(sock=self._own, limit=1 << 20)
        try:
            while True:
                head, body = wire.lengths(await reader.readexactly(wire.LENGTHS.size))
                header = wire.parse(await reader.readexactly(head))
                answer = self._answer(header, await reader.readexactly(body))
                writer.write(wire.frame(answer))
                await writer.drain()
                self._messages += 1
                if self._messages >= MOST_MESSAGES:
                    raise wire.LineError(f"more than {MOST_MESSAGES:,} messages")
        except wire.LineError as error:
            # What follows a broken frame cannot be understood: the line stays closed, and the rest has no verdict.
            self._refuse(f"The kernel sent {error}.")
        except (asyncio.IncompleteReadError, OSError):
            pass  # the kernel has ended
        finally:
            writer.close()

    def close(self) -> None:
        self._own.close()
        self._kernels.close()

    def _answer(self, header: dict[str, Any], body: bytes) -> dict[str, Any]:
        asked = self._asked
        if "ask" in header:
            if asked is None or header["ask"] != asked.exercise:
                return {"counts": False}
            if asked.nonce:
                return {"rejected": self._refuse("The check was asked for more than once in the graded cell.")}
            asked.nonce = secrets.token_hex(16)
            return {"nonce": asked.nonce, "seed": self._seed_of(asked.exercise)}
        if asked is None:
            return {"rejected": self._refuse("Evidence came while no cell was being graded.")}
        if not asked.nonce or header.get("nonce") != asked.nonce:
            return {"rejected": self._refuse("Evidence came that nobody had asked for.")}
        if asked.verdict is not None:
            return {"rejected": self._refuse("Evidence came twice for the same check.")}
        if "fault" in header:
            reason = f"The check broke: {str(header['fault'])[:400]}"
            asked.verdict = Verdict(0.0, asked.max_points, refusal=reason, our_fault=True)
            return {"rejected": reason}
        try:
            asked.verdict = self._judge(asked.exercise, body, self._seed_of(asked.exercise), asked.max_points)
        except NoEvidence as error:
            return {"rejected": self._refuse(f"The evidence is none: {error}.")}
        if asked.verdict.our_fault:
            log.error("%s: %s: %s", self._name, asked.exercise, asked.verdict.refusal)
            return {"rejected": asked.verdict.refusal}
        return {"report": asked.verdict.shown[MIME]}

    def _refuse(self, reason: str) -> str:
        """Log the reason; if a cell is being graded, it is worth nothing now, whatever follows."""
        asked = self._asked
        if len(self.refused) < MOST_REFUSED:  # a kernel that never stops may not fill log and memory
            self.refused.append(f"{asked.exercise}: {reason}" if asked else reason)
            log.warning("%s: %s", self._name, self.refused[-1])
        if asked is not None:
            asked.spoiled = f"{reason} So this check is worth no points."
        return reason


@dataclasses.dataclass(slots=True)
class _Question:
    exercise: str
    max_points: float
    nonce: str = ""
    verdict: Verdict | None = None
    spoiled: str = ""
