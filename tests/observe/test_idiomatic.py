"""Whole scripts as people write them: silence on the right ones, the right name and line on their faulty twins.

They run through `autograder trace`, unchanged, as a user would run them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli import main

Trace = Callable[[str], str]

_SCRIPTS = Path(__file__).parent / "scripts"

#: script, (a line, what a forgetful author writes instead), the rule and the line it is found at
_FAULTY = [
    ("plain_loop", ("    model.eval()\n", ""), "eval-never-called", "outputs = model(images)"),
    ("plain_loop", ("    model.train()\n", ""), "train-never-called", "optimizer.step()"),
    ("plain_loop", ("        optimizer.zero_grad()\n", ""), "zero-grad-missing", "loss.backward()"),
    ("plain_loop", ("with torch.no_grad():", "with contextlib.nullcontext():"), "graph-built", "outputs = model"),
    ("phases", ("model.train(phase == \"train\")", "model.train()"), "eval-never-called", "outputs = model(inputs)"),
    ("phases", ("model.train(phase == \"train\")", "model.eval()"), "train-never-called", "optimizer.step()"),
    ("fine_tuning", ("        self.backbone.eval()\n", ""), "bn-drifts-when-frozen", "loss_fn(model(x), y)"),
    ("accumulation", ("x, 0.2, self.training", "x, 0.2"), "functional-dropout-always-on", "x = F.dropout"),
    ("accumulation", ("    optimizer.zero_grad()\n", ""), "zero-grad-missing", "loss.backward()"),
    ("gan", ("    generator.eval()\n", ""), "eval-never-called", "samples = generator(fixed)"),
    ("inference_validation", ("        model.eval()\n", ""), "eval-never-called", "logits.append(model(x))"),
    ("inference_validation", ("nn.ModuleList(", "list("), "dropout-not-registered", "logits.append(model(x))"),
]  # fmt: skip


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trace:
    """Runs `autograder trace` on a source in this process and gives back the output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def run(source: str) -> str:
        Path("script.py").write_text(source)
        result = CliRunner().invoke(main, ["trace", "script.py"])
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.mark.parametrize("script", sorted(p.stem for p in _SCRIPTS.glob("*.py")))
def test_idiomatic_scripts_are_left_alone(script: str, trace: Trace) -> None:
    output = trace((_SCRIPTS / f"{script}.py").read_text())
    assert "No findings." in output
    assert Path("script-timeline.svg").stat().st_size > 1000


@pytest.mark.parametrize(("script", "change", "rule", "line"), _FAULTY, ids=[f"{f[0]}-{f[2]}" for f in _FAULTY])
def test_their_faulty_twins_are_found_out(
    script: str, change: tuple[str, str], rule: str, line: str, trace: Trace
) -> None:
    source = (_SCRIPTS / f"{script}.py").read_text()
    assert source.count(change[0]) == 1
    source = source.replace(*change)
    found = re.findall(r"^script\.py:(\d+): ([a-z-]+)", trace(source), flags=re.M)
    assert rule in [name for _, name in found]
    places = {source.splitlines()[int(n) - 1].strip() for n, name in found if name == rule}
    assert any(line in place for place in places), places
    assert {name for _, name in found} == {rule}  # and nothing else is said
