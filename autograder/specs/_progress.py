"""`progress()`: what a learner has done and what is left, as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ._best import VARIABLE, Best, kept, progress_file
from ._grade import ExerciseInfo, exercises
from ._report import _CELL, _number

_MARKS = {"done": ("✓ done", "#2e8b57"), "begun": ("◐ begun", "#b8860b"), "to do": ("○ to do", "#888888")}


@dataclass(frozen=True, repr=False)
class Progress:
    """What is done and what is left.  Shows itself as a table, in a notebook or on the terminal.

    Attributes:
        best: exercise id -> its best result; exercises that were never checked are not in it.
        file: where that is kept; None if progress is switched off.
    """

    best: Mapping[str, Best]
    file: Path | None

    @property
    def done(self) -> int:
        """How many exercises have passed."""
        return sum(self._passed(e) for e in exercises())

    def _passed(self, exercise: ExerciseInfo) -> bool:
        return exercise.id in self.best and self.best[exercise.id].passed

    def _points(self, of: list[ExerciseInfo]) -> float:
        # as a share of what the exercise is worth today: points may have changed since
        return round(sum(e.points * self.best[e.id].share for e in of if e.id in self.best), 2)

    def _rows(self) -> list[tuple[str, list[ExerciseInfo]]]:
        return [(name, list(group)) for name, group in groupby(exercises(), key=lambda e: e.problem_set)]

    def _mark(self, exercise: ExerciseInfo) -> str:
        # no points: the check of a cell that nobody has filled in runs as well
        return "done" if self._passed(exercise) else "begun" if self._points([exercise]) else "to do"

    def _summary(self) -> str:
        known = exercises()
        text = (
            f"{self.done} of {len(known)} exercises done, "
            f"{_number(self._points(known))} of {_number(sum(e.points for e in known))} points"
        )
        left = sum(e.minutes for e in known if not self._passed(e))
        time = f"{left} minutes" if left < 90 else f"{round(left / 60)} hours"
        return f"{text}; about {time} of work left" if left else text

    def _place(self) -> str:
        if self.file is None:
            return f"Progress is switched off ({VARIABLE}=off)."
        return f"Kept in {self.file}"

    def __repr__(self) -> str:
        width = max(len(e.id) for e in exercises())
        lines = [self._summary() + "."]
        for name, group in self._rows():
            points = f"{_number(self._points(group))}/{_number(sum(e.points for e in group))}"
            lines += ["", f"{name}  {sum(map(self._passed, group))} of {len(group)} done, {points} points"]
            for e in group:
                points = f"{_number(self._points([e])):>4}/{_number(e.points):<3}"
                lines.append(f"  {self._mark(e):5}  {e.id:{width}}  {points} {e.title}")
        return "\n".join([*lines, "", self._place()])

    def _repr_html_(self) -> str:
        rows = []
        for name, group in self._rows():
            share = self._points(group) / sum(e.points for e in group)
            bar = (
                '<span style="display:inline-block;width:6em;height:0.6em;border:1px solid currentColor">'
                f'<span style="display:block;width:{share:.0%};height:100%;background:currentColor"></span></span>'
            )
            rows.append(
                f'<tr style="background:none"><th scope="rowgroup" colspan="2" style="{_CELL};text-align:left;'
                f'padding-top:0.9em">{html.escape(name)}</th><td style="{_CELL};padding-top:0.9em">{bar}</td>'
                f'<td style="{_CELL};padding-top:0.9em;text-align:right;white-space:nowrap">'
                f"{_number(self._points(group))} / {_number(sum(e.points for e in group))}</td></tr>"
            )
            for e in group:
                mark, colour = _MARKS[self._mark(e)]
                rows.append(
                    f'<tr style="background:none"><td style="{_CELL};white-space:nowrap;text-align:left;'
                    f'border-left:4px solid {colour}">{mark}</td>'
                    f'<td style="{_CELL};text-align:left" colspan="2">{html.escape(e.title)} '
                    f"<code>{html.escape(e.id)}</code></td>"
                    f'<td style="{_CELL};text-align:right;white-space:nowrap">'
                    f"{_number(self._points([e]))} / {_number(e.points)}</td></tr>"
                )
        return (
            '<div class="two-switches-progress" style="margin:0.4em 0;overflow-x:auto">'
            f'<p style="margin:0.2em 0 0.4em"><strong>{html.escape(self._summary())}</strong></p>'
            f'<table style="border-collapse:collapse;text-align:left;color:inherit">{"".join(rows)}</table>'
            f'<p style="font-size:0.9em;overflow-wrap:anywhere">{html.escape(self._place())}</p></div>'
        )


def progress() -> Progress:
    """What is done and what is left, across the problem sets: the best result of each exercise that `check` has seen.

    Raises:
        ProgressError: if the file of earlier results cannot be read.
    """
    path = progress_file()
    return Progress({} if path is None else kept(path), path)
