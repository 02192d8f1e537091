"""The kernel provisioner `two-switches-zygote`: Jupyter's way of starting a kernel, answered with a fork."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import List, Unicode

from . import KERNEL_NAME, _sandbox
from ._app import CHANNELS
from ._client import MeteredAsyncClient, MeteredBlockingClient
from ._levels import PREFIX, Layer, Limits, SandboxLevel, read_level
from ._parent import Seat, Share, Zygote, runtime_folder, start_zygote, zygote

__all__ = ["NoSuchKernel", "Share", "ZygoteProvisioner", "runtime_folder", "warm_up"]


def warm_up(level: SandboxLevel | str) -> Zygote:
    """Begin to start the process that this process's kernels of this level will be forked from; do not wait for it.

    Raises SandboxUnavailable if this machine does not have the level, NoSuchKernel if the kernelspec is not installed.
    """
    level = read_level(level)
    _sandbox.require(level)
    provisioner = KernelSpecManager().get_kernel_spec(KERNEL_NAME).metadata["kernel_provisioner"]
    return start_zygote(level.layers, tuple(provisioner["config"]["preload"]))


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
        self.limits = Limits()
        #: The level that the kernel was started at, and the layers left out: "full", "full without landlock".
        self.sandbox_level = ""
        #: Why the kernel was stopped, in a sentence; None if nobody stopped it, or it was simply shut down.
        self.stopped: str | None = None
        #: The process number of the kernel as the kernel sees it.
        self.pid: int | None = None
        self._seat: Seat | None = None
        self._started = False
        self._ended: int | None = None

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel, alive or not yet waited for."""
        return self._started

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose level, limits and address; nothing is started yet."""
        self._take_options(kwargs)
        self._seat = self._seat or Seat()
        if (manager := self.parent) is not None:
            manager.transport, manager.ip = "ipc", self._seat.address
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

    def _take_options(self, kwargs: dict[str, Any]) -> None:
        level = kwargs.pop("sandbox", None) or os.environ.get(PREFIX + "SANDBOX") or SandboxLevel.FULL
        self._level = read_level(level)
        _sandbox.require(self._level)
        without = frozenset(map(Layer, kwargs.pop("without", ())))
        self._layers = self._level.layers - without
        self.sandbox_level = " ".join([self._level.value, *(f"without {layer.value}" for layer in sorted(without))])
        self.limits = kwargs.pop("limits", None) or Limits.from_environment()
        self._modules = tuple(kwargs.pop("preload", None) or self.preload)
        self.stopped = self._ended = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel; on return it runs behind its walls, and will answer when it is up."""
        # A zygote may take seconds to start: other kernels of this event loop go on meanwhile.
        self.pid = await asyncio.to_thread(self._start, kwargs)
        self._started = True
        return self.connection_info

    def _start(self, options: dict[str, Any]) -> int:
        for last_try in (False, True):
            parent = zygote(self._layers, self._modules)
            try:
                return self._seat.start(
                    parent,
                    level=self._level,
                    layers=self._layers,
                    limits=self.limits,
                    environment=options["env"],
                    arguments=list(options.get("extra_arguments", ())),
                    key=self.connection_info["key"].decode(),
                    cwd=os.path.abspath(options.get("cwd") or os.getcwd()),
                    pass_fds=tuple(options.get("pass_fds", ())),
                )
            except (BrokenPipeError, ConnectionResetError):  # it died since it was last used
                if last_try:
                    raise
        raise AssertionError

    # how it goes

    async def poll(self) -> int | None:
        """None while the kernel runs, then its exit status (negative: the signal that ended it)."""
        if self._started and self._ended is None:
            self._listen()
        return self._ended if self._started else 0

    def _listen(self) -> None:
        while self._ended is None:
            try:
                words = self._seat.link.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                words = b""
            message = json.loads(words) if words else {"exit": -signal.SIGKILL}
            status = message.get("exit")
            self._ended = -signal.SIGKILL if status is None else status
            if reason := message.get("stopped"):
                self.stopped = f"the kernel was stopped: it {reason}"
                self.log.error(self.stopped)
            elif reason := message.get("failed"):
                self.stopped = f"the kernel failed: {reason}"
                self.log.error(self.stopped)

    async def wait(self) -> int | None:
        """Wait for the end, then remove what is left."""
        while (status := await self.poll()) is None:
            await asyncio.sleep(0.005)
        self._seat.vacate()
        self._started = False
        return status

    # what can be done to it

    def _tell(self, **command: Any) -> None:
        if self._started:
            with contextlib.suppress(OSError):  # it has ended
                self._seat.link.send(json.dumps(command).encode())

    def stop(self, reason: str) -> None:
        """End the kernel at once and note the reason, in words that follow "the kernel was stopped: it"."""
        self._tell(stop=reason)

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and the processes it has started; SIGKILL and SIGTERM end all of them."""
        if signum in (signal.SIGKILL, signal.SIGTERM):
            self._tell(stop=None)
        elif signum:
            self._tell(signal=int(signum))

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and all it has started."""
        await self.shutdown_requested(restart)

    async def terminate(self, restart: bool = False) -> None:
        """The same: a notebook gets no last word."""
        self._tell(stop=None)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """End it at once; there is nothing to save, and exit handlers could take their time."""
        self._tell(stop=None)
        for _ in range(200):  # a moment here spares the manager its longer interval
            if await self.poll() is not None:
                return
            await asyncio.sleep(0.002)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove what is left; a kernel that is to be restarted keeps its address."""
        if self._seat is not None and not restart:
            self._seat.close()
            self._seat, self._started = None, False
