"""Feedback pages that can be read on a phone and without a network."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

#: Where Formgrader looks for the templates of its pages: ours come first, and leave out what another site would serve.
TEMPLATES = [str(Path(__file__).parent / "templates"), handlers.template_path]
_MARKS = re.compile(r"^### (BEGIN|END) MARK SCHEME *$", re.M)


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page with a viewport for small screens and without the MathJax of a content network.

    `nbgrader_config.py` names it as `GenerateFeedback.exporter_class`.
    """

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **more: Any
    ) -> tuple[str, dict[str, Any]]:
        """The page. The marks by which nbgrader finds a marking scheme say nothing to a learner: a heading does."""
        nb = copy.deepcopy(nb)
        for cell in nb.cells:
            if cell.cell_type == "markdown" and "nbgrader" in cell.metadata:
                cell.source = _MARKS.sub(lambda mark: "### How it is graded" if mark[1] == "BEGIN" else "", cell.source)
        return super().from_notebook_node(nb, resources, **more)

    @property
    def default_config(self) -> Config:
        """Our template. A section of our own: GenerateFeedback and Formgrader write theirs into `HTMLExporter`'s."""
        theirs = Path(handlers.template_path)
        bootstrap = theirs.parent / "static" / "node_modules" / "bootstrap" / "dist" / "css"
        ours = Config()
        ours.FeedbackExporter.template_name = "two-switches-feedback"
        ours.FeedbackExporter.extra_template_basedirs = TEMPLATES
        ours.FeedbackExporter.extra_template_paths = [str(theirs), str(bootstrap)]
        config = super().default_config.copy()
        config.merge(ours)
        return config
