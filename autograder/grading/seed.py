"""The course's secret seed: grading draws other cases than learners see, so no hidden test has to be hidden."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

VARIABLE = "AUTOGRADER_SEED"


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


def use_course_seed(path: Path, **_nbgrader: object) -> None:
    """Hand the secret seed to the kernels that are about to grade: nbgrader's `pre_convert_hook` of autograding."""
    os.environ[VARIABLE] = str(course_seed(path))


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
