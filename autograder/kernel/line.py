"""A kernel on one line, for a grader: what nbclient asks of a kernel manager and of a kernel client, and no more.

Jupyter's five sockets, with their signatures, their polling and their threads, cost as much as most cells of a notebook
do. A grader needs none of that: it has started the kernel itself, nobody else talks to it, and it runs one cell after
the other. So there is one Unix socket, and nbclient does not see the difference:

>>> client = NotebookClient(notebook, km=kernel)
>>> client.kc = kernel

`_line_app.py` has the other end. All that comes from there may have been written by anybody.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from queue import Empty
from typing import Any
from uuid import uuid4

from jupyter_client.session import json_packer
from nbclient.exceptions import DeadKernelError

from ._client import Meter
from ._process import KernelProcess
from ._wire import LENGTH
from .provisioner import preloaded

log = logging.getLogger(__name__)

_PIPE_BYTES = 1 << 16
_NOTICED = 1.0  # seconds after its end that outputs are waited for: who waits for the reply is to be told first


class Channel:
    """Messages that wait to be read."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._closed = False

    def put(self, message: dict[str, Any]) -> None:
        """Give it to who reads."""
        self._waiting.append(message)
        self._wake()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message.

        Raises queue.Empty after `timeout` seconds, DeadKernelError if none will come.
        """
        if not self._waiting and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._reader
        if self._waiting:
            return self._waiting.popleft()
        if self._closed:
            raise DeadKernelError("Kernel died")
        raise Empty


class LineKernel(asyncio.Protocol):
    """One kernel and the line to it."""

    allow_stdin = False  # of nbclient's client

    def __init__(self) -> None:
        self.process = KernelProcess(log)
        self.shell_channel, self.iopub_channel = Channel(), Channel()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._cell = ""  # the request that runs
        self._piped = 0  # bytes that it has printed past Python
        self._pipes: dict[int, tuple[str, codecs.IncrementalDecoder]] = {}

    # ------------------------------------------------------------------ start and end

    async def start(self, cwd: str, env: dict[str, str], pass_fds: Sequence[int], **options: Any) -> None:
        """Start it; `options` are those of `ZygoteProvisioner`.

        Raises:
            SandboxUnavailable: if this machine does not have the level of isolation.
            RuntimeError: if it does not start.
            NoSuchKernel: if the kernelspec is not installed.
        """
        self.process.choose(options, preloaded())
        if options:
            raise TypeError(f"A kernel's start takes no {', '.join(options)}.")
        self._meter = Meter(self.process)
        ours, theirs = socket.socketpair()
        reading, writing = zip(os.pipe(), os.pipe(), strict=True)
        try:
            for name, descriptor in zip(("stdout", "stderr"), reading, strict=True):
                os.set_blocking(descriptor, False)
                self._pipes[descriptor] = name, codecs.getincrementaldecoder("utf-8")("replace")
            line = (theirs.fileno(), *writing)
            await self.process.start(environment=env, cwd=cwd, pass_fds=pass_fds, line=line)
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_connection(lambda: self, sock=ours)
            for descriptor in reading:
                loop.add_reader(descriptor, self._read_pipe, descriptor)
        except BaseException:
            ours.close()
            self._close_pipes()
            raise
        finally:
            theirs.close()
            for descriptor in writing:
                os.close(descriptor)

    async def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.started and self.process.poll() is None

    async def interrupt_kernel(self) -> None:
        """Raise KeyboardInterrupt in the cell that runs."""
        self.process.signal(signal.SIGINT)

    async def shutdown_kernel(self, now: bool = True) -> None:
        """End it, and all that it has started; a notebook gets no last word."""
        await self.process.end()

    async def cleanup_resources(self) -> None:
        """Remove what is left of it."""
        self.process.close()

    def stop_channels(self) -> None:
        """Hear no more of it."""
        if self._transport is not None:
            self._transport.abort()
        self._close_pipes()

    # ------------------------------------------------------------------ what is asked for

    def execute(self, code: str, store_history: bool = True, stop_on_error: bool = False, **_: Any) -> str:
        """Have it run a cell; the id by which its answers can be told."""
        self._cell, self._piped = uuid4().hex, 0
        content = {"code": code, "silent": False, "store_history": store_history, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": stop_on_error}
        header = {"msg_id": self._cell, "msg_type": "execute_request", "session": "", "username": "", "date": None}
        request = json_packer({"header": header, "parent_header": {}, "metadata": {}, "content": content})
        if self._transport is not None:
            self._transport.write(LENGTH.pack(len(request)) + request)
        return self._cell

    # ------------------------------------------------------------------ what comes

    def data_received(self, data: bytes) -> None:
        """Take messages apart and count them; asyncio calls it."""
        self._received += data
        while not self._meter.full and len(self._received) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._received)
            if size > self._meter.most:
                self._meter.count("", size)  # not waited for
            if len(self._received) < LENGTH.size + size:
                break
            packed = bytes(self._received[LENGTH.size : LENGTH.size + size])
            del self._received[: LENGTH.size + size]
            self._take(packed)
        if self._meter.full:
            self._received.clear()

    def _take(self, packed: bytes) -> None:
        try:
            message = json.loads(packed)
            kind, parent = message["header"]["msg_type"], message["parent_header"]["msg_id"]
            if not isinstance(message["content"], dict) or not isinstance(message["metadata"], dict):
                raise TypeError
            message["msg_type"] = kind
        except (ValueError, TypeError, KeyError, RecursionError):
            self._meter.refuse()
            return
        if not self._meter.count(kind, len(packed)):
            return
        if kind == "execute_reply":
            self.shell_channel.put(message)
            return
        if kind == "status" and parent == self._cell:  # it may be idle now: what was printed was printed before that
            for descriptor in list(self._pipes):
                self._read_pipe(descriptor)
        self.iopub_channel.put(message)

    def connection_lost(self, error: Exception | None) -> None:
        """There is nobody at the other end any more; asyncio calls it."""
        self.shell_channel.close()
        with contextlib.suppress(RuntimeError):  # the loop is closing
            asyncio.get_running_loop().call_later(_NOTICED, self.iopub_channel.close)

    def _read_pipe(self, descriptor: int) -> None:
        """What was printed past Python, as far as it is there: a pipe holds no more. What is too much is dropped."""
        name, decoder = self._pipes[descriptor]
        try:
            data = os.read(descriptor, _PIPE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._close_pipe(descriptor)
        elif self._piped <= self.process.limits.cell_output_bytes and self._meter.count("stream", len(data)):
            self._piped += len(data)
            content = {"name": name, "text": decoder.decode(data)}
            parent = {"msg_id": self._cell}
            message = {"header": {"msg_type": "stream"}, "parent_header": parent, "metadata": {}, "content": content}
            self.iopub_channel.put(message | {"msg_type": "stream"})

    def _close_pipe(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        del self._pipes[descriptor]

    def _close_pipes(self) -> None:
        for descriptor in list(self._pipes):
            self._close_pipe(descriptor)
