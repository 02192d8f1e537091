"""What one submission of each problem set costs: computing, what is sent, what is written. For planning a big course.

A right and two wrong submissions of each problem set are graded in this process, one at a time. Their computing time is
that of a control group, so that it does not depend on what else the machine does; where none can be made, it is the
time on the clock. Then the results are written, under other names, by the one who writes in `autograder grade`.

    python bench/plan.py [COPIES]
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbformat

from autograder.grading.gradebook import Writer
from autograder.grading.runner import Course
from autograder.grading.submission import GradedSubmission, grade_submission
from autograder.kernel import available_levels
from bench import _record
from bench._computing import stopwatch
from tests.grading.synthetic import new_course
from tools.sample_class import exercises_in, sample_class, submission


def graded(course: Course, seconds: Callable[[], float]) -> tuple[list[GradedSubmission], list[float]]:
    """A right and two wrong submissions, graded, and the seconds that each took."""
    released = nbformat.read(course.master, as_version=4)
    samples = sample_class(exercises_in(released), 1, 2)[:3]
    results, times = [], []
    for sample in samples:
        data = nbformat.writes(submission(released, sample)).encode()
        before = seconds()
        results.append(grade_submission(data, course.master.read_bytes(), 1, sandbox=available_levels()[0].value))
        times.append(seconds() - before)
        if results[-1].problem:
            raise SystemExit(f"{course.assignment}: {results[-1].problem}")
    return results, times


def written(course: Course, results: list[GradedSubmission], copies: int) -> dict[str, float]:
    """Write each result under several names; seconds and bytes of one submission."""
    gradebook = Path(course.courses.root, "gradebook.db")
    empty = Path(course.courses.root, "handed-in")
    empty.mkdir(exist_ok=True)
    size, started = gradebook.stat().st_size, time.process_time()
    with Writer(course.courses, course.assignment, course.master.stem, course.config) as writer:
        for number in range(copies * len(results)):
            writer.write(f"student-{number:05}", empty, results[number % len(results)])
    count = copies * len(results)
    return {
        "writer_seconds": round((time.process_time() - started) / count, 4),
        "gradebook_bytes": round((gradebook.stat().st_size - size) / count),
    }


def main(copies: int = 20) -> None:
    """Measure, print and record."""
    sets: dict[str, Any] = {}
    names = sorted(path.parent.name for path in ROOT.glob("solutions/ps*/ps*.ipynb"))
    with tempfile.TemporaryDirectory() as made, stopwatch() as (what, seconds):
        folder = new_course(Path(made, "course"), names)
        warm = Course.of(folder, names[0])
        graded(warm, seconds)  # the first kernel waits for the process that it is forked from
        for name in names:
            course = Course.of(folder, name)
            results, times = graded(course, seconds)
            sent = [len(pickle.dumps(replace(result, seconds=0.0))) for result in results]
            sets[name] = {
                "seconds": [round(took, 3) for took in times],
                "result_bytes": round(sum(sent) / len(sent)),
                "notebook_bytes": round(sum(len(r.notebook) for r in results) / len(results)),
                **written(course, results, copies),
            }
            print(name, sets[name], flush=True)
    _record.write("plan", counted=what, problem_sets=sets, load_average=round(os.getloadavg()[0], 1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
