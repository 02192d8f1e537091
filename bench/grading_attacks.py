"""Which hostile submissions get what they want, at a level of the sandbox or without one of its layers.

    python bench/grading_attacks.py [LEVEL [LAYER-TO-LEAVE-OUT ...]]

Without a sandbox (level none) this lets hostile code run with your rights: the corpus changes only what it has made
itself, but do that on a machine that has nothing to lose.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from autograder.kernel import available_levels
from bench import _record
from tests.attacks import attempt, load, world


def main(level: str, *without: str) -> None:
    """Try all, print what succeeded, record how many."""
    tried: Counter[str] = Counter()
    succeeded: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as place:
        for attack in (attack for attack in load() if attack.kind != "copies"):
            _, achieved = attempt(attack, place, level, without)
            tried[attack.kind] += 1
            if achieved:
                succeeded[attack.kind] += 1
                print(f"  {attack.kind}: {attack.name}: {'; '.join(achieved)[:200]}", flush=True)
    name = " without ".join([level, *without])
    print(f"{name}: {sum(succeeded.values())} of {sum(tried.values())} succeeded")
    counts = {kind: [succeeded[kind], number] for kind, number in tried.items()}
    _record.write(f"grading_attacks_{name.replace(' ', '_')}", succeeded_of_tried=counts)


if __name__ == "__main__":
    main(*(sys.argv[1:] or [available_levels()[0].value]))
