"""`autograder trace`: runs a script as Python would, says what was found, and is clear about bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder.cli import main

LOOP = """\
import sys
import torch
from torch import nn

net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(torch.randn(6, 4)), torch.tensor([0, 1, 0, 1, 0, 1])).backward()
    optimizer.step()
with torch.no_grad():
    print("mean", net(torch.randn(6, 4)).mean().item())
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def trace(*args: str, **files: str) -> Result:
    for name, source in files.items():
        Path(f"{name}.py").write_text(source)
    return CliRunner().invoke(main, ["trace", *args])


def test_findings_with_their_lines_and_the_picture() -> None:
    done = trace("loop.py", loop=LOOP)
    assert done.exit_code == 0
    assert done.stdout.startswith("mean ")
    assert "Traced 4 forward passes, 3 backwards, 3 optimizer steps. 1 finding:" in done.stdout
    assert "loop.py:12: eval-never-called\n    net made an evaluation pass in training mode (net.1 live)" in done.stdout
    assert done.stdout.endswith("Timeline: loop-timeline.svg\n")
    assert Path("loop-timeline.svg").read_text().startswith("<?xml")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "begins"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.SVG", b"<?xml"), ("deep/a.svg", b"<?xml")]
)
def test_the_picture_where_and_as_what_one_likes(name: str, begins: bytes) -> None:
    Path("deep").mkdir()
    done = trace("-o", name, "loop.py", loop=LOOP)
    assert done.exit_code == 0, done.output
    assert Path(name).read_bytes().startswith(begins)
    assert f"Timeline: {name}" in done.stdout


SCENE = """\
import json, os, pickle, sys
import helper
import __main__
class Thing: pass
json.dump({
    "argv": sys.argv, "name": __name__, "file": __file__, "first": sys.path[0], "helper": helper.value,
    "main": __main__.__dict__ is globals(), "pickled": type(pickle.loads(pickle.dumps(Thing()))) is Thing,
    "builtins": __builtins__ is not None, "annotations": "annotations" in globals(),
}, sys.stderr)
"""


def test_the_script_finds_the_world_as_python_shows_it() -> None:
    import json

    Path("code").mkdir()
    Path("code/helper.py").write_text("value = 7\n")
    Path("code/scene.py").write_text(SCENE)
    args = ["code/scene.py", "--lr", "3", "-o", "x.svg", "--help"]
    python = subprocess.run([sys.executable, *args], capture_output=True, text=True, check=True)
    expected: dict[str, Any] = json.loads(python.stderr)
    seen = json.loads(trace(*args).stderr)
    assert expected["helper"] == 7
    assert seen == expected
    assert not Path("x.svg").exists()  # it was the script's option


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [("sys.exit()", 0, ""), ("sys.exit(3)", 3, ""), ('sys.exit("bye")', 1, "bye\n"), ("sys.exit(True)", 1, "")],
)
def test_exit_status_is_the_scripts(end: str, status: int, said: str) -> None:
    done = trace("loop.py", loop=LOOP + end)
    assert done.exit_code == status
    assert done.stderr == said
    assert "1 finding:" in done.stdout
    assert Path("loop-timeline.svg").exists()


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (LOOP, 1),
        (LOOP.replace("    print", "    net.eval()\n    print"), 0),
        ("print('hello')\n", 0),
        (LOOP + "sys.exit(3)", 3),
        (LOOP + "raise KeyboardInterrupt", 130),
        ("(", 2),
    ],
)  # fmt: skip
def test_exit_status_for_continuous_integration(source: str, status: int) -> None:
    assert trace("--fail-on-findings", "loop.py", loop=source).exit_code == status


def test_an_exception_is_shown_as_python_shows_it() -> None:
    source = LOOP + "def f():\n    raise ValueError('boom')\nf()\n"
    done = trace("loop.py", loop=source)
    python = subprocess.run([sys.executable, "loop.py"], capture_output=True, text=True)
    assert done.exit_code == python.returncode == 1
    assert done.stderr == python.stderr
    assert "ValueError: boom" in done.stderr
    assert "autograder" not in done.stderr
    assert "1 finding:" in done.stdout


def test_an_exception_inside_torch_is_shown_without_the_trace() -> None:
    done = trace("loop.py", loop=LOOP + "nn.functional.dropout(net(torch.ones(1, 4)), 2.0)\n")
    assert done.exit_code == 1
    assert 'loop.py", line 13, in <module>' in done.stderr
    assert "ValueError: dropout probability has to be between 0 and 1" in done.stderr
    assert "autograder" not in done.stderr


def test_ctrl_c_prints_what_was_found_so_far() -> None:
    done = trace("loop.py", loop=LOOP + "raise KeyboardInterrupt\n")
    assert done.exit_code == 130
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert "Interrupted. Traced 4 forward passes" in done.stdout
    assert "eval-never-called" in done.stdout
    assert Path("loop-timeline.svg").exists()


def test_a_script_without_pytorch() -> None:
    done = trace("hello.py", hello="print('hello')\n")
    assert done.exit_code == 0
    assert done.stdout == (
        "hello\n\nThe script made no forward pass, no backward and no optimizer step: nothing to say.\n"
    )
    assert not Path("hello-timeline.svg").exists()


def test_a_script_may_end_with_its_switches_as_it_likes() -> None:
    source = "import torch\ntorch.set_grad_enabled(False)\ntorch.nn.Linear(1, 1).eval()(torch.ones(1, 1))\n"
    try:
        done = trace("predict.py", predict=source)
    finally:
        import torch

        torch.set_grad_enabled(True)
    assert "No findings." in done.stdout


def test_notes_are_printed() -> None:
    source = "import torch\nnet = torch.jit.script(torch.nn.Linear(1, 1))\nnet(torch.ones(1, 1)).sum().backward()\n"
    done = trace("script.py", script="import warnings\nwarnings.simplefilter('ignore')\n" + source)
    assert "Note: net is TorchScript: what happens inside it cannot be observed." in done.stdout


def test_a_script_that_changes_the_folder() -> None:
    Path("elsewhere").mkdir()
    done = trace("loop.py", loop="import os\nos.chdir('elsewhere')\n" + LOOP)
    assert "loop.py:14: eval-never-called" in done.stdout
    assert Path("../loop-timeline.svg").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["missing.py"], "missing.py does not exist. Name a Python file to run."),
        (["folder"], "folder is a folder. Name the Python file to run."),
        (["notes.txt"], "notes.txt is not a Python file (invalid syntax, line 1)."),
        (["weights.pt"], "weights.pt is not a Python file (invalid or missing encoding declaration)."),
        (["broken.py"], "broken.py cannot be run, line 2: '(' was never closed."),
        (["book.ipynb"], "book.ipynb is a notebook. Use ModeTrace in it, or export it: jupyter nbconvert --to script "
         "book.ipynb"),
        (["-o", "a.txt", "fine.py"], "a.txt: a timeline is written as .svg, .png, .pdf."),
        (["-o", "none/a.svg", "fine.py"], "the folder of none/a.svg does not exist."),
    ],
)  # fmt: skip
def test_bad_input_gets_one_clear_line(args: list[str], message: str) -> None:
    Path("folder").mkdir()
    Path("notes.txt").write_text("to do: everything\n")
    Path("weights.pt").write_bytes(b"PK\x03\x04\x00\xff\xfe")
    Path("broken.py").write_text("x = 1\nprint(\n")
    Path("book.ipynb").write_text("{}")
    Path("fine.py").write_text("raise SystemExit('ran')")
    done = trace(*args)
    assert done.exit_code == 2
    assert done.stderr == f"Error: {message}\n"
    assert done.stdout == ""


def test_help_and_version() -> None:
    assert "trace" in CliRunner().invoke(main, ["-h"]).stdout
    assert "SCRIPT-timeline.svg" in CliRunner().invoke(main, ["trace", "-h"]).stdout
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("autograder, version ")
