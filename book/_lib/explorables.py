"""Interactive figures: a still picture that its script, where scripts run, replaces with something to play with.

The scripts stand in `book/_explorables/`; what they show was measured by the cell that calls `explorable`.
In JupyterLab, in print and without JavaScript the still picture stands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from IPython.display import HTML

from autograder.observe import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARED = ("svgjs/svg.min.js", "explorables/house.js")


def explorable(name: str, title: str, data: dict[str, Any], still: Figure, alt: str) -> HTML:
    """The explorable `name` (`book/_explorables/explorables/NAME.js`) as the last value of a cell.

    `title` says in a few words what to do with it, `data` is what its script needs, as JSON,
    `still` with its text `alt` is the picture for places where no script runs.
    Raises ValueError when `data` holds a number that JSON cannot (NaN or an infinity).
    """
    text = json.dumps({"colors": figures.COLORS} | data, allow_nan=False, separators=(",", ":"))
    text = text.replace("</", "<\\/")  # nothing in the data may end the script element
    scripts = "".join(f'<script defer src="_static/{file}"></script>' for file in (*_SHARED, f"explorables/{name}.js"))
    return HTML(
        f'<div class="explorable" data-explorable="{name}" role="group" aria-label="{title}">\n'
        f'<p class="explorable-title">{title}</p>\n'
        f'<div class="explorable-still">{figures.to_html(still, alt)}</div>\n'
        f'<script type="application/json">{text}</script></div>\n{scripts}'
    )
