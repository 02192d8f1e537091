"""Watch a PyTorch program: the trace, its timeline picture, and rules that name what looks wrong."""

from ._events import Event
from ._layers import BATCHNORM_FAMILY, DROPOUT_FAMILY, hears_mode, is_live, mode_of
from ._rules import TraceFinding
from ._trace import ModeTrace

__all__ = [
    "BATCHNORM_FAMILY",
    "DROPOUT_FAMILY",
    "Event",
    "ModeTrace",
    "TraceFinding",
    "hears_mode",
    "is_live",
    "mode_of",
]
