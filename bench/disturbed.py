"""Right solutions that do too much: every right function of the corpora, with one disturbance after each call.

A disturbance breaks one of the rules that hold for all exercises.  Left out is what the exercise asks for or allows,
and what finds nothing to disturb; the rest has to be noticed.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from autograder import exercises
from bench import _record
from tests.corpora import load
from tests.corpora.disturbances import DISTURBANCES, MAY, function_of, grade_disturbed

SEED = 1


def disturbed(job: tuple[str, int]) -> dict[str, bool]:
    """Which disturbances of a candidate were noticed, of those that had something to disturb."""
    exercise, index = job
    candidate, noticed = load(exercise)[index], {}
    for disturb in DISTURBANCES:
        if disturb not in MAY.get(exercise, ()):
            report, found = grade_disturbed(candidate, disturb, SEED)
            if found:
                noticed[disturb.__name__] = not report.passed
    return noticed


@click.command(help=__doc__)
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def main(jobs: int) -> None:
    work = [
        (e.id, index, candidate.title)
        for e in exercises()
        for index, candidate in enumerate(load(e.id))
        if candidate.right and function_of(candidate) is not None
    ]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    missed = []
    with ProcessPoolExecutor(jobs) as pool, click.progressbar(length=len(work), label="solutions") as bar:
        for (exercise, _, title), row in zip(work, pool.map(disturbed, [job[:2] for job in work]), strict=True):
            for name, seen in row.items():
                table[name]["gradings"] += 1
                table[name]["noticed"] += seen
                if not seen:
                    missed.append([exercise, title, name])
            bar.update(1)
    total = sum(table.values(), Counter())
    for name, counts in [*table.items(), ("all", total)]:
        print(f"{name:24}{counts['noticed']:8} of {counts['gradings']}")
    for row in missed:
        print("MISSED", *row, sep=" | ")
    _record.write(
        "disturbed", seed=SEED, solutions=len(work), total=dict(total), disturbances=dict(table), missed=missed
    )


if __name__ == "__main__":
    main()
