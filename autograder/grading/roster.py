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
    first: str = ""
    last: str = ""
    email: str = ""
    lms_id: str = ""

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}".strip()

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
        """The id of the one student whom the first of these keys that is known names.

        If several share that key, the others decide among them.
        """
        found = self._among(keys)
        return found.pop() if len(found) == 1 else None

    def shared(self, *keys: str) -> list[str]:
        """The students among whom these keys do not decide."""
        found = self._among(keys)
        return sorted(found) if len(found) > 1 else []

    def _among(self, keys: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for key in keys:
            named = self._found.get(key, set())
            found = found & named or found or set(named)
            if len(found) == 1:
                break
        return found


def parts(name: str) -> tuple[str, str]:
    """Given and family name, of a name that is written as one: what stands before a comma, or else its last word."""
    last, comma, first = (part.strip() for part in name.partition(","))
    if not comma:
        first, _, last = name.strip().rpartition(" ")
    return first.strip(), last


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
        first, last = (values["first"], values["last"]) if values["first"] or values["last"] else parts(values["name"])
        number = re.sub(r"^\D+(?=\d+$)", "", values["lms_id"])  # Moodle's worksheet: "Participant 123"
        people[values["id"]] = Person(values["id"], first, last, values["email"], number)
    if not people:
        raise CourseError(f"{path} names no student.")
    return Roster(people.values()), columns


def roster_of(gradebook: Gradebook) -> Roster:
    """The students whom the gradebook knows."""
    students = gradebook.db.query(Student).order_by(Student.id)
    return Roster(
        Person(one.id, one.first_name or "", one.last_name or "", one.email or "", one.lms_user_id or "")
        for one in students
    )


def enter(gradebook: Gradebook, roster: Roster) -> tuple[int, int]:
    """Enter names, addresses and ids into the gradebook, where the roster has them; how many are new, how many changed.

    Nothing is replaced by nothing, and nobody is taken out.
    """
    known = {one.id: one for one in gradebook.db.query(Student)}
    new = changed = 0
    for person in roster.people:
        told = {"first_name": person.first, "last_name": person.last, "email": person.email,
                "lms_user_id": person.lms_id}  # fmt: skip
        told = {name: value for name, value in told.items() if value}
        if person.id not in known:
            gradebook.db.add(Student(id=person.id, **told))
            new += 1
        elif any(getattr(known[person.id], name) != value for name, value in told.items()):
            for name, value in told.items():
                setattr(known[person.id], name, value)
            changed += 1
    gradebook.db.commit()
    return new, changed


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
