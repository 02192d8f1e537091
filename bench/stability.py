"""Does a verdict ever change?  The same mixed candidates, graded again and again on a busy machine.

Every round is a fresh process with its own number of threads and its own order, while others keep both cores busy.
A verdict is the passed flags and misconceptions of all findings; it has to be the same in every round.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import _record

CHILD = """
import json, sys
sys.path.insert(0, {root!r})
from autograder import grade
from tests.corpora import load
for exercise, index, seed in json.load(sys.stdin):
    report = grade(exercise, load(exercise)[index].build(), seed=seed)
    verdict = [[f.passed, f.misconception] for f in report.findings]
    print(json.dumps([exercise, index, seed, verdict]), flush=True)
"""


def _burn() -> None:
    while True:
        sum(i * i for i in range(10_000))


@click.command(help=__doc__)
@click.option("--gradings", default=2000, show_default=True, help="Gradings in all rounds together.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--idle", is_flag=True, help="Do not keep the cores busy meanwhile.")
def main(gradings: int, rounds: int, idle: bool) -> None:
    from autograder import exercises
    from tests.corpora import load

    rng = random.Random(0)
    everything = [(e.id, i) for e in exercises() for i in range(len(load(e.id)))]
    chosen = [(*rng.choice(everything), rng.randrange(1, 10_000)) for _ in range(max(gradings // rounds, 1))]
    verdicts: dict[str, set[str]] = defaultdict(set)
    burners = [] if idle else [multiprocessing.Process(target=_burn, daemon=True) for _ in range(os.cpu_count() or 2)]
    for process in burners:
        process.start()
    done = 0
    try:
        with click.progressbar(length=len(chosen) * rounds, label="gradings") as bar:
            for number in range(rounds):
                order = random.Random(number).sample(chosen, len(chosen))
                child = subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-c", CHILD.format(root=str(ROOT))],
                    cwd=ROOT,
                    env={**os.environ, "OMP_NUM_THREADS": str(1 + number % 2)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                child.stdin.write(json.dumps(order))
                child.stdin.close()
                for line in child.stdout:
                    if line.startswith("["):
                        exercise, index, seed, verdict = json.loads(line)
                        verdicts[json.dumps([exercise, index, seed])].add(json.dumps(verdict))
                        done += 1
                        bar.update(1)
                if child.wait() != 0:
                    raise click.ClickException(f"round {number + 1} ended with status {child.returncode}")
    finally:
        for process in burners:
            process.terminate()
    unstable = sorted(key for key, seen in verdicts.items() if len(seen) > 1)
    print(f"{done} gradings of {len(verdicts)} candidates and seeds in {rounds} rounds: {len(unstable)} differed")
    for key in unstable:
        print("  ", key, *sorted(verdicts[key]))
    _record.write("stability", gradings=done, distinct=len(verdicts), rounds=rounds, busy=not idle, differed=unstable)


if __name__ == "__main__":
    main()
