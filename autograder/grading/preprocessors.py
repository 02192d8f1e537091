"""Plugs of `nbgrader autograde`, put together in `nbgrader_config.py`: the same grading as `autograder grade`."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Enum, Integer, Unicode

from .execution import Limits, run, run_to_end
from .gradebook import save_messages
from .restore import RECORD, read_notebook, restore
from .schemes import put_back
from .seed import course_seed
from .submission import GradedCell, files_beside, modules_for

_GRADED = "two-switches-graded"  # where nbconvert's resources carry the results from one preprocessor to the next


class SubmissionExporter(NotebookExporter):
    """nbconvert's exporter of notebooks, which reads what learners hand in as `autograder grade` reads it."""

    def from_filename(self, filename: str, resources: dict | None = None, **more: object) -> tuple[str, ResourcesDict]:
        """Convert the notebook file. Raises UnreadableNotebook, which nbgrader reports for this submission alone."""
        courses = CourseDirectory(parent=self)
        path = Path(filename)
        if path.resolve().is_relative_to(Path(courses.root, courses.autograded_directory).resolve()):
            return super().from_filename(filename, resources, **more)  # the second pass, on what we have written
        resources = resources or ResourcesDict()
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        return self.from_notebook_node(read_notebook(path.read_bytes()), resources, **more)


def released_notebook(courses: CourseDirectory, assignment: str, notebook: str) -> Path:
    """The released notebook file of an assignment. Raises FileNotFoundError with what to do."""
    folder = courses.format_path(courses.release_directory, ".", assignment)
    path = Path(folder, f"{notebook}.ipynb")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. What was handed in is compared with what was released: "
            f"run `nbgrader generate_assignment {assignment}` first."
        )
    return path


class RestoreCells(NbGraderPreprocessor):
    """Make of what was handed in what is run: see `restore.restore`. Stands alone in `sanitize_preprocessors`."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """The restored notebook."""
        where = resources["nbgrader"]
        path = released_notebook(CourseDirectory(parent=self), where["assignment"], where["notebook"])
        return restore(nb, nbformat.read(path, as_version=4)), resources


class GradeCells(NbGraderPreprocessor):
    """Run the notebook, judge its graded cells and make them show the verdict. Stands before `SaveAutoGrades`."""

    seed_file = Unicode(".grading-seed", help="The file that keeps the course's secret seed.").tag(config=True)
    sandbox = Enum(
        ["full", "reduced", "none"], "full", help="The level of isolation of the kernels that run learners' code."
    ).tag(config=True)
    cell_seconds = Integer(Limits.cell_seconds, help="Seconds that a cell may run.").tag(config=True)
    notebook_seconds = Integer(Limits.notebook_seconds, help="Seconds that a notebook may run.").tag(config=True)

    @property
    def limits(self) -> Limits:
        return Limits(cell_seconds=self.cell_seconds, notebook_seconds=self.notebook_seconds)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Execute and judge in place. Raises KernelDidNotStart, which nbgrader reports for this submission alone."""
        seed = course_seed(Path(self.seed_file))
        files = files_beside(Path(resources["metadata"]["path"]))
        where = resources["nbgrader"]
        name = f"{where['student']}, {where['assignment']}"
        master = released_notebook(CourseDirectory(parent=self), where["assignment"], where["notebook"])
        how = {"sandbox": self.sandbox, "limits": self.limits, "files": files, "name": name}
        started = time.monotonic()
        ran = run_to_end(run(nb, seed, modules=modules_for(master.read_bytes()), **how))
        ran.notebook.metadata[RECORD]["seconds"] = round(time.monotonic() - started, 2)
        resources[_GRADED] = [GradedCell.of(grade_id, verdict) for grade_id, verdict in ran.verdicts.items()]
        return ran.notebook, resources


class SaveMessages(NbGraderPreprocessor):
    """Store what the failed checks say as the automatic comment of the exercise's solution cell.

    It also puts the marking schemes back, for whoever grades by hand. Stands after `GradeCells`, whose verdicts it
    takes, and after `SaveAutoGrades`, which clears the comments.
    """

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Write the comments of one notebook into the gradebook, and the marking schemes into the notebook."""
        with Gradebook(resources["nbgrader"]["db_url"]) as gradebook:
            save_messages(gradebook, resources["nbgrader"], resources[_GRADED])
            put_back(gradebook, resources["nbgrader"], nb)
            gradebook.db.commit()
        for cell in resources[_GRADED]:
            if cell.outcome == "could not be graded":
                self.log.error("%s of %s: %s", cell.grade_id, resources["nbgrader"]["student"], cell.messages[0])
        return nb, resources
