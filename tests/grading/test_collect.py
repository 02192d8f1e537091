"""Downloads of learning-management systems: what is placed where, and what is told about the rest."""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nbgrader.api import Gradebook

from autograder.cli import main
from autograder.grading.folder import CourseFolder
from autograder.grading.roster import parts, read_roster, turned
from tests.conftest import ROOT

# nbgrader runs in this process here, and what its dependencies deprecate is not ours to repair.
pytestmark = pytest.mark.filterwarnings("ignore")

PS0, PS3 = "ps0-switches", "ps3-evaluation"
NOTEBOOK = {name: (ROOT / "exercises" / name / f"{name[:3]}.ipynb").read_bytes() for name in (PS0, PS3)}
ROSTER = """id,name,email,lms_id
ada,Ada Lovelace,ada@example.org,45
emmy,Emmy Noether,emmy@example.org,46
grace,Grace Brewster Hopper,grace@example.org,47
"""


def version(number: int, name: str = PS3) -> bytes:
    """A notebook of its own."""
    notebook = json.loads(NOTEBOOK[name])
    notebook["metadata"]["version"] = number
    return json.dumps(notebook).encode()


@pytest.fixture(scope="module")
def empty_gradebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: nbgrader takes seconds."""
    path = tmp_path_factory.mktemp("empty") / "gradebook.db"
    with Gradebook(f"sqlite:///{path}"):
        return path


@pytest.fixture
def course(tmp_path: Path, empty_gradebook: Path) -> Path:
    folder = tmp_path / "course"
    folder.mkdir()
    shutil.copy(empty_gradebook, folder)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    for name in (PS0, PS3):
        shutil.copytree(ROOT / "exercises" / name, folder / "exercises" / name)
    (folder / "roster.csv").write_text(ROSTER)
    return folder


def zipped(path: Path, files: Mapping[str, bytes], times: Mapping[str, tuple[int, ...]] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (times or {}).get(name, (2026, 3, 1, 12, 0, 0))), data)
    return path


def collect(course: Path, source: Path, *more: str, roster: bool = True) -> Result:
    known = ["--roster", str(course / "roster.csv")] if roster else []
    return CliRunner().invoke(main, ["collect", str(source), "--course", str(course), *known, *more])


def placed(course: Path) -> dict[str, bytes]:
    base = course / "submitted"
    return {str(p.relative_to(base)): p.read_bytes() for p in sorted(base.rglob("*")) if p.is_file()}


MOODLE = {"Ada Lovelace_901_assignsubmission_file_": "ada", "Noether Emmy_902_assignsubmission_file": "emmy"}


@pytest.mark.parametrize("form", ["folders", "flat", "unpacked"])
def test_moodle(course: Path, tmp_path: Path, form: str) -> None:
    files = {
        f"{owner}/ps3.ipynb" if form != "flat" else f"{owner.rstrip('_')}_ps3.ipynb": version(i)
        for i, owner in enumerate(MOODLE)
    }
    files["Ada Lovelace_901_assignsubmission_onlinetext_/onlinetext.html"] = b"<p>Here it is</p>"
    source = zipped(tmp_path / "download.zip", files)
    if form == "unpacked":
        source = tmp_path / "download"
        zipfile.ZipFile(tmp_path / "download.zip").extractall(source)
    done = collect(course, source)
    assert (done.exit_code, done.stderr) == (0, "")
    assert placed(course) == {f"{who}/{PS3}/ps3.ipynb": version(i) for i, who in enumerate(MOODLE.values())}
    assert done.stdout.splitlines() == [
        "ps3-evaluation: 2 new, 1 of the roster missing.",
        "Left aside: 1 file besides the notebooks.",
        "Students in the gradebook, from roster.csv: 3 new.",
    ]


def test_canvas(course: Path, tmp_path: Path) -> None:
    files = {
        "lovelaceada_45_678_ps3.ipynb": version(1),
        "noetheremmy_LATE_99_679_ps3-1.ipynb": version(2),
        "hoppergracebrewster_47_680_my solution.ipynb": version(3),
    }
    done = collect(course, zipped(tmp_path / "submissions.zip", files))
    assert (done.exit_code, done.stderr) == (0, "")
    assert placed(course) == {
        f"{who}/{PS3}/ps3.ipynb": version(i) for i, who in ((1, "ada"), (2, "emmy"), (3, "grace"))
    }
    assert "emmy: ps3-evaluation was late, says Canvas." in done.stdout


def test_of_two_by_one_student_the_latest_wins_and_is_told(course: Path, tmp_path: Path) -> None:
    canvas = {"lovelaceada_45_700_ps3.ipynb": version(2), "lovelaceada_45_699_ps3-1.ipynb": version(1)}
    done = collect(course, zipped(tmp_path / "canvas.zip", canvas))
    assert placed(course) == {f"ada/{PS3}/ps3.ipynb": version(2)}
    assert "ada has handed in ps3-evaluation twice: lovelaceada_45_700_ps3.ipynb is later than" in done.stdout
    older, newer = (f"Emmy Noether_9_assignsubmission_file_/{name}.ipynb" for name in ("ps3 (1)", "ps3"))
    times = {older: (2026, 3, 1, 9, 0, 0), newer: (2026, 3, 1, 9, 0, 2)}
    collect(course, zipped(tmp_path / "moodle.zip", {newer: version(4), older: version(3)}, times))
    assert placed(course)[f"emmy/{PS3}/ps3.ipynb"] == version(4)


def test_the_cells_say_which_problem_set_it_is(course: Path, tmp_path: Path) -> None:
    files = {"ada/homework.ipynb": NOTEBOOK[PS0], f"emmy/{PS3}/ps3.ipynb": NOTEBOOK[PS3]}
    source = zipped(tmp_path / "x.zip", files)
    assert collect(course, source).exit_code == 0
    assert set(placed(course)) == {f"ada/{PS0}/ps0.ipynb", f"emmy/{PS3}/ps3.ipynb"}
    shutil.rmtree(course / "submitted")
    done = collect(course, source, "--set", "ps3")
    assert done.exit_code == 1
    assert "ada/homework.ipynb: homework.ipynb is a notebook of ps0-switches, not of ps3-evaluation." in done.stderr
    assert set(placed(course)) == {f"emmy/{PS3}/ps3.ipynb"}


def test_what_cannot_be_placed_is_told_and_the_rest_is_placed(course: Path, tmp_path: Path) -> None:
    files = {
        "Ada Lovelace_1_assignsubmission_file_/ps3.ipynb": NOTEBOOK[PS3],
        "Alan Turing_2_assignsubmission_file_/ps3.ipynb": NOTEBOOK[PS3],
        "Emmy Noether_3_assignsubmission_file_/essay.ipynb": b'{"cells": []}',
        "Grace Brewster Hopper_4_assignsubmission_file_/answers.zip": b"no zip",
        "ps3.ipynb": NOTEBOOK[PS3],
    }
    done = collect(course, zipped(tmp_path / "x.zip", files))
    assert done.exit_code == 1
    assert set(placed(course)) == {f"ada/{PS3}/ps3.ipynb"}
    assert "Not placed: 4" in done.stderr
    assert "/ps3.ipynb: Alan Turing (2) is not in the roster." in done.stderr
    assert "essay.ipynb has no cell of a released problem set." in done.stderr
    assert "answers.zip is no zip file, or it is damaged" in done.stderr
    assert "  ps3.ipynb: The name says of nobody" in done.stderr


def test_a_notebook_that_is_broken_is_placed_for_grading_to_tell(course: Path, tmp_path: Path) -> None:
    done = collect(course, zipped(tmp_path / "x.zip", {"ada/ps3 (1).ipynb": b"half a note"}))
    assert (done.exit_code, placed(course)) == (0, {f"ada/{PS3}/ps3.ipynb": b"half a note"})


def test_a_zip_that_was_handed_in_is_opened(course: Path, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("work/ps3.ipynb", NOTEBOOK[PS3])
        archive.writestr("__MACOSX/work/._ps3.ipynb", b"junk")
    done = collect(course, zipped(tmp_path / "x.zip", {"lovelaceada_45_1_work.zip": inner.getvalue()}))
    assert (done.exit_code, set(placed(course))) == (0, {f"ada/{PS3}/ps3.ipynb"})


@pytest.mark.parametrize("form", ["Ada Lovelace_{}_assignsubmission_file_/ps3.ipynb", "lovelaceada_{}_1_ps3.ipynb"])
def test_two_of_one_name_are_not_guessed_at(course: Path, tmp_path: Path, form: str) -> None:
    (course / "roster.csv").write_text(ROSTER + "ada2,Ada Lovelace,ada2@example.org,48\n")
    done = collect(course, zipped(tmp_path / "x.zip", {form.format(99): NOTEBOOK[PS3]}))
    assert (done.exit_code, placed(course)) == (1, {})
    assert "(99) may be ada or ada2. Give them their lms_id in the roster." in done.stderr
    assert collect(course, zipped(tmp_path / "y.zip", {form.format(48): NOTEBOOK[PS3]})).exit_code == 0
    assert set(placed(course)) == {f"ada2/{PS3}/ps3.ipynb"}


def test_nothing_is_overwritten_silently(course: Path, tmp_path: Path) -> None:
    first, second = (zipped(tmp_path / f"{i}.zip", {"ada/ps3.ipynb": version(i)}) for i in (1, 2))
    assert collect(course, first).exit_code == 0
    assert "1 unchanged" in collect(course, first).stdout
    done = collect(course, second)
    assert done.exit_code == 1
    assert "Already there, with other contents: ada. --update replaces them and keeps what was there." in done.stderr
    assert placed(course) == {f"ada/{PS3}/ps3.ipynb": version(1)}
    done = collect(course, second, "--update")
    assert (done.exit_code, placed(course)) == (0, {f"ada/{PS3}/ps3.ipynb": version(2)})
    (kept,) = (course / ".replaced" / "ada" / PS3).iterdir()
    assert kept.read_bytes() == version(1)


def test_nothing_leaves_the_folder(course: Path, tmp_path: Path) -> None:
    names = ("../ada/ps3.ipynb", "/ada/ps3.ipynb", "ada/../../emmy/ps3.ipynb", "..\\ada\\x.ipynb")
    files = dict.fromkeys(names, NOTEBOOK[PS3])
    done = collect(course, zipped(tmp_path / "x.zip", files))
    assert (done.exit_code, placed(course)) == (1, {})
    assert done.stderr.count("Its name leads out of the folder") == 4
    link = zipfile.ZipInfo("ada/ps3.ipynb")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "It is a symbolic link" in collect(course, tmp_path / "y.zip").stderr
    (tmp_path / "folder" / "ada").mkdir(parents=True)
    os.symlink("/etc/passwd", tmp_path / "folder" / "ada" / "ps3.ipynb")
    assert "It is a symbolic link" in collect(course, tmp_path / "folder").stderr
    assert placed(course) == {}


@pytest.mark.parametrize("student", ["..", "a/b", "a:b", "", " "])
def test_a_roster_s_ids_are_folder_names(course: Path, student: str) -> None:
    (course / "roster.csv").write_text(f"id,name\n{student},Ada Lovelace\n")
    done = collect(course, course)
    assert done.exit_code == 2
    assert "roster.csv, line 2" in done.stderr or "names no student" in done.stderr


def test_the_wrong_file_is_refused_with_nothing_done(course: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.zip").write_text("these are notes")
    (tmp_path / "empty").mkdir()
    cases = {
        tmp_path / "notes.zip": "is no zip file, or it is damaged",
        tmp_path / "nowhere.zip": "does not exist",
        tmp_path / "empty": "holds no notebook in a layout that is known",
        zipped(tmp_path / "photos.zip", {"a.jpg": b"", "b.jpg": b""}): "holds no notebook in a layout that is known",
    }
    data = bytearray(zipped(tmp_path / "secret.zip", {"ada/ps3.ipynb": NOTEBOOK[PS3]}).read_bytes())
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(data)
    cases[tmp_path / "secret.zip"] = "is encrypted. Unpack it with its password, and collect the folder."
    (tmp_path / "short.zip").write_bytes(
        zipped(tmp_path / "x.zip", {"ada/ps3.ipynb": NOTEBOOK[PS3]}).read_bytes()[:-40]
    )
    cases[tmp_path / "short.zip"] = "is no zip file, or it is damaged"
    for source, reason in cases.items():
        done = collect(course, source)
        assert (done.exit_code, reason in done.stderr) == (2, True), done.output
    assert not (course / "submitted").exists()


def test_a_damaged_or_huge_file_is_told_and_the_rest_is_placed(course: Path, tmp_path: Path) -> None:
    source = zipped(tmp_path / "x.zip", {"ada/ps3.ipynb": NOTEBOOK[PS3], "emmy/ps3.ipynb": NOTEBOOK[PS3],
                                         "grace/ps3.ipynb": b" " * (21 << 20)})  # fmt: skip
    data = bytearray(source.read_bytes())
    data[data.index(b"ada/ps3.ipynb") + 200] ^= 0xFF
    source.write_bytes(data)
    done = collect(course, source)
    assert (done.exit_code, set(placed(course))) == (1, {f"emmy/{PS3}/ps3.ipynb"})
    assert "ada/ps3.ipynb: It is damaged" in done.stderr
    assert "grace/ps3.ipynb: It has more than 20,971,520 bytes" in done.stderr


def test_without_a_roster_the_download_names_the_students(course: Path, tmp_path: Path) -> None:
    files = {"Ada Lovelace_901_assignsubmission_file_/ps3.ipynb": version(1), "noetheremmy_46_7_ps3.ipynb": version(2)}
    done = collect(course, zipped(tmp_path / "x.zip", files), roster=False)
    assert done.exit_code == 0
    assert set(placed(course)) == {f"ada-lovelace-901/{PS3}/ps3.ipynb", f"noetheremmy-46/{PS3}/ps3.ipynb"}
    assert "There is no roster" in done.stdout


def test_the_gradebook_s_students_are_the_roster(course: Path, tmp_path: Path) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.add_student("al", first_name="Ada", last_name="Lovelace")
    source = zipped(tmp_path / "x.zip", {"Ada Lovelace_901_assignsubmission_file_/ps3.ipynb": version(1)})
    assert collect(course, source, roster=False).exit_code == 0
    assert set(placed(course)) == {f"al/{PS3}/ps3.ipynb"}


def test_timestamps_are_written_for_nbgrader(course: Path, tmp_path: Path) -> None:
    name = "Ada Lovelace_901_assignsubmission_file_/ps3.ipynb"
    source = zipped(tmp_path / "x.zip", {name: version(1)}, {name: (2026, 3, 1, 9, 30, 0)})
    assert collect(course, source, "--timestamps").exit_code == 0
    courses = CourseFolder.find(course).courses
    stamp = courses.get_existing_timestamp(str(course / "submitted" / "ada" / PS3))
    here = datetime.datetime(2026, 3, 1, 9, 30).astimezone()  # a zip knows no time zone
    assert stamp == here.astimezone(datetime.UTC).replace(tzinfo=None)


#: Rosters as systems write them, and what they say about Emmy Noether: id, names, address, number.
ROSTERS = {
    "own": ("id,name,email,lms_id\nen1,Emmy Noether,en@example.org,46\n", ("en1", "en@example.org", "46")),
    "canvas": (
        "Student,ID,SIS User ID,SIS Login ID,Section,ps3 (1)\n    Points Possible,,,,,24\n"
        '"Noether, Emmy",46,u46,en1,A,\n', ("en1", None, "46"),
    ),
    "moodle": (
        "Identifier;Full name;Email address;Grade\nParticipant 9;Emmy Noether;en@example.org;\n",
        ("en@example.org", "en@example.org", "9"),
    ),
    "nbgrader": ("id,first_name,last_name,email,lms_user_id\nen1,Emmy,Noether,,46\n", ("en1", None, "46")),
    "moodle-participants": ("\ufeffUsername\tFirst name\tSurname\nen1\tEmmy\tNoether\n", ("en1", None, None)),
}  # fmt: skip


@pytest.mark.parametrize("system", ROSTERS)
def test_rosters_of_other_systems(tmp_path: Path, system: str) -> None:
    text, (student, *_) = ROSTERS[system]
    (tmp_path / "roster.csv").write_text(text)
    roster, _ = read_roster(tmp_path / "roster.csv")
    assert [person.id for person in roster.people] == [student]
    assert roster.find("name:noetheremmy") == roster.find("name:emmynoether") == student


def in_gradebook(course: Path) -> dict[str, tuple[str | None, ...]]:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        return {s.id: (s.first_name, s.last_name, s.email, s.lms_user_id) for s in gradebook.students}


@pytest.mark.parametrize("system", ROSTERS)
def test_what_a_roster_says_is_entered_into_the_gradebook(course: Path, tmp_path: Path, system: str) -> None:
    text, (student, email, number) = ROSTERS[system]
    (course / "roster.csv").write_text(text)
    name = "Emmy Noether_9_assignsubmission_file_/ps3.ipynb"
    source = zipped(tmp_path / "x.zip", {name: NOTEBOOK[PS3]})
    assert "Students in the gradebook, from roster.csv: 1 new." in collect(course, source).stdout
    assert in_gradebook(course) == {student: ("Emmy", "Noether", email, number)}
    assert "Students in the gradebook" not in collect(course, source).stdout, "nothing has changed"


def test_what_the_roster_does_not_say_stays_in_the_gradebook(course: Path, tmp_path: Path) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.add_student("ada", first_name="A.", last_name="Byron", email="old@example.org", lms_user_id="45")
        gradebook.add_student("alan", first_name="Alan")
    (course / "roster.csv").write_text("id,name,email,lms_id\nada,Ada Lovelace,,\n")
    done = collect(course, zipped(tmp_path / "x.zip", {"ada/ps3.ipynb": NOTEBOOK[PS3]}))
    assert (done.exit_code, "from roster.csv: 1 changed." in done.stdout) == (0, True)
    assert in_gradebook(course) == {
        "ada": ("Ada", "Lovelace", "old@example.org", "45"),
        "alan": ("Alan", None, None, None),
    }


def test_a_download_that_is_refused_enters_nobody(course: Path, tmp_path: Path) -> None:
    assert collect(course, zipped(tmp_path / "photos.zip", {"a.jpg": b""})).exit_code == 2
    assert in_gradebook(course) == {}


def test_a_gradebook_is_made_where_there_is_none(course: Path, tmp_path: Path) -> None:
    (course / "gradebook.db").unlink()
    assert collect(course, zipped(tmp_path / "x.zip", {"ada/ps3.ipynb": NOTEBOOK[PS3]})).exit_code == 0
    assert sorted(in_gradebook(course)) == ["ada", "emmy", "grace"]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ada Lovelace", "Ada", "Lovelace"),
        ("Grace Brewster Hopper", "Grace Brewster", "Hopper"),
        ("van Rossum, Guido", "Guido", "van Rossum"),
        ("Hypatia", "", "Hypatia"),
        ("", "", ""),
    ],
)
def test_the_two_parts_of_a_name(name: str, first: str, last: str) -> None:
    assert parts(name) == (first, last)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("colour,shape\nred,round\n", "has no column that names students"),
        ("id,name\nada,A\nada,B\n", "line 3: ada is there twice"),
        ("id,name\n,Ada\n", "line 2: there is no id"),
        ("id,name\n", "names no student"),
    ],
)
def test_a_roster_that_is_none_is_refused(course: Path, text: str, reason: str) -> None:
    (course / "roster.csv").write_text(text)
    done = collect(course, course)
    assert (done.exit_code, reason in done.stderr) == (2, True), done.stderr


def test_names_are_found_whatever_part_comes_first() -> None:
    assert "vanrossumguido" in turned("Guido van Rossum")
    assert "guidovanrossum" in turned("van Rossum, Guido")
    assert "öğretmenayşe" in turned("Ayşe Öğretmen")
    assert turned(" ") == []
