"""What a learner finds where the master notebook has a solution."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions

STUB = "### STUB "


class ClearSolutionsToStubs(ClearSolutions):
    """nbgrader's `ClearSolutions`, with a stub that the master notebook may choose for itself.

    A line that starts with `### STUB ` inside a solution region is a line of the released cell; a region without such
    lines gets the configured `code_stub`. Where nothing is called, as in a table to be filled in, raising an error at
    once would be no polite stub.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Clear one cell in place."""
        stub = [line.strip().removeprefix(STUB) for line in cell.source.splitlines() if line.strip().startswith(STUB)]
        usual = self.code_stub
        if stub:
            self.code_stub = {**usual, resources["language"]: "\n".join(stub)}
        try:
            return super().preprocess_cell(cell, resources, cell_index)
        finally:
            self.code_stub = usual
