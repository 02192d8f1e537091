"""What a learner gets back: findings, points, and two renderings of them."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Rich output under this type is what grading believes; text and HTML are for people.
MIME = "application/vnd.two-switches.report+json"

_INDENTED: dict[str, Any] = {
    "initial_indent": " " * 10,
    "subsequent_indent": " " * 10,
    "break_long_words": False,
    "break_on_hyphens": False,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One graded check.

    ``misconception`` is the id of the wrong idea a failure points to (None when passed).  ``message`` says, for a
    failure, what was expected, what was seen, the likely cause and where to reread; ``read`` is that place alone.
    """

    check: str
    passed: bool
    points: float
    max_points: float
    misconception: str | None
    message: str
    read: str


@dataclass(frozen=True)
class Report:
    """The result of grading one candidate for one exercise.

    Attributes:
        exercise: the exercise's id.
        points, max_points: the sum over the findings.
        passed: True only if every finding passed.
        findings: one per check, in the order of the exercise.
    """

    exercise: str
    title: str
    findings: tuple[Finding, ...]
    rows: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    #: Set by the referee in grading: text/plain is then the points alone, which is how nbgrader reads partial credit.
    graded: bool = field(default=False, repr=False)
    shown: list[bool] = field(default_factory=list, repr=False, compare=False)

    @property
    def points(self) -> float:
        return _tidy(sum(f.points for f in self.findings))

    @property
    def max_points(self) -> float:
        return _tidy(sum(f.max_points for f in self.findings))

    @property
    def passed(self) -> bool:
        return bool(self.findings) and all(f.passed for f in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the trace."""
        return {
            "exercise": self.exercise,
            "title": self.title,
            "points": self.points,
            "max_points": self.max_points,
            "passed": self.passed,
            "findings": [
                {
                    "check": f.check,
                    "passed": f.passed,
                    "points": _tidy(f.points),
                    "max_points": _tidy(f.max_points),
                    "misconception": f.misconception,
                    "message": f.message,
                    "read": f.read,
                }
                for f in self.findings
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """The inverse of `as_dict`."""
        return cls(data["exercise"], data["title"], tuple(Finding(**finding) for finding in data["findings"]))

    # ------------------------------------------------------------------ for people

    def __str__(self) -> str:
        head = f"{self.exercise}: {_number(self.points)} of {_number(self.max_points)} points"
        lines = [head + (", all passed" if self.passed else "")]
        told: set[str] = set()
        for f in self.findings:
            lines.append(
                f"  {'passed' if f.passed else 'FAILED'}  {f.check}  ({_number(f.points)}/{_number(f.max_points)})"
            )
            if not f.passed:
                # wrapped here: a dialog cuts long lines off, and the likely cause stands at their end
                lines += textwrap.wrap(_once(f.message, told), 96, **_INDENTED)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows, told = [], set()
        for f in self.findings:
            mark = "✓ passed" if f.passed else "✗ not yet"
            text = ""
            if not f.passed:
                text = html.escape(_once(f.message, told))
            colour = "#2e8b57" if f.passed else "#c0504d"
            rows.append(
                f'<tr style="background:none"><td style="{_CELL};white-space:nowrap;border-left:4px solid {colour}">'
                f'<strong>{mark}</strong></td><td style="{_CELL}">{html.escape(f.check)}'
                + (f'<br><span style="font-size:0.95em">{text}</span>' if text else "")
                + f'</td><td style="{_CELL};text-align:right;white-space:nowrap">'
                f"{_number(f.points)} / {_number(f.max_points)}</td></tr>"
            )
        head = (
            f'<p style="margin:0.2em 0 0.4em"><strong>{html.escape(self.title)}</strong> '
            f"<code>{html.escape(self.exercise)}</code>: "
            f"{_number(self.points)} of {_number(self.max_points)} points</p>"
        )
        table = f'<table style="border-collapse:collapse;text-align:left;color:inherit">{"".join(rows)}</table>'
        return f'<div class="two-switches-report" style="margin:0.4em 0">{head}{table}{self._picture()}</div>'

    def _picture(self) -> str:
        if not self.rows:
            return ""
        from ..observe import Event, _timeline

        picture = _timeline.to_html([Event(**row) for row in self.rows])
        caption = "What your code did with the two switches on the first test case. Time runs right."
        return (
            '<figure style="margin:0.6em 0;max-width:760px">'
            + picture
            + f'<figcaption style="font-size:0.9em">{caption}</figcaption></figure>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        text = _number(self.points, most=6) if self.graded else str(self)
        return {"text/plain": text, "text/html": self._repr_html_(), MIME: self.as_dict()}

    def _ipython_display_(self) -> None:
        # check() has shown the report itself; the value of the cell's last line must not show it a second time
        if self.shown:
            self.shown.clear()
            return
        raise NotImplementedError


class CheckFailed(AssertionError):
    """A candidate did not pass.  ``report`` says why; the message is the report's text."""

    def __init__(self, report: Report, *, displayed: bool = False) -> None:
        super().__init__(str(report))
        self.report = report
        self._displayed = displayed

    def _render_traceback_(self) -> list[str]:
        """What IPython prints: the report is on the page already, a traceback would only hide it."""
        missing = sum(not f.passed for f in self.report.findings)
        points = f"{_number(self.report.points)} of {_number(self.report.max_points)} points"
        line = f"{self.report.exercise}: {missing} of {len(self.report.findings)} checks not passed yet, {points}."
        return [line] if self._displayed else [str(self)]


_CELL = "padding:0.35em 0.7em;vertical-align:top;text-align:left"


def _once(message: str, told: set[str]) -> str:
    """The message, or where it was told already (one cause may fail several checks), only where to reread."""
    what, _, where = message.partition(" Reread ")
    if what in told:
        return "The same as above." + (f" Reread {where}" if where else "")
    told.add(what)
    return message


def _tidy(points: float) -> float:
    return round(points, 4)


def _number(value: float, most: int = 2) -> str:
    return f"{round(value, most):g}"
