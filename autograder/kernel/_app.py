"""The kernel itself: ipykernel, on sockets that the provisioner has bound, with its output capped where it leaves."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

import zmq
from ipykernel.heartbeat import Heartbeat
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import DELIM
from traitlets.config import Config

from ._levels import Limits
from ._wire import CHANNELS

#: What ipykernel imports while it starts, and what IPython imports to show the first error.
_AT_START = ("IPython.core.completerlib", "IPython.core.debugger", "IPython.extensions.storemagic", "encodings.idna")
_AT_START += ("IPython.core.oinspect", "IPython.core.logger", "faulthandler", "tornado.platform.asyncio")
_AT_START += ("tornado.queues", "stack_data", "pygments.lexers.python", "pygments.formatters.html")
_AT_START += ("pygments.formatters.terminal256",)
_OUTPUT = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"})
_CUT = "\n[The output of this {what} is above {limit:,} bytes. The rest is not shown.]\n"


class Cap:
    """What a kernel prints and shows is passed on until it is too much; the first time it is, that is said instead.

    For accidents. A notebook that gets round it meets the second meter, in the grading process (`_client`).
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.of_cell = self.of_notebook = 0
        self.said: set[str] = set()

    def instead(self, kind: str, size: int) -> str | None:
        """None if a message of this kind and size is to be sent; else the text to send instead, which may be empty."""
        if kind == "execute_input":
            self.of_cell = 0
            self.said.discard("cell")
        if kind not in _OUTPUT:
            return None
        for what, used, limit in (
            ("cell", self.of_cell, self.limits.cell_output_bytes),
            ("notebook", self.of_notebook, self.limits.output_bytes),
        ):
            if used + size > limit:
                text = "" if what in self.said else _CUT.format(what=what, limit=limit)
                self.said.add(what)
                return text
        self.of_cell += size
        self.of_notebook += size
        return None


class CappedIOPubThread(IOPubThread):
    """Sends what a kernel prints and shows under a cap."""

    def __init__(self, socket: Any, *, session: Any, limits: Limits) -> None:
        super().__init__(socket, pipe=False, session=session)
        self.cap = Cap(limits)

    def send_multipart(self, frames: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        """Send one message, or not."""
        place = list(frames).index(DELIM)
        header = json.loads(bytes(frames[place + 2]))
        text = self.cap.instead(header["msg_type"], sum(len(bytes(frame)) for frame in frames[place:]))
        if text is None:
            super().send_multipart(frames, *args, **kwargs)
        elif text:
            parent = {"header": json.loads(bytes(frames[place + 3]))}
            message = self.session.msg("stream", {"name": "stdout", "text": text}, parent=parent)
            super().send_multipart([b"stream.stdout", *self.session.serialize(message)])


class _ReadyHeartbeat(Heartbeat):
    descriptor = -1

    def _bind_socket(self) -> None:
        self.socket.setsockopt(zmq.USE_FD, self.descriptor)
        self.socket.bind(f"ipc://kernel-{self.port}")


class BareApp(IPKernelApp):
    """ipykernel without what only a kernel needs that others find and connect to; made ready, and not yet started."""

    ignore_cwd = True  # IPython would put the folder before site-packages: torch.py in it would be torch

    @staticmethod
    def settings() -> Config:
        """Of all kernels."""
        settings = Config()
        settings.HistoryManager.enabled = False  # no file in a home folder that is empty, no thread that writes it
        settings.IPKernelApp.log_level = logging.ERROR
        return settings

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """As ipykernel, if there is anything to parse: making the parser takes a tenth of a kernel's start."""
        if argv:
            super().parse_command_line(argv)

    def init_connection_file(self) -> None:
        """There is none."""

    def write_connection_file(self, **_: Any) -> None:
        """There is none."""

    def log_connection_info(self) -> None:
        """Nobody else connects."""


class KernelApp(BareApp):
    """ipykernel without a connection file: the provisioner hands over sockets that listen already."""

    descriptors: tuple[int, ...] = ()
    limits = Limits()

    def init_connection_file(self) -> None:
        """There is none."""
        self.transport, self.ip = "ipc", "kernel"
        for number, channel in enumerate(CHANNELS, 1):
            setattr(self, f"{channel}_port", number)

    def log_connection_info(self) -> None:
        """Nobody else connects; only note the numbers."""
        self._ports = {channel: getattr(self, f"{channel}_port") for channel in CHANNELS}

    def _try_bind_socket(self, socket: Any, port: int) -> int:
        socket.setsockopt(zmq.USE_FD, self.descriptors[port - 1])
        socket.bind(f"ipc://kernel-{port}")  # the name only keeps zmq content
        return port

    def init_control(self, context: Any) -> None:
        """As ipykernel, but the debugger does not keep looking for a socket file that cannot be seen in here."""
        super().init_control(context)
        self.debug_shell_socket.disconnect(self.shell_socket.getsockopt(zmq.LAST_ENDPOINT))

    def init_iopub(self, context: Any) -> None:
        """As ipykernel, with the cap."""
        socket = context.socket(zmq.XPUB)
        socket.linger = 1000
        self.iopub_port = self._bind_socket(socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = CappedIOPubThread(socket, session=self.session, limits=self.limits)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_heartbeat(self) -> None:
        """As ipykernel, on the socket that listens already."""
        self.heartbeat = _ReadyHeartbeat(zmq.Context(), (self.transport, self.ip, self.hb_port))
        self.heartbeat.descriptor = self.descriptors[self.hb_port - 1]
        self.heartbeat.start()


def warm_up() -> None:
    """Import what each kernel would import, but not the debugger: most of its start, and of no use in grading."""
    with contextlib.suppress(ImportError):
        sys.modules["debugpy"] = None  # type: ignore[assignment]
        importlib.import_module("ipykernel.debugger")
    del sys.modules["debugpy"]
    for name in _AT_START:
        with contextlib.suppress(ImportError):  # other versions import others
            importlib.import_module(name)


def start(descriptors: tuple[int, ...], key: str, arguments: list[str], limits: Limits) -> KernelApp:
    """A kernel that is ready for its first cell, which it runs in its own `start`.

    `arguments` are those of ipykernel's command line.
    """
    app = KernelApp.instance(config=KernelApp.settings())
    app.descriptors, app.limits = descriptors, limits
    app.session.key = key.encode()
    app.initialize(arguments)
    return app
