"""What a notebook cannot reach, at each level; and that each wall is there for something."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager

from autograder.kernel import KERNEL_NAME, Layer, Limits, SandboxLevel, _linux, _parent, _sandbox

from .conftest import PRELOAD, Ran, full, needs, run_async, sandboxed

ROOT = Path(__file__).resolve().parent.parent.parent
REFUSED = ("PermissionError", "FileNotFoundError", "Operation not permitted", "ProcessLookupError", "OSError")


def refused(output: str) -> bool:
    return output.startswith(REFUSED)


@sandboxed
def test_no_file_of_the_course_or_of_its_owner(run: Callable[..., Ran], tmp_path: Path, level: SandboxLevel) -> None:
    secret = tmp_path / "gradebook.db"
    secret.write_text("points")
    there = [secret, Path.home(), ROOT / "solutions", ROOT / "tests", ROOT / "README.md", "/etc/passwd", "/etc/group"]
    cells = [f"import os; p = {str(path)!r}; os.listdir(p) if os.path.isdir(p) else open(p).read()" for path in there]
    for path, output in zip(there, run(*cells, sandbox=level).outputs, strict=True):
        assert refused(output), f"{path}: {output}"


@sandboxed
def test_nothing_can_be_written_but_the_private_folder(
    run: Callable[..., Ran], tmp_path: Path, level: SandboxLevel
) -> None:
    import autograder

    folders = [tmp_path, "/", "/etc", "/var/tmp", "/run", ROOT, Path(autograder.__file__).parent, "/usr/lib"]
    writes = [f"open({str(folder)!r} + '/two-switches-test', 'w')" for folder in folders]
    deletes = [f"import os; os.remove({autograder.__file__!r})", f"os.chmod({autograder.__file__!r}, 0o777)"]
    links = ["os.symlink('/etc/passwd', 'link'); open('link').read()", "os.link('/usr/bin/env', 'env')"]
    ran = run(*writes, *deletes, *links, "open('mine', 'w').write('1'); print(open('mine').read())", sandbox=level)
    for code, output in zip([*writes, *deletes, *links], ran.outputs, strict=False):
        # Landlock does not know chmod: at level reduced the owner of a file may change its mode, and nothing else
        if "chmod" in code and level is SandboxLevel.REDUCED:
            continue
        assert refused(output), f"{code}: {output}"
    assert ran.outputs[-1] == "1\n"


CONNECT = """
import socket
def attempt(family, kind, address):
    try:
        s = socket.socket(family, kind)
        s.settimeout(5)
        if kind == socket.SOCK_DGRAM:
            s.sendto(b"out", address)
        else:
            s.connect(address)
        print("out")
    except OSError as error:
        print(type(error).__name__)
attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {port}))
attempt(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", {port}))
attempt(socket.AF_INET6, socket.SOCK_STREAM, ("::1", {port}))
attempt(socket.AF_UNIX, socket.SOCK_STREAM, {abstract!r})
attempt(socket.AF_NETLINK, socket.SOCK_RAW, (0, 0))
"""


@pytest.fixture
def listening() -> object:
    """A TCP port and an abstract Unix socket of the host."""
    name = f"\0two-switches-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        yield {"port": tcp.getsockname()[1], "abstract": name}


@sandboxed
def test_no_network(run: Callable[..., Ran], level: SandboxLevel, listening: dict) -> None:
    said = run(CONNECT.format(**listening), sandbox=level).outputs[0].split()
    assert len(said) == 5
    assert "out" not in said


@pytest.mark.parametrize("level", [SandboxLevel.NONE])
def test_the_attempts_above_do_reach_out_without_a_sandbox(
    run: Callable[..., Ran], level: SandboxLevel, listening: dict
) -> None:
    said = run(CONNECT.format(**listening), sandbox=level).outputs[0].split()
    assert said[0] == said[3] == "out"


@sandboxed
def test_no_other_process(run: Callable[..., Ran], level: SandboxLevel) -> None:
    run("1", sandbox=level)
    targets = {os.getpid(), _parent.zygote(level.layers, PRELOAD).pid}
    cells = ["import os, ctypes, signal; libc = ctypes.CDLL(None, use_errno=True); os.kill(os.getppid(), 9)"]
    for target in targets:
        cells += [f"os.kill({target}, 0)", f"open('/proc/{target}/environ').read()", f"open('/proc/{target}/mem')"]
        cells += [f"if libc.ptrace(16, {target}, 0, 0) < 0: raise OSError(ctypes.get_errno())"]  # PTRACE_ATTACH
    ran = run(*cells, "print('alive')", sandbox=level)
    # process 1 of its namespaces takes no signal from inside; elsewhere the parent is out of reach
    assert ran.outputs[0] == "" or refused(ran.outputs[0])
    for code, output in zip(cells[1:], ran.outputs[1:], strict=False):
        assert refused(output), f"{code}: {output}"
    assert ran.outputs[-1] == "alive\n"


@sandboxed
def test_own_processes_can_be_started_and_ended(run: Callable[..., Ran], level: SandboxLevel) -> None:
    """The walls do not stop what a notebook may do."""
    code = """
import subprocess
child = subprocess.Popen(["sleep", "600"]); child.terminate(); print(child.wait())
ask = "import torch; print(torch.ones(1).item())"
print(subprocess.run(["python", "-c", ask], capture_output=True, text=True).stdout)
"""
    assert run(code, sandbox=level).outputs == ["-15\n1.0\n\n"]


SHARED_MEMORY = """
import multiprocessing, torch
with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(abs, [-1, -2]))
data = torch.utils.data.TensorDataset(torch.arange(8.))
print([batch[0].sum().item() for batch in torch.utils.data.DataLoader(data, batch_size=4, num_workers=2)])
"""


@full
def test_shared_memory_between_own_processes(run: Callable[..., Ran], level: SandboxLevel) -> None:
    assert run(SHARED_MEMORY, sandbox=level).outputs[0].endswith("[1, 2]\n[6.0, 22.0]\n")


@pytest.mark.parametrize("level", [needs(SandboxLevel.REDUCED)])
def test_shared_memory_is_refused_where_it_would_be_everybodys(run: Callable[..., Ran], level: SandboxLevel) -> None:
    assert run(SHARED_MEMORY, sandbox=level).outputs[0] == "PermissionError: [Errno 13] Permission denied"


@sandboxed
def test_two_kernels_at_once_do_not_see_each_other(tmp_path: Path, level: SandboxLevel) -> None:
    (tmp_path / "secret.txt").write_text("mine")

    async def go() -> Ran:
        manager = AsyncKernelManager(kernel_name=KERNEL_NAME)
        await manager.start_kernel(sandbox=level, preload=PRELOAD, cwd=str(tmp_path))
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        said = []
        await client.execute_interactive(
            "import os; open('answer.txt', 'w').write('42'); print(os.getpid(), os.getcwd())",
            output_hook=lambda message: said.append(message["content"].get("text")),
            timeout=60,
        )
        process, folder = next(filter(None, said)).split()
        host_pid = manager.provisioner.pid if level is SandboxLevel.REDUCED else 2
        assert int(process) == host_pid
        empty = tmp_path / "empty"
        empty.mkdir()
        address = manager.provisioner._process.seat.address
        ran = await run_async(
            f"print(sorted(__import__('os').listdir({folder!r})))",
            f"import os; os.kill({host_pid}, 0); print('own' if os.getpid() == {host_pid} else 'other')",
            f"import os; print(os.listdir(os.path.dirname({address!r})))",
            folder=empty,
            sandbox=level,
        )
        client.stop_channels()
        await manager.shutdown_kernel()
        return ran

    files, process, sockets = asyncio.run(go()).outputs
    assert files == "[]\n" or refused(files)
    assert process == "own\n" or refused(process)
    assert refused(sockets)


@sandboxed
@pytest.mark.parametrize(
    "call",
    [
        "libc.unshare(0x10000000)",  # a user namespace, which would give capabilities
        "libc.mount(b'none', b'/usr', b'tmpfs', 0, None)",
        "libc.memfd_create(b'uncounted', 0)",
        "libc.shmget(0, 4096, 0o600)",
        "libc.syscall(425, 8, 0)",  # io_uring_setup
        "libc.personality(0xffffffff)",
        "libc.syscall(272 if os.uname().machine == 'x86_64' else 97, 0x20000)",  # unshare
        "libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x10000011, 0, 0, 0, 0)",  # clone
        "libc.syscall(435, bytes(88), 88)",  # clone3, whose flags no filter sees
        "os.setuid(0) or os.chroot('/') or -1",
    ],
)
def test_no_door_into_the_system(run: Callable[..., Ran], level: SandboxLevel, call: str) -> None:
    code = f"import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); print({call}, ctypes.get_errno())"
    output = run(code, sandbox=level).outputs[0]
    assert output == ("-1 38\n" if "435" in call else "-1 1\n") or refused(output)


@sandboxed
def test_no_capabilities_and_no_way_to_get_any(run: Callable[..., Ran], level: SandboxLevel) -> None:
    code = """
import ctypes, struct, subprocess
libc = ctypes.CDLL(None)
def held():
    data = ctypes.create_string_buffer(24)
    assert libc.capget(struct.pack("Ii", 0x20080522, 0), data) == 0
    return any(data.raw)
print(held(), libc.prctl(39, 0, 0, 0, 0), libc.prctl(23, 21, 0, 0, 0))
"""
    # no capability; no new privileges is set; CAP_SYS_ADMIN is not even in the bounding set (if dropping it was ours)
    more = "print(open('/proc/sys/user/max_user_namespaces').read())"
    ran = run(code, more, sandbox=level)
    assert level is SandboxLevel.REDUCED or ran.outputs[1].strip() == "0"
    said = ran.outputs[0].split()
    assert said[:2] == ["False", "1"]
    assert said[2] == "0" or os.geteuid() != 0


def test_signals_before_landlock_restricted_them(run: Callable[..., Ran]) -> None:
    """The filter of older systems, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            _linux.seccomp(only_own_signals=True)
            os.kill(os.getpid(), 0)
            try:
                os.kill(os.getppid(), 0)
            except PermissionError:
                os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6, 7])
def test_each_version_of_landlock(tmp_path: Path, abi: int) -> None:
    if abi > _linux.landlock_abi():
        pytest.skip(f"this system's Landlock is version {_linux.landlock_abi()}")
    child = os.fork()
    if child == 0:
        try:
            _linux.landlock(["/usr"], [str(tmp_path)], ["/dev/null"], abi=abi)
            os.listdir("/usr")
            (tmp_path / "file").write_text("1")
            (tmp_path / "file").unlink()
            os.close(os.open("/dev/null", os.O_RDWR))
            refused_calls = [lambda: os.listdir("/etc")]
            if abi >= 4:
                refused_calls += [lambda: socket.create_server(("127.0.0.1", 0))]
            if abi >= 6:
                refused_calls += [lambda: os.kill(os.getppid(), 0)]
            for call in refused_calls:
                try:
                    call()
                except PermissionError:
                    continue
                os._exit(1)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# What each wall is there for: something that it alone keeps a notebook from. Without it, that happens.

OWN_ROOT = f"import os; print('there' if os.path.exists({str(ROOT / 'README.md')!r}) else 'not there')"
OWN_PROCESSES = "import os; print('there' if os.path.exists('/proc/{zygote}') else 'not there')"
LIST = "import os\ntry: os.listdir('/'); print('there')\nexcept PermissionError: print('not there')"
SOCKET = "import socket\ntry: socket.socket(); print('there')\nexcept PermissionError: print('not there')"
LARGE = "try: len(bytes(2 << 30)); print('there')\nexcept MemoryError: print('not there')"
LATE = "import time; time.sleep(2); print('there')"
WALLS = {
    Layer.BUBBLEWRAP: OWN_ROOT,
    Layer.NAMESPACES: OWN_PROCESSES,
    Layer.LANDLOCK: LIST,
    Layer.SECCOMP: SOCKET,
    Layer.RLIMITS: LARGE,
    Layer.WATCHDOG: LATE,
}


@pytest.mark.parametrize(
    ("level", "layer"),
    [
        pytest.param(level, layer, marks=needs(level).marks, id=f"{level}-{layer}")
        for level in (SandboxLevel.FULL, SandboxLevel.REDUCED)
        for layer in WALLS
        if layer in level.layers
    ],
)
def test_each_wall_keeps_something_out(run: Callable[..., Ran], level: SandboxLevel, layer: Layer) -> None:
    run("1", sandbox=level, without={layer})
    # /proc is open to Landlock only where it is the kernel's own
    without = {Layer.LANDLOCK} if layer is Layer.NAMESPACES else set()
    code = WALLS[layer].replace("{zygote}", str(_parent.zygote(level.layers - {layer}, PRELOAD).pid))
    limits = Limits(wall_seconds=1) if layer is Layer.WATCHDOG else Limits(memory_mib=500)
    assert "not there" in run(code, sandbox=level, limits=limits, without=without).outputs[0] or layer is Layer.WATCHDOG
    assert run(code, sandbox=level, limits=limits, without={layer, *without}).outputs[0] == "there\n"


def test_every_wall_is_tried() -> None:
    assert set(WALLS) == set(Layer) == SandboxLevel.FULL.layers


def test_readable_paths_hold_no_course() -> None:
    readable = _sandbox.readable_paths(("torch", "autograder"))
    for private in (ROOT, ROOT / "solutions", ROOT / "tests", Path.home(), Path("/etc"), Path("/")):
        assert not any(private == Path(path) or Path(path) in private.parents for path in readable), private


def test_huge_pages_change_no_byte() -> None:
    code = "data = bytearray(range(250)) * 40_000; "  # 10 MB
    code += "from autograder.kernel import _linux; _linux.use_huge_pages(); "
    code += "huge = [int(line.split()[1]) for line in open('/proc/self/smaps_rollup') if 'AnonHuge' in line]; "
    code += "print(data == bytearray(range(250)) * 40_000, *huge)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    same, huge = done.stdout.split()
    assert same == "True"
    if int(huge) == 0:
        pytest.skip("this system makes no huge pages when asked (Linux 6.1 and newer do)")
    assert int(huge) >= 8 * 1024
