"""Who is in the class, and under which names their learning-management system knows them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook, Student

from .folder import CourseError

#: Columns of a roster of one's own. Only `id` must be there; it is the name of the student's folder.
COLUMNS = ("id", "name", "email", "lms_id")
#: How a column may be called instead: in nbgrader's `db student import`, in Canvas's export of the gradebook, and in
#: Moodle's grading worksheet and list of participants.
_CALLED = {
    "id": ("id", "student_id", "sis login id", "username", "id number", "idnumber"),
    "name": ("name", "full name", "student"),
    "first": ("first_name", "first name", "firstname"),
    "last": ("last_name", "last name", "lastname", "surname"),
    "email": ("email", "email address", "e-mail"),
    "lms_id": ("lms_id", "lms_user_id", "identifier"),
}


@dataclass(frozen=True)
class Person:
    """One student. `lms_id` is Canvas's user id, or the number of Moodle's participant."""

    id: str
    name: str = ""
    email: str = ""
    lms_id: str = ""

    @property
    def keys(self) -> Iterator[str]:
        """Under what a download may name this student, strongest first; each with its kind."""
        for kind, value in (("lms", self.lms_id), ("id", self.id), ("email", self.email)):
            if value:
                yield f"{kind}:{value.casefold()}"
        yield from (f"name:{name}" for name in turned(self.name))


class Roster:
    """People by every key. A key that two people share finds nobody: no guess is made about whose a file is."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = list(people)
        self._found: dict[str, set[str]] = {}
        for person in self.people:
            for key in person.keys:
                self._found.setdefault(key, set()).add(person.id)

    def find(self, *keys: str) -> str | None:
        """The id of the one student whom the first of these keys that is known names."""
        for key in keys:
            if found := self._found.get(key):
                return next(iter(found)) if len(found) == 1 else None
        return None

    def shared(self, *keys: str) -> list[str]:
        """The students among whom the first known key does not decide."""
        found: set[str] = next((self._found[key] for key in keys if key in self._found), set())
        return sorted(found) if len(found) > 1 else []


def turned(name: str) -> list[str]:
    """A person's name as file names may spell it: letters and digits in lower case, beginning with any of its parts.

    One system writes the family name first and another the given name, and Canvas leaves no sign between them.
    """
    parts = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold())
    return ["".join(parts[at:] + parts[:at]) for at in range(len(parts))]


def read_roster(path: Path) -> tuple[Roster, list[str]]:
    """The roster in a CSV file, and its columns as they stand there.

    Raises CourseError if it is no table of students, names a student twice or has none.
    """
    rows, columns = read_table(path)
    called = {ours: _column(columns, names) for ours, names in _CALLED.items()}
    canvas = _is_canvas(columns)
    if canvas:
        called |= {
            "lms_id": _exactly(columns, "ID"),
            "id": _exactly(columns, "SIS Login ID") or _exactly(columns, "ID"),
        }
    if not called["id"]:
        called["id"] = called["email"] or called["lms_id"]
    if not called["id"]:
        raise CourseError(
            f"{path} has no column that names students: none of {', '.join(_CALLED['id'])}. "
            f"It has: {', '.join(columns)}."
        )
    people: dict[str, Person] = {}
    for line, row in rows:
        if canvas and ("points possible" in row["Student"].casefold() or row["Student"].startswith("Student, Test")):
            continue
        values = {ours: row[theirs].strip() if theirs else "" for ours, theirs in called.items()}
        if not any(values.values()):
            continue
        if not values["id"]:
            raise CourseError(f"{path}, line {line}: there is no {called['id']}, so this student would have no folder.")
        check_id(values["id"], f"{path}, line {line}")
        if values["id"] in people:
            raise CourseError(
                f"{path}, line {line}: {values['id']} is there twice. Every student needs an id of their own."
            )
        name = values["name"] or f"{values['first']} {values['last']}".strip()
        number = re.sub(r"^\D+(?=\d+$)", "", values["lms_id"])  # Moodle's worksheet: "Participant 123"
        people[values["id"]] = Person(values["id"], name, values["email"], number)
    if not people:
        raise CourseError(f"{path} names no student.")
    return Roster(people.values()), columns


def roster_of(gradebook: Gradebook) -> Roster:
    """The students whom the gradebook knows."""
    students = gradebook.db.query(Student).order_by(Student.id)
    return Roster(
        Person(one.id, f"{one.first_name or ''} {one.last_name or ''}".strip(), one.email or "", one.lms_user_id or "")
        for one in students
    )


def check_id(student: str, where: str) -> None:
    """Raises CourseError if a student's id can be no folder's name."""
    if student in (".", "..") or student != student.strip() or re.search(r"[\x00-\x1f/\\:*?\"<>|]", student):
        raise CourseError(f"{where}: {student!r} can be no folder's name, and a student's id is one. Choose another.")


def read_table(path: Path) -> tuple[list[tuple[int, Mapping[str, str]]], list[str]]:
    """The rows of a CSV file, each with its line, and its columns; separated by commas, semicolons or tabs.

    Raises CourseError if it cannot be read as such.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)
            file.seek(0)
            table = csv.DictReader(file, delimiter=separator, restval="", strict=True)
            rows = [(table.line_num, {k: v for k, v in row.items() if k is not None}) for row in table]
            columns = list(table.fieldnames or ())
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not UTF-8. Save it as “CSV UTF-8”.") from error
    except csv.Error as error:
        raise CourseError(f"{path} is no table in CSV: {error}.") from error
    if not columns:
        raise CourseError(f"{path} is empty.")
    return rows, columns


def _column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    by_name = {column.strip().casefold(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _exactly(columns: Iterable[str], name: str) -> str | None:
    return next((column for column in columns if column.strip() == name), None)


def _is_canvas(columns: Iterable[str]) -> bool:
    return {"Student", "ID", "Section"} <= {column.strip() for column in columns}
