"""The kernel provisioner `two-switches-zygote`: Jupyter's way of starting a kernel, answered with a fork."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import List, Unicode

from . import KERNEL_NAME, _sandbox
from ._client import MeteredAsyncClient, MeteredBlockingClient
from ._levels import Limits, SandboxLevel, SandboxUnavailable, read_level
from ._parent import Share, Zygote, runtime_folder, start_zygote, zygote
from ._process import KernelProcess
from ._wire import CHANNELS

__all__ = [
    "NoSuchKernel",
    "Share",
    "ZygoteProvisioner",
    "have_imported",
    "preloaded",
    "runtime_folder",
    "start_service",
    "warm_up",
]


def warm_up(level: SandboxLevel | str, line: bool = True) -> Zygote:
    """Begin to start the process that this process's kernels of this level will be forked from; do not wait for it.

    On a `line`, as graders have them, or on Jupyter's sockets. Raises SandboxUnavailable if this machine does not have
    the level, NoSuchKernel if the kernelspec is not installed.
    """
    level = read_level(level)
    with ThreadPoolExecutor(1) as pool:  # the first look at this machine's walls takes a process of its own
        looked = pool.submit(_sandbox.require, level)
        try:
            found = start_zygote(level.layers, preloaded(), line)
        except Exception:
            looked.result()  # says better what is missing: on another system, everything
            raise
        try:
            looked.result()
        except SandboxUnavailable:
            found.close()
            raise
    return found


def start_service(level: SandboxLevel | str, function: str) -> socket.socket:
    """Fork a process that runs `function`, "module:name", with a socket; the other end, which ends it by being closed.

    It comes from the process that kernels on a line come from, behind the walls around that one, and runs no notebook.

    Raises SandboxUnavailable if this machine does not have the level, NoSuchKernel if the kernelspec is not installed,
    RuntimeError or OSError if it does not start.
    """
    level = read_level(level)
    _sandbox.require(level)
    try:
        return zygote(level.layers, preloaded(), True).serve(function)
    except (BrokenPipeError, ConnectionResetError):  # it died since it was last used
        return zygote(level.layers, preloaded(), True).serve(function)


def have_imported(level: SandboxLevel | str, modules: Iterable[str]) -> None:
    """Have what this process's kernels on a line, and its services, come from import these before it forks the next.

    For what some notebooks need and others should not wait for. A module that is not installed is left out.

    Raises as `start_service` does.
    """
    level = read_level(level)
    for module in modules:
        _sandbox.require(level)
        # if it has just ended, whoever asks for a kernel next starts another, and is told if that fails
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            start_zygote(level.layers, preloaded(), True).have(module)


def preloaded() -> tuple[str, ...]:
    """The modules that the installed kernelspec has the zygote import.

    Raises NoSuchKernel if the kernelspec is not installed.
    """
    provisioner = KernelSpecManager().get_kernel_spec(KERNEL_NAME).metadata["kernel_provisioner"]
    return tuple(provisioner["config"]["preload"])


class ZygoteProvisioner(KernelProvisionerBase):
    """Starts, signals and ends one kernel forked from a zygote.

    Arguments of `start_kernel`, all optional; nbclient's `execute(**kwargs)` passes them on. A tool that passes none is
    told by environment variables of its own process, in brackets.

    - ``sandbox``: `SandboxLevel` or its name [AUTOGRADER_SANDBOX]; *full*, unless less is asked for. A level that
      cannot be had raises `SandboxUnavailable`; another is never taken instead.
    - ``limits``: `Limits` [AUTOGRADER_MEMORY_MIB, …: one for each field].
    - ``preload``: modules that the zygote imports, instead of those that the kernelspec names.
    - ``cwd``: the folder whose files the kernel gets. At levels *full* and *reduced* it gets copies, of regular files
      only, in a private folder that disappears with it; nothing is written back.
    - ``pass_fds``: descriptors that keep their numbers in the kernel. All others are closed.
    - ``env``: environment variables. Nothing else of this process's environment reaches the kernel.
    - ``without``: layers of the sandbox to leave out, to show what each is for; `sandbox_level` then says so.
    """

    #: Modules that the zygote imports, from kernel.json.
    preload = List(Unicode()).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._process = KernelProcess(self.log)

    @property
    def limits(self) -> Limits:
        """What the kernel may use."""
        return self._process.limits

    @property
    def sandbox_level(self) -> str:
        """The level that the kernel was started at, and the layers left out: "full", "full without landlock"."""
        return self._process.sandbox_level

    @property
    def stopped(self) -> str | None:
        """Why the kernel was stopped, in a sentence; None if nobody stopped it, or it was simply shut down."""
        return self._process.stopped

    @property
    def pid(self) -> int | None:
        """The process number of the kernel as the kernel sees it."""
        return self._process.pid

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel, alive or not yet waited for."""
        return self._process.started

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose level, limits and address; nothing is started yet."""
        self._process.choose(kwargs, self.preload)
        if (manager := self.parent) is not None:
            manager.transport, manager.ip = "ipc", self._process.seat.address
            for number, channel in enumerate(CHANNELS, 1):
                setattr(manager, f"{channel}_port", number)
            metered = {AsyncKernelClient: MeteredAsyncClient, BlockingKernelClient: MeteredBlockingClient}
            manager.client_factory = metered.get(manager.client_factory, manager.client_factory)
            self.connection_info = manager.get_connection_info()
        # `env` is exact. JupyterLab passes its whole environment with a few additions: then only the additions count.
        environment = dict(kwargs.pop("env", None) or {})
        if os.environ.items() <= environment.items():
            environment = {name: value for name, value in environment.items() if os.environ.get(name) != value}
        return await super().pre_launch(cmd=list(self.kernel_spec.argv), env=environment, **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel; on return it runs behind its walls, and will answer when it is up."""
        await self._process.start(
            environment=kwargs["env"],
            arguments=list(kwargs.get("extra_arguments", ())),
            key=self.connection_info["key"].decode(),
            cwd=kwargs.get("cwd"),
            pass_fds=tuple(kwargs.get("pass_fds", ())),
        )
        return self.connection_info

    # how it goes

    async def poll(self) -> int | None:
        """None while the kernel runs, then its exit status (negative: the signal that ended it)."""
        return self._process.poll()

    async def wait(self) -> int | None:
        """Wait for the end, then remove what is left."""
        status = await self._process.ended(float("inf"))
        self._process.vacate()
        return status

    # what can be done to it

    def stop(self, reason: str) -> None:
        """End the kernel at once and note the reason, in words that follow "the kernel was stopped: it"."""
        self._process.stop(reason)

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and the processes it has started; SIGKILL and SIGTERM end all of them."""
        if signum in (signal.SIGKILL, signal.SIGTERM):
            self._process.stop(None)
        elif signum:
            self._process.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and all it has started."""
        await self._process.end()

    async def terminate(self, restart: bool = False) -> None:
        """The same: a notebook gets no last word."""
        self._process.stop(None)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """End it at once; there is nothing to save, and exit handlers could take their time."""
        await self._process.end()

    async def cleanup(self, restart: bool = False) -> None:
        """Remove what is left; a kernel that is to be restarted keeps its address."""
        if not restart:
            self._process.close()
