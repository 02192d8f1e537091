"""Scores as learning-management systems take them, and as one's own scripts do.

What the import forms want, as their sources say:

- Canvas, `lib/gradebook_importer.rb`: columns Student, ID, SIS User ID, SIS Login ID, Section, in this order, then one
  column for each assignment, called as in Canvas, with its number in brackets if there is one; a row whose Student is
  "Points Possible" says how much an assignment is worth. A student is found by ID, else by SIS ids, else by name.
- Moodle, `mod/assign/feedback/offline/importgradeslib.php`, *Upload grading worksheet*: the columns Identifier, Grade
  and Last modified (grade) of the worksheet that was downloaded. So that worksheet is filled in, and nothing else in it
  is touched.
- Moodle, *Grades, Import, CSV file*: any table; one column names the students and the form asks which.

An empty score means: none that counts yet.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .folder import CourseError
from .roster import Person, Roster, parts, read_table
from .scores import Graded, Score

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
#: Canvas's number of an assignment, at the end of its column's name.
_NUMBER = re.compile(r" *\(\d+\) *$")
_WORKSHEET = ("identifier", "full name", "email address", "grade", "maximum grade")


def score_of(score: Score, *, partial: bool, missing_as_zero: bool) -> str:
    """What leaves the gradebook: empty for a score that is not final, or that nobody has."""
    if score.status == "not handed in":
        return "0" if missing_as_zero else ""
    if score.status == "final" or (partial and score.entered):
        return f"{round(score.score, 2):g}"
    return ""


def as_canvas(
    scores: Sequence[Score], roster: Path | None, titles: Mapping[str, str], *, partial: bool, missing_as_zero: bool
) -> tuple[str, list[str]]:
    """A table for Canvas's *Grades, Import*, and what to know before it is imported.

    Args:
        scores: of one problem set or several.
        roster: Canvas's export of the gradebook; its names, ids, sections and assignments are taken over.
        titles: what Canvas calls a problem set, by our name; the number in brackets may be missing.

    Raises CourseError if `roster` is no such export, or Canvas counts other points.
    """
    sets = list(dict.fromkeys(score.assignment for score in scores))
    most = {score.assignment: score.max_score for score in scores}
    called = {name: titles.get(name, name) for name in sets}
    identities: Mapping[str, list[str]] = {}
    notes: list[str] = []
    if roster:
        identities, assignments = _canvas_export(roster)
        for name, title in called.items():
            theirs = next((one for one in assignments if title in (one, _NUMBER.sub("", one))), None)
            if theirs is None:
                known = f"It has {', '.join(assignments)}." if assignments else "It has none."
                notes.append(
                    f"Canvas has no assignment {title!r}: importing makes a new one. {known} Name it: --title."
                )
                continue
            called[name], limit = theirs, assignments[theirs]
            if limit is not None and limit != most[name]:
                raise CourseError(
                    f"{roster}: Canvas counts {limit:g} points for {theirs!r}, {name} has {most[name]:g}. "
                    "Set the assignment's points in Canvas first."
                )
    rows: list[Sequence[str]] = [[*CANVAS, *called.values()]]
    rows.append(["    Points Possible", "", "", "", "", *(f"{most[name]:g}" for name in sets)])
    by_student: dict[str, dict[str, Score]] = {}
    for score in scores:
        by_student.setdefault(score.student, {})[score.assignment] = score
    for student, own in by_student.items():
        one = next(iter(own.values()))
        name = f"{one.last_name}, {one.first_name}" if one.last_name and one.first_name else one.last_name or student
        who = identities.get(student.casefold(), [name, one.lms_id, "", student, ""])
        given = [score_of(own[s], partial=partial, missing_as_zero=missing_as_zero) if s in own else "" for s in sets]
        rows.append([*who, *given])
    return _csv(rows), notes


def _canvas_export(path: Path) -> tuple[dict[str, list[str]], dict[str, float | None]]:
    """Canvas's own columns by each id that may be ours; and its assignments, each with the points that it counts."""
    rows, columns = read_table(path)
    if not {"Student", "ID", "Section"} <= set(columns):
        raise CourseError(f"{path} is no export of Canvas's gradebook: it has no columns Student, ID and Section.")
    found: dict[str, list[str]] = {}
    assignments: dict[str, float | None] = {column: None for column in columns if _NUMBER.search(column)}
    for _, row in rows:
        if "points possible" in row["Student"].casefold():
            for column in assignments:
                with contextlib.suppress(ValueError):
                    assignments[column] = float(row[column].replace(",", "."))
            continue
        own = [row.get(column, "") for column in CANVAS]
        for key in (row.get("SIS Login ID", ""), row.get("SIS User ID", ""), row["ID"]):
            if key.strip():
                found.setdefault(key.strip().casefold(), own)
    return found, assignments


def as_moodle(
    scores: Sequence[Score], roster: Path | None, *, partial: bool, missing_as_zero: bool
) -> tuple[str, list[str]]:
    """The grading worksheet `roster` with its Grade filled in; or, without one, a table for Moodle's grade import.

    And the students who have a score but no row in the worksheet. Raises CourseError if the worksheet is none, or
    counts other points.
    """
    given = {s.student: score_of(s, partial=partial, missing_as_zero=missing_as_zero) for s in scores}
    if roster is None:
        rows = [["Username", "Email address", "First name", "Last name", scores[0].assignment]]
        rows += [[s.student, s.email, s.first_name, s.last_name, given[s.student]] for s in scores]
        return _csv(rows), []
    lines, columns = read_table(roster)
    called = {name: next((c for c in columns if c.casefold() == name), "") for name in _WORKSHEET}
    if not called["identifier"] or not called["grade"]:
        raise CourseError(
            f"{roster} is no grading worksheet of Moodle: it needs the columns Identifier and Grade. "
            "Download it in the assignment, Grading action, “Download grading worksheet”."
        )
    known = Roster([Person(s.student, s.first_name, s.last_name, s.email, s.lms_id) for s in scores])
    filled, found = [], set()
    for line, row in lines:
        limit = row.get(called["maximum grade"], "").strip().replace(",", ".")
        if limit and limit != "-" and float(limit) != scores[0].max_score:
            raise CourseError(
                f"{roster}, line {line}: Moodle's maximum is {limit}, that of {scores[0].assignment} is "
                f"{scores[0].max_score:g}. Set the assignment's maximum grade in Moodle first."
            )
        number = "".join(re.findall(r"\d+$", row[called["identifier"]].strip()))
        email = row.get(called["email address"], "").strip()
        # a name or an address decides: Moodle numbers participants anew in every assignment
        named = Person("", *parts(row.get(called["full name"], "")), email)
        student = known.find(*named.keys, f"lms:{number}")
        found.add(student)
        score = given.get(student or "", "")
        filled.append([score or row[column] if column == called["grade"] else row[column] for column in columns])
    return _csv([columns, *filled]), sorted(name for name, score in given.items() if score and name not in found)


def as_csv(scores: Sequence[Score], *, partial: bool, missing_as_zero: bool) -> str:
    """One row for each student and problem set, with what the score is made of."""
    columns = ("problem_set", "student_id", "last_name", "first_name", "email", "status", "raw_score", "late_penalty",
               "score", "max_score", "timestamp")  # fmt: skip
    rows: list[Sequence[str]] = [columns]
    for s in scores:
        told = f"{s.raw:g}" if s.entered else ""
        late = f"{s.penalty:g}" if s.entered else ""
        score = score_of(s, partial=partial, missing_as_zero=missing_as_zero)
        time = s.timestamp.isoformat() if s.timestamp else ""
        rows.append([s.assignment, s.student, s.last_name, s.first_name, s.email, s.status, told, late, score,
                     f"{s.max_score:g}", time])  # fmt: skip
    return _csv(rows)


def as_json(scores: Sequence[Score], *, partial: bool, missing_as_zero: bool) -> str:
    """The same as a list of objects, with every exercise; what is not there is null."""
    found: list[dict[str, Any]] = []
    for s in scores:
        score = score_of(s, partial=partial, missing_as_zero=missing_as_zero)
        found.append(
            {
                "problem_set": s.assignment,
                "student_id": s.student,
                "last_name": s.last_name,
                "first_name": s.first_name,
                "email": s.email,
                "lms_id": s.lms_id,
                "status": s.status,
                "raw_score": s.raw if s.entered else None,
                "late_penalty": s.penalty if s.entered else None,
                "score": float(score) if score else None,
                "max_score": s.max_score,
                "timestamp": s.timestamp.isoformat() if s.timestamp else None,
                "exercises": [_exercise(cell) for cell in s.cells],
            }
        )
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _exercise(cell: Graded) -> dict[str, Any]:
    return {
        "exercise": cell.exercise,
        "auto_score": cell.auto,
        "manual_score": cell.manual,
        "extra_credit": cell.extra,
        "score": None if cell.waits else round(cell.score, 4),
        "max_score": cell.max_score,
        "needs_manual_grade": cell.waits,
    }


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
