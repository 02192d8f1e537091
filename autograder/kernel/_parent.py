"""The grading process's side of zygotes: starts them when they are needed, asks them for kernels, ends with them."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing import connection, util
from pathlib import Path
from typing import IO, Any

from . import _sandbox
from ._levels import Layer, Limits, SandboxLevel, SandboxUnavailable
from ._wire import CHANNELS, LARGEST_REQUEST, MOST_DESCRIPTORS

_START_SECONDS = 180.0  # a cold disk, a busy machine, a font cache to build
_REPLY_SECONDS = 60.0
_LONGEST_PATH = 50  # of the folder for temporary files; the name of a Unix socket has 107 bytes at most
_MAKING_SECONDS = 60.0
_PREFIX = "two-switches-"

_lock = threading.Lock()
_zygotes: dict[tuple[Any, ...], Zygote] = {}
_seats: weakref.WeakSet[Seat] = weakref.WeakSet()
_runtime: tuple[str, IO[str]] | None = None  # this process's runtime folder, and the lock in it


def runtime_folder() -> str:
    """The folder for sockets and private folders of this process's kernels, made on first use, removed at its end.

    What processes left that were killed is removed now: nobody holds the lock in it any more.
    """
    global _runtime
    if _runtime is None:
        base = tempfile.gettempdir()
        base = base if len(base) <= _LONGEST_PATH else "/tmp"
        for other in glob.glob(os.path.join(glob.escape(base), f"{_PREFIX}*")):
            _sweep(other)
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir=base)
        lock = open(os.path.join(folder, "lock.new"), "w")  # noqa: SIM115, held to the end
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.rename(lock.name, os.path.join(folder, "lock"))
        _runtime = folder, lock
    return _runtime[0]


def _adopt_runtime_folder(folder: str) -> None:
    """Have one below that of the process that started this one: it goes with it, if this process cannot see to it."""
    global _runtime
    own = tempfile.mkdtemp(prefix="worker-", dir=folder)
    _runtime = own, open(os.path.join(own, "lock"), "w")  # noqa: SIM115, as long as this process lives


def _sweep(folder: str) -> None:
    with contextlib.suppress(OSError):
        path = os.path.join(folder, "lock")
        if not os.path.exists(path):  # another process is just making it, or could not remove all of it
            if time.time() - os.stat(folder).st_mtime > _MAKING_SECONDS:
                shutil.rmtree(folder)
            return
        with open(path, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


def zygote(layers: frozenset[Layer], preload: tuple[str, ...], line: bool = False) -> Zygote:
    """The zygote of this process for these layers and modules, started if there is none alive.

    One for kernels on a `line` has such a kernel made already; another leaves that to each kernel.
    """
    found = start_zygote(layers, preload, line)
    found.wait()
    return found


def start_zygote(layers: frozenset[Layer], preload: tuple[str, ...], line: bool = False) -> Zygote:
    """The same without waiting until it is up."""
    key = (Layer.BUBBLEWRAP in layers, preload, line)
    with _lock:
        found = _zygotes.get(key)
        if found is None or not found.alive():
            if found is not None:
                found.close()
            found = _zygotes[key] = Zygote.started(*key)
        return found


@dataclass(frozen=True)
class Share:
    """A zygote's address for processes that `multiprocessing` starts: what they are given when they start."""

    in_bubblewrap: bool
    preload: tuple[str, ...]
    line: bool
    readable: list[str]
    control: socket.socket
    folder: str

    def adopt(self) -> None:
        """Ask this zygote for this process's kernels; should it end, one of this process's own is started.

        All temporary files of this process then stand in the runtime folder of the process that started the zygote.
        """
        _adopt_runtime_folder(self.folder)
        tempfile.tempdir = runtime_folder()
        with _lock:
            _zygotes[self.in_bubblewrap, self.preload, self.line] = Zygote(self)


def close_zygotes() -> None:
    """End the zygotes of this process, and with them their kernels."""
    with _lock:
        for each in _zygotes.values():
            each.close()
        _zygotes.clear()


def _leave_nothing() -> None:
    close_zygotes()
    if _runtime is not None:
        shutil.rmtree(_runtime[0], ignore_errors=True)
        _runtime[1].close()


# when this process ends, after multiprocessing has removed its own folder (-100), which may stand in ours
util.Finalize(None, _leave_nothing, exitpriority=-200)


def _forget_zygotes() -> None:
    # In a forked worker: they and their kernels belong to the parent, and must see its sockets close when it ends.
    global _lock, _runtime
    _lock, _runtime = threading.Lock(), None
    for each in _zygotes.values():
        each.leave()
    _zygotes.clear()
    for seat in _seats:
        seat.vacate()


os.register_at_fork(after_in_child=_forget_zygotes)


class Zygote:
    """A process that has imported `preload` and forks kernels. It ends when all who can ask it have ended."""

    def __init__(
        self,
        share: Share,
        process: subprocess.Popen[bytes] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        self._share, self.readable, self.control = share, share.readable, share.control
        self._process = process  # None: another process has started it
        self._log = log  # None: it is up, or has failed
        self._starting = threading.Lock()
        self._imported: set[str] = set()  # after it was up
        self._services: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        #: Its process number; 0 before `wait`, and where it was adopted.
        self.pid = 0

    @classmethod
    def started(cls, in_bubblewrap: bool, preload: tuple[str, ...], line: bool) -> Zygote:
        """A new one, which is not up yet."""
        readable = _sandbox.readable_paths(preload)
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        home = _sandbox.ZYGOTE_HOME if in_bubblewrap else tempfile.mkdtemp(prefix="zygote-", dir=runtime_folder())
        kind = "line" if line else "sockets"
        command = [sys.executable, "-s", "-P", "-m", f"{__package__}._zygote", str(theirs.fileno()), kind]
        command.append(",".join(preload))
        environment = {**fixed_environment(home), "TMPDIR": home}  # torch's compiler wants one when it is imported
        if in_bubblewrap:
            program = _sandbox.find_bubblewrap()
            if program is None:
                raise SandboxUnavailable("bubblewrap is gone")
            command = [*_sandbox.bubblewrap(program, readable, environment), *command]
        log = tempfile.TemporaryFile()  # noqa: SIM115, closed when it is up
        with theirs:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return cls(Share(in_bubblewrap, preload, line, readable, control, runtime_folder()), process, log)

    def share(self) -> Share:
        """What a process that asks this one needs; whoever asks before it is up waits for the answer."""
        return self._share

    def wait(self) -> None:
        """Wait until it is up.

        Raises SandboxUnavailable if bubblewrap does not start, RuntimeError if the zygote does not.
        """
        with self._starting:
            if self._log is None:
                return
            words = b""
            # not by the socket's own timeout, which would be that of all who share it
            if connection.wait([self.control], _START_SECONDS):
                with contextlib.suppress(ConnectionResetError):  # it has ended, and some requests were there already
                    words = self.control.recv(LARGEST_REQUEST)
            if words:
                self.pid, said = json.loads(words)["ready"], []
            else:
                self._process.kill()
                self._process.wait(10)
                self._log.seek(0)
                said = self._log.read().decode(errors="replace").strip().splitlines()
            self._log.close()
            self._log = None
        if words:
            return
        self.close()
        cause = said[-1] if said else f"it said nothing for {_START_SECONDS:g} seconds"
        if self._share.in_bubblewrap and cause.startswith("bwrap:"):
            raise SandboxUnavailable(f"Sandbox level full is not available: {cause}.")
        raise RuntimeError(f"The process that kernels are forked from did not start: {cause}")

    def alive(self) -> bool:
        """Whether it can still be asked."""
        if self.control.fileno() < 0:
            return False
        if self._log is not None:
            return self._process is not None and self._process.poll() is None
        try:  # it says nothing after its first word: what can be read is the end
            return self.control.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def ask(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Ask for a kernel.  Raises OSError if the zygote has ended."""
        words = json.dumps(request).encode()
        if len(words) > LARGEST_REQUEST or len(descriptors) > MOST_DESCRIPTORS:
            raise ValueError(
                f"A kernel's start takes {LARGEST_REQUEST:,} bytes of environment and {MOST_DESCRIPTORS} descriptors."
            )
        socket.send_fds(self.control, [words], descriptors)

    def have(self, module: str) -> None:
        """Have this module imported before the next fork.  Raises OSError if it has ended."""
        if module not in self._imported:
            self.ask({"import": module}, [])
            self._imported.add(module)

    def serve(self, function: str) -> socket.socket:
        """Have a process forked that runs `function` with a socket; the other end.  Raises OSError if it has ended."""
        own, theirs = socket.socketpair()
        self._services.add(own)
        with theirs:
            try:
                self.ask({"serve": function}, [theirs.fileno()])
            except OSError:
                own.close()
                raise
        return own

    def leave(self) -> None:
        """Ask it for nothing any more: it ends when nobody is left who can."""
        for each in [self.control, *self._services]:
            each.close()

    def close(self) -> None:
        """End it, its kernels and its services."""
        self.leave()
        if self._process is not None:
            if self._log is not None:  # still importing, for nobody
                self._process.kill()
                self._log.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)


def fixed_environment(home: str) -> dict[str, str]:
    """All variables that a zygote and a kernel get without asking."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": home,
        "LANG": "C.UTF-8",
        "USER": "learner",
        # One thread for each kernel: a fork keeps no other, and the cores are shared between kernels.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # The order of sets of strings is the same each time a submission is graded.
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


class Seat:
    """What one kernel needs on this side: a runtime folder with listening sockets, and the link to its keeper.

    A restarted kernel takes the same seat, where its clients look for it.
    """

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="kernel-", dir=runtime_folder())
        self.address = os.path.join(self.folder, "s")
        self.link: socket.socket | None = None
        _seats.add(self)

    def _listen(self, number: int) -> socket.socket:
        path = f"{self.address}-{number}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(16)
        return listening

    def start(
        self,
        zygote: Zygote,
        *,
        level: SandboxLevel,
        layers: frozenset[Layer],
        limits: Limits,
        environment: dict[str, str],
        arguments: list[str],
        key: str,
        cwd: str,
        pass_fds: Sequence[int],
        line: Sequence[int] = (),
    ) -> int:
        """Have the zygote fork a kernel into this seat; its process number as it sees it itself.

        It listens on Jupyter's sockets; with a `line`, the kernel's ends of it, it has that instead.

        Raises SandboxUnavailable if a wall cannot be built, RuntimeError if the kernel does not start.
        """
        if level is SandboxLevel.NONE:
            private, home, temporary = None, str(Path.home()), tempfile.gettempdir()
        else:
            private = _sandbox.PRIVATE if Layer.BUBBLEWRAP in layers else os.path.join(self.folder, "private")
            home, temporary = os.path.join(private, "work"), os.path.join(private, "tmp")
        request = {
            "layers": sorted(layers),
            "limits": asdict(limits),
            "env": {
                **fixed_environment(home),
                "TMPDIR": temporary,
                "IPYTHONDIR": os.path.join(temporary, ".ipython"),
                **environment,
            },
            "arguments": arguments,
            "key": key,
            "cwd": cwd,
            "private": private,
            "readable": zygote.readable,
            "keep": list(pass_fds),
        }
        shutil.rmtree(os.path.join(self.folder, "private"), ignore_errors=True)
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as handed_over:
            handed_over.enter_context(theirs)
            files = handed_over.enter_context(packed(cwd if private else None, limits.disk_mib))
            sockets = line or [
                handed_over.enter_context(self._listen(number)).fileno() for number, _ in enumerate(CHANNELS, 1)
            ]
            zygote.ask(request, [theirs.fileno(), *sockets, files.fileno(), *pass_fds])
        self.link.settimeout(_REPLY_SECONDS)
        words = self.link.recv(LARGEST_REQUEST)
        self.link.setblocking(False)
        reply = json.loads(words) if words else {"failed": "its process ended"}
        if "running" in reply:
            return reply["running"]
        if reply.get("wall"):
            raise SandboxUnavailable(f"Sandbox level {level.value} is not available: {reply['failed']}.")
        raise RuntimeError(f"The kernel did not start: {reply['failed']}")

    def vacate(self) -> None:
        """End the kernel, if it lives: its keeper sees the link close."""
        if self.link is not None:
            self.link.close()

    def close(self) -> None:
        """End the kernel and remove what it left."""
        self.vacate()
        shutil.rmtree(self.folder, ignore_errors=True)


def packed(folder: str | None, mib: int) -> IO[bytes]:
    """The regular files below `folder`, as a temporary tar file; symbolic links and devices stay behind.

    Raises ValueError if they are more than fits into a kernel's private folder.
    """
    target = tempfile.TemporaryFile()  # noqa: SIM115, the caller closes it
    total = 0
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, folders, names in os.walk(folder) if folder else ():
            for name in [*folders, *names]:
                full = os.path.join(path, name)
                kind = os.lstat(full)
                member = tarfile.TarInfo(os.path.relpath(full, folder))
                if stat.S_ISDIR(kind.st_mode):
                    member.type, member.mode = tarfile.DIRTYPE, 0o700
                    archive.addfile(member)
                elif stat.S_ISREG(kind.st_mode):
                    member.size, member.mode = kind.st_size, 0o600
                    total += member.size
                    if total > mib * 1024 * 1024:
                        target.close()
                        raise ValueError(
                            f"The folder {folder} holds more than {mib} MiB, the limit of a kernel's private folder. "
                            "Start the kernel in a folder with the files it needs, or raise Limits.disk_mib."
                        )
                    with open(full, "rb") as file:
                        archive.addfile(member, file)
    target.seek(0)
    return target
