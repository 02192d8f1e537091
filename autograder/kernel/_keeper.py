"""The keeper of one kernel: a process outside its walls that watches it, signals it, ends it and says why it ended.

zygote ── keeper ── first process of the namespaces ── kernel      (full)
zygote ── keeper ── kernel                                         (reduced, none)

The keeper speaks with the provisioner over a socket, the link. When the link closes, the provisioner is gone, and the
keeper ends all that is below it. Below the keeper, each ends with its parent; a zygote may end before its kernels do.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from . import _linux, _sandbox
from ._levels import Layer, Limits

_INTERVAL = 0.1  # seconds between two looks at what a kernel uses
_TICKS = os.sysconf("SC_CLK_TCK")


def keep(
    link: socket.socket,
    layers: frozenset[Layer],
    limits: Limits,
    private: str,
    others: list[int],
    kernel: Callable[[], NoReturn],
) -> NoReturn:
    """Run `kernel` in a new process behind the layers that the keeper builds, and watch it until it ends.

    `private` is the kernel's folder; `others` are descriptors for the kernel alone.
    """
    try:
        _linux.adopt_orphans()
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)  # before the namespaces have a /proc of their own
        if Layer.NAMESPACES in layers:
            try:
                _sandbox.leave_namespaces()
            except OSError as error:
                report(link, failed=str(error), wall=True)
                os._exit(1)
        keeper = os.getpid()
        child = os.fork()
        if child == 0:
            os.close(proc)
            if Layer.NAMESPACES in layers:
                _be_first(limits, private, link, others, kernel)
            _end_with(keeper)
            kernel()
        for descriptor in others:
            os.close(descriptor)
        _Watch(link, layers, limits, proc, child).until_the_end()
    except BaseException as error:
        report(link, failed=f"{type(error).__name__}: {error}")
    finally:
        os._exit(1)


def report(link: socket.socket, **message: Any) -> None:
    """Tell the provisioner, if it is still there."""
    with contextlib.suppress(OSError):
        link.send(json.dumps(message).encode())


def _end_with(parent: int) -> None:
    _linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def _be_first(
    limits: Limits, private: str, link: socket.socket, others: list[int], kernel: Callable[[], NoReturn]
) -> NoReturn:
    """Process 1 of the namespaces: builds them up, starts the kernel, takes in orphans, ends when the kernel ends."""
    _linux.die_with_parent(signal.SIGKILL)
    try:
        _sandbox.enter_namespaces(limits, private)
        _linux.die_with_parent(signal.SIGKILL)
        child = os.fork()
    except OSError as error:
        report(link, failed=str(error), wall=True)
        os._exit(1)
    if child == 0:
        _end_with(1)
        kernel()
    for descriptor in [*others, link.fileno()]:
        os.close(descriptor)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


class _Watch:
    def __init__(self, link: socket.socket, layers: frozenset[Layer], limits: Limits, proc: int, child: int) -> None:
        self.link, self.layers, self.limits, self.proc, self.child = link, layers, limits, proc, child
        self.ends = time.monotonic() + limits.wall_seconds
        self.reason: str | None = None

    def until_the_end(self) -> NoReturn:
        handle = os.pidfd_open(self.child)
        poll = select.poll()
        poll.register(self.link, select.POLLIN)
        poll.register(handle, select.POLLIN)
        status = None
        while status is None:
            ready = {descriptor for descriptor, _ in poll.poll(_INTERVAL * 1000)}
            if self.link.fileno() in ready and not self._obey():
                break
            if Layer.WATCHDOG in self.layers and handle not in ready and (reason := self._too_much()):
                self.reason = reason
                break
            status = self._reap()
        rest = self._end_all()
        report(self.link, exit=rest if status is None else status, stopped=self.reason)
        os._exit(0)

    def _obey(self) -> bool:
        """Do what the provisioner says; False to end the kernel, as when there is no provisioner any more."""
        try:
            words = self.link.recv(65536)
        except ConnectionResetError:
            return False
        command = json.loads(words) if words else {"stop": None}
        if "stop" in command:
            self.reason = self.reason or command["stop"]
            return False
        kernel = self.child
        if Layer.NAMESPACES in self.layers:
            kernel = next(self._children(self.child), self.child)  # the first that process 1 started
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel, command["signal"])
        return True

    def _reap(self) -> int | None:
        """Take in what has ended; the status of the kernel if it is among them."""
        found = None
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if ended == 0:
                return found
            if ended == self.child:
                found = os.waitstatus_to_exitcode(status)
                if Layer.NAMESPACES in self.layers and found > 128:  # what process 1 says of a kernel ended by a signal
                    found = 128 - found

    def _end_all(self) -> int | None:
        """End all processes that are left; the status of the kernel if it is among them."""
        status = None
        # Most are of the kernel's own group, which ends in one call, however fast it grows.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if Layer.NAMESPACES not in self.layers:
                os.killpg(self.child, signal.SIGKILL)
        while family := list(self._descendants(os.getpid())):
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: they could start others meanwhile
                for process in family:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, number)
            time.sleep(0.001)
            ended = self._reap()
            status = ended if status is None else status
        return status

    # what the kernel uses

    def _too_much(self) -> str | None:
        """What is above the limits, in words that follow "the kernel was stopped: it"."""
        limits = self.limits
        if time.monotonic() > self.ends:
            return f"ran for more than {limits.wall_seconds:,g} seconds"
        family = list(self._descendants(os.getpid()))
        if len(family) > limits.processes + (Layer.NAMESPACES in self.layers):
            return f"had more than {limits.processes} processes at one time"
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = reaped.ru_utime + reaped.ru_stime + sum(map(self._seconds, family))
        if seconds > limits.cpu_seconds:
            return f"computed for more than {limits.cpu_seconds:,g} seconds"
        most = limits.memory_mib * 1024
        # Pages shared with the zygote count fully in the first figure, which is cheap, by their share in the second.
        if sum(map(self._mapped, family)) > most and sum(map(self._share, family)) > most:
            return f"used more than {limits.memory_mib:,} MiB of memory"
        return None

    def _descendants(self, process: int) -> Iterator[int]:
        for child in self._children(process):
            yield child
            yield from self._descendants(child)

    def _children(self, process: int) -> Iterator[int]:
        try:
            folder = os.open(f"{process}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.proc)
        except OSError:  # it has ended
            return
        try:
            threads = os.listdir(folder)
        finally:
            os.close(folder)
        for thread in threads:
            yield from map(int, self._read(f"{process}/task/{thread}/children").split())

    def _seconds(self, process: int) -> float:
        fields = self._read(f"{process}/stat").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0

    def _mapped(self, process: int) -> int:
        return self._kib(process, "status", ("RssAnon:", "RssShmem:", "VmSwap:"))

    def _share(self, process: int) -> int:
        share = self._kib(process, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:", "SwapPss:"))
        return share or self._mapped(process)  # a process can forbid the finer look

    def _kib(self, process: int, file: str, names: tuple[str, ...]) -> int:
        lines = self._read(f"{process}/{file}").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(names))

    def _read(self, path: str) -> str:
        """The text of a file of /proc; empty if the process has ended."""
        try:
            descriptor = os.open(path, os.O_RDONLY, dir_fd=self.proc)
        except OSError:
            return ""
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            try:
                return file.read()
            except OSError:
                return ""
