"""`autograder grade` in a process group of its own, which is killed; and what it leaves behind. For tests and bench."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil

from autograder.grading.restore import RECORD
from autograder.grading.verdict import is_check
from autograder.kernel import _linux
from tests.grading.classes import contents

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


class Scene:
    """The processes, temporary folders and mounts that runs of `autograder grade` leave behind.

    Within `with`, this process becomes the parent of all that they orphan. Their temporary files go into `temporary`.
    """

    def __init__(self, temporary: Path) -> None:
        temporary.mkdir()
        self.temporary = temporary
        self._before = self._processes()
        self._mounts = self._mounted()

    def __enter__(self) -> Scene:
        _linux.adopt_orphans()
        return self

    def __exit__(self, *error: object) -> None:
        _linux._libc.prctl(_SUBREAPER, 0, 0, 0, 0)

    @staticmethod
    def _processes() -> dict[int, psutil.Process]:
        return {process.pid: process for process in psutil.Process().children(recursive=True)}

    @staticmethod
    def _mounted() -> set[str]:
        return set(Path("/proc/self/mountinfo").read_text().splitlines())

    def start(self, course: Path, jobs: int = 2) -> subprocess.Popen[bytes]:
        """`autograder grade ps0` in the course folder, as the first of a process group; it writes into grade.log."""
        with (course / "grade.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "autograder.cli", "grade", "ps0", f"--jobs={jobs}"],
                cwd=course,
                env={**os.environ, "TMPDIR": str(self.temporary)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self, seconds: float = 20.0) -> list[str]:
        """The command lines of what still runs; they have some seconds to notice that nobody is there any more."""
        until = time.monotonic() + seconds
        while True:
            left = []
            for pid, process in self._processes().items():
                if pid in self._before:
                    continue
                with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
                    if process.status() != psutil.STATUS_ZOMBIE:
                        left.append(" ".join(process.cmdline())[:200])
                    elif process.ppid() == os.getpid():
                        os.waitpid(pid, os.WNOHANG)
            if not left or time.monotonic() > until:
                return left
            threading.Event().wait(0.05)

    def folders(self) -> list[str]:
        """The temporary folders that are still there."""
        return sorted(path.name for path in self.temporary.iterdir())

    def mounts(self) -> list[str]:
        """What has been mounted and is still."""
        return sorted(self._mounted() - self._mounts)


def kill(process: subprocess.Popen[bytes], moment: Callable[[], bool]) -> bool:
    """Kill -9 the whole process group once `moment` says so; False if it had ended before."""
    while process.poll() is None and not moment():
        threading.Event().wait(0.0005)
    killed = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return killed


def state(course: Path) -> dict[str, object]:
    """All that a grading run is for: the gradebook, which files there are, and the verdicts in them."""
    files = {str(p.relative_to(course)): p.stat().st_mode for p in (course / "autograded").rglob("*")}
    verdicts = {}
    for path in sorted((course / "autograded").rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        graded = [cell.outputs for cell in notebook.cells if is_check(cell)]
        record = {key: value for key, value in notebook.metadata[RECORD].items() if key != "seconds"}
        verdicts[str(path.relative_to(course))] = [record, graded]
    return {"gradebook": contents(course / "gradebook.db"), "files": files, "verdicts": verdicts}
