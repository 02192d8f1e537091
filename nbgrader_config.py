"""nbgrader on this course's folders. Read by every `nbgrader` command and by JupyterLab started here."""

import os
import sys
from pathlib import Path

from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ComputeChecksums,
    LimitOutput,
    LockCells,
    SaveAutoGrades,
    SaveCells,
)

from autograder.grading.feedback import TEMPLATES, FeedbackExporter
from autograder.grading.late import LatePolicy
from autograder.grading.preprocessors import GradeCells, RestoreCells, SaveMessages, SubmissionExporter
from autograder.grading.stubs import ClearSolutionsToStubs

c = get_config()
root = Path(__file__).resolve().parent

# nbgrader calls `alembic` by its name, which must be found where nobody has activated the environment, too.
programs = str(Path(sys.executable).parent)
if programs not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])

c.CourseDirectory.root = str(root)
c.CourseDirectory.course_id = "two-switches"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
# submitted/, autograded/, feedback/ and gradebook.db stand in the root under nbgrader's own names; git ignores them.

# Release: the stub raises what `check` answers with "not written yet".
c.ClearSolutions.code_stub = {"python": "# Your code here, instead of the next line.\nraise NotImplementedError"}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.GenerateAssignment.preprocessors = [
    LockCells,
    ClearSolutionsToStubs,
    ClearOutput,
    CheckCellMetadata,
    ComputeChecksums,
    SaveCells,
    ClearHiddenTests,
    ClearMarkScheme,
    ComputeChecksums,
    CheckCellMetadata,
]

# Autograding: cells that learners may not change come back, and only a verdict of the referee is worth points.
c.Autograde.exporter_class = SubmissionExporter
c.Autograde.sanitize_preprocessors = [RestoreCells, CheckCellMetadata]
c.Autograde.autograde_preprocessors = [
    GradeCells,
    LimitOutput,
    SaveAutoGrades,
    SaveMessages,
    AssignLatePenalties,
    CheckCellMetadata,
]
c.GradeCells.seed_file = str(root / ".grading-seed")
# Seconds. A check takes about one.
c.GradeCells.cell_seconds = 30

# Lateness, where the gradebook has a due date (`nbgrader db assignment add ps3-evaluation --duedate=…`): a quarter of
# an hour costs nothing, then each day begun costs 10 % of what the checks gave, at most half of it.
c.AssignLatePenalties.plugin_class = LatePolicy
c.LatePolicy.grace_minutes = 15
c.LatePolicy.percent_per_day = 10
c.LatePolicy.most_percent = 50

c.GenerateFeedback.exporter_class = FeedbackExporter
c.HTMLExporter.extra_template_basedirs = TEMPLATES
