"""What may be asked of a kernel: how far it is shut in, and how much it may use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self

#: What the environment variables of the starting process begin with, for tools that pass no arguments to a kernel.
PREFIX = "AUTOGRADER_"


class SandboxUnavailable(RuntimeError):
    """The sandbox level asked for cannot be had here.  The message says what is missing and what to do."""


class Layer(StrEnum):
    """One wall of the sandbox.  Each can be taken away alone, to show what it is for."""

    BUBBLEWRAP = "bubblewrap"  #: a file system with Python and nothing else, read-only; no network
    NAMESPACES = "namespaces"  #: processes, files, network and IPC of its own for every kernel
    LANDLOCK = "landlock"  #: opens no file, signals no process and traces nothing outside its own folder
    SECCOMP = "seccomp"  #: no sockets but Unix ones, no new namespaces, no tracing, no memory that nobody counts
    RLIMITS = "rlimits"  #: the system refuses what is above the limits
    WATCHDOG = "watchdog"  #: a process outside ends the kernel when all its processes together are above the limits


class SandboxLevel(StrEnum):
    """How far a kernel is shut in."""

    FULL = "full"  #: everything; needs bubblewrap, user namespaces, Landlock
    REDUCED = "reduced"  #: without namespaces, where they are forbidden, as in many containers; needs Landlock
    NONE = "none"  #: the rights of whoever starts it; limits still hold

    @property
    def layers(self) -> frozenset[Layer]:
        """The walls of this level."""
        if self is SandboxLevel.FULL:
            return frozenset(Layer)
        if self is SandboxLevel.REDUCED:
            return frozenset(Layer) - {Layer.BUBBLEWRAP, Layer.NAMESPACES}
        return frozenset({Layer.RLIMITS, Layer.WATCHDOG})


@dataclass(frozen=True)
class Limits:
    """What one kernel, with all processes it starts, may use.

    The environment variable ``AUTOGRADER_MEMORY_MIB`` sets ``memory_mib``, and so on for each field.
    """

    memory_mib: int = 2048  #: memory beyond what the zygote has loaded, MiB
    wall_seconds: float = 900.0  #: from the start of the kernel to its end, seconds on the clock
    cpu_seconds: float = 600.0  #: computing, all processes together, seconds
    processes: int = 32  #: processes at one time
    disk_mib: int = 256  #: files in the private folder, and the largest single file, MiB
    cell_output_bytes: int = 2_000_000  #: output of one cell; what is above is cut
    output_bytes: int = 20_000_000  #: output of all cells; what is above is cut, and twice as much ends the kernel

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
                raise ValueError(f"Limits.{field.name} should be a number above zero, not {value!r}.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The limits that the variables of `environment` set; the others keep their defaults.

        Raises ValueError naming the variable that holds no number.
        """
        given: dict[str, float] = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            if text := environment.get(name):
                try:
                    given[field.name] = type(field.default)(text)
                except ValueError:
                    raise ValueError(f"The environment variable {name} should hold a number, not {text!r}.") from None
        return cls(**given)


def read_level(name: str) -> SandboxLevel:
    """The level of that name; ValueError lists the names there are."""
    try:
        return SandboxLevel(name)
    except ValueError:
        known = ", ".join(level.value for level in SandboxLevel)
        raise ValueError(f"There is no sandbox level {name!r}. The levels are: {known}.") from None
