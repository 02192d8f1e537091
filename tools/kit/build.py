"""Build the learners' zip: released notebooks, the package without its instructors' half, pinned requirements, a start.

    python -m tools.kit.build

Learners run none of `autograder.grading` and `autograder.kernel`: both are for whoever grades. They are taken out of
the wheel, together with what only they need (entry points, a kernel for grading). The same sources give the same bytes.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
#: The folder in the zip, so that unpacking makes one folder.
NAME = "two-switches-kit"
INSTRUCTORS = ("grading", "kernel")


class NoKit(Exception):
    """Why there can be no kit, and what to do."""


def build(folder: Path, *, root: Path = ROOT) -> Path:
    """Build the zip in ``folder`` and return its path.

    Raises:
        NoKit: if a notebook is missing or holds a solution, or if a requirement has no pin.
    """
    notebooks = released(root / "exercises")
    folder.mkdir(parents=True, exist_ok=True)
    date = released_on(root)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = learners_wheel(root, Path(scratch), date)
        requirements = "".join(f"{line}\n" for line in [*pins(root), f"./{wheel.name}"])
        finished = Path(scratch) / "kit.zip"
        with zipfile.ZipFile(finished, "w") as kit:
            _add(kit, date, "START.html", (HERE / "START.html").read_bytes())
            _add(kit, date, "start.py", (HERE / "start.py").read_bytes())
            _add(kit, date, "requirements.txt", requirements.encode())
            _add(kit, date, "LICENSE", (root / "LICENSE").read_bytes())
            _add(kit, date, "LICENSE-TEXT", (root / "LICENSE-TEXT").read_bytes())
            _add(kit, date, wheel.name, wheel.read_bytes())
            for notebook in notebooks:
                _add(kit, date, notebook.relative_to(root).as_posix(), notebook.read_bytes())
        return Path(shutil.move(finished, folder / f"{NAME}.zip"))


def released(exercises: Path) -> list[Path]:
    """The notebooks learners get, looked through once more."""
    notebooks = sorted(exercises.glob("ps*/ps*.ipynb"))
    if not notebooks:
        raise NoKit(f"There are no notebooks in {exercises.name}/. Run `make release` first.")
    for notebook in notebooks:
        found = re.search(r"### (BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)", notebook.read_text(encoding="utf-8"))
        if found:
            where = f"{exercises.name}/{notebook.relative_to(exercises).as_posix()}"
            raise NoKit(f"{where} holds '{found[0]}': it is no released notebook. Run `make release`.")
    return notebooks


def pins(root: Path) -> Iterator[str]:
    """What learners need by pyproject.toml, in the versions of requirements.txt."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0]: line for line in lines if "==" in line and not line.startswith("#")}
    for wanted in project["dependencies"] + project["optional-dependencies"]["notebooks"]:
        name = re.split(r"[^\w.-]", wanted)[0]
        if name not in pinned:
            raise NoKit(f"requirements.txt does not pin {name}, which pyproject.toml gives to learners. Pin it.")
        yield pinned[name]


def released_on(root: Path) -> int:
    """The date that the kit's files bear, in seconds since 1970: that of the last commit, or today's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return int(time.time()) // 86400 * 86400


def learners_wheel(root: Path, scratch: Path, date: int) -> Path:
    """The package as a wheel, without what is for instructors."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(date)}
    options = ("--quiet", "--no-deps", "--no-build-isolation")
    source = scratch / "source"  # setuptools leaves its build/ in the folder it works in
    shutil.copytree(root / "autograder", source / "autograder", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "pytest_mode_trace.py"):
        shutil.copy(root / name, source)
    _run("pip", "wheel", *options, "--wheel-dir", scratch, source, env=environment)
    (whole,) = scratch.glob("*.whl")
    _run("wheel", "unpack", "--dest", scratch, whole, env=environment)
    whole.unlink()
    (opened,) = scratch.glob("autograder-*/")
    for part in INSTRUCTORS:
        shutil.rmtree(opened / "autograder" / part, ignore_errors=True)
    for data in opened.glob("*.data"):
        shutil.rmtree(data)
    (entry_points,) = opened.glob("*.dist-info/entry_points.txt")
    _keep_entry_points(entry_points, opened)
    _run("wheel", "pack", "--dest-dir", scratch, opened, env=environment)
    (wheel,) = scratch.glob("*.whl")
    return wheel


def _keep_entry_points(path: Path, opened: Path) -> None:
    """Leave out those whose module is gone."""
    points = configparser.ConfigParser(delimiters="=", interpolation=None)
    points.optionxform = str  # type: ignore[assignment, method-assign]
    points.read(path, encoding="utf-8")
    for group in points.sections():
        for name, target in points.items(group):
            module = opened / target.partition(":")[0].strip().replace(".", "/")
            if not module.is_dir() and not module.with_suffix(".py").is_file():
                points.remove_option(group, name)
        if not points.options(group):
            points.remove_section(group)
    with path.open("w", encoding="utf-8") as file:
        points.write(file)


def _run(module: str, *arguments: object, env: dict[str, str]) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoKit(f"`{module} {arguments[0]}` failed:\n{done.stdout}{done.stderr}")


def _add(kit: zipfile.ZipFile, date: int, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(f"{NAME}/{name}", time.gmtime(date)[:6])
    entry.external_attr = 0o644 << 16
    kit.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    try:
        kit = build(ROOT / "_build" / "kit")
    except (NoKit, OSError) as error:
        sys.exit(str(error))
    print(f"{kit.relative_to(ROOT).as_posix()}: {kit.stat().st_size / 1e6:.1f} MB")
