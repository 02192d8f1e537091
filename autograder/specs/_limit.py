"""A wall-clock limit around a learner's code, and a record of how a call ended."""

from __future__ import annotations

import contextlib
import linecache
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: Seconds of computing that all calls of one grading may take together; the slowest right solution needs less than one.
#: Computing time, not time on the clock, so that a busy machine changes no verdict.
SECONDS = 10.0
#: Seconds on the clock, for code that waits instead of computing.
CLOCK_SECONDS = 60.0


#: Code of the trace, which runs inside the learner's calls.
_TRACE_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "observe") + os.sep


class CouldNotGrade(RuntimeError):
    """Grading failed through no fault of the candidate's.  Never a verdict: it has to be looked at and graded again."""


class TimeIsUp(BaseException):
    """Raised inside the learner's code at the limit; not an Exception, so that ``except Exception`` cannot keep it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt Python code in the ``with`` block after ``seconds`` of computing (or a minute on the clock).

    Works in the main thread of systems with ``SIGPROF``; elsewhere (Windows, other threads) there is no limit and the
    notebook's own stop button serves.
    """
    if not hasattr(signal, "SIGPROF") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, max(seconds, 0.01)),
        (signal.SIGALRM, signal.ITIMER_REAL, CLOCK_SECONDS),
    )
    before = [signal.signal(number, ring) for number, _, _ in timers]
    for _, timer, limit in timers:
        # repeats, because a bare ``except:`` in the learner's loop would swallow the first one
        signal.setitimer(timer, limit, 0.5)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0.0)
            signal.signal(number, handler)


def attempt(call: Callable[[], Any], seconds: float) -> tuple[Any, dict[str, Any]]:
    """Call it; return (value, outcome).  ``outcome`` is plain data and never an exception.

    ``KeyboardInterrupt`` passes through: the learner pressed stop.
    """
    try:
        with time_limit(seconds):
            return call(), {"ended": "returned"}
    except TimeIsUp:
        return None, {"ended": "timeout", "seconds": round(seconds, 1)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if _ours(error):
            raise CouldNotGrade(
                f"the trace failed, which is a fault of ours: {type(error).__name__}: {error}"
            ) from error
        return None, {"ended": "raised", **_told(error)}


def _ours(error: BaseException) -> bool:
    """Whether it was the trace around the learner's code that failed, not the code.

    The innermost Python frame of an error inside a torch function is the trace's call of that function, and that one is
    the learner's own.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or not last.tb_frame.f_code.co_filename.startswith(_TRACE_FOLDER):
        return False
    return "func(*args, **kwargs)" not in linecache.getline(last.tb_frame.f_code.co_filename, last.tb_lineno)


def _told(error: BaseException) -> dict[str, Any]:
    try:
        text = str(error)
    except BaseException:  # a learner's own exception class may fail even here
        text = ""
    line = 0
    for frame in traceback.extract_tb(error.__traceback__):
        if not _is_library(frame.filename):
            line = frame.lineno or 0
    mro = [c.__name__ for c in type(error).__mro__][:6]
    return {"error": type(error).__name__[:80], "kinds": mro, "text": text.strip().split("\n")[0][:300], "line": line}


def _is_library(filename: str) -> bool:
    return any(
        part in filename for part in ("site-packages", "/autograder/", "\\autograder\\", "<frozen", "/lib/python")
    )
