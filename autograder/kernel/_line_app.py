"""The kernel on one line: ipykernel without Jupyter's five sockets and their threads, for one cell after the other.

A grader is the only one who talks to its kernel, and asks for one thing at a time. For that, sockets, signatures and
threads take longer than most cells do. The messages are Jupyter's all the same, as JSON, each behind its length;
`line.py` has the other end. What is printed past Python goes straight into two pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

from ipykernel.iostream import IOPubThread, OutStream
from IPython.core import ultratb
from IPython.core.profiledir import ProfileDir
from IPython.paths import get_ipython_dir
from jupyter_client.session import Session, json_packer, json_unpacker
from tornado.ioloop import IOLoop
from traitlets.utils.importstring import import_item

from ._app import BareApp, Cap
from ._levels import Limits
from ._wire import LENGTH

_PROMPT = 20  # lines of a cell that are sent at once; those that follow, a few at a time
_WAIT = 0.1  # seconds that they may wait for more
_LONG_FILE, _DEEP = 1000, 60  # lines; calls in each other
_MANY = 1 << 14  # characters that are not kept waiting


class LineSession(Session):
    """Sends Jupyter's messages over the line, whatever socket they are meant for, until it is too much."""

    def take(self, line: socket.socket, limits: Limits) -> None:
        """Send over this line, from this process, no more than that."""
        self._line, self._cap, self._one = line, Cap(limits), threading.Lock()
        self._owner, self._held = os.getpid(), b""

    def send(
        self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, ident: Any = None,
        buffers: Any = None, track: bool = False, header: Any = None, metadata: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Send one message, as Jupyter's Session does; in a forked child, only what it prints, past us."""
        message = msg_or_type
        if not isinstance(message, dict):
            message = self.msg(msg_or_type, content, parent, header, metadata)
        if os.getpid() != self._owner:
            if message["header"]["msg_type"] == "stream":
                text = message["content"]["text"].encode(errors="backslashreplace")
                os.write(2 if message["content"]["name"] == "stderr" else 1, text)
            return message
        kind, packed = message["header"]["msg_type"], _packed(message)
        with self._one:
            text = self._cap.instead(kind, len(packed))
            if text is None:
                # what another message follows at once goes with that one: each wakes up the reader
                self._write(packed, hold=kind == "execute_reply" or message["content"] == {"execution_state": "busy"})
            elif text:
                told = self.msg("stream", {"name": "stdout", "text": text})
                self._write(_packed(told | {"parent_header": message["parent_header"]}))
        return message

    def _write(self, packed: bytes, *, hold: bool = False) -> None:
        self._held += LENGTH.pack(len(packed)) + packed
        if hold:
            return
        # Interrupted in the middle, it would leave half a message on the line: the interrupt comes when it is sent.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with contextlib.suppress(OSError):  # the grader has gone, and the kernel goes with it
                self._line.sendall(self._held)
            self._held = b""
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _packed(message: dict[str, Any]) -> bytes:
    """What its reader needs of a message."""
    parent = message["parent_header"]
    return json_packer(
        {
            "header": {"msg_type": message["header"]["msg_type"]},
            "parent_header": {"msg_id": parent.get("msg_id", "")},
            "metadata": {},
            "content": message["content"],
        }
    )


class _NoThread(IOPubThread):
    """For streams that send for themselves."""

    thread = io_loop = None

    def __init__(self) -> None:
        """Nothing to start."""

    def schedule(self, f: Any) -> None:
        """What would be done later is done when a stream says so."""


class LineStream(OutStream):
    """ipykernel's, that decides itself when it sends."""

    def __init__(self, session: Session, name: str, descriptor: int) -> None:
        super().__init__(session, _NoThread(), name, watchfd=False)
        self._original_stdstream_copy = descriptor  # what `fileno` tells, for processes that are to print there
        self.new_cell()

    def new_cell(self) -> None:
        """From here on lines are sent at once again."""
        self._lines = self._characters = 0
        self._sent = time.monotonic()

    def write(self, string: str) -> int | None:
        """Write, and send if it is a line, or has waited, or is much."""
        written = super().write(string)
        self._characters += len(string)
        if "\n" in string:
            self._lines += 1
            if self._lines <= _PROMPT:
                self.flush()
        if self._characters > _MANY or time.monotonic() > self._sent + _WAIT:
            self.flush()
        return written

    def flush(self) -> None:
        """Send what is there."""
        self._characters = 0
        self._sent = time.monotonic()
        super().flush()


class LineApp(BareApp):
    """ipykernel's application with a line in the place of sockets.

    It is made before the fork, because that takes as long as many cells do, and is told afterwards who it is.
    """

    def init_poller(self) -> None:
        """Who ends us when our parent ends is the keeper."""

    def init_sockets(self) -> None:
        """There are none."""
        self.session = LineSession(parent=self)
        self.iopub_socket = self.iopub_thread = None

    def init_heartbeat(self) -> None:
        """There is none."""

    def init_io(self) -> None:
        """As ipykernel, but for the streams: they are each kernel's own."""
        self.displayhook = import_item(str(self.displayhook_class))(self.session, None)
        sys.displayhook = self.displayhook
        self.patch_io()

    def init_kernel(self) -> None:
        """As ipykernel, without the streams that it would read from."""
        self.kernel = self.kernel_class.instance(
            parent=self,
            session=self.session,
            # who looks for it wants to know whether it is in the main thread
            shell_channel_thread=SimpleNamespace(parent_thread=threading.main_thread()),
            log=self.log,
            profile_dir=self.profile_dir,
            user_ns=self.user_ns,
        )
        self.displayhook.get_execution_count = lambda: self.kernel.execution_count

    def take(self, descriptors: tuple[int, ...], limits: Limits) -> None:
        """Be this process's kernel, ready for its first cell, which is run in `start`.

        `descriptors` are the line and the pipes for standard output and standard error.
        """
        line, *pipes = descriptors
        for number, pipe in enumerate(pipes, 1):
            os.dup2(pipe, number)
            os.close(pipe)
        self.line = socket.socket(fileno=line)
        self.session.take(self.line, limits)
        self.streams = LineStream(self.session, "stdout", 1), LineStream(self.session, "stderr", 2)
        sys.stdout, sys.stderr = self.kernel._stdout, self.kernel._stderr = self.streams
        self.init_signal()
        # what IPython has looked up where the folder and the environment were others
        shell = self.shell
        shell.init_environment()
        shell.ipython_dir = get_ipython_dir()
        shell.profile_dir = ProfileDir(location=os.path.join(shell.ipython_dir, "profile_default"))
        shell.starting_dir = os.getcwd()
        shell.history_manager.dir_hist[:] = [Path.cwd()]

    def start(self) -> None:
        """Run what is asked for, until nobody asks."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.kernel.io_loop = IOLoop.current()
        while (request := await self._request()) is not None:
            for stream in self.streams:  # not those of `sys`, where a notebook may have put others
                stream.new_cell()
            await self._answer(request)
            for stream in self.streams:
                stream.flush()
            self.session.send(None, "status", {"execution_state": "idle"}, parent=request)

    async def _request(self) -> dict[str, Any] | None:
        """The next request; meanwhile, what a notebook has left in the event loop goes on."""
        loop = asyncio.get_running_loop()
        there = loop.create_future()
        loop.add_reader(self.line, there.set_result, None)
        try:
            await there
        finally:
            loop.remove_reader(self.line)
        with self.line.makefile("rb") as reader:  # buffered: it reads on after a signal; there is one request at a time
            head = reader.read(LENGTH.size)
            return json_unpacker(reader.read(LENGTH.unpack(head)[0])) if head else None

    async def _answer(self, request: dict[str, Any]) -> None:
        """As ipykernel deals with a request that came through its socket."""
        kernel = self.kernel
        kernel.set_parent([], request)
        kernel.pre_handler_hook()
        try:
            await kernel.execute_request(None, [], request)
        except Exception as error:  # a notebook has taken something away that ipykernel needs
            told = {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
            self.session.send(None, "execute_reply", told, parent=request)
        except KeyboardInterrupt:  # it should not end the kernel
            self.log.error("KeyboardInterrupt caught in kernel.")
        finally:
            kernel.post_handler_hook()


def _records(records: Callable[..., Any], etb: TracebackType, *more: Any) -> Any:
    """As IPython shows a traceback, but without parsing files as long as torch's: that takes a third of a second.

    What it shows of a file that it does not parse lacks only the mark on the expression in the line; and calls that
    repeat themselves are not put together then, so tracebacks of recursions are left to it.
    """
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(etb)]
    quick = len(files) <= _DEEP and any(len(linecache.getlines(file)) > _LONG_FILE for file in set(files))
    before, ultratb.FAST_THRESHOLD = ultratb.FAST_THRESHOLD, 0 if quick else ultratb.FAST_THRESHOLD
    try:
        return records(etb, *more)
    finally:
        ultratb.FAST_THRESHOLD = before


def made() -> LineApp:
    """A kernel for the fork."""
    app = LineApp.instance(config=LineApp.settings())
    app.initialize([])
    tracebacks = app.shell.InteractiveTB
    tracebacks.get_records = partial(_records, tracebacks.get_records)
    try:
        raise RuntimeError("a first error, because it takes longer than others")
    except RuntimeError:
        tracebacks.structured_traceback(*sys.exc_info())
    return app
