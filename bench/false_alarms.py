"""How often the statistical checks fail a right solution by chance: on paper, and simulated.

Right candidates of the exercises that state a false-alarm bound are graded with many seeds.  Every binomial count a
judge makes is recorded with its surprise, so that milder thresholds, at which false alarms do happen, can be held
against the bound as well: a count's surprise exceeds t with probability at most 2 exp(-t).
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

from autograder import exercises, grade
from autograder.specs import _masks, find
from bench import _record
from tests.corpora import load

MILDER = (1.0, 2.0, 4.0, 6.0, 8.0)


def gradings(job: tuple[str, int, int]) -> tuple[str, list[bool], list[list[float]]]:
    """Grade right candidates, in turn, with the seeds from the first up to the last: passed, and the surprises."""
    exercise, first, last = job
    warnings.simplefilter("ignore")
    right = [candidate for candidate in load(exercise) if candidate.right]
    passed, surprises = [], []
    measure = _masks.surprise

    def recorded(count: int, trials: int, chance: float) -> float:
        surprises[-1].append(measure(count, trials, chance))
        return surprises[-1][-1]

    _masks.surprise = recorded
    try:
        for seed in range(first, last):
            surprises.append([])
            passed.append(grade(exercise, right[seed % len(right)].build(), seed=seed).passed)
    finally:
        _masks.surprise = measure
    return exercise, passed, surprises


@click.command(help=__doc__)
@click.option("--gradings", "number", default=1000, show_default=True, help="Gradings per exercise.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def main(number: int, jobs: int) -> None:
    statistical = [e.id for e in exercises() if find(e.id).false_alarm]
    size = 25
    work = [(e, first, min(first + size, number)) for e in statistical for first in range(0, number, size)]
    passed: dict[str, list[bool]] = {e: [] for e in statistical}
    surprises: dict[str, list[list[float]]] = {e: [] for e in statistical}
    with ProcessPoolExecutor(jobs) as pool, click.progressbar(length=number * len(statistical)) as bar:
        for exercise, flags, values in pool.map(gradings, work):
            passed[exercise] += flags
            surprises[exercise] += values
            bar.update(len(flags))
    rows = {}
    for e in statistical:
        rows[e] = {
            "bound": find(e).false_alarm,
            "most_counts": max(map(len, surprises[e])),
            "gradings": len(passed[e]),
            "failed": passed[e].count(False),
            "largest_surprise": round(max((value for values in surprises[e] for value in values), default=0.0), 2),
        }
        for seed, fine in enumerate(passed[e]):
            if not fine:
                print(f"{e} failed a right candidate with seed {seed}")
        print(f"{e:28}" + "".join(f"{key} {value:<12.3g}" for key, value in rows[e].items()))
    everything = [value for e in statistical for values in surprises[e] for value in values]
    thresholds = []
    for t in MILDER:
        alarms = sum(value > t for value in everything)
        rate = alarms / len(everything)
        thresholds.append(
            {"surprise": t, "bound": 2 * math.exp(-t), "rate": rate, "alarms": alarms, "counts": len(everything)}
        )
        print(f"threshold {t:4}: {alarms:7} of {len(everything)} counts, rate {rate:.2e}, bound {2 * math.exp(-t):.2e}")
    _record.write("false_alarms", surprise=_masks._SURPRISE, exercises=rows, thresholds=thresholds)


if __name__ == "__main__":
    main()
