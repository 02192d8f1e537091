"""The attack corpus against `nbgrader autograde` as it comes: which attacks get what they want there.

Stock nbgrader runs what it grades with the rights of whoever calls it. So everything here, nbgrader included, runs in a
bubblewrap of this script's own: a read-only system, no network, processes and /tmp of its own, an empty home folder, a
limit on memory. The attacks that only take time, memory or processes (`starve`) are left out: nothing would stop them.

    python bench/stock_attacks.py [NAME ...]
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbformat
from nbgrader.api import Gradebook, MissingEntry

from autograder.grading.submission import GradedCell, GradedSubmission
from autograder.kernel._sandbox import find_bubblewrap
from bench import _record
from bench.grading import SET, course
from tests.attacks import LIMITS, Attack, World, load, world

#: What is run; `copies` earn what the copied solution earns, anywhere.
KINDS = ("points", "notebook", "shadow", "secrets", "harm")
LEFT_OUT = {"starve": "nothing stops a submission that takes all memory, all processes or all time"}
SECONDS = 120
MEMORY = 6 << 30
INSIDE = "TWO_SWITCHES_INSIDE"


def stock(attack: Attack, number: int, place: World, folder: Path) -> tuple[GradedSubmission, bool]:
    """Hand the attack in, have nbgrader grade it; the result, and whether nbgrader came to an end."""
    student, database = f"attacker-{number:03}", folder / "gradebook.db"
    handed_in = folder / "submitted" / student / SET
    handed_in.mkdir(parents=True)
    preamble = f"{place.preamble}\nGRADEBOOK = {str(database)!r}"
    nbformat.write(attack.notebook(preamble), handed_in / "ps0.ipynb")
    for name, data in attack.files.items():
        path = handed_in / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    started = time.monotonic()
    with subprocess.Popen(
        ["nbgrader", "autograde", SET, f"--student={student}"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        ended = True
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            ended = False
            os.killpg(process.pid, signal.SIGKILL)
    cells = []
    with contextlib.suppress(MissingEntry), Gradebook(f"sqlite:///{database}") as gradebook:
        for grade in gradebook.find_submission_notebook("ps0", SET, student).grades:
            if grade.cell.cell_type == "code":
                points = grade.auto_score or 0.0
                cells.append(GradedCell(grade.name, "passed", points, grade.max_score, (), ()))
    result = folder / "autograded" / student / SET / "ps0.ipynb"
    notebook = result.read_bytes() if result.is_file() else b""
    return GradedSubmission(tuple(cells), notebook, "none", time.monotonic() - started), ended


def tried(names: set[str]) -> dict[str, Any]:
    """Let the attacks try, in here; what they achieved."""
    kinds: Counter[str] = Counter()
    succeeded, gained = [], 0
    with tempfile.TemporaryDirectory() as made:
        folder = course(Path(made, "course"), 0, stock=True)
        attacks = [a for a in load() if a.kind in KINDS and (not names or a.name in names)]
        for number, attack in enumerate(attacks):
            with tempfile.TemporaryDirectory() as elsewhere, world(Path(elsewhere)) as place:
                graded, ended = stock(attack, number, place, folder)
                achieved = place.successes(graded, LIMITS) if graded.cells else place.successes(_NOTHING, LIMITS)
            if not ended:
                achieved.append("the grader had to be ended")
            kinds[attack.kind] += 1
            gained += graded.points > 0
            if achieved:
                row = {"kind": attack.kind, "name": attack.name, "success": attack.success, "points": graded.points}
                succeeded.append(row)
            print(f"  {attack.kind}: {attack.name}: {'; '.join(achieved) or '-'}"[:200], file=sys.stderr, flush=True)
    return {"tried": dict(kinds), "succeeded": succeeded, "gained_points": gained}


#: A submission that nbgrader could not grade.
_NOTHING = GradedSubmission(
    tuple(GradedCell(name, "failed", 0.0, points, (), ()) for name, points in (("a", 4.0), ("b", 3.0)))
)


def main(*names: str) -> None:
    """Try inside, print and record outside."""
    if INSIDE in os.environ:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        print(json.dumps(tried(set(names))))
        return
    program = find_bubblewrap()
    if program is None:
        raise SystemExit("This needs bubblewrap, to keep the attacks from this machine.")
    home = ["--dir", "/tmp/home", "--setenv", "HOME", "/tmp/home", "--setenv", INSIDE, "1"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", *home]
    command += ["--setenv", "PATH", path, sys.executable, __file__, *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    results = json.loads(done.stdout.splitlines()[-1])
    print(f"{len(results['succeeded'])} of {sum(results['tried'].values())} succeeded, "
          f"{results['gained_points']} gained points")  # fmt: skip
    left_out = {kind: [sum(a.kind == kind for a in load()), why] for kind, why in LEFT_OUT.items()}
    _record.write("stock_attacks", **results, left_out=left_out)


if __name__ == "__main__":
    main(*sys.argv[1:])
