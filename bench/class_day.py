"""A class's day, by the instructor's own commands: collect, grade, report and export two problem sets, each timed.

Every learner hands in a notebook made of right and wrong solutions of the corpora, one of them untouched, one with a
syntax error; endless loops are left out. The scores must be those that the corpora state.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from autograder.kernel import available_levels
from bench import _record
from tests.grading.synthetic import new_course
from tools.pdf import QUIET
from tools.sample_class import Sample, exercises_in, sample_class, submission

SETS = ("ps0-switches", "ps3-evaluation")
OPENINGS = 5
#: `autograder export` ends with it as long as answers wait for a person, and here they do.
NOT_FINAL = 1


def timed(folder: Path, *command: str, status: int = 0) -> float:
    """Type a command in the course folder; its seconds on the clock, with Python's own start."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}
    started = time.monotonic()
    done = subprocess.run(["autograder", *command], cwd=folder, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode != status:
        raise SystemExit(f"autograder {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return round(seconds, 2)


def a_class(points: Mapping[str, float], students: int) -> list[Sample]:
    """As many submissions as students, most of them different: a third is right, most others have some mistakes."""
    right = students // 3
    samples = sample_class(points, right, max(students - right - 2, 0))
    some = [sample for sample in samples if not sample.student.endswith("endless-loop")][:students]
    return [replace(sample, student=f"learner-{number:04}") for number, sample in enumerate(some)]


def download(path: Path, samples: Sequence[Sample], release: Path) -> None:
    """What Moodle's "Download all submissions" makes of them."""
    notebook = nbformat.read(release, as_version=4)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, sample in enumerate(samples):
            name = f"{sample.student.replace('-', ' ').title()}_{number + 9000}_assignsubmission_file_/{release.name}"
            archive.writestr(name, nbformat.writes(submission(notebook, sample)))


def differing(table: Path, samples: Sequence[Sample]) -> list[str]:
    """Whose exported score is not the one that the corpora state, which round each exercise to a hundredth."""
    with table.open(newline="", encoding="utf-8") as file:
        found = {row["student_id"]: float(row["raw_score"] or "nan") for row in csv.DictReader(file)}
    off = {s.student: abs(found.get(s.student, -1.0) - sum(p or 0.0 for p in s.expected.values())) for s in samples}
    return [s.student for s in samples if not off[s.student] < 0.0051 * len(s.expected)]


def opened(page: Path) -> float | None:
    """Seconds until the page has loaded in Chromium, the median of some openings; None without Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if not chromium:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        times = []
        for _ in range(OPENINGS):
            tab = browser.new_context(offline=True).new_page()
            tab.goto(page.as_uri(), wait_until="load")
            times.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
        browser.close()
    return round(statistics.median(times), 3)


@click.command(help=__doc__)
@click.option("--students", type=click.IntRange(1), default=400, show_default=True)
@click.option("--dry", is_flag=True, help="Print and record nothing: for a small class.")
def main(students: int, dry: bool) -> None:
    results: dict[str, dict[str, float | int | None]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "course"
        course = new_course(folder, SETS)
        with (folder / "nbgrader_config.py").open("a") as config:
            config.write(f'\nc.GradeCells.sandbox = "{available_levels()[0].value}"\n')
        samples = {
            name: a_class(exercises_in(nbformat.read(path, as_version=4)), students)
            for name, path in course.released().items()
        }
        roster = folder / "class.csv"
        names = (f"{s.student},{s.student.replace('-', ' ').title()}\n" for s in samples[SETS[0]])
        roster.write_text("id,name\n" + "".join(names))
        for name in SETS:
            source, page = folder / f"{name}.zip", folder / "report.html"
            download(source, samples[name], course.released()[name])
            results[name] = {
                "collect_s": timed(folder, "collect", source.name, "--roster", roster.name),
                "grade_s": timed(folder, "grade", name),
                "report_s": timed(folder, "report", name, "-o", page.name),
                "export_csv_s": timed(folder, "export", name, "--partial", "-o", "scores.csv", status=NOT_FINAL),
                "export_canvas_s": timed(folder, "export", name, "--format", "canvas", "--partial", status=NOT_FINAL),
                "page_kib": page.stat().st_size // 1024,
                "page_opens_s": opened(page),
            }
            if wrong := differing(folder / "scores.csv", samples[name]):
                raise SystemExit(f"{name}: not the scores that the corpora state: {', '.join(wrong)}")
            print(name, json.dumps(results[name]), flush=True)
    if not dry:
        _record.write("class_day", students=students, cores=os.cpu_count(), problem_sets=results)


if __name__ == "__main__":
    main()
