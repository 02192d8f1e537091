"""Kernel clients for the grading process: a meter on what a kernel sends, and no waiting for what has already come."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any, Protocol

import zmq
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel, ZMQSocketChannel
from jupyter_core.utils import ensure_async, run_sync
from traitlets import Type

from ._levels import Limits

_AT_LEAST = 1024  # bytes that one output costs in the reader's memory, however short it is
_QUEUE = 16  # messages that wait on this side; the others wait in the kernel's process
_OUTPUT = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "comm_msg"})


class Kernel(Protocol):
    """What a meter needs of the kernel that it reads from."""

    limits: Limits

    def stop(self, reason: str) -> None:
        """End it."""


class Meter:
    """Counts what a kernel sends as output, and has it ended when that is too much."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.most = 2 * kernel.limits.output_bytes
        self.used = 0

    @property
    def full(self) -> bool:
        """Whether the kernel has been ended."""
        return self.used > self.most

    def read(self, session: Any, frames: list[bytes]) -> dict[str, Any] | None:
        """The message in the frames; None if it is not to be passed on."""
        if self.full:
            return None
        try:
            _, parts = session.feed_identities(frames)
            message = session.deserialize(parts)
            kind = message["header"]["msg_type"]
        except Exception:  # whoever wrote it is not ipykernel, whatever is wrong with it
            self.refuse()
            return None
        return message if kind not in _OUTPUT or self.count(kind, sum(map(len, frames))) else None

    def count(self, kind: str, size: int) -> bool:
        """Whether a message of this kind and size is to be passed on."""
        if not self.full:
            self.used += max(_AT_LEAST, size) if kind in _OUTPUT else size
            if self.full:
                self._stop(f"sent more than {self.most:,} bytes of output")
        return not self.full

    def refuse(self) -> None:
        """What came cannot be read."""
        self._stop("sent a message that is none of Jupyter's")

    def _stop(self, reason: str) -> None:
        self.used = self.most + 1
        self.kernel.stop(reason)


class _AsyncChannel(AsyncZMQSocketChannel):
    meter: Meter

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message; `queue.Empty` after `timeout` seconds."""
        while await self.socket.poll(None if timeout is None else int(timeout * 1000)):
            message = self.meter.read(self.session, await self.socket.recv_multipart())
            if message is not None:
                return message
        raise Empty


class _BlockingChannel(ZMQSocketChannel):
    meter: Meter

    def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message; `queue.Empty` after `timeout` seconds."""
        while self.socket.poll(None if timeout is None else int(timeout * 1000)):
            message = self.meter.read(self.session, self.socket.recv_multipart())
            if message is not None:
                return message
        raise Empty


class _Metered:
    """What both clients do."""

    def _create_connected_socket(self, *args: Any, **kwargs: Any) -> Any:
        # Set for the sockets that the context makes from here on, because both must be set before a socket connects.
        self.context.setsockopt(zmq.MAXMSGSIZE, 2 * self.parent.provisioner.limits.output_bytes)
        self.context.setsockopt(zmq.RCVHWM, _QUEUE)
        return super()._create_connected_socket(*args, **kwargs)

    def _metered(self, channel: Any) -> Any:
        if not hasattr(channel, "meter"):
            if not hasattr(self, "_meter"):
                self._meter = Meter(self.parent.provisioner)
            channel.meter = self._meter
        return channel

    @property
    def shell_channel(self) -> Any:
        """Requests and replies."""
        return self._metered(super().shell_channel)

    @property
    def iopub_channel(self) -> Any:
        """Outputs and status."""
        return self._metered(super().iopub_channel)

    @property
    def stdin_channel(self) -> Any:
        """What the kernel asks the user."""
        return self._metered(super().stdin_channel)

    @property
    def control_channel(self) -> Any:
        """Requests that do not wait."""
        return self._metered(super().control_channel)

    async def _wait_until_ready(self, timeout: float | None = None) -> None:
        """Wait for the reply to a first request, and for all outputs of that request.

        jupyter_client waits besides for a fifth of a second in which nothing comes.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            request = self.kernel_info()
            replied = await self._arrived(self.shell_channel, "kernel_info_reply", request, 1.0)
            # What was sent before the subscription came through is lost: then ask again.
            if replied and await self._arrived(self.iopub_channel, "status", request, 0.2):
                return
            if not await ensure_async(self.is_alive()):
                raise RuntimeError(f"Kernel died before replying to kernel_info{self._why()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")

    def _why(self) -> str:
        stopped = self.parent.provisioner.stopped
        return f": {stopped}" if stopped else ""

    async def _arrived(self, channel: Any, kind: str, request: str, seconds: float) -> bool:
        while True:
            try:
                message = await ensure_async(channel.get_msg(timeout=seconds))
            except Empty:
                return False
            if message["msg_type"] == kind and message["parent_header"].get("msg_id") == request:
                if kind == "kernel_info_reply":
                    self._handle_kernel_info_reply(message)
                elif message["content"].get("execution_state") != "idle":
                    continue
                return True


class MeteredAsyncClient(_Metered, AsyncKernelClient):
    """`AsyncKernelClient`, metered."""

    shell_channel_class = iopub_channel_class = stdin_channel_class = control_channel_class = Type(_AsyncChannel)
    wait_for_ready = _Metered._wait_until_ready


class MeteredBlockingClient(_Metered, BlockingKernelClient):
    """`BlockingKernelClient`, metered."""

    shell_channel_class = iopub_channel_class = stdin_channel_class = control_channel_class = Type(_BlockingChannel)
    wait_for_ready = run_sync(_Metered._wait_until_ready)
