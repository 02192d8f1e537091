"""The guides are true: their commands exist and print what they say, their code runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.apps.nbgraderapp import NbGraderApp

from autograder.cli import main

from .conftest import BOOK
from .source import prose, read

ROOT = BOOK.parent
GUIDES = [BOOK / f"{name}.md" for name in ("trace", "for-learners", "for-instructors", "for-contributors")]

guides = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


@guides
def test_the_guide_is_in_the_book(guide: Path) -> None:
    assert f"file: {guide.stem}\n" in read(BOOK / "_toc.yml")


@pytest.mark.parametrize("source", [*GUIDES, ROOT / "CONTRIBUTING.md"], ids=lambda source: source.stem)
def test_one_sentence_per_line_and_no_shouting(source: Path) -> None:
    for line in prose(read(source)):
        assert "!" not in line, line
        if not re.match(r"\s|\||#|-|\d\.", line):
            assert not re.search(r"[a-z)][.?] [A-Z]", line), f"two sentences on one line: {line}"


@guides
def test_the_commands_it_names_exist(guide: Path) -> None:
    text = read(guide) + read(ROOT / "CONTRIBUTING.md")
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), flags=re.M))
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", text))
    assert named
    assert named <= targets
    commands = set(re.findall(r"(?:`|\$ |bin/)autograder ([a-z]+)", text))
    assert commands <= set(main.commands)


def named_commands(program: str) -> list[tuple[str, str]]:
    """Every command line of a program in guides and README, in a block or between backticks, with its page."""
    pattern = re.compile(rf"(?:`|^\$ )(?:\.venv/bin/)?{program} ([^`\n]+)", re.M)
    return sorted({(page.name, line) for page in (*GUIDES, ROOT / "README.md") for line in pattern.findall(read(page))})


@pytest.mark.parametrize(("page", "line"), named_commands("autograder"))
def test_our_commands_are_as_the_guides_write_them(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class.csv").touch()  # options that name a file want one
    name, *arguments = shlex.split(line)
    whole = main.context_class(main, **main.context_settings)  # click remembers what it is first asked with
    if name.startswith("-"):
        assert name in [option for parameter in main.get_params(whole) for option in parameter.opts]
    elif arguments or not any(parameter.required for parameter in main.commands[name].params):
        main.commands[name].make_context(name, arguments, parent=whole)
    else:
        assert name in main.commands  # the command is spoken of, not typed


@pytest.mark.parametrize(("page", "line"), named_commands("nbgrader"))
def test_nbgrader_s_commands_are_as_the_guides_write_them(page: str, line: str) -> None:
    application, words = NbGraderApp(), shlex.split(line)
    while words and words[0] in application.subcommands:
        application = application.subcommands[words.pop(0)][0]()
    assert not isinstance(application, NbGraderApp), f"there is no command `nbgrader {line}`"
    classes = application.all_configurable_classes()
    known = {f"{one.__name__}.{trait}" for one in classes for trait in one.class_traits()}
    options = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
    assert options <= known | {*application.aliases, *application.flags}


TRACED = [block for block in blocks(read(BOOK / "trace.md"), "console") if block.count("\n") > 1]


def test_every_example_is_on_the_page() -> None:
    shown = [re.search(r"examples/(\w+)\.py", block)[1] for block in TRACED]
    assert sorted(shown) == sorted(path.stem for path in ROOT.glob("examples/*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("block", TRACED, ids=lambda block: block.partition("\n")[0][2:])
def test_the_trace_says_what_the_page_says(block: str, tmp_path: Path) -> None:
    command, _, said = block.partition("\n")
    arguments = command.removeprefix("$ autograder ").split()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said in done.stdout
    assert done.returncode == 0, done.stderr


THEIRS = """
import pytest, torch
from torch import nn

@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))

@pytest.fixture
def loader():
    return [torch.randn(5, 4) for _ in range(3)]

def validate(model, loader):
    before = model.training
    model.eval()
    with torch.no_grad():
        for batch in loader:
            model(batch)
    model.train(before)
"""


def test_its_tests_are_tests(tmp_path: Path) -> None:
    tests = blocks(read(BOOK / "trace.md"), "python")
    assert len(tests) == 2

    def run(theirs: str) -> str:
        (tmp_path / "test_theirs.py").write_text(theirs + "\n".join(tests))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_mode_trace", "-p", "no:cacheprovider"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout

    assert "2 passed" in run(THEIRS)
    assert "2 failed" in run(THEIRS.replace("    model.eval()\n", ""))
    assert "1 failed, 1 passed" in run(THEIRS.replace("    model.train(before)\n", ""))
