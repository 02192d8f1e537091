"""The scripts of examples/: each runs to its end, and the trace finds the one thing that is wrong with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

SCRIPTS = sorted(ROOT.glob("examples/*.py"))

#: script, its arguments, the rule, the line it is found at, and the correction: a line and what it becomes
FAULTS = {
    "plain_loop": (
        ["--epochs", "2"], "train-never-called", "optimizer.step()",
        ("    total = 0.0\n    for", "    model.train()\n    total = 0.0\n    for"),
    ),
    "phase_loop": (
        [], "eval-never-called", "outputs = model(inputs)",
        ("            running_loss, ", '            model.train(phase == "train")\n            running_loss, '),
    ),
    "fine_tuning": (
        [], "bn-drifts-when-frozen", "loss = loss_fn(model(images), labels)",
        ("        model.train()\n",
         "        model.train()\n        model.backbone.train(model.backbone[0].weight.requires_grad)\n"),
    ),
}  # fmt: skip


def run(script: Path, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograder.cli", "trace", "--fail-on-findings", str(script), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_example_is_tested() -> None:
    assert [script.stem for script in SCRIPTS] == sorted(FAULTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_fault_of_an_example_is_found_at_its_line(script: Path, tmp_path: Path) -> None:
    arguments, rule, line, _ = FAULTS[script.stem]
    done = run(script, arguments, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "1 finding:" in done.stdout
    found = re.search(rf"{script.name}:(\d+): {rule}", done.stdout)
    assert found, done.stdout
    assert script.read_text().splitlines()[int(found[1]) - 1].strip() == line
    assert (tmp_path / f"{script.stem}-timeline.svg").is_file()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_corrected_example_passes(script: Path, tmp_path: Path) -> None:
    arguments, _, _, (wrong, right) = FAULTS[script.stem]
    source = script.read_text()
    assert source.count(wrong) == 1
    corrected = tmp_path / script.name
    corrected.write_text(source.replace(wrong, right))
    done = run(corrected, arguments, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings." in done.stdout
