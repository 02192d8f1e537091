"""nbgrader on this course's folders. Read by every `nbgrader` command and by JupyterLab started here."""

from functools import partial
from pathlib import Path

from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ComputeChecksums,
    Execute,
    LimitOutput,
    LockCells,
    SaveAutoGrades,
    SaveCells,
)

from autograder.grading.feedback import FeedbackExporter
from autograder.grading.late import LatePolicy
from autograder.grading.preprocessors import BelieveReports, SaveMessages
from autograder.grading.seed import use_course_seed
from autograder.grading.stubs import ClearSolutionsToStubs

c = get_config()
root = Path(__file__).resolve().parent

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

# Autograding: a check cell that a learner deleted comes back, and only the report of `check` is believed.
c.OverwriteCells.add_missing_cells = True
c.Autograde.autograde_preprocessors = [
    Execute,
    BelieveReports,
    LimitOutput,
    SaveAutoGrades,
    SaveMessages,
    AssignLatePenalties,
    CheckCellMetadata,
]
c.Autograde.pre_convert_hook = partial(use_course_seed, root / ".grading-seed")

# Seconds. A check takes about one; an endless loop costs this much twice, in the example and in the check.
c.Execute.timeout = 30
c.Execute.startup_timeout = 120
c.Execute.iopub_timeout = 30
# Kernels write their own notices into the grader's log, one for each submission: errors are enough.
c.Execute.extra_arguments = ["--IPKernelApp.log_level=40"]

# Lateness, where the gradebook has a due date (`nbgrader db assignment add ps3-evaluation --duedate=…`): a quarter of
# an hour costs nothing, then each day begun costs 10 % of what the checks gave, at most half of it.
c.AssignLatePenalties.plugin_class = LatePolicy
c.LatePolicy.grace_minutes = 15
c.LatePolicy.percent_per_day = 10
c.LatePolicy.most_percent = 50

c.GenerateFeedback.exporter_class = FeedbackExporter
