"""The course's secret seed: grading draws other cases than learners see, so no hidden test has to be hidden."""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from pathlib import Path


def case_seed(course: int, work: str, exercise: str) -> int:
    """The seed of the cases that one exercise of one submission is graded on.

    Args:
        course: the secret seed of the course.
        work: the digest of what was handed in (see `restore.digest_of`).
        exercise: the exercise's id.

    The same work meets the same cases whenever and by whomever it is graded, so a regrade changes nothing and a copy is
    worth what the original is. Whoever hands in anything else meets other cases: what was learned about the cases of an
    earlier submission, or of another learner's, is of no use in the next. The kernel is told this number, from which
    neither the course's seed nor any other can be computed (HMAC-SHA256).
    """
    digest = hmac.digest(str(course).encode(), f"two-switches\0{work}\0{exercise}".encode(), "sha256")
    return int.from_bytes(digest[:6], "big")


def course_seed(path: Path) -> int:
    """The seed kept in the file `path`, which is made on first use, readable by its owner only.

    Raises ValueError if the file holds anything but a whole number.
    """
    if not path.exists():
        _create(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text.isdecimal():
        raise ValueError(
            f"{path} should hold one whole number, the secret seed of this course, but does not. "
            "Restore it from a backup, or delete it: a new seed is drawn, and regraded submissions meet new cases."
        )
    return int(text)


def _create(path: Path) -> None:
    # A complete file appears under its name, or none: two graders that start together must agree on one seed.
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # mode 600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{secrets.randbits(48)}\n")
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
