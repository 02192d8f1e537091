"""What lateness costs: one rule, set in `nbgrader_config.py`, for every problem set that has a due date."""

from __future__ import annotations

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

DAY = 24 * 60 * 60.0


class LatePolicy(LateSubmissionPlugin):
    """A share of what was earned for each day begun, up to a limit, after some minutes that cost nothing.

    `AssignLatePenalties.plugin_class` names it. nbgrader asks it when it grades a submission whose timestamp is later
    than the due date in the gradebook; without either, nothing is late.
    """

    grace_minutes = Float(15.0, min=0.0, help="Minutes after the due date that cost nothing.").tag(config=True)
    percent_per_day = Float(10.0, min=0.0, max=100.0, help="Of what was earned, for each day begun.").tag(config=True)
    most_percent = Float(50.0, min=0.0, max=100.0, help="The most that lateness costs, however late.").tag(config=True)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        """The points to take off; None for none."""
        late = total_seconds_late - 60.0 * self.grace_minutes
        if late <= 0 or score <= 0:
            return None
        return score * min(math.ceil(late / DAY) * self.percent_per_day, self.most_percent) / 100.0
