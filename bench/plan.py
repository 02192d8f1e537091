"""What one submission of each problem set has sent and written. For planning a big course.

A right and two wrong submissions of each problem set are graded in this process. Then the results are written, under
other names, by the one who writes in `autograder grade`; its time is that of its own computing.

    python bench/plan.py [COPIES]
"""

from __future__ import annotations

import pickle
import sys
import tempfile
import time
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
from tests.grading.synthetic import new_course
from tools.sample_class import exercises_in, sample_class, submission


def graded(course: Course) -> list[GradedSubmission]:
    """A right and two wrong submissions, graded."""
    released = nbformat.read(course.master, as_version=4)
    results = []
    for sample in sample_class(exercises_in(released), 1, 2)[:3]:
        data = nbformat.writes(submission(released, sample)).encode()
        results.append(grade_submission(data, course.master.read_bytes(), 1, sandbox=available_levels()[0].value))
        if results[-1].problem:
            raise SystemExit(f"{course.assignment}: {results[-1].problem}")
    return results


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
    with tempfile.TemporaryDirectory() as made:
        folder = new_course(Path(made, "course"), names)
        for name in names:
            course = Course.of(folder, name)
            results = graded(course)
            sent = [len(pickle.dumps(replace(result, seconds=0.0))) for result in results]
            sets[name] = {
                "result_bytes": round(sum(sent) / len(sent)),
                "notebook_bytes": round(sum(len(r.notebook) for r in results) / len(results)),
                **written(course, results, copies),
            }
            print(name, sets[name], flush=True)
    _record.write("plan", problem_sets=sets)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
