"""The autograder, graded: every right and wrong candidate of the corpora on twenty seeds.

A wrong candidate is *killed* when it does not pass, and *named* when its first failed finding has the corpus's id.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from autograder import exercises, grade
from bench import _record
from tests.corpora import load


def gradings(job: tuple[str, int, int]) -> dict[str, Any]:
    """Grade one candidate on all seeds; plain counts come back."""
    exercise, index, seeds = job
    candidate = load(exercise)[index]
    counts: Counter[str] = Counter()
    for seed in range(1, seeds + 1):
        report = grade(exercise, candidate.build(), seed=seed)
        first = next((f.misconception for f in report.findings if not f.passed), None)
        counts["passed" if report.passed else first] += 1
    return {
        "exercise": exercise,
        "title": candidate.title,
        "right": candidate.right,
        "misconception": candidate.misconception,
        "verdicts": dict(counts),
    }


@click.command(help=__doc__)
@click.option("--seeds", default=20, show_default=True, help="Seeds per candidate.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
@click.option("--only", multiple=True, help="A topic. Can be given several times.")
def main(seeds: int, jobs: int, only: tuple[str, ...]) -> None:
    chosen = [e.id for e in exercises() if not only or e.id.partition(".")[0] in only]
    work = [(exercise, index, seeds) for exercise in chosen for index in range(len(load(exercise)))]
    rows = []
    with ProcessPoolExecutor(jobs) as pool, click.progressbar(length=len(work), label="candidates") as bar:
        for row in pool.map(gradings, work):
            rows.append(row)
            bar.update(1)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        passed = row["verdicts"].get("passed", 0)
        counts = table[row["exercise"]]
        counts["right" if row["right"] else "wrong"] += seeds
        if row["right"]:
            counts["wrongly failed"] += seeds - passed
        else:
            counts["wrongly passed"] += passed
            counts["named"] += row["verdicts"].get(row["misconception"], 0)
    columns = ("right", "wrongly failed", "wrong", "wrongly passed", "named")
    print(f"{'exercise':34}" + "".join(f"{c:>16}" for c in columns))
    total: Counter[str] = Counter()
    for exercise, counts in table.items():
        print(f"{exercise:34}" + "".join(f"{counts[c]:16}" for c in columns))
        total.update(counts)
    print(f"{'gradings':34}" + "".join(f"{total[c]:16}" for c in columns))
    for row in rows:
        if row["verdicts"] != {row["misconception"] or "passed": seeds}:
            print("OFF", row["exercise"], row["misconception"] or "right", row["title"], row["verdicts"], sep=" | ")
    _record.write("corpora", seeds=seeds, topics=only or "all", total=dict(total), candidates=rows)


if __name__ == "__main__":
    main()
