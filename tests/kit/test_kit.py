"""The learners' zip: what is in it, what is not, and a learner's first hour with it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from autograder.cli import main
from tests.conftest import ROOT
from tools.kit import build as kit_build
from tools.kit import start

TOP = "two-switches-kit/"
RELEASED = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("exercises/ps*/ps*.ipynb")}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit_build.build(tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="module")
def unpacked(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learner")
    with zipfile.ZipFile(kit) as opened:
        opened.extractall(folder)
    return folder / TOP


@pytest.fixture(scope="module")
def wheel(unpacked: Path) -> Iterator[zipfile.ZipFile]:
    (path,) = unpacked.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


# ---------------------------------------------------------------------- what is in it


def test_the_zip_holds_this_and_nothing_else(kit: Path, unpacked: Path) -> None:
    (wheel,) = unpacked.glob("*.whl")
    fixed = {"START.html", "start.py", "requirements.txt", "LICENSE", "LICENSE-TEXT", wheel.name}
    with zipfile.ZipFile(kit) as opened:
        assert {name.removeprefix(TOP) for name in opened.namelist()} == fixed | RELEASED
    for name in RELEASED:
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_wheel_is_the_package_without_its_instructors_half(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = {n for n in names if not re.match(r"[^/]+\.dist-info/", n)}
    ours = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "autograder").rglob("*")
        if p.suffix in {".py", ".toml"} and p.relative_to(ROOT).parts[1] not in {"grading", "kernel"}
    }
    assert package == ours | {"pytest_mode_trace.py"}


def test_nothing_in_it_gives_an_answer_away(unpacked: Path, wheel: zipfile.ZipFile) -> None:
    texts = {p.name: p.read_text() for p in unpacked.rglob("*") if p.suffix in {".ipynb", ".py", ".html", ".txt"}}
    texts |= {name: wheel.read(name).decode() for name in wheel.namelist()}
    for name, text in texts.items():
        found = re.search(
            r"### (BEGIN|END) (SOLUTION|HIDDEN|MARK)|# %% (right|wrong) \||solutions/ps|/root/|/home/", text
        )
        assert not found, f"{name}: {found and found[0]}"
    seed = ROOT / ".grading-seed"
    if seed.is_file():
        secret = seed.read_text().strip()
        assert not [name for name, text in texts.items() if secret in text]
    package = "\n".join(text for name, text in texts.items() if name.startswith("autograder/"))
    for corpus in sorted(ROOT.glob("tests/corpora/ps*/*.py")):
        for chunk in re.split(r"^# %% ", corpus.read_text(), flags=re.M)[1:]:
            body = chunk.partition("\n")[2].strip()
            assert body not in package, f"{corpus.name}: {chunk.partition(chr(10))[0]}"


def test_the_wheel_lists_its_contents(wheel: zipfile.ZipFile) -> None:
    (record,) = (name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
    assert {row[0] for row in csv.reader(wheel.read(record).decode().splitlines())} == set(wheel.namelist())
    assert wheel.testzip() is None


def test_every_entry_point_of_the_wheel_leads_somewhere(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = ConfigParser(delimiters="=")
    points.read_string(wheel.read(name).decode())
    assert dict(points["console_scripts"]) == {"autograder": "autograder.cli:main"}
    assert dict(points["pytest11"]) == {"pytest_mode_trace": "pytest_mode_trace"}
    for group in points.sections():
        for target in points[group].values():
            module = target.partition(":")[0].replace(".", "/")
            assert {f"{module}.py", f"{module}/__init__.py"} & set(wheel.namelist()), target


def test_every_requirement_is_pinned(unpacked: Path) -> None:
    *pins, ours = (unpacked / "requirements.txt").read_text().splitlines()
    assert (unpacked / ours).is_file()
    assert "torch==2.13.0" in pins
    assert {"jupyterlab", "ipykernel"} <= {pin.partition("==")[0] for pin in pins}
    assert not [pin for pin in pins if not re.fullmatch(r"[\w-]+==[\d.]+", pin) or "nbgrader" in pin]


def test_the_same_sources_give_the_same_kit(kit: Path, tmp_path: Path) -> None:
    assert kit_build.build(tmp_path).read_bytes() == kit.read_bytes()


def test_the_page_to_start_with_stands_alone(unpacked: Path) -> None:
    text = (unpacked / "START.html").read_text()
    loads: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            loads.extend(
                str(value) for name, value in attrs if name in ("src", "srcset") or (tag, name) == ("link", "href")
            )

    Reader().feed(text)
    assert not loads
    assert "python3 start.py" in text
    assert "py start.py" in text


# ---------------------------------------------------------------------- a learner's first hour

FIRST_HOUR = """
import json, sys
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

notebook = nbformat.read("exercises/ps0-switches/ps0.ipynb", as_version=4)
code = [c for c in notebook.cells if c.cell_type == "code"]
for cell in code:
    if cell.metadata.get("nbgrader", {}).get("grade_id") == "switches-live_modules-solution":
        cell.source = open("answer.py").read()
code.append(nbformat.v4.new_code_cell("import autograder; print(autograder.__file__)\\nautograder.progress()"))
notebook.cells.append(code[-1])
place = {"metadata": {"path": "exercises/ps0-switches"}}
settings = Config(KernelManager=json.loads(sys.argv[1]))
NotebookClient(notebook, timeout=120, allow_errors=True, config=settings, resources=place).execute()
nbformat.write(notebook, "done.ipynb")
"""


@pytest.mark.slow
def test_from_the_zip_to_a_checked_exercise(kit: Path, tmp_path: Path, own_sockets: dict[str, str]) -> None:
    """Everything as a learner does it, except that PyTorch and Jupyter are those of the course: nothing is fetched."""
    with zipfile.ZipFile(kit) as opened:
        opened.extractall(tmp_path)
    folder = tmp_path / TOP
    ours = (folder / "requirements.txt").read_text().splitlines()[-1]
    (folder / "requirements.txt").write_text(ours + "\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"TWO_SWITCHES_PROGRESS": str(tmp_path / "progress.json"), "OMP_NUM_THREADS": "1"}

    def run(*command: object) -> str:
        done = subprocess.run(
            [str(c) for c in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "Installing into .venv" in run(sys.executable, "start.py", "--install-only", "--no-index", "--no-deps")
    assert "Installing" not in run(sys.executable, "start.py", "--install-only")

    assert "fetchNews" in (folder / ".venv/share/jupyter/lab/settings/overrides.json").read_text()

    python = next(p for p in (folder / ".venv/bin/python", folder / ".venv/Scripts/python.exe") if p.exists())
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # a line in a .pth file is a folder: the course's own editable installation is not followed from there
    (site / "course.pth").write_text(sysconfig.get_path("purelib") + "\n")
    corpus = (ROOT / "tests/corpora/ps0/live_modules.py").read_text()
    (folder / "answer.py").write_text(re.split(r"^# %% right.*\n", corpus, flags=re.M)[1].partition("\n# %% ")[0])
    run(python, "-c", FIRST_HOUR, json.dumps(own_sockets))

    done = nbformat.read(folder / "done.ipynb", as_version=4)
    assert str(site) in done.cells[-1].outputs[0].text
    said = json.dumps([c.outputs for c in done.cells if c.cell_type == "code"])
    assert "switches.live_modules: 3 of 3 points, all passed" in said
    assert "1 of " in done.cells[-1].outputs[1].data["text/plain"]
    assert "✓ done" in done.cells[-1].outputs[1].data["text/html"]
    command = python.with_name("autograder")
    assert "done   switches.live_modules" in run(command, "progress")


FOR_INSTRUCTORS = {"collect": ["x.zip"], "export": [], "feedback": ["ps0"], "grade": ["ps0"], "release": [],
                   "report": ["ps0"]}  # fmt: skip


@pytest.fixture
def learners_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the instructors' half were not installed."""
    for name in list(sys.modules):
        if re.match(r"autograder\.(grading|kernel)", name):
            monkeypatch.setitem(sys.modules, name, None)
    for part in kit_build.INSTRUCTORS:
        monkeypatch.setitem(sys.modules, f"autograder.{part}", None)
        monkeypatch.delattr(f"autograder.{part}", raising=False)


@pytest.mark.parametrize("command", FOR_INSTRUCTORS)
def test_an_instructors_command_in_the_learners_package(command: str, learners_package: None) -> None:
    done = CliRunner().invoke(main, [command, *FOR_INSTRUCTORS[command]])
    assert done.exit_code == 2
    assert re.fullmatch(
        rf"Error: `{command}` is for instructors and needs autograder\.(grading|kernel), which the learners' package "
        r"leaves out\. Run it in the course's own environment \(make env\)\.\n",
        done.stderr,
    )


def test_learners_are_shown_their_own_commands(learners_package: None) -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:")[2]
    assert re.findall(r"^  (\w+) ", shown, flags=re.M) == ["progress", "trace"]


def test_instructors_are_shown_theirs_too() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:")[2]
    assert set(re.findall(r"^  (\w+) ", shown, flags=re.M)) == {"progress", "trace", *FOR_INSTRUCTORS}


# ---------------------------------------------------------------------- bad input


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of its own, to be damaged."""
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "exercises", tmp_path / "exercises")
    return tmp_path


def test_no_kit_without_notebooks(root: Path) -> None:
    shutil.rmtree(root / "exercises")
    with pytest.raises(kit_build.NoKit, match=r"no notebooks in exercises/. Run `make release` first."):
        kit_build.build(root / "out", root=root)
    assert not (root / "out").exists()


@pytest.mark.parametrize("secret", ["### BEGIN SOLUTION", "### BEGIN HIDDEN TESTS", "### END MARK SCHEME"])
def test_no_kit_with_a_solution_in_it(root: Path, secret: str) -> None:
    notebook = root / "exercises/ps0-switches/ps0.ipynb"
    notebook.write_text(notebook.read_text().replace("# Your code here", secret, 1))
    with pytest.raises(kit_build.NoKit, match=f"exercises/ps0-switches/ps0.ipynb holds '{secret}'"):
        kit_build.build(root / "out", root=root)


def test_no_kit_with_a_requirement_that_has_no_pin(root: Path) -> None:
    pins = root / "requirements.txt"
    pins.write_text(pins.read_text().replace("click==", "# click=="))
    with pytest.raises(kit_build.NoKit, match="does not pin click, which pyproject"):
        list(kit_build.pins(root))


@pytest.mark.parametrize("gone", ["requirements.txt", "exercises/ps0-switches/ps0.ipynb", "wheel"])
def test_started_from_inside_the_zip(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    shutil.copytree(unpacked, tmp_path / "kit", ignore=shutil.ignore_patterns(".venv"))
    lost = next((tmp_path / "kit").glob("*.whl")) if gone == "wheel" else tmp_path / "kit" / gone
    lost.unlink()
    monkeypatch.setattr(start, "HERE", tmp_path / "kit")
    name = "autograder-*.whl" if gone == "wheel" else gone
    assert start.main([]) == (
        f"{name} is not beside start.py. Unpack the whole zip into one folder and run start.py there."
    )


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.sys, "version_info", (3, 9, 6))
    assert start.main([]).startswith("Python 3.11 or newer is needed, this is 3.9.6.")


@pytest.mark.parametrize(("fails", "said"), [("venv", "python3-venv"), ("pip", "did not finish")])
def test_an_installation_that_fails_is_no_environment(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str, said: str
) -> None:
    shutil.copytree(unpacked, tmp_path / "kit", ignore=shutil.ignore_patterns(".venv"))
    monkeypatch.setattr(start, "HERE", tmp_path / "kit")
    monkeypatch.setattr(start, "VENV", tmp_path / "kit/.venv")
    monkeypatch.setattr(start, "READY", tmp_path / "kit/.venv/.ready")
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, int(command[2] == fails))

    monkeypatch.setattr(start.subprocess, "run", run)
    assert said in str(start.main(["--proxy", "http://localhost:1"]))
    assert not (tmp_path / "kit/.venv/.ready").exists()
    if fails == "pip":
        assert commands[-1][-2:] == ["--proxy", "http://localhost:1"]
