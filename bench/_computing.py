"""Seconds of computing by this process and all that it starts, by a control group."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autograder.kernel._parent import close_zygotes

_GROUPS = (("/sys/fs/cgroup/cpuacct", "cpuacct.usage", 1e9), ("/sys/fs/cgroup", "cpu.stat", 1e6))


@contextlib.contextmanager
def stopwatch() -> Iterator[tuple[str, Callable[[], float]]]:
    """What is counted, and the seconds so far: of computing by this process and all that it starts, or on the clock."""
    for root, file, per_second in _GROUPS:
        group = Path(root, f"two-switches-{os.getpid()}")
        if not Path(root, "cgroup.procs").is_file():
            continue
        try:
            group.mkdir()
            (group / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            continue

        def read(path: Path = group / file, unit: float = per_second) -> float:
            return int(path.read_text().split()[-1 if unit == 1e9 else 1]) / unit

        try:
            yield "computing", read
        finally:
            (Path(root) / "cgroup.procs").write_text(str(os.getpid()))
            close_zygotes()
            with contextlib.suppress(OSError):  # a process of the group is still ending
                group.rmdir()
        return
    yield "clock", time.monotonic
