"""400 learners, two problem sets: how long collecting, exporting and reporting take, and how fast the page opens.

The class is made up of judged solutions of the corpora and written through nbgrader's API; nothing is graded here.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from autograder.grading import commands
from autograder.grading.folder import graded_cells
from autograder.grading.verdict import exercise_of
from bench import _record
from tests.grading.synthetic import judged, new_course, random_class, write_class

SETS = ("ps0-switches", "ps3-evaluation")
OPENINGS = 5


def timed(work: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    work(*arguments)
    return round(time.perf_counter() - start, 2)


def opened(page: Path) -> float | None:
    """Seconds until the page has loaded in Chromium, the median of some openings; None without Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if not chromium:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        times = []
        for _ in range(OPENINGS):
            tab = browser.new_context(offline=True).new_page()
            tab.goto(page.as_uri(), wait_until="load")
            times.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
        browser.close()
    return round(statistics.median(times), 3)


@click.command(help=__doc__)
@click.option("--students", default=400, show_default=True)
def main(students: int) -> None:
    warnings.simplefilter("ignore")
    names = [f"learner-{number:03}" for number in range(students)]
    results: dict[str, dict[str, float | int | None]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "course"
        course = new_course(folder, SETS)
        for number, name in enumerate(SETS):
            cells = graded_cells(course.released()[name])
            exercises = [exercise_of(cell) for cell, kind in cells.items() if kind == "code"]
            some = {exercise: judged(exercise, 12) for exercise in exercises}
            work = dict(random_class(some, names, seed=number))
            print(f"{name}: {students} submissions written in {timed(write_class, course, name, work):.0f} s")
        for name in SETS:
            download = Path(temporary) / f"{name}.zip"
            with zipfile.ZipFile(download, "w", zipfile.ZIP_DEFLATED) as archive:
                for number, student in enumerate(names):
                    notebook = folder / "autograded" / student / name / course.released()[name].name
                    archive.write(notebook, f"{student}_{number}_assignsubmission_file_/{notebook.name}")
            page, table = Path(temporary) / f"{name}.html", Path(temporary) / "scores.csv"
            results[name] = {
                "collect_s": timed(commands.collect, folder, download),
                "report_s": timed(commands.report, folder, name, page),
                "export_s": timed(commands.export, folder, [name], "canvas", table),
                "page_kib": page.stat().st_size // 1024,
                "page_opens_s": opened(page),
            }
            print(name, json.dumps(results[name]), flush=True)
    _record.write("class_report", students=students, problem_sets=results)


if __name__ == "__main__":
    main()
