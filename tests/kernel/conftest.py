"""Real kernels, run through nbclient as a grader runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from autograder.kernel import KERNEL_NAME, Limits, SandboxLevel, _parent, _sandbox
from autograder.kernel.provisioner import ZygoteProvisioner

PRELOAD = ("torch", "numpy.random")

#: Little output, and cells that want more.
LIMITS = Limits(cell_output_bytes=20_000, output_bytes=50_000)
CUT = "[The output of this {} is above {} bytes. The rest is not shown.]"
FLOODS = [
    "print('x' * 10**6)",
    "for i in range(10**4): print(i, 'y' * 100)",
    "from IPython.display import display\nfor i in range(1000): display('d' * 100)",
]


@dataclass
class Ran:
    """What is left of a notebook's run."""

    outputs: list[str]  #: text of each cell, stdout and errors; empty for cells that did not run
    provisioner: ZygoteProvisioner
    died: bool

    def __str__(self) -> str:
        return "\n".join(self.outputs)


def text_of(output: Any) -> str:
    """The text of one output of a cell."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    return output.data.get("text/plain", "")


async def run_async(*sources: str, folder: Path, arguments: list[str] | None = None, **options: Any) -> Ran:
    """Run the cells in a kernel of ours; `arguments` are ipykernel's, `options` those of `start_kernel`."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    manager = AsyncKernelManager(kernel_name=KERNEL_NAME)
    client = NotebookClient(
        notebook, km=manager, timeout=60, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    client.extra_arguments = arguments or []
    died = False
    try:
        await client.async_execute(cleanup_kc=True, **{"preload": PRELOAD, **options})
    except DeadKernelError:
        died = True
    outputs = ["".join(map(text_of, cell.outputs)) for cell in notebook.cells]
    return Ran(outputs, manager.provisioner, died)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """Run cells in a new kernel and wait for its end."""
    folder = tmp_path / "submission"
    folder.mkdir()

    def run(*sources: str, **options: Any) -> Ran:
        return asyncio.run(run_async(*sources, **{"folder": folder, **options}))

    return run


@pytest.fixture
def submission(run: object, tmp_path: Path) -> Path:
    """The folder that `run` starts its kernels in."""
    return tmp_path / "submission"


def needs(level: SandboxLevel) -> Any:
    """The level as a parameter of a test, skipped where the machine cannot give it."""
    reason = _sandbox.missing(level)
    return pytest.param(level, marks=pytest.mark.skipif(reason is not None, reason=f"level {level}: {reason}"))


every_level = pytest.mark.parametrize("level", [needs(level) for level in SandboxLevel])
sandboxed = pytest.mark.parametrize("level", [needs(SandboxLevel.FULL), needs(SandboxLevel.REDUCED)])
full = pytest.mark.parametrize("level", [needs(SandboxLevel.FULL)])


@pytest.fixture(scope="session", autouse=True)
def _end_zygotes() -> Iterator[None]:
    yield
    _parent.close_zygotes()
