"""How long the book takes to build: cold against a sequential build, warm against a build that executes nothing.

Everything happens in a copy of the book in a temporary folder. "Sequential" is what `jupyter-book build` does by
itself: one page after the other. "Off" is the same Sphinx run on the same pages with execution off, so without any
figures.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import _record


def copy_of_the_book(folder: Path) -> Path:
    """Everything that a build reads, and nothing that one has written."""
    for part in ("book", "autograder", "bench/results", "examples"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("_config.yml", "requirements.txt", "CONTRIBUTING.md"):
        shutil.copy(ROOT / file, folder)
    return folder


def configured(folder: Path, name: str, *, execute: str = "cache", ahead: bool = True) -> Path:
    """A copy of the configuration with these two settings."""
    config = yaml.safe_load((folder / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["execute_notebooks"] = execute
    config["sphinx"]["config"]["house_execute_ahead"] = ahead
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def build(folder: Path, config: Path, out: str, *options: str) -> float:
    """Seconds that a build takes. A page that fails to execute stops the measurement."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "book", "--config", str(config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    start = time.perf_counter()
    command += ["--path-output", out, *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode or "Executing notebook failed" in done.stderr:
        raise SystemExit(f"the build failed:\n{done.stderr[-3000:]}")
    print(f"  {config.stem:10} {' '.join(options):5} {seconds:6.1f} s", flush=True)
    return seconds


def measure(folder: Path) -> dict[str, float]:
    """One round, every build once."""
    ours, sequential = configured(folder, "ours"), configured(folder, "sequential", ahead=False)
    off = configured(folder, "off", execute="off")
    for out in ("ours", "sequential", "off"):
        shutil.rmtree(folder / out, ignore_errors=True)
    seconds = {"cold": build(folder, ours, "ours"), "sequential": build(folder, sequential, "sequential")}
    build(folder, off, "off")
    seconds["warm, all pages"] = build(folder, ours, "ours", "--all")
    seconds["off, all pages"] = build(folder, off, "off", "--all")
    page = next((folder / "book").glob("03-*.md"))
    page.write_text(page.read_text(encoding="utf-8") + "\nOne sentence more.\n", encoding="utf-8")
    seconds["warm, one page's prose changed"] = build(folder, ours, "ours")
    seconds["off, one page's prose changed"] = build(folder, off, "off")
    return seconds


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True)
def main(rounds: int) -> None:
    times = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            print(f"round {number + 1} of {rounds}")
            times.append(measure(copy_of_the_book(Path(folder))))
    pairs = {
        "cold, ours to sequential": ("cold", "sequential"),
        "warm to execution off, all pages": ("warm, all pages", "off, all pages"),
        "warm to execution off, one page's prose changed": (
            "warm, one page's prose changed",
            "off, one page's prose changed",
        ),
    }
    ratios = {
        name: round(statistics.median(t[ours] / t[theirs] for t in times), 2) for name, (ours, theirs) in pairs.items()
    }
    for name, ratio in ratios.items():
        print(f"{name:50} {ratio:5.2f}")
    seconds = {name: round(statistics.median(t[name] for t in times), 1) for name in times[0]}
    executed = sorted(page.stem for page in (ROOT / "book").glob("*.md") if "```{code-cell}" in page.read_text())
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()}
    _record.write("book_build", rounds=rounds, machine=machine, executed=executed, seconds=seconds, ratios=ratios)


if __name__ == "__main__":
    main()
