"""A forked kernel is a new kernel: it inherits nothing, leaves nothing, and Jupyter's tools use it as any other."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbformat.v4 import new_code_cell, new_notebook

from autograder.kernel import KERNEL_NAME, Layer, SandboxLevel, _parent, _zygote

from .conftest import PRELOAD, Ran, every_level, full, needs, run_async, sandboxed

DRAWS = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())"
STATE = "import json; print(torch.get_default_dtype(), torch.relu, hasattr(json, 'x'), torch.get_num_threads())"
SPOIL = "import json; json.x = 1; torch.set_default_dtype(torch.float64); torch.relu = None; torch.manual_seed(1)"


@every_level
def test_a_kernel_knows_nothing_of_the_one_before(run: Callable[..., Ran], level: SandboxLevel) -> None:
    first = run(DRAWS, STATE, SPOIL, sandbox=level).outputs
    second = run(DRAWS, STATE, sandbox=level).outputs
    assert not set(first[0].split()) & set(second[0].split()), "the same random numbers"
    assert first[1] == second[1]
    assert first[1].startswith("torch.float32 <built-in method relu of type")
    assert first[1].endswith(" False 1\n")


@every_level
def test_environment_is_what_was_given(
    run: Callable[..., Ran], level: SandboxLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_SECRET", "31415")
    seen = json.loads(
        run("import json, os; print(json.dumps(dict(os.environ)))", sandbox=level, env={"GIVEN": "1"}).outputs[0]
    )
    of_ipykernel = {"PYDEVD_USE_FRAME_EVAL", "TERM", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "GIT_PAGER"}
    assert set(seen) - of_ipykernel == {*_parent.fixed_environment(""), "TMPDIR", "IPYTHONDIR", "GIVEN"}
    assert seen["GIVEN"] == "1"


@full
def test_all_of_our_environment_with_additions_gives_only_the_additions(
    run: Callable[..., Ran], level: SandboxLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSE_SECRET", "31415")
    ask = "import os; print('COURSE_SECRET' in os.environ, os.environ['GIVEN'])"
    assert run(ask, sandbox=level, env={**os.environ, "GIVEN": "1"}).outputs == ["False 1\n"]


OPEN_FILES = """
import os, socket, stat
for name in range(256):
    try:
        kind = os.fstat(name)
    except OSError:
        continue
    if stat.S_ISSOCK(kind.st_mode):
        if socket.socket(fileno=os.dup(name)).type == socket.SOCK_SEQPACKET:
            print(name, "link")
        try:
            print(name, "peer", socket.socket(fileno=os.dup(name)).getpeername() == "")
        except OSError:
            pass
    elif stat.S_ISREG(kind.st_mode) or stat.S_ISDIR(kind.st_mode):
        print(name, "file")
"""


@every_level
def test_only_the_given_descriptor_is_open_and_keeps_its_number(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(__file__) as not_given:
        number = os.dup2(theirs.fileno(), 77)
        os.set_inheritable(not_given.fileno(), True)
        talk = f"s = socket.socket(fileno={number}); s.send(s.recv(9)[::-1]); s.detach()"
        ours.send(b"referee")
        try:
            ran = run(OPEN_FILES + talk, "s = None", sandbox=level, pass_fds=(number,))
        finally:
            os.close(number)
        ours.settimeout(10)
        assert ours.recv(9) == b"eerefer"
        theirs.close()
        assert ours.recv(9) == b"", "someone still holds the other end"
    connected = [line for line in ran.outputs[0].splitlines() if not line.startswith("77 ")]
    # besides the given one: pairs inside zmq and asyncio, which have no name either, and no files
    assert "file" not in ran.outputs[0]
    assert "link" not in ran.outputs[0], "the keeper's, over which a notebook could speak for it"
    assert ran.outputs[0].count("77 peer True") == 1, connected


@every_level
def test_files_beside_the_notebook_shadow_nothing(
    run: Callable[..., Ran], submission: Path, level: SandboxLevel
) -> None:
    for name in ("torch", "autograder", "random", "json", "sitecustomize", "IPython", "ipykernel", "wave", "alembic"):
        (submission / f"{name}.py").write_text("raise SystemExit('shadowed')")
    (submission / "helper.py").write_text("value = 'own module'")
    # the last two are not loaded yet: one of Python's own and one of site-packages
    ask = "import torch, autograder, random, json, IPython, ipykernel, wave, alembic; print(torch.ones(1))"
    ran = run(ask, "import helper; print(helper.value)", sandbox=level)
    assert ran.outputs == ["tensor([1.])\n", "own module\n"]


@sandboxed
def test_the_kernel_gets_copies_of_regular_files(
    run: Callable[..., Ran], submission: Path, tmp_path: Path, level: SandboxLevel
) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    (submission / "link.txt").symlink_to(tmp_path / "outside.txt")
    (submission / "folder").symlink_to(tmp_path)
    (submission / "data").mkdir()
    (submission / "data" / "a.txt").write_text("one")
    os.link(submission / "data" / "a.txt", submission / "data" / "b.txt")
    os.mkfifo(submission / "pipe")
    ran = run(
        "import os; print(sorted(os.path.join(p, f) for p, d, fs in os.walk('.') for f in [*fs, *d]))",
        "print(open('data/b.txt').read())\nopen('data/a.txt', 'w').write('two')\nopen('new.txt', 'w').write('new')",
        sandbox=level,
    )
    assert ran.outputs[0] == "['./data', './data/a.txt', './data/b.txt']\n"
    assert ran.outputs[1].startswith("one\n")
    assert (submission / "data" / "a.txt").read_text() == "one"
    assert not (submission / "new.txt").exists()


@sandboxed
def test_a_folder_too_large_is_refused(run: Callable[..., Ran], submission: Path, level: SandboxLevel) -> None:
    from autograder.kernel import Limits

    with open(submission / "large.bin", "wb") as file:
        file.truncate(2 * 1024 * 1024)
    with pytest.raises(ValueError, match=r"submission holds more than 1 MiB.* raise Limits.disk_mib"):
        run("1", sandbox=level, limits=Limits(disk_mib=1))


@every_level
def test_level_is_told(run: Callable[..., Ran], level: SandboxLevel) -> None:
    assert run("1", sandbox=level).provisioner.sandbox_level == level


@full
def test_what_is_left_out_is_told(run: Callable[..., Ran], level: SandboxLevel) -> None:
    assert run("1", sandbox=level, without={"landlock"}).provisioner.sandbox_level == "full without landlock"


@every_level
def test_figures_are_shown(run: Callable[..., Ran], level: SandboxLevel, tmp_path: Path) -> None:
    notebook = new_notebook(cells=[new_code_cell("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")])
    from nbclient import NotebookClient

    NotebookClient(notebook, kernel_name=KERNEL_NAME, resources={"metadata": {"path": str(tmp_path)}}).execute(
        sandbox=level
    )
    assert any("image/png" in output.get("data", {}) for output in notebook.cells[0].outputs)


@every_level
def test_interrupt(level: SandboxLevel, tmp_path: Path) -> None:
    async def go() -> str:
        manager = AsyncKernelManager(kernel_name=KERNEL_NAME)
        await manager.start_kernel(sandbox=level, preload=PRELOAD, cwd=str(tmp_path))
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        request = client.execute("import subprocess\nprint('started', flush=True)\nsubprocess.run(['sleep', '600'])")
        while True:
            message = await client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "stream":
                await manager.interrupt_kernel()
            if message["msg_type"] == "error" and message["parent_header"]["msg_id"] == request:
                break
        client.stop_channels()
        await manager.shutdown_kernel()
        return message["content"]["ename"]

    assert asyncio.run(go()) == "KeyboardInterrupt"


@every_level
def test_restart_keeps_the_address_and_nothing_else(level: SandboxLevel, tmp_path: Path) -> None:
    async def go() -> list[str]:
        manager = AsyncKernelManager(kernel_name=KERNEL_NAME)
        await manager.start_kernel(sandbox=level, preload=PRELOAD, cwd=str(tmp_path))
        client = manager.client()
        client.start_channels()
        said = []
        for code in (
            "x = 1; open('made.txt', 'w'); print('x' in dir())",
            "import os; print('x' in dir(), os.listdir())",
        ):
            await client.wait_for_ready(timeout=60)

            def note(message: dict) -> None:
                if message["msg_type"] == "stream":
                    said.append(message["content"]["text"])

            await client.execute_interactive(code, output_hook=note, timeout=60)
            await manager.restart_kernel(now=True)
        client.stop_channels()
        await manager.shutdown_kernel()
        return said

    first, second = asyncio.run(go())
    assert first == "True\n"
    assert second == ("False ['made.txt']\n" if level is SandboxLevel.NONE else "False []\n")


@full
def test_blocking_managers_too(level: SandboxLevel, tmp_path: Path) -> None:
    manager = KernelManager(kernel_name=KERNEL_NAME)
    manager.start_kernel(sandbox=level, preload=PRELOAD, cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    assert client.execute("6 * 7", reply=True, timeout=60)["content"]["status"] == "ok"
    client.stop_channels()
    manager.shutdown_kernel()
    assert not manager.is_alive()


@every_level
def test_a_crash_is_a_crash(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ran = run("import os; os.abort()", "print('not reached')", sandbox=level)
    assert ran.died
    assert ran.provisioner.stopped is None
    assert ran.provisioner._process._ended == -signal.SIGABRT
    assert ran.outputs[1] == ""


@every_level
def test_arguments_of_ipykernel(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ask = "print(get_ipython().config.IPKernelApp.log_level, get_ipython().ast_node_interactivity)"
    given = ["--IPKernelApp.log_level=50", "--InteractiveShell.ast_node_interactivity=all"]
    assert run(ask, sandbox=level, arguments=given).outputs == ["50 all\n"]
    with pytest.raises(
        RuntimeError, match=r"The kernel did not start: SystemExit: 1 \(arguments \['--log-level=loud'\]\)"
    ):
        run(ask, sandbox=level, arguments=["--log-level=loud"])


def gone(processes: list[int]) -> bool:
    """Whether all of them end within a minute."""
    poll = select.poll()
    handles = []
    for process in processes:
        try:
            handles.append(os.pidfd_open(process))
        except ProcessLookupError:
            continue
        poll.register(handles[-1], select.POLLIN)
    waiting = set(handles)
    while waiting and (ready := poll.poll(60_000)):
        for handle, _ in ready:
            poll.unregister(handle)
            waiting.discard(handle)
    for handle in handles:
        os.close(handle)
    return not waiting


# one in a session of its own, and one whose parent has ended
LEFT_BEHIND = """
import subprocess
subprocess.Popen(['setsid', 'sleep', '600'])
subprocess.run(['sh', '-c', 'setsid sleep 600 &'])
"""


@every_level
@pytest.mark.parametrize("kill_zygote", [False, True], ids=["", "zygote_killed"])
def test_nothing_is_left_of_a_kernel(
    run: Callable[..., Ran], level: SandboxLevel, tmp_path: Path, kill_zygote: bool
) -> None:
    """Nor when the zygote has ended meanwhile, on which its kernels do not depend; the next kernel gets another."""

    async def go() -> list[int]:
        manager = AsyncKernelManager(kernel_name=KERNEL_NAME)
        await manager.start_kernel(sandbox=level, preload=PRELOAD, cwd=str(tmp_path))
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        await client.execute_interactive(LEFT_BEHIND, output_hook=lambda message: None, timeout=60)
        parent = _parent.zygote(level.layers, PRELOAD)
        family = [process.pid for process in psutil.Process(parent.pid).children(recursive=True)]
        assert len(family) == (5 if level is SandboxLevel.FULL else 4), "keeper, kernel and the two left behind"
        if kill_zygote:
            os.kill(parent.pid, signal.SIGKILL)
            assert gone([parent.pid])
            reply = await client.execute("6 * 7", reply=True, timeout=60)
            assert reply["content"]["status"] == "ok"
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        assert parent.alive() is not kill_zygote
        return family

    assert gone(asyncio.run(go()))
    assert run("print('again')", sandbox=level).outputs == ["again\n"]


@every_level
def test_a_killed_keeper_takes_its_kernel_with_it(run: Callable[..., Ran], level: SandboxLevel, tmp_path: Path) -> None:
    async def go() -> tuple[list[int], int | None]:
        manager = AsyncKernelManager(kernel_name=KERNEL_NAME)
        await manager.start_kernel(sandbox=level, preload=PRELOAD, cwd=str(tmp_path))
        keeper = psutil.Process(_parent.zygote(level.layers, PRELOAD).pid).children()[-1]
        family = [process.pid for process in [keeper, *keeper.children(recursive=True)]]
        keeper.kill()
        assert gone(family)
        status = await manager.provisioner.wait()
        await manager.cleanup_resources()
        return family, status

    family, status = asyncio.run(go())
    assert len(family) == (3 if level is SandboxLevel.FULL else 2)
    assert status == -signal.SIGKILL


OWNER = """
import asyncio, sys
from jupyter_client.manager import AsyncKernelManager
from autograder.kernel import _parent, read_level
async def go():
    manager = AsyncKernelManager(kernel_name="two-switches")
    await manager.start_kernel(sandbox=sys.argv[1], preload=("numpy",))
    client = manager.client(); client.start_channels(); await client.wait_for_ready(timeout=60)
    await client.execute_interactive(sys.argv[2], output_hook=lambda message: None, timeout=60)
    print(next(iter(_parent._zygotes.values())).pid, _parent.runtime_folder(), flush=True)
    await asyncio.sleep(600)
asyncio.run(go())
""".replace(", read_level", "")


@every_level
def test_when_its_owner_is_killed_nothing_is_left(
    level: SandboxLevel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, level, LEFT_BEHIND], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as owner:
        zygote, folder = owner.stdout.readline().split()
        family = [int(zygote), *(process.pid for process in psutil.Process(int(zygote)).children(recursive=True))]
        owner.kill()
    assert len(family) >= 5
    assert gone(family)
    assert os.path.isdir(folder)
    # its folder goes when another process needs one
    monkeypatch.setattr(_parent, "_runtime", None)
    ours, lock = _parent.runtime_folder(), _parent._runtime[1]
    assert not os.path.exists(folder)
    lock.close()
    shutil.rmtree(ours)


def test_no_fork_while_another_thread_runs() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with ours, theirs:
        _zygote._fork(ours, theirs, [], {}, None)
        said = json.loads(ours.recv(1000))
    done.set()
    thread.join()
    assert "threads running, which no fork survives" in said["failed"]


@pytest.mark.parametrize("level", [needs(SandboxLevel.FULL), needs(SandboxLevel.NONE)])
def test_a_module_that_cannot_be_imported_is_named(run: Callable[..., Ran], level: SandboxLevel) -> None:
    with pytest.raises(RuntimeError, match=r"did not start: ModuleNotFoundError: No module named 'no_such_module'"):
        run("1", sandbox=level, preload=("no_such_module",))


@every_level
def test_what_some_need_is_imported_for_the_next(run: Callable[..., Ran], level: SandboxLevel) -> None:
    found = "import sys; 'mailbox' in sys.modules"
    assert run(found, sandbox=level).outputs == ["False"]
    parent = _parent.zygote(level.layers, PRELOAD)
    parent.have("no_such_module")
    parent.have("mailbox")
    assert run(found, sandbox=level).outputs == ["True"]
    parent.control.close()  # it is not told twice
    parent.have("mailbox")
    parent.close()


def test_who_asked_before_it_was_up_learns_why_it_did_not_start() -> None:
    parent = _parent.start_zygote(SandboxLevel.NONE.layers, ("no_such_module",))
    asked = parent.serve("builtins:print")
    with pytest.raises(RuntimeError, match=r"did not start: ModuleNotFoundError: No module named 'no_such_module'"):
        parent.wait()
    assert not parent.alive()
    assert asked.fileno() == -1, "closed with the one that was asked"


@full
def test_several_at_once_in_one_event_loop(tmp_path: Path, level: SandboxLevel) -> None:
    async def go() -> list[Ran]:
        return await asyncio.gather(
            *(run_async(f"print({number} ** 2)", folder=tmp_path, sandbox=level) for number in range(6))
        )

    assert [ran.outputs[0] for ran in asyncio.run(go())] == [f"{number**2}\n" for number in range(6)]


@every_level
def test_jupyter_execute(tmp_path: Path, level: SandboxLevel) -> None:
    path = tmp_path / "notebook.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("import os; print(os.getcwd())")]), path)
    command = [sys.executable, "-m", "jupyter", "execute", f"--kernel_name={KERNEL_NAME}", "--inplace", str(path)]
    environment = {
        **os.environ,
        "AUTOGRADER_SANDBOX": level,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = nbformat.read(path, as_version=4).cells[0].outputs[0].text.strip()
    expected = {SandboxLevel.FULL: "/run/notebook/work", SandboxLevel.NONE: str(tmp_path)}
    assert folder == expected[level] if level in expected else folder.endswith("/private/work")


def test_layers_are_known() -> None:
    with pytest.raises(ValueError, match="moat"):
        Layer("moat")
