"""What a learner has done so far: the best result of every exercise, in one file on the learner's own computer.

The file holds ids, points and dates; no code, no names.  `check` writes it, never grading.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from ._report import Report

#: Where the file is, instead of the usual place; "off": nowhere.
VARIABLE = "TWO_SWITCHES_PROGRESS"
_VERSION = 1
_SECONDS = 10.0  # for another kernel to finish writing a file of a few kB

_told: set[str] = set()


class ProgressError(Exception):
    """Why progress cannot be read or kept, and what to do."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best result of one exercise: points, what they were out of, whether all passed, and when (UTC)."""

    points: float
    max_points: float
    passed: bool
    at: str

    @property
    def share(self) -> float:
        return min(self.points / self.max_points, 1.0) if self.max_points else float(self.passed)


def progress_file() -> Path | None:
    """The file of this computer's learner; None if the learner wants none."""
    chosen = os.environ.get(VARIABLE, "").strip()
    if chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    return user_data_path("two-switches", appauthor=False) / "progress.json"


# ---------------------------------------------------------------------- writing


def record(report: Report) -> None:
    """Keep ``report`` if it is the best of its exercise.  What goes wrong is said once and stops nobody's work."""
    path = progress_file()
    if path is None:
        return
    try:
        _record(path, report)
    except ProgressError as error:
        if str(error) not in _told:
            _told.add(str(error))
            print(f"Progress was not kept. {error}", file=sys.stderr)


def _record(path: Path, report: Report) -> None:
    new = Best(report.points, report.max_points, report.passed, datetime.now(UTC).isoformat(timespec="seconds"))
    with _alone(path):
        known = _read_or_set_aside(path)
        old = known.get(report.exercise)
        if old is None or (new.passed, new.share) > (old.passed, old.share) or new.max_points != old.max_points:
            _write(path, {**known, report.exercise: new})


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two kernels of one learner may check at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_SECONDS):
            yield
    except Timeout as error:
        raise ProgressError(f"Another program holds {path}.lock. If none is running, delete that file.") from error
    except (OSError, NotImplementedError) as error:  # filelock: a file system without locks
        reason = getattr(error, "strerror", None) or str(error)
        raise ProgressError(
            f"{path} cannot be written: {reason}. Set {VARIABLE} to a file that can, or to off."
        ) from error


def _read_or_set_aside(path: Path) -> dict[str, Best]:
    """Called under the lock."""
    try:
        return _read(path)
    except ValueError as error:
        aside = next(p for i in count(1) if not (p := path.with_name(f"{path.stem}.unreadable-{i}.json")).exists())
        path.replace(aside)
        print(f"{path} could not be read ({error}). It is kept as {aside.name}; progress starts anew.", file=sys.stderr)
        return {}


def _write(path: Path, best: Mapping[str, Best]) -> None:
    """All or nothing: an interrupted write, or a full disk, leaves the old file as it was."""
    text = json.dumps({"version": _VERSION, "exercises": {i: asdict(b) for i, b in best.items()}}, indent=1)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(scratch).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        raise


# ---------------------------------------------------------------------- reading


def kept(path: Path) -> dict[str, Best]:
    """What the file holds; a damaged one is set aside, with a message.

    Raises:
        ProgressError: if it cannot be read.
    """
    try:
        return _read(path)
    except ValueError:
        with _alone(path):
            return _read_or_set_aside(path)
    except OSError as error:
        raise ProgressError(f"{path} cannot be read: {error.strerror}. Set {VARIABLE} to another file.") from error


def _read(path: Path) -> dict[str, Best]:
    """Raises ValueError for what is no progress file, ProgressError for one of a newer version."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    stored = json.loads(text)
    if not isinstance(stored, dict) or not isinstance(stored.get("version"), int):
        raise ValueError("no progress file")
    if stored["version"] > _VERSION:
        raise ProgressError(f"{path} was written by a newer version of this package. Install that version.")
    rows = stored.get("exercises")
    if not isinstance(rows, dict):
        raise ValueError("no exercises in it")
    return {str(i): _best(i, row) for i, row in rows.items()}


def _best(exercise: str, row: Any) -> Best:
    try:
        best = Best(float(row["points"]), float(row["max_points"]), bool(row["passed"]), str(row["at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"damaged at {exercise!r}") from error
    if not 0 <= best.points <= best.max_points < float("inf"):
        raise ValueError(f"damaged at {exercise!r}")
    return best
