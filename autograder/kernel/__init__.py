"""Kernels for grading: forked from a warm process, shut in, limited, watched.

Jupyter's tools start them by the kernelspec `two-switches`:

>>> NotebookClient(notebook, kernel_name=KERNEL_NAME).execute(sandbox="full", limits=Limits(memory_mib=1024))

`provisioner.ZygoteProvisioner` lists what a start accepts. For a grader, `line.LineKernel` is the same without
Jupyter's sockets. Nothing here knows what runs in the kernels.
"""

from ._levels import Layer, Limits, SandboxLevel, SandboxUnavailable
from ._sandbox import available_levels, require

#: The name of the installed kernelspec.
KERNEL_NAME = "two-switches"

__all__ = ["KERNEL_NAME", "Layer", "Limits", "SandboxLevel", "SandboxUnavailable", "available_levels", "require"]
