"""How long a learner waits: the first `check` of every exercise in a fresh process, against its `import torch`.

Each round starts one process per exercise.  It times `import torch`, the import of the autograder, the first optimizer
(torch imports its compiler then, whoever makes it, and a check with an optimizer would pay for it), and the check.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from autograder import exercises
from bench import _record

CHILD = """
import json, sys, time
start = time.perf_counter(); import torch; after_torch = time.perf_counter()
from autograder import check
after_import = time.perf_counter()
sys.path.insert(0, {root!r})
from tests.corpora import load
candidate = next(c for c in load({exercise!r}) if c.right).build()
before = time.perf_counter(); torch.optim.SGD([torch.zeros(1, requires_grad=True)])
optimizer = time.perf_counter() - before
before = time.perf_counter(); check({exercise!r}, candidate); end = time.perf_counter()
print(json.dumps([after_torch - start, after_import - after_torch, optimizer, end - before]))
"""


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True)
def main(rounds: int) -> None:
    rows = {}
    for info in exercises():
        child = CHILD.format(root=str(ROOT), exercise=info.id)
        times = []
        for _ in range(rounds):
            done = subprocess.run([sys.executable, "-c", child], cwd=ROOT, check=True, capture_output=True, text=True)
            times.append(json.loads(done.stdout.splitlines()[-1]))
        torch_s, autograder_s, optimizer_s, check_s = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(c / t for t, _, _, c in times)
        rows[info.id] = {
            "import_torch_s": round(torch_s, 3),
            "import_autograder_s": round(autograder_s, 3),
            "first_optimizer_s": round(optimizer_s, 3),
            "check_s": round(check_s, 3),
            "check_to_import_torch": round(ratio, 3),
        }
        print(f"{info.id:34} check {check_s:6.3f} s   import torch {torch_s:6.3f} s   ratio {ratio:5.2f}", flush=True)
    slowest = sorted(rows, key=lambda e: -rows[e]["check_to_import_torch"])[:3]
    print("slowest:", ", ".join(f"{e} ({rows[e]['check_to_import_torch']:.2f})" for e in slowest))
    _record.write("check_time", rounds=rounds, exercises=rows, slowest=slowest)


if __name__ == "__main__":
    main()
