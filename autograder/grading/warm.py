"""What takes seconds to start when a class is graded: begun as early as possible, and side by side.

Imports nothing slow itself: the command calls it while the rest of it is still to be imported.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext

from ..kernel.provisioner import Share, runtime_folder, warm_up


def begin(sandbox: str, line: bool = True) -> ForkServerContext:
    """Begin to start the process that kernels are forked from, and the one that workers are; wait for neither.

    The kernels are on a `line`, as grading has them, or on Jupyter's sockets.

    Raises SandboxUnavailable if this machine does not have the level, NoSuchKernel if the kernelspec is not installed.
    """
    warm_up(sandbox, line)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}._ready"])
    # multiprocessing's own folder stands where the next run removes what a killed one has left
    before, tempfile.tempdir = tempfile.tempdir, runtime_folder()
    try:
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = before
    return context


def begin_work(share: Share, sandbox: str | None = None) -> None:
    """What a worker does first: it has its kernels from this zygote, and ends when the process that started it does.

    With a level of isolation, it has somebody to judge from there, too.
    """
    share.adopt()
    if sandbox:
        from .judge import judge_of  # in a worker it is there; who begins is not to wait for what it imports

        with contextlib.suppress(OSError, RuntimeError):  # the zygote has failed, and who started it says so
            judge_of(sandbox)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
