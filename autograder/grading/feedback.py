"""Feedback pages that can be read on a phone and without a network."""

from __future__ import annotations

from pathlib import Path

from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback page with a viewport for small screens and without the MathJax of a content network.

    `nbgrader_config.py` names it as `GenerateFeedback.exporter_class`.
    """

    @property
    def default_config(self) -> Config:
        """Our template. A section of our own: GenerateFeedback and Formgrader write theirs into `HTMLExporter`'s."""
        theirs = Path(handlers.template_path)
        bootstrap = theirs.parent / "static" / "node_modules" / "bootstrap" / "dist" / "css"
        ours = Config()
        ours.FeedbackExporter.template_name = "two-switches-feedback"
        ours.FeedbackExporter.extra_template_basedirs = [str(Path(__file__).parent / "templates"), str(theirs)]
        ours.FeedbackExporter.extra_template_paths = [str(theirs), str(bootstrap)]
        config = super().default_config.copy()
        config.merge(ours)
        return config
