"""A course folder as its `nbgrader_config.py` describes it, and its gradebook: opened, or refused with a reason."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.api import Assignment, Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from traitlets.config import Config, Configurable, PyFileConfigLoader

CONFIGURATION = "nbgrader_config.py"


class CourseError(ValueError):
    """What was asked for cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class CourseFolder:
    """The configuration of a course, and nbgrader's description of its folders."""

    config: Config
    courses: CourseDirectory

    @classmethod
    def find(cls, root: Path, database: str | None = None) -> CourseFolder:
        """The course in the folder `root`; `database` is another gradebook's URL than the configured one.

        Raises CourseError if there is none, or its configuration cannot be read.
        """
        config = read_config(root)
        if "root" not in config.CourseDirectory:
            config.CourseDirectory.root = str(root.resolve())
        if database:
            config.CourseDirectory.db_url = database
        return cls(config, CourseDirectory(config=config))

    def problem_set(self, name: str) -> str:
        """The one released problem set that is called `name` or begins with it, `ps3` for `ps3-evaluation`.

        Raises CourseError if there is not exactly one.
        """
        folder = self.path(self.courses.release_directory)
        names = self.released()
        found = [name] if name in names else [known for known in names if known.startswith(f"{name}-")]
        if len(found) != 1:
            known = ", ".join(names) or "none yet; release one with: autograder release PROBLEM_SET"
            raise CourseError(f"There is no released problem set {name!r} in {folder}. There are: {known}.")
        return found[0]

    def released(self) -> dict[str, Path]:
        """The released problem sets by name, each with its notebook."""
        folder = self.path(self.courses.release_directory)
        notebooks = {path.name: sorted(path.glob("*.ipynb")) for path in sorted(folder.glob("*"))}
        return {name: found[0] for name, found in notebooks.items() if len(found) == 1}

    def handed_in(self, name: str) -> set[str]:
        """Whose submission of the problem set `name` has been collected, graded or not."""
        folders = self.path(self.courses.submitted_directory, "*", name).parent.parent.glob(f"*/{name}")
        return {folder.parent.name for folder in folders if folder.is_dir()}

    def path(self, step: str, student: str = ".", assignment: str = ".") -> Path:
        """Where a step of nbgrader keeps a student's assignment; `step` is one of the directories of `courses`."""
        return Path(self.courses.format_path(step, student, assignment))

    @contextlib.contextmanager
    def gradebook(self, *, new: bool = False) -> Iterator[Gradebook]:
        """The gradebook, which must exist already unless a `new` one may be made: reading makes none.

        Raises CourseError if it does not, or is no gradebook of nbgrader, or cannot be opened.
        """
        url = make_url(self.courses.db_url)
        if not new and url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise CourseError(f"There is no gradebook {url.database}. Releasing a problem set makes it.")
        shown = url.render_as_string(hide_password=True)
        try:
            with Gradebook(self.courses.db_url, self.courses.course_id) as gradebook:
                yield gradebook
        except DatabaseError as error:
            reason = str(error.orig).partition("\n")[0]
            raise CourseError(
                f"The gradebook {shown} cannot be used: {reason}. Is it nbgrader's, and may you write it "
                "and its folder? After an update of nbgrader: nbgrader db upgrade."
            ) from error

    def assignment(self, gradebook: Gradebook, name: str) -> Assignment:
        """The problem set `name` in the gradebook.

        Raises CourseError if the gradebook does not know it, or knows another version of it.
        """
        found = next((one for one in gradebook.assignments if one.name == name), None)
        where = make_url(self.courses.db_url).render_as_string(hide_password=True)
        if found is None:
            known = ", ".join(sorted(one.name for one in gradebook.assignments)) or "no problem set"
            raise CourseError(
                f"The gradebook {where} does not know {name}; it knows {known}. If it is this course's gradebook, "
                f"release the problem set into it: autograder release {name}. If it is another's, put yours back."
            )
        cells = {cell.name for notebook in found.notebooks for cell in (*notebook.grade_cells, *notebook.task_cells)}
        released = set(graded_cells(self.released()[name])) if name in self.released() else cells
        if cells != released:
            other = ", ".join(sorted(cells ^ released))
            raise CourseError(
                f"The gradebook {where} has another {name} than was released; they differ in {other}. It may be "
                f"another course's gradebook. If it is yours, release the problem set again: autograder release {name}."
            )
        return found


def graded_cells(notebook: Path) -> dict[str, str]:
    """The ids of the cells of a notebook file that are worth points, in order, each with the cell's type."""
    cells = nbformat.read(notebook, as_version=4).cells
    settings = [(cell.metadata.get("nbgrader", {}), cell.cell_type) for cell in cells]
    return {one["grade_id"]: kind for one, kind in settings if one.get("grade") or one.get("task")}


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: what stood there before stays until the new one is complete.

    Raises OSError, which names `path`, if it cannot be written.
    """
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        os.replace(name, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


def read_config(root: Path) -> Config:
    """The configuration in `nbgrader_config.py` of the folder `root`.

    Raises CourseError if it is missing or does not run, or sets what nbgrader does not have: traitlets only warns, and
    the course would be graded otherwise than its configuration seems to say.
    """
    path = root / CONFIGURATION
    if not path.is_file():
        raise CourseError(f"{root.resolve()} is no course folder: it has no {CONFIGURATION}. Name one with --course.")
    try:
        config = PyFileConfigLoader(CONFIGURATION, path=str(root)).load_config()
    except Exception as error:
        steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename.endswith(CONFIGURATION)]
        line = getattr(error, "lineno", None) or (steps[-1].lineno if steps else None)
        where = f", line {line}" if line else ""
        reason = getattr(error, "msg", None) or error
        raise CourseError(f"{path}{where}: {type(error).__name__}: {reason}. Correct it; nothing was done.") from error
    for told in _unknown(config):
        raise CourseError(f"{path}: {told} Nothing was done.")
    return config


def _unknown(config: Config) -> Iterator[str]:
    """What the configuration sets although no class of nbgrader or ours has it, one sentence each."""
    for name in ("nbgrader.apps", "nbgrader.exchange", "nbgrader.plugins", "nbgrader.preprocessors"):
        importlib.import_module(name)
    classes = {cls.__name__: cls for cls in _descendants(Configurable)}
    for section, settings in config.items():
        if not isinstance(settings, Config):
            continue
        if section not in classes:
            if close := difflib.get_close_matches(section, classes, n=1, cutoff=0.8):
                yield f"there is no {section} to configure. Did you mean c.{close[0]}?"
            continue
        traits = classes[section].class_trait_names(config=True)
        for name in settings:
            if name not in traits:
                close = difflib.get_close_matches(name, traits, n=1)
                hint = f"Did you mean c.{section}.{close[0]}?" if close else f"It has {', '.join(sorted(traits))}."
                yield f"c.{section} has no setting {name!r}. {hint}"


def _descendants(cls: type) -> Iterator[type]:
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)
