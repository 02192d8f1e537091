"""One kernel's process, from the side of who starts it: how it is started, how it goes, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import Iterable, Sequence
from typing import Any

from . import _sandbox
from ._levels import PREFIX, Layer, Limits, SandboxLevel, read_level
from ._parent import Seat, zygote


class KernelProcess:
    """A kernel forked from a zygote: started, signalled and ended.

    Args:
        log: told why the kernel was stopped.
    """

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._log = log
        self.limits = Limits()
        #: The level that the kernel was started at, and the layers left out: "full", "full without landlock".
        self.sandbox_level = ""
        #: Why the kernel was stopped, in a sentence; None if nobody stopped it, or it was simply shut down.
        self.stopped: str | None = None
        #: The process number of the kernel as the kernel sees it.
        self.pid: int | None = None
        #: Whether there is a kernel, alive or not yet waited for.
        self.started = False
        self._seat: Seat | None = None
        self._ended: int | None = None

    @property
    def seat(self) -> Seat:
        """Made on first use; a restarted kernel takes the same."""
        if self._seat is None:
            self._seat = Seat()
        return self._seat

    def choose(self, options: dict[str, Any], preload: Iterable[str]) -> None:
        """Take level, layers, limits and modules out of the arguments of a start, or of the environment.

        Raises SandboxUnavailable if this machine does not have the level.
        """
        level = options.pop("sandbox", None) or os.environ.get(PREFIX + "SANDBOX") or SandboxLevel.FULL
        self._level = read_level(level)
        _sandbox.require(self._level)
        without = frozenset(map(Layer, options.pop("without", ())))
        self._layers = self._level.layers - without
        self.sandbox_level = " ".join([self._level.value, *(f"without {layer.value}" for layer in sorted(without))])
        self.limits = options.pop("limits", None) or Limits.from_environment()
        self._modules = tuple(options.pop("preload", None) or preload)
        self.stopped = self._ended = None

    async def start(
        self,
        *,
        environment: dict[str, str],
        cwd: str | None,
        pass_fds: Sequence[int],
        arguments: Sequence[str] = (),
        key: str = "",
        line: Sequence[int] = (),
    ) -> None:
        """Fork it; on return it runs behind its walls.

        Raises SandboxUnavailable if a wall cannot be built, RuntimeError if it does not start.
        """

        def ask() -> int:
            for last_try in (False, True):
                parent = zygote(self._layers, self._modules, bool(line))
                try:
                    return self.seat.start(
                        parent,
                        level=self._level,
                        layers=self._layers,
                        limits=self.limits,
                        environment=environment,
                        arguments=list(arguments),
                        key=key,
                        cwd=os.path.abspath(cwd or os.getcwd()),
                        pass_fds=pass_fds,
                        line=line,
                    )
                except (BrokenPipeError, ConnectionResetError):  # it died since it was last used
                    if last_try:
                        raise
            raise AssertionError

        # A zygote may take seconds to start: other kernels of this event loop go on meanwhile.
        self.pid = await asyncio.to_thread(ask)
        self.started = True

    def poll(self) -> int | None:
        """None while the kernel runs, then its exit status (negative: the signal that ended it)."""
        if self.started and self._ended is None:
            self._listen()
        return self._ended if self.started else 0

    def _listen(self) -> None:
        while self._ended is None:
            try:
                words = self.seat.link.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                words = b""
            message = json.loads(words) if words else {"exit": -signal.SIGKILL}
            status = message.get("exit")
            self._ended = -signal.SIGKILL if status is None else status
            if reason := message.get("stopped"):
                self.stopped = f"the kernel was stopped: it {reason}"
                self._log.error(self.stopped)
            elif reason := message.get("failed"):
                self.stopped = f"the kernel failed: {reason}"
                self._log.error(self.stopped)

    def signal(self, number: int) -> None:
        """Send a signal to the kernel and the processes it has started."""
        self._tell(signal=int(number))

    def stop(self, reason: str | None) -> None:
        """End the kernel at once and note the reason, in words that follow "the kernel was stopped: it"."""
        self._tell(stop=reason)

    def _tell(self, **command: Any) -> None:
        if self.started:
            with contextlib.suppress(OSError):  # it has ended
                self.seat.link.send(json.dumps(command).encode())

    async def ended(self, seconds: float) -> int | None:
        """Its exit status; None if it has not ended after so many seconds."""
        until = time.monotonic() + seconds
        while (status := self.poll()) is None and time.monotonic() < until:
            await asyncio.sleep(0.002)
        return status

    async def end(self) -> None:
        """End the kernel and all it has started."""
        self.stop(None)
        await self.ended(0.4)  # a moment here spares who waits a longer interval

    def vacate(self) -> None:
        """It has ended."""
        self.seat.vacate()
        self.started = False

    def close(self) -> None:
        """End the kernel, if it lives, and remove what is left of it."""
        if self._seat is not None:
            self._seat.close()
            self._seat, self.started = None, False
