"""One row of a trace, and the two small vocabularies every row uses."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import torch

#: What can happen in a trace.
KINDS = (
    "forward",
    "dropout",
    "batch_norm",
    "attention",
    "backward",
    "step",
    "mode",
    "grad_mode",
    "random",
)


@dataclass(slots=True)
class Event:
    """One thing a PyTorch program did with the switches.

    ``buffers_moved`` is True when the event's module (or, for a forward pass at depth 0, any of its submodules)
    holds a buffer whose value differs after the call.  ``rng_advanced`` tells whether torch's global CPU generator
    moved during the call; it is None where it was not looked at.  ``depth`` 0 means that user code made the call,
    not another module.
    """

    index: int
    kind: str
    module: str = ""
    module_type: str = ""
    training: bool | None = None
    grad: str = "on"
    batch_size: int | None = None
    buffers_moved: bool = False
    rng_advanced: bool | None = None
    file: str = ""
    line: int = 0
    depth: int = 0
    thread: int = 0
    detail: dict[str, Any] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        """The event as plain data, ready for JSON."""
        row = {name: getattr(self, name) for name in _FIELDS}  # `dataclasses.asdict` takes ten times as long
        row["detail"] = dict(self.detail)
        return row


_FIELDS = tuple(each.name for each in fields(Event))


def grad_state() -> str:
    """The calling thread's gradient switch: ``"on"``, ``"off"`` or ``"inference"``."""
    if torch.is_inference_mode_enabled():
        return "inference"
    return "on" if torch.is_grad_enabled() else "off"
