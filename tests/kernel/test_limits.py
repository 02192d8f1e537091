"""No notebook uses more than it may, and the reason why it was stopped is told in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from jupyter_client.session import Session

from autograder.kernel import Limits, SandboxLevel
from autograder.kernel._client import Meter

from .conftest import CUT, FLOODS, LIMITS, Ran, every_level, full

REACHED = "print('reached')"


def stopped(ran: Ran) -> str | None:
    """Why; the cells after the one that was too much have not run."""
    assert ran.died
    assert ran.outputs[-1] == ""
    return ran.provisioner.stopped


@every_level
def test_wall_clock(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ran = run("import time; time.sleep(600)", REACHED, sandbox=level, limits=Limits(wall_seconds=1))
    assert stopped(ran) == "the kernel was stopped: it ran for more than 1 seconds"


@every_level
def test_computing(run: Callable[..., Ran], level: SandboxLevel) -> None:
    spin = "import os\nfor _ in range(2): os.fork()\nwhile True: pass"
    ran = run(spin, REACHED, sandbox=level, limits=Limits(cpu_seconds=1))
    assert stopped(ran) == "the kernel was stopped: it computed for more than 1 seconds"


@every_level
def test_memory_of_one_process(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ran = run("bytes(10**9)", REACHED, sandbox=level, limits=Limits(memory_mib=500))
    assert ran.outputs == ["MemoryError: ", "reached\n"]


SHARED = """
import mmap, time
memory = mmap.mmap(-1, 600 << 20)
for _ in range(600): memory.write(bytes(1 << 20))
time.sleep(600)
"""
TOGETHER = """
import os, time
for _ in range(3): os.fork()
data = b"x" * (100 << 20)
time.sleep(600)
"""
UNSEEN = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)" + SHARED  # PR_SET_DUMPABLE hides the details


@every_level
@pytest.mark.parametrize("code", [SHARED, TOGETHER, UNSEEN], ids=["shared", "together", "unseen"])
def test_memory_of_all(run: Callable[..., Ran], level: SandboxLevel, code: str) -> None:
    ran = run(code, REACHED, sandbox=level, limits=Limits(memory_mib=500, processes=100))
    assert stopped(ran) == "the kernel was stopped: it used more than 500 MiB of memory"


MAPPED = "print(next(int(line.split()[1]) >> 10 for line in open('/proc/self/status') if 'RssAnon' in line))"


@every_level
def test_memory_that_is_only_inherited_is_shared(run: Callable[..., Ran], level: SandboxLevel) -> None:
    """Twenty processes that touch nothing of their own cost little, though each maps all that the zygote has loaded."""
    # asked, because a build of torch for GPUs maps more than one for CPUs
    mapped = int(run(MAPPED, sandbox=SandboxLevel.NONE).outputs[0])
    wait = "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        time.sleep(600)\ntime.sleep(1)"
    ran = run(wait, REACHED, sandbox=level, limits=Limits(memory_mib=3 * mapped, processes=30))
    assert ran.outputs[-1] == "reached\n"


@every_level
def test_processes(run: Callable[..., Ran], level: SandboxLevel) -> None:
    start = "import os, time\nfor _ in range(40):\n    if os.fork() == 0: os.setsid(); time.sleep(600)\ntime.sleep(600)"
    ran = run(start, REACHED, sandbox=level, limits=Limits(processes=20))
    assert stopped(ran) == "the kernel was stopped: it had more than 20 processes at one time"


@every_level
def test_size_of_a_file(run: Callable[..., Ran], level: SandboxLevel) -> None:
    write = "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(bytes(3 << 20)); f.flush()"
    ran = run(write, REACHED, sandbox=level, limits=Limits(disk_mib=2))
    assert "OSError" in ran.outputs[0]
    assert ran.outputs[1] == "reached\n"


@full
def test_size_of_all_files(run: Callable[..., Ran], level: SandboxLevel) -> None:
    write = "import tempfile\nfor i in range(9): open(f'{tempfile.mkdtemp()}/{i}', 'wb').write(bytes(1 << 20))"
    ran = run(write, REACHED, sandbox=level, limits=Limits(disk_mib=4))
    assert ran.outputs == ["OSError: [Errno 28] No space left on device", "reached\n"]


PAST_PYTHON = "import os, time\nfor i in range(300): os.write(1, b'z' * 10**4)\ntime.sleep(0.3)"


@pytest.mark.parametrize("code", [*FLOODS, PAST_PYTHON])
@full
def test_output_of_a_cell_is_cut(run: Callable[..., Ran], level: SandboxLevel, code: str) -> None:
    ran = run(code, REACHED, sandbox=level, limits=LIMITS)
    assert len(ran.outputs[0]) < LIMITS.cell_output_bytes + 200
    assert ran.outputs[0].count(CUT.format("cell", "20,000")) == 1
    assert ran.outputs[1] == "reached\n"
    assert ran.provisioner.stopped is None


@full
def test_output_of_a_notebook_is_cut(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ran = run(*["print('x' * 15_000)"] * 6, "x = 1", sandbox=level, limits=LIMITS)
    assert [len(output) > 15_000 for output in ran.outputs] == [True] * 3 + [False] * 4
    assert str(ran).count(CUT.format("notebook", "50,000")) == 1
    assert not ran.died


AROUND_THE_CAP = """
from ipykernel.iostream import IOPubThread
type(get_ipython().kernel.iopub_thread).send_multipart = IOPubThread.send_multipart
from IPython.display import display
while True: display("x" * 1000)
"""


@every_level
def test_who_takes_the_cap_away_is_stopped_from_outside(run: Callable[..., Ran], level: SandboxLevel) -> None:
    ran = run(AROUND_THE_CAP, REACHED, sandbox=level, limits=LIMITS)
    assert stopped(ran) == "the kernel was stopped: it sent more than 100,000 bytes of output"
    assert len(ran.outputs[0]) < 2 * LIMITS.output_bytes


def test_a_message_larger_than_all_output_is_not_read(run: Callable[..., Ran]) -> None:
    """zmq itself refuses it, before it is in memory here; the cell ends without its output."""
    big = AROUND_THE_CAP.partition("while")[0] + "display('x' * 10**7)"
    ran = run(big, sandbox="none", limits=LIMITS)
    assert ran.outputs == [""]
    assert ran.provisioner.stopped is None, "it was read, and counted"


@full
def test_a_message_that_is_none_of_jupyters(run: Callable[..., Ran], level: SandboxLevel) -> None:
    """Sent past ipykernel's own serializer, as hostile code can."""
    raw = """
from ipykernel.iostream import IOPubThread
thread = get_ipython().kernel.iopub_thread
IOPubThread.send_multipart(thread, [b"stream", b"<IDS|MSG>", b"no signature", b"{not json"])
import time; time.sleep(600)
"""
    ran = run(raw, REACHED, sandbox=level)
    assert stopped(ran) == "the kernel was stopped: it sent a message that is none of Jupyter's"


class FakeProvisioner(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(limits=Limits(output_bytes=10_000), reasons=[])

    def stop(self, reason: str) -> None:
        self.reasons.append(reason)


def frames(session: Session, kind: str, size: int) -> list[bytes]:
    return [kind.encode(), *session.serialize(session.msg(kind, {"text": "x" * size}))]


def test_meter_counts_outputs_and_nothing_after_the_end() -> None:
    session, fake = Session(key=b"k"), FakeProvisioner()
    meter = Meter(fake)
    assert meter.read(session, frames(session, "stream", 15_000))["content"]["text"]
    assert meter.read(session, frames(session, "status", 100_000)) is not None, "not an output"
    assert not fake.reasons
    assert meter.read(session, frames(session, "display_data", 15_000)) is None
    assert fake.reasons == ["sent more than 20,000 bytes of output"]
    assert meter.read(session, frames(session, "status", 10)) is None
    assert len(fake.reasons) == 1


def test_meter_counts_short_outputs_at_what_they_cost() -> None:
    session, fake = Session(key=b"k"), FakeProvisioner()
    meter = Meter(fake)
    passed = sum(meter.read(session, frames(session, "stream", 1)) is not None for _ in range(100))
    assert passed == 2 * fake.limits.output_bytes // 1024
    assert fake.reasons


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [b"stream"],
        [b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"],
        [b"\xff", b"<IDS|MSG>", b"signature", b"[]", b"[]", b"[]", b"[]"],
    ],
)
def test_meter_stops_at_what_it_cannot_read(bad: list[bytes]) -> None:
    fake = FakeProvisioner()
    assert Meter(fake).read(Session(key=b"k"), bad) is None
    assert fake.reasons == ["sent a message that is none of Jupyter's"]


def test_meter_wants_a_type() -> None:
    session, fake = Session(key=b"k"), FakeProvisioner()
    message = session.msg("stream", {})
    message["header"] = json.loads("[]")
    assert Meter(fake).read(session, session.serialize(message)) is None
    assert fake.reasons
