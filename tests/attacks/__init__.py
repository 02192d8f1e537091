"""Hostile submissions, and a world in which it shows whether one of them has got what it wanted.

Each attack is a cell of `points.py`, `secrets.py`, `harm.py` or `starve.py` that is put behind a wrong solution, a
change to the notebook (`notebooks.py`), or a file beside it. Headers say what success would look like, and, of the few
that level reduced does not stop, that it does not::

    # %% name | what success would look like
    # %% name | what success would look like | reduced
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.grading.execution import Limits
from autograder.grading.submission import GradedSubmission, grade_submission
from tests.attacks import notebooks
from tests.grading.classes import RELEASE, ps0

FOLDER = Path(__file__).parent
CELLS = ("points", "secrets", "harm", "starve", "copies")
#: What the attacks are put behind: a wrong solution, worth nothing.
WRONG = "def live_modules(model):\n    return []\n"
LIMITS = Limits(cell_seconds=5, check_seconds=25, notebook_seconds=45, grace_seconds=3)
#: Bytes of an autograded notebook, and seconds beyond its limits, that nobody needs.
MOST_BYTES, MOST_LATE = 8 << 20, 15.0
VARIABLE = "TWO_SWITCHES_CANARY"


@dataclass(frozen=True)
class Attack:
    """One hostile submission."""

    kind: str
    name: str
    success: str
    cell: str = ""
    change: Callable[[NotebookNode], None] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    succeeds_at_reduced: bool = False

    def notebook(self, preamble: str) -> NotebookNode:
        """The released problem set 0 with the attack in it."""
        result = ps0({"switches.live_modules": WRONG + self.cell})
        result.cells.insert(0, new_code_cell(preamble))
        if self.change is not None:
            self.change(result)
        return result


def load() -> list[Attack]:
    """All attacks."""
    attacks = []
    for kind in CELLS:
        parts = re.split(r"^# %% (.*)\n", (FOLDER / f"{kind}.py").read_text(), flags=re.MULTILINE)[1:]
        for header, cell in zip(parts[::2], parts[1::2], strict=True):
            name, success, *reduced = map(str.strip, header.split(" | "))
            attacks.append(Attack(kind, name, success, cell, succeeds_at_reduced=reduced == ["reduced"]))
    for change in notebooks.ATTACKS:
        attacks.append(Attack("notebook", change.__name__.replace("_", " "), change.__doc__ or "", change=change))
    for name, text in notebooks.SHADOWS.items():
        success = "a file beside the notebook takes the place of a module"
        attacks.append(Attack("shadow", name, success, files={name: text.encode()}))
    return attacks


class World:
    """What an attack may want to read, change or talk to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = secrets.token_hex(12)
        self.mark = f"two-switches-mark-{secrets.token_hex(12)}"
        self.home = Path.home()
        self.secret, self.other = folder / ".grading-seed", folder / "submitted" / "other" / "ps0.ipynb"
        self.victim = folder / "gradebook.db"
        self.other.parent.mkdir(parents=True)
        for path in (self.secret, self.other):
            path.write_text(f"canary-{self.token}")
        self.victim.write_text("grades")
        os.environ[VARIABLE] = f"canary-{self.token}"
        self.neighbour = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self.heard: list[bytes] = []
        self._lines = [socket.socket(), socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX)]
        self.port = self._bind()
        self.before = self._look()
        for line in self._lines:
            threading.Thread(target=self._listen, args=(line,), daemon=True).start()

    def _bind(self) -> int:
        tcp, udp, abstract = self._lines
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        abstract.bind(f"\0{self.mark}")
        for line in (tcp, abstract):
            line.listen()
        return port

    def _listen(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                if line.type == socket.SOCK_DGRAM:
                    self.heard.append(line.recv(100))
                else:
                    line.accept()[0].close()
                    self.heard.append(b"somebody connected")

    @property
    def preamble(self) -> str:
        """What an attacker knows: everything about the place but the secrets themselves."""
        facts = {"SECRET": self.secret, "OTHER": self.other, "VICTIM": self.victim, "GRADEBOOK": self.victim}
        facts |= {"HOME": self.home, "MARK": self.mark, "ABSTRACT": f"\0{self.mark}"}
        lines = [f"{name} = {str(value)!r}" for name, value in facts.items()]
        # in two parts, so that it is in no output that quotes the notebook
        return "\n".join(
            [
                *lines,
                f"PORT, PID = {self.port}, {self.neighbour.pid}",
                f"CANARY_PREFIX = {self.token[:8]!r} + {self.token[8:]!r}",
            ]
        )

    def _look(self) -> dict[str, object]:
        left = [self.home / ".two-switches-left-behind", Path("/dev/shm/two-switches-left-behind")]
        files = {str(p): (p.stat().st_mode, p.is_file() and _content(p)) for p in self.folder.rglob("*")}
        return files | {str(path): path.exists() for path in left}

    def successes(self, graded: GradedSubmission, limits: Limits) -> list[str]:
        """What the attack that led to `graded` has achieved, one line each."""
        found = []
        if graded.points > 0:
            found.append(f"{graded.points:g} points")
        if len(graded.cells) != 2 or {cell.max_points for cell in graded.cells} != {4.0, 3.0}:
            found.append(f"other graded cells than were released: {graded.cells}")
        notebook = nbformat.reads(graded.notebook.decode(), as_version=4) if graded.notebook else None
        shown = json.dumps([c.get("outputs", []) for c in notebook.cells]) if notebook else ""
        if self.token in shown:
            found.append("a secret, or a limit passed, in the output")
        found += [f"the listener heard {word!r}" for word in self.heard]
        self.heard.clear()
        now = self._look()
        found += [
            f"changed: {name}"
            for name in sorted(now.keys() | self.before.keys())
            if now.get(name) != self.before.get(name)
        ]
        self.before = now  # the next attack is not to be blamed
        if self.neighbour.poll() is not None:
            found.append("a neighbour's process was ended")
        if left := self._left_behind():
            found.append(f"{len(left)} processes left behind")
        if graded.seconds > limits.notebook_seconds + MOST_LATE:
            found.append(f"{graded.seconds:.0f} seconds, where {limits.notebook_seconds} are allowed")
        if len(graded.notebook) > MOST_BYTES:
            found.append(f"a notebook of {len(graded.notebook):,} bytes")
        return found

    def _left_behind(self) -> list[int]:
        for _ in range(40):  # the kernel's processes are being ended while its notebook is written
            left = []
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if self.mark.encode() in path.read_bytes():
                        left.append(int(path.parent.name))
            if not left:
                return []
            time.sleep(0.05)
        return left

    def close(self) -> None:
        self.neighbour.kill()
        self.neighbour.wait()
        os.environ.pop(VARIABLE, None)
        for line in self._lines:
            line.close()
        for pid in self._left_behind():
            os.kill(pid, signal.SIGKILL)
        for path in (self.home / ".two-switches-left-behind", Path("/dev/shm/two-switches-left-behind")):
            path.unlink(missing_ok=True)
        for path in self.folder.rglob("*"):
            path.chmod(path.stat().st_mode | stat.S_IRWXU)


def _content(path: Path) -> bytes | None:
    """None where an attack has taken the right to read."""
    try:
        return path.read_bytes()
    except PermissionError:
        return None


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world in an empty folder."""
    made = World(folder)
    try:
        yield made
    finally:
        made.close()


def attempt(
    attack: Attack, place: World, level: str, without: Collection[str] = ()
) -> tuple[GradedSubmission, list[str]]:
    """Grade the attack; the result, and what it has achieved."""
    graded = grade_submission(
        json.dumps(attack.notebook(place.preamble)).encode(),
        RELEASE.read_bytes(),
        271828,
        sandbox=level,
        limits=LIMITS,
        files=attack.files,
        name=attack.name,
        without=without,
    )
    return graded, place.successes(graded, LIMITS)
