"""From what a learning-management system lets one download to nbgrader's folder of submissions.

The layouts, as their sources write them:

- Moodle, `mod/assign/classes/downloader.php`: `Full Name_123_assignsubmission_file_/ps3.ipynb` with folders, and
  `Full Name_123_assignsubmission_file_ps3.ipynb` without. 123 numbers the participant of this one assignment.
- Canvas, `lib/content_zipper.rb`: `lastnamefirstname_LATE_45_678_ps3.ipynb`. 45 is the user, 678 the file, of which
  a later one has a higher number; `_LATE` is there or not. A notebook handed in again is called
  `ps3-1.ipynb`. Anonymous: `anon_Ab1Cd_678_ps3.ipynb`.
- Plain: `STUDENT/ps3.ipynb`, `STUDENT/PROBLEM-SET/ps3.ipynb`.

nbgrader's own `zip_collect` is not used: it unpacks whatever is in the archive, and its `FileNameCollectorPlugin` maps
one file name at a time by one regular expression, without a roster. It sees neither Moodle's folders nor whether a file
name is a student's in the class, and a notebook must have its right name already. Here nothing is unpacked by its name
in the archive, and which problem set a notebook belongs to is told by the cells in it.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import re
import shutil
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from .folder import CourseError, CourseFolder, graded_cells
from .roster import Roster, check_id, turned

#: Bytes of one file that are read; a released problem set has about 40,000.
MOST_BYTES = 20 << 20
#: Files in a download, and bytes of all of them: more is no class.
MOST_FILES, MOST_ALL = 20_000, 1 << 30
#: Where submissions go that others have replaced.
REPLACED = ".replaced"

_MOODLE = re.compile(
    r"(?P<name>[^/]*)_(?P<number>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_|(?=/|$))(?P<rest>.*)", re.S
)
_CANVAS = re.compile(r"(?P<name>[^/]+?)(?P<late>_LATE)?_(?P<user>\d+)_(?P<file>\d+)_(?P<rest>[^/]+)", re.I)
_CANVAS_ANONYMOUS = re.compile(r"(?P<late>LATE_)?(?P<name>anon)_(?P<user>[^/_]+)_(?P<file>\d+)_(?P<rest>[^/]+)", re.I)

Result = Literal["placed", "replaced", "unchanged", "kept"]


@dataclass(frozen=True)
class Owner:
    """Whose file it is, as a file name says: the keys to look for in a roster, and an id where there is no roster."""

    keys: tuple[str, ...]
    alone: str
    shown: str
    late: bool = False


@dataclass(frozen=True)
class Found:
    """A notebook in a download. Of two of one student the one with the higher `order` is the later."""

    where: str
    name: str
    data: bytes = field(repr=False)
    owner: Owner
    order: tuple[float, int]
    time: datetime.datetime


@dataclass(frozen=True)
class Placed:
    """What became of one student's notebook. `instead_of` names what was handed in as well and is older."""

    student: str
    assignment: str
    where: str
    result: Result
    late: bool = False
    instead_of: tuple[str, ...] = ()


@dataclass
class Collected:
    """What came of a collection: `left` says why, by place, for everything that has no student or no problem set."""

    placed: list[Placed] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    ignored: int = 0

    @property
    def complete(self) -> bool:
        """Whether every notebook is where it belongs."""
        return not self.left and all(one.result != "kept" for one in self.placed)


def collect(
    course: CourseFolder,
    source: Path,
    roster: Roster | None,
    *,
    only: str | None = None,
    update: bool = False,
    timestamps: bool = False,
) -> Collected:
    """Put the notebooks of a download where nbgrader looks for submissions.

    Args:
        course: the course; its released problem sets tell which notebook belongs to which.
        source: a zip file or a folder.
        roster: the class; None or empty: nobody is known, and a student's id is made of the file names.
        only: the one problem set to take.
        update: replace what has been collected before, and keep that in `.replaced/`.
        timestamps: write the files' times for nbgrader, which counts lateness from them.

    Raises:
        CourseError: if the source cannot be read as a download, with nothing done.
        OSError: if something cannot be written.
    """
    released = {name: set(graded_cells(path)) for name, path in course.released().items()}
    if not released:
        raise CourseError("No problem set has been released yet, so no notebook can be told by its cells.")
    collected = Collected()
    by_place: dict[tuple[str, str], list[Found]] = defaultdict(list)
    anything = False
    for found in _files(source, released, collected):
        anything = True
        try:
            student = _student(found.owner, roster)
            assignment = _assignment(found, course, released, only)
        except CourseError as error:
            collected.left[found.where] = str(error)
        else:
            by_place[student, assignment].append(found)
    if not anything and not collected.left:
        raise CourseError(
            f"{source} holds no notebook in a layout that is known: Moodle's “Download all submissions”, Canvas's "
            "“Download Submissions”, or STUDENT/NOTEBOOK. Is it the right file?"
        )
    for (student, assignment), some in sorted(by_place.items()):
        *older, latest = sorted(some, key=lambda found: found.order)
        result = _place(course, student, assignment, latest, update=update, timestamps=timestamps)
        others = tuple(found.where for found in older)
        collected.placed.append(Placed(student, assignment, latest.where, result, latest.owner.late, others))
    return collected


# ---------------------------------------------------------------------- whose, and which


def _student(owner: Owner, roster: Roster | None) -> str:
    if roster is None or not roster.people:
        check_id(owner.alone, owner.shown)
        return owner.alone
    if student := roster.find(*owner.keys):
        return student
    if shared := roster.shared(*owner.keys):
        raise CourseError(f"{owner.shown} may be {' or '.join(shared)}. Give them their lms_id in the roster.")
    raise CourseError(f"{owner.shown} is not in the roster.")


def _assignment(found: Found, course: CourseFolder, released: Mapping[str, set[str]], only: str | None) -> str:
    """The problem set whose cells the notebook has; a notebook that cannot be read belongs where its name says."""
    by_name = [name for name in released if _plain(found.name) == course.released()[name].stem.casefold()]
    try:
        cells = json.loads(found.data)["cells"]
        ids = {cell.get("metadata", {}).get("nbgrader", {}).get("grade_id") for cell in cells}
        shared = {name: len(ids & own) for name, own in released.items()}
        best = max(shared, key=lambda name: (shared[name], name in by_name))
        name = best if shared[best] else None
        reason = "has no cell of a released problem set"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        name = by_name[0] if by_name else None  # grading says what is wrong with it, and to whom
        reason = "is no notebook, and its name is none of a problem set"
    if name is None:
        raise CourseError(f"{found.name} {reason}.")
    if only and name != only:
        raise CourseError(f"{found.name} is a notebook of {name}, not of {only}.")
    return name


def _plain(name: str) -> str:
    """A notebook's name without what systems and browsers add to the second copy: `ps3-1`, `ps3 (1)`."""
    return re.sub(r"(-\d+| ?\(\d+\))+$", "", PurePosixPath(name).stem).casefold()


# ---------------------------------------------------------------------- what is in a download


def _files(source: Path, released: Collection[str], collected: Collected) -> Iterator[Found]:
    if not source.exists():
        raise CourseError(f"{source} does not exist.")
    files = _in_folder(source, collected) if source.is_dir() else _in_zip(source, collected)
    for where, parts, data, time in files:
        owner, name, order = _owner(parts, released)
        if owner is None:
            if name.casefold().endswith((".ipynb", ".zip")):
                collected.left[where] = "The name says of nobody: it is in none of the known layouts."
            else:
                collected.ignored += 1
        elif name.casefold().endswith(".ipynb"):
            yield Found(where, name, data, owner, (order, int(time.timestamp())), time)
        elif name.casefold().endswith(".zip"):  # some zip what they hand in
            inner: list[Found] = []
            try:
                for member, inside, content, _ in _members(data, f"{where}!"):
                    if inside[-1].casefold().endswith(".ipynb"):
                        inner.append(Found(member, inside[-1], content, owner, (order, int(time.timestamp())), time))
            except CourseError as error:
                collected.left[where] = str(error)
            else:
                if not inner:
                    collected.left[where] = "There is no notebook in it."
                yield from inner
        else:
            collected.ignored += 1


def _owner(parts: Sequence[str], released: Collection[str]) -> tuple[Owner | None, str, float]:
    """Whose the file with this path is, what it was called, and its number among files."""
    for place, part in enumerate(parts):
        if match := _MOODLE.fullmatch(part):
            rest = match["rest"] if place == len(parts) - 1 else parts[-1]
            who, number = match["name"].strip(), match["number"]
            keys = (*(f"name:{name}" for name in turned(who)[:1]), f"lms:{number}")
            # a known name decides: Moodle numbers participants anew in every assignment
            return _owner_of(keys, who, number), rest, 0.0
    if match := _CANVAS_ANONYMOUS.fullmatch(parts[-1]) or _CANVAS.fullmatch(parts[-1]):
        who, number = match["name"], match["user"]
        keys = (f"lms:{number.casefold()}", *(f"name:{name}" for name in turned(who)[:1]))
        return _owner_of(keys, who, number, late=match["late"] is not None), match["rest"], float(match["file"])
    if len(parts) > 1:
        who = parts[-3] if len(parts) > 2 and parts[-2] in released else parts[-2]
        keys = (f"id:{who.casefold()}", f"email:{who.casefold()}", *(f"name:{name}" for name in turned(who)[:1]))
        return Owner(keys, who, who), parts[-1], 0.0
    return None, parts[-1], 0.0


def _owner_of(keys: tuple[str, ...], who: str, number: str, *, late: bool = False) -> Owner:
    alone = "-".join([*re.findall(r"[^\W_]+", who.casefold()), number])
    return Owner((*keys, f"id:{alone.casefold()}"), alone, f"{who} ({number})", late)


_Entry = tuple[str, Sequence[str], bytes, datetime.datetime]


def _in_folder(source: Path, collected: Collected) -> Iterator[_Entry]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if _hidden(name.parts):
            continue
        if path.is_symlink():
            collected.left[str(name)] = "It is a symbolic link: only files are read."
        elif path.is_file():
            status = path.stat()
            if status.st_size > MOST_BYTES:
                collected.left[str(name)] = f"It has {status.st_size:,} bytes; a notebook has at most {MOST_BYTES:,}."
                continue
            time = datetime.datetime.fromtimestamp(status.st_mtime).astimezone()
            yield str(name), name.parts, path.read_bytes(), time


def _in_zip(source: Path, collected: Collected) -> Iterator[_Entry]:
    yield from _members(source, "", collected)


def _members(source: Path | bytes, before: str, collected: Collected | None = None) -> Iterator[_Entry]:
    """The files in a zip. With `collected`, what cannot be read is noted there; without, it raises CourseError."""
    shown = str(source) if isinstance(source, Path) else before.rstrip("!")
    try:
        archive = zipfile.ZipFile(source if isinstance(source, Path) else io.BytesIO(source))
    except zipfile.BadZipFile as error:
        raise CourseError(f"{shown} is no zip file, or it is damaged ({error}). Download it again.") from error
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if any(member.flag_bits & 0x1 for member in members):
            raise CourseError(f"{shown} is encrypted. Unpack it with its password, and collect the folder.")
        if len(members) > MOST_FILES or sum(member.file_size for member in members) > MOST_ALL:
            raise CourseError(f"{shown} unpacks to {len(members):,} files and more than a class hands in.")
        for member in members:
            parts = PurePosixPath(member.filename.replace("\\", "/")).parts
            where = before + member.filename
            if _hidden(parts):
                continue
            try:
                data = _content(archive, member, parts)
            except CourseError as error:
                if collected is None:
                    raise
                collected.left[where] = str(error)
            else:
                yield where, parts, data, datetime.datetime(*_date(member)).astimezone()


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, parts: Sequence[str]) -> bytes:
    if parts and (parts[0].startswith("/") or re.match(r"[A-Za-z]:", parts[0]) or ".." in parts):
        raise CourseError("Its name leads out of the folder: no system writes such a file.")
    if (member.external_attr >> 28) == 0xA:
        raise CourseError("It is a symbolic link: only files are read.")
    try:
        with archive.open(member) as file:
            data = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise CourseError(f"It is damaged ({error}). Download the file again.") from error
    if len(data) > MOST_BYTES:
        raise CourseError(f"It has more than {MOST_BYTES:,} bytes, the most that a notebook may have.")
    return data


def _date(member: zipfile.ZipInfo) -> tuple[int, ...]:
    try:
        datetime.datetime(*member.date_time)
    except ValueError:  # a zip can hold any six numbers
        return (1980, 1, 1)
    return member.date_time


def _hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") and part not in (".", "..") or part == "__MACOSX" for part in parts)


# ---------------------------------------------------------------------- writing


def _place(
    course: CourseFolder, student: str, assignment: str, found: Found, *, update: bool, timestamps: bool
) -> Result:
    folder = course.path(course.courses.submitted_directory, student, assignment)
    target = folder / course.released()[assignment].name
    result: Result = "placed"
    if target.exists():
        before = target.read_bytes()
        if before == found.data:
            return "unchanged"
        if not update:
            return "kept"
        digest = hashlib.sha256(before).hexdigest()[:12]
        kept = Path(course.courses.root, REPLACED, student, assignment, f"{target.stem}-{digest}.ipynb")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(target, kept)
        result = "replaced"
    folder.mkdir(parents=True, exist_ok=True)
    if timestamps:
        _write(folder / "timestamp.txt", found.time.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC").encode())
    _write(target, found.data)
    return result


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        new.unlink(missing_ok=True)
