"""The fixture `mode_trace`, used by a project of somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.conftest import ROOT

PROJECT = """\
import pytest, sys, torch
from torch import nn

@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
"""


def run(folder: Path, tests: str) -> str:
    (folder / "test_theirs.py").write_text(PROJECT + tests)
    command = [sys.executable, "-m", "pytest", "-p", "pytest_mode_trace", "-p", "no:cacheprovider", "-vv", "-rA"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def test_a_test_passes_or_fails_by_its_findings(tmp_path: Path) -> None:
    said = run(tmp_path, """
def predict(model):
    with torch.no_grad():
        return model(torch.randn(2, 4))

def test_right(model, mode_trace):
    model.eval()
    kept = predict(model)
    model.train()
    assert not mode_trace.findings()
    assert not mode_trace.findings()
    assert [e.kind for e in mode_trace.events if not e.depth][-1] in ("forward", "mode")

def test_live_while_its_result_is_kept(model, mode_trace):
    kept = predict(model)
    assert not mode_trace.findings()

def test_mode_left_behind(model, mode_trace):
    model.eval()
    assert not mode_trace.findings()

def test_switch_left_off(mode_trace):
    torch.set_grad_enabled(False)
    try:
        assert not mode_trace.findings()
    finally:
        torch.set_grad_enabled(True)

def test_unwatched_again():
    from torch.nn.modules.module import _global_forward_hooks
    assert not _global_forward_hooks
""")  # fmt: skip
    assert "2 passed" in said
    assert "3 failed" in said
    assert "PASSED test_theirs.py::test_right\n" in said
    assert "PASSED test_theirs.py::test_unwatched_again\n" in said
    source = (tmp_path / "test_theirs.py").read_text().splitlines()
    for rule, at in (
        ("eval-never-called", "        return model(torch.randn(2, 4))"),
        ("mode-not-restored", "def test_mode_left_behind(model, mode_trace):"),
        ("grad-mode-leaked", "def test_switch_left_off(mode_trace):"),
    ):
        line = source.index(at) + 1
        found = next(row for row in said.splitlines() if f"rule='{rule}'" in row and row.startswith("E"))
        assert f"{tmp_path / 'test_theirs.py'}', line={line}" in found


def test_pytorch_is_not_loaded_for_tests_that_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("import sys\ndef test_plain():\n    assert 'torch' not in sys.modules\n")
    command = [sys.executable, "-m", "pytest", "-p", "pytest_mode_trace", "-p", "no:cacheprovider", "test_plain.py"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_the_plugin_comes_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"pytest_mode_trace": "pytest_mode_trace"}
    assert project["tool"]["setuptools"]["py-modules"] == ["pytest_mode_trace"]
