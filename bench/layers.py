"""Which hostile submissions get what they want when one layer of the sandbox is switched off, and at level reduced.

    python bench/layers.py [CONFIGURATION ...]

A configuration is a level, or a level and the layers to leave out, as in "full without landlock". Without any, all are
run: level full, level full without each of its layers, level reduced. Results of other configurations are kept.

Each attack meets a world of its own. Without a layer, what that layer alone holds back does happen: the corpus changes
only what it has made itself, and fills a few GiB of memory or disk for some seconds.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from autograder.kernel import Layer, SandboxLevel
from bench import _record
from tests.attacks import attempt, load, world

CONFIGURATIONS = ["full", *(f"full without {layer}" for layer in Layer), "reduced"]


def configuration(words: str) -> tuple[SandboxLevel, tuple[Layer, ...]]:
    """The level and the layers to leave out."""
    level, _, without = words.partition(" without ")
    return SandboxLevel(level), tuple(map(Layer, without.split()))


def tried(level: SandboxLevel, without: Collection[Layer]) -> dict[str, Any]:
    """Let all attacks try; what they achieved."""
    started = time.monotonic()
    kinds: Counter[str] = Counter()
    succeeded = []
    for attack in load():
        if attack.kind == "copies":  # they earn what the copied solution earns, at any level
            continue
        with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as place:
            graded, achieved = attempt(attack, place, level, without)
        kinds[attack.kind] += 1
        if graded.problem:
            raise SystemExit(f"{attack.kind}: {attack.name}: could not be graded: {graded.problem}")
        if achieved:
            succeeded.append({"kind": attack.kind, "name": attack.name, "success": attack.success})
            print(f"  {attack.kind}: {attack.name}: {'; '.join(achieved)[:200]}", flush=True)
    return {
        "tried": dict(kinds),
        "succeeded": succeeded,
        "seconds": round(time.monotonic() - started),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main(*chosen: str) -> None:
    """Try, print what succeeded, and record after each configuration: all of them take most of an hour."""
    path = _record.RESULTS / "layers.json"
    results = json.loads(path.read_text())["configurations"] if path.is_file() and chosen else {}
    for words in chosen or CONFIGURATIONS:
        print(words, flush=True)
        results[words] = tried(*configuration(words))
        _record.write("layers", configurations=results)


if __name__ == "__main__":
    main(*sys.argv[1:])
