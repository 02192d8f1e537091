"""The pytest fixture `mode_trace`: watch what a test does with mode and gradient recording.

    def test_validation_leaves_training_alone(model, loader, mode_trace):
        validate(model, loader)
        assert not mode_trace.findings()

A module of its own and not part of the package: pytest imports its plugins at every start, and this one must not load
PyTorch before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from autograder import ModeTrace


@pytest.fixture
def mode_trace(request: pytest.FixtureRequest) -> Iterator[ModeTrace]:
    """An `autograder.ModeTrace` around the test.

    Models that fixtures before it in the test's arguments have made are watched from the start: that they are left in
    the modes they were found in is part of `findings()`.  Asking for `findings()` ends the watching, so ask last: only
    then is it known that nobody learns from the passes whose results the test still holds.
    """
    from torch import nn

    from autograder import ModeTrace
    from autograder.observe import TraceFinding

    file, line, _ = request.node.location
    test = {"file": str(request.config.rootpath / file), "line": (line or 0) + 1}

    class TraceOfATest(ModeTrace):
        def findings(self) -> list[TraceFinding]:
            watching.close()
            # what concerns the whole block is found where the block begins, and that is in this file
            whole = ("grad-mode-leaked", "mode-not-restored")
            return [replace(f, **test) if f.rule in whole else f for f in super().findings()]

    models = {name: value for name, value in request.node.funcargs.items() if isinstance(value, nn.Module)}
    with ExitStack() as watching:
        yield watching.enter_context(TraceOfATest(**models))
