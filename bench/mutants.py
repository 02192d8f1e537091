"""The right candidates with one small mistake each: does the autograder notice?

Every mutant of tests/corpora/mutants.py is graded with a first seed; one that passes is graded with more.  It is killed
when a grading does not pass.  Mutants that pass all of them are equivalent, listed with the reason in
tests/corpora/equivalents.toml, or they are survivors: a hole in a spec.

With --only, the results of the other exercises stay as they are.
"""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import sys
import warnings
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import click

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

from autograder import exercises, grade
from bench import _record
from tests.corpora.mutants import Mutant, equivalents, of_exercise

SEEDS = (1, 2, 3)


@cache
def _mutants(exercise: str) -> list[Mutant]:
    return of_exercise(exercise)


def verdict(job: tuple[str, int]) -> tuple[str, int, str]:
    """(exercise, index, outcome).

    The outcome is "no code" where nothing is defined, "passes", "not graded" where grading itself failed, or the first
    finding's misconception and the seed.
    """
    exercise, index = job
    warnings.simplefilter("ignore")
    mutant = _mutants(exercise)[index]
    try:
        mutant.build()
    except Exception:
        return exercise, index, "no code"
    for seed in SEEDS:
        try:
            report = grade(exercise, mutant.build(), seed=seed)
        except Exception:  # a fault of the grader, to be reported like a survivor
            return exercise, index, "not graded"
        if not report.passed:
            return exercise, index, f"{next(f.misconception for f in report.findings if not f.passed)} {seed}"
    return exercise, index, "passes"


def tally(exercise: str, outcomes: dict[int, str]) -> dict[str, Any]:
    """What is recorded of one exercise: counts by operator, reasons of equivalents, survivors, stale entries."""
    known = equivalents()
    operators: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    survivors, stale, failures = [], [], []
    for index, outcome in sorted(outcomes.items()):
        mutant = _mutants(exercise)[index]
        counts = operators[mutant.operator]
        if outcome == "no code":
            counts["no code"] += 1
            continue
        counts["mutants"] += 1
        if outcome == "passes" and mutant.key in known:
            counts["equivalent"] += 1
            reasons[known[mutant.key]] += 1
        elif outcome == "not graded":
            counts["not graded"] += 1
            failures.append(mutant.key[1:])
        elif outcome == "passes":
            counts["survived"] += 1
            survivors.append(mutant.key[1:])
        else:
            mistake, _, seed = outcome.rpartition(" ")
            counts["killed"] += 1
            counts["killed later"] += int(seed) != SEEDS[0]
            counts["named"] += mistake != "wrong-result"
            if mutant.key in known:
                stale.append(mutant.key[1:])
    return {
        "date": datetime.date.today().isoformat(),
        "operators": {name: dict(counts) for name, counts in sorted(operators.items())},
        "equivalent": dict(reasons),
        "survivors": survivors,
        "not graded": failures,
        "listed as equivalent, but killed": stale,
    }


def _total(row: dict[str, Any]) -> Counter[str]:
    return sum(map(Counter, row["operators"].values()), Counter())


@click.command(help=__doc__)
@click.option("--jobs", default=2, show_default=True, help="Processes.")
@click.option("--only", multiple=True, help="A topic or an exercise. Can be given several times.")
@click.option("--every", default=1, show_default=True, help="Take one mutant in so many, to try; nothing is recorded.")
def main(jobs: int, only: tuple[str, ...], every: int) -> None:
    everything = [e.id for e in exercises()]
    chosen = [e for e in everything if not only or {*only} & {e, e.partition(".")[0]}]
    work = [(e, i) for e in chosen for i in range(len(_mutants(e)))][::every]
    outcomes: dict[str, dict[int, str]] = {e: {} for e in chosen}
    # A mutant may leave anything behind, so its process does not live long.
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, maxtasksperchild=40) as pool, click.progressbar(length=len(work), label="mutants") as bar:
        for exercise, index, outcome in pool.imap_unordered(verdict, work):
            outcomes[exercise][index] = outcome
            bar.update(1)
    path = _record.RESULTS / "mutants.json"
    before = json.loads(path.read_text())["exercises"] if only and path.exists() else {}
    rows = before | {e: tally(e, outcomes[e]) for e in chosen}
    rows = {e: rows[e] for e in everything if e in rows}
    columns = ("mutants", "killed", "killed later", "named", "equivalent", "survived", "not graded")
    print(f"{'exercise':34}" + "".join(f"{c:>14}" for c in columns))
    for exercise in chosen:
        counts = _total(rows[exercise])
        print(f"{exercise:34}" + "".join(f"{counts[c]:14}" for c in columns))
    total = sum((_total(row) for row in rows.values()), Counter())
    print(f"{'all that is recorded':34}" + "".join(f"{total[c]:14}" for c in columns))
    for exercise in chosen:
        for kind in ("survivors", "not graded", "listed as equivalent, but killed"):
            for entry in rows[exercise][kind]:
                print(kind, exercise, *entry, sep=" | ")
    if every == 1:
        _record.write("mutants", seeds=list(SEEDS), total=dict(total), exercises=rows)


if __name__ == "__main__":
    main()
