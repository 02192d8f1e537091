"""A kernel on one line shows what a kernel on Jupyter's sockets shows, and its line is trusted with nothing."""

from __future__ import annotations

import asyncio
import json
import re
import select
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autograder.kernel import KERNEL_NAME, Limits, SandboxLevel
from autograder.kernel._client import Meter
from autograder.kernel._line_app import LineSession
from autograder.kernel._wire import LENGTH
from autograder.kernel.line import Channel, LineKernel

from .conftest import CUT, FLOODS, LIMITS, PRELOAD, every_level, full, text_of

Run = Callable[..., tuple[list[str], str | None]]

#: What learners write, by what it tries.
CELLS = {
    "print": "print('a', 1); print('no newline', end='')",
    "both streams": "import sys\nprint('out'); print('err', file=sys.stderr)\nprint('out again')",
    "result": "6 * 7",
    "no result": "6 * 7;",
    "last result": "_, Out, In[3][:5]",
    "error": "def f(x):\n    return 1 / x\nf(0)",
    "after an error": "print('goes on')",
    "syntax": "def f(:\n    pass",
    "display": "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'), 2)\n3",
    "display id": "handle = display('first', display_id=True)\nhandle.update('second')",
    "clear": "from IPython.display import clear_output\nfor i in range(3):\n    clear_output(wait=True)\n    print(i)",
    "progress": "for i in range(3):\n    print(f'\\r{i} of 3', end='')",
    "figure": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "shell": "!echo by a shell",
    "thread": "import threading\nt = threading.Thread(target=print, args=('thread',))\nt.start(); t.join()",
    "await": "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')",
    "task": "done = []\nasync def later():\n    await asyncio.sleep(0)\n    done.append(1)\n"
    "task = asyncio.create_task(later())",
    "task of the cell before": "await task\ndone",
    "run in a running loop": "work = later()\ntry:\n    asyncio.run(work)\n"
    "except RuntimeError as error:\n    print(error)\nwork.close()",
    "magic": "%%capture caught\nprint('hidden')",
    "captured": "caught.stdout",
    "writefile": "%%writefile notes.txt\nkept",
    "read": "open('notes.txt').read()",
    "input": "input('your name? ')",
    "warning": "import warnings\nwarnings.warn('careful')",
    "logging": "import logging\nlogging.warning('logged')",
    "interrupt": "raise KeyboardInterrupt",
    "exit": "raise SystemExit(2)",
    "long": "print('\\n'.join(map(str, range(3000))))",
    "lines": "for i in range(3000): print(i)",
    "another stdout": "import io, sys\nsys.stdout = io.StringIO()\nprint('elsewhere')",
    "what it holds": "sys.stdout.getvalue()",
    "the old one again": "sys.stdout = get_ipython().kernel._stdout\nprint('back')",
    "names": "__name__, get_ipython().execution_count, type(get_ipython()).__name__",
}


def notebook(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source, id=f"cell{number}") for number, source in enumerate(sources)])


async def on_a_line(cells: NotebookNode, folder: Path, **options: Any) -> LineKernel:
    """Run the cells as grading does, as far as that goes; the kernel, which has ended."""
    kernel = LineKernel()
    client = NotebookClient(
        cells, km=kernel, timeout=60, allow_errors=True, coalesce_streams=True, shutdown_kernel="immediate"
    )
    try:
        await kernel.start(str(folder), {}, (), **{"preload": PRELOAD, **options})
        client.kc = kernel
        for number, cell in enumerate(cells.cells):
            await client.async_execute_cell(cell, number)
    except DeadKernelError:
        await kernel.process.ended(10)  # the one who watches it needs a moment to say why
    finally:
        await client._async_cleanup_kernel()
    return kernel


def texts(cells: NotebookNode) -> list[str]:
    return ["".join(map(text_of, cell.outputs)) for cell in cells.cells]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run cells on a line: what they show, and why the kernel was stopped."""

    def run(*sources: str, **options: Any) -> tuple[list[str], str | None]:
        cells = notebook(*sources)
        kernel = asyncio.run(on_a_line(cells, tmp_path, **options))
        return texts(cells), kernel.process.stopped

    return run


def shown(cell: NotebookNode) -> str:
    """The outputs, but for the number of the process in the name that a cell's code has in warnings."""
    outputs = [
        dict(output) | ({"traceback": places(output)} if "traceback" in output else {}) for output in cell.outputs
    ]
    return re.sub(r"[^\s\"]*/ipykernel_\d+/", "ipykernel/", json.dumps(outputs, indent=1))


def places(error: NotebookNode) -> list[str]:
    """Where a traceback leads through, and the lines that it points to."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    # a parsed file's lines are shown without the indentation that they share
    return [" ".join(line.split()) for line in re.findall(r"^(?:Cell|File) .*|^-+> .*", text, re.MULTILINE)]


@every_level
def test_all_is_as_with_jupyters_sockets(tmp_path: Path, level: SandboxLevel) -> None:
    one, other = notebook(*CELLS.values()), notebook(*CELLS.values())
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    asyncio.run(on_a_line(one, folders[0], sandbox=level))
    client = NotebookClient(
        other,
        km=AsyncKernelManager(kernel_name=KERNEL_NAME),
        timeout=60,
        allow_errors=True,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folders[1])}},
    )
    client.execute(sandbox=level, preload=PRELOAD, cleanup_kc=True)
    for name, ours, theirs in zip(CELLS, one.cells, other.cells, strict=True):
        assert (ours.execution_count, shown(ours)) == (theirs.execution_count, shown(theirs)), name
    assert sum(bool(cell.outputs) for cell in one.cells) > 25


PARSED = """
import stack_data
sources = stack_data.Source._class_local("__source_cache_with_lines", {}).values()
any(source.filename.endswith("torch/nn/modules/module.py") for source in sources)
"""
THROUGH_TORCH = ("import torch", "def f(x):\n    return torch.nn.Linear(2, 3)(x)", "f(torch.zeros(1, 3))")


@full
def test_a_traceback_through_torch_leads_to_the_same_places_and_parses_no_long_file(
    tmp_path: Path, level: SandboxLevel
) -> None:
    one, other = notebook(*THROUGH_TORCH, PARSED), notebook(*THROUGH_TORCH, PARSED)
    asyncio.run(on_a_line(one, tmp_path, sandbox=level))
    in_folder = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(
        other, km=AsyncKernelManager(kernel_name=KERNEL_NAME), timeout=60, allow_errors=True, resources=in_folder
    )
    client.execute(sandbox=level, preload=PRELOAD, cleanup_kc=True)
    (ours,), (theirs,) = one.cells[2].outputs, other.cells[2].outputs
    assert places(ours) == places(theirs)
    assert len(places(ours)) > 8
    assert [texts(each)[3] for each in (one, other)] == ["False", "True"]


PRINTS_ELSEWHERE = """
import multiprocessing, os, subprocess, sys
os.system("echo a shell; echo and its error >&2")
subprocess.run(["echo", "a process"], stdout=sys.stdout)
child = multiprocessing.get_context("fork").Process(target=print, args=("a child",))
child.start(); child.join(); child.exitcode
"""


@every_level
def test_what_other_processes_print_is_shown(run: Run, level: SandboxLevel) -> None:
    shown, stopped = run(PRINTS_ELSEWHERE, sandbox=level)
    assert sorted(shown[0].splitlines()) == ["0", "a child", "a process", "a shell", "and its error"]
    assert stopped is None


@full
def test_what_was_printed_before_a_crash_is_shown(run: Run, level: SandboxLevel) -> None:
    shown, _ = run("print('so far')\nprint('so good')\nimport os; os.abort()", "print('not reached')", sandbox=level)
    assert shown == ["so far\nso good\n", ""]


SLOW_LINES = "for i in range(200): print(i)\nsys.stdout._sent -= 60\nprint('late', end='')\nos.abort()"


@full
def test_of_many_lines_those_that_have_waited_are_shown(run: Run, level: SandboxLevel) -> None:
    shown, _ = run("import os, sys", SLOW_LINES, sandbox=level)
    assert shown[1] == "".join(f"{i}\n" for i in range(200)) + "late"


@full
def test_the_end_of_a_kernel_is_noticed_at_once(tmp_path: Path, level: SandboxLevel) -> None:
    async def end_it() -> None:
        kernel = LineKernel()
        await kernel.start(str(tmp_path), {}, (), sandbox=level, preload=PRELOAD)
        try:
            await kernel.process.end()
            with pytest.raises(DeadKernelError):
                await kernel.shell_channel.get_msg(timeout=60)
            assert not await kernel.is_alive()
            kernel.execute("1")  # nobody is there: nothing waits, and nothing breaks
            with pytest.raises(DeadKernelError):
                await kernel.iopub_channel.get_msg(timeout=60)
        finally:
            await kernel.cleanup_resources()
            kernel.stop_channels()

    asyncio.run(asyncio.wait_for(end_it(), 120))


def test_a_long_notebook_is_not_counted_as_a_flood() -> None:
    kernel, told = LineKernel(), {"parent_header": {"msg_id": ""}, "metadata": {}, "content": {}}
    kernel.process.limits = LIMITS
    kernel._meter = Meter(kernel.process)
    for kind in ("status", "execute_reply"):
        packed = json.dumps(told | {"header": {"msg_type": kind}}).encode()
        for _ in range(400):  # as outputs they would be counted at what they cost in memory: eight times too much
            kernel.data_received(LENGTH.pack(len(packed)) + packed)
    assert not kernel._meter.full


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="A kernel's start takes no timeout, walls"):
        asyncio.run(LineKernel().start(str(tmp_path), {}, (), sandbox="none", timeout=1, walls=2))


# ---------------------------------------------------------------------- too much, or none


@pytest.mark.parametrize("code", FLOODS)
@full
def test_output_of_a_cell_is_cut(run: Run, level: SandboxLevel, code: str) -> None:
    shown, stopped = run(code, "print('reached')", sandbox=level, limits=LIMITS)
    assert len(shown[0]) < LIMITS.cell_output_bytes + 200
    assert shown[0].count(CUT.format("cell", "20,000")) == 1
    assert (shown[1], stopped) == ("reached\n", None)


@full
def test_what_is_printed_past_python_is_cut(run: Run, level: SandboxLevel) -> None:
    flood = "import os\nfor i in range(300): os.write(1, b'z' * 10**4)"
    shown, stopped = run(flood, "print('reached')", sandbox=level, limits=LIMITS)
    assert 20_000 <= len(shown[0]) <= 20_000 + (1 << 16)
    assert (shown[1], stopped) == ("reached\n", None)


@full
def test_output_of_a_notebook_is_cut(run: Run, level: SandboxLevel) -> None:
    shown, stopped = run(*["print('x' * 15_000)"] * 6, sandbox=level, limits=LIMITS)
    assert [len(text) > 15_000 for text in shown] == [True] * 3 + [False] * 3
    assert "".join(shown).count(CUT.format("notebook", "50,000")) == 1
    assert stopped is None


AROUND_THE_CAP = """
session = get_ipython().kernel.session
session._cap.instead = lambda kind, size: None
"""


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("while True: display('x' * 1000)", "more than 100,000 bytes of output"),
        ("display('x' * 10**7)", "more than 100,000 bytes of output"),
        ("while True: session.send(None, 'status', {}, parent={})", "more than 100,000 bytes of output"),
        ("session._line.sendall(b'\\xff' * 100)", "more than 100,000 bytes of output"),
        ("session._write(b'{not json')", "a message that is none of Jupyter's"),
        ("session._write(b'[' * 50_000)", "a message that is none of Jupyter's"),
        ("session._write(b'[]')", "a message that is none of Jupyter's"),
        ('session._write(b\'{"header": {"msg_type": "stream"}}\')', "a message that is none of Jupyter's"),
    ],
)
@full
def test_what_nobody_should_send_ends_the_kernel(run: Run, level: SandboxLevel, sent: str, reason: str) -> None:
    last = "\nimport time; time.sleep(600)"
    shown, stopped = run(AROUND_THE_CAP + sent + last, "print('reached')", sandbox=level, limits=LIMITS)
    assert stopped == f"the kernel was stopped: it sent {reason}"
    assert len(shown[0]) <= 2 * LIMITS.output_bytes
    assert shown[1] == ""


@full
def test_half_a_message_is_waited_for_and_hurts_nobody(run: Run, level: SandboxLevel) -> None:
    shown, stopped = run("import os, struct\nprint('before')\n"
                         "get_ipython().kernel.session._line.sendall(struct.pack('!I', 99) + b'{')\nos._exit(3)",
                         "print('reached')", sandbox=level)  # fmt: skip
    assert (shown, stopped) == (["before\n", ""], None)


def test_an_interrupt_leaves_no_half_message_on_the_line() -> None:
    """The message is larger than what a socket holds, so it is being sent when the interrupt comes."""
    ours, theirs = socket.socketpair()
    session, received = LineSession(), bytearray()
    session.take(theirs, Limits())
    message = session.msg("stream", {"name": "stdout", "text": "x" * 1_500_000})

    def interrupt_and_read() -> None:
        select.select([ours], [], [])
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        while data := ours.recv(1 << 16):
            received.extend(data)

    reader = threading.Thread(target=interrupt_and_read)
    with ours:
        reader.start()
        with pytest.raises(KeyboardInterrupt), theirs:
            session.send(None, message)
        reader.join(60)
    (size,) = LENGTH.unpack_from(received)
    assert len(received) == LENGTH.size + size
    assert json.loads(received[LENGTH.size :])["content"]["text"] == "x" * 1_500_000


def test_a_channel_waits_as_long_as_it_was_told() -> None:
    async def ask() -> list[object]:
        channel, answers = Channel(), list[object]()
        with pytest.raises(Empty):
            await channel.get_msg(timeout=0)
        asyncio.get_running_loop().call_later(0.01, channel.put, {"number": 1})
        answers.append(await channel.get_msg(timeout=60))
        channel.put({"number": 2})
        channel.close()
        answers.append(await channel.get_msg())  # what had come is still told
        with pytest.raises(DeadKernelError):
            await channel.get_msg()
        return answers

    assert asyncio.run(ask()) == [{"number": 1}, {"number": 2}]
