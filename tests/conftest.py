"""What every test may rely on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from autograder.kernel import available_levels

ROOT = Path(__file__).resolve().parent.parent
#: The strongest isolation of learners' code that this machine has.
LEVEL = available_levels()[0]

# Whoever runs the tests may be a learner too.
os.environ["TWO_SWITCHES_PROGRESS"] = "off"

# Busy machines are slow machines, and a test that fails must fail again when it is run again.
hypothesis.settings.register_profile("course", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("course")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instructor's course folder of its own: configuration and master notebooks, no gradebook yet."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(f'\nc.GradeCells.sandbox = "{LEVEL.value}"\n')
    shutil.copytree(ROOT / "solutions", folder / "solutions")
    return folder


@pytest.fixture(scope="module")
def own_sockets() -> Iterator[dict[str, str]]:
    """Settings of `KernelManager`: Jupyter's own kernels talk over sockets in a folder instead of TCP.

    Jupyter gives a kernel ports that are free when it is started, and the kernel takes them half a second later. By
    then another test's process may have one: the kernel ends, or, where it is the port of its outputs, never answers.
    """
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:  # a socket's path has at most 107 characters
        yield {"transport": "ipc", "ip": f"{folder}/kernel"}


def as_options(settings: dict[str, str]) -> list[str]:
    """Settings of `KernelManager`, for the command line of any Jupyter application."""
    return [f"--KernelManager.{name}={value}" for name, value in settings.items()]


@pytest.fixture(scope="session")
def nbgrader() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run an nbgrader command in a course folder, as an instructor types it; output and log are in `stdout`."""

    def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            ["nbgrader", *arguments],
            cwd=folder,
            env={**os.environ, "PATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run
