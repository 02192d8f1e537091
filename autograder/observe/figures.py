"""The house style of every figure in the course.

One message per figure, labelled axes with units, no title where a caption says it.
Series differ in line style, marker or hatch as well as in colour: a figure survives grey printing and colour blindness.

A figure is shown as SVG inside the page, and black means *ink*:
whatever is drawn in pure black takes the text colour of the page it stands on, and the background is transparent.
So one figure serves the light and the dark theme of the book, JupyterLab and a feedback page.
`fig.savefig("name.png")` gives the same figure, black on white, for places that take no SVG.

matplotlib is imported on first use, so that importing the library stays cheap.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["COLORS", "INK", "bars", "canvas", "figure", "label_bars", "line", "show", "to_html"]

#: Drawn in this colour, a line or a text takes the text colour of the page.
INK = "#000000"

#: Data colours. Each has a contrast of at least 3:1 on white and on the dark themes of the book and of JupyterLab,
#: and any two stay apart under simulated protanopia, deuteranopia and tritanopia (tested).
#: The lightness range this leaves is narrow: in grey they look alike. Hence `line` and `bars`.
COLORS: dict[str, str] = {
    "blue": "#6070dc",
    "orange": "#de7812",
    "green": "#2aa769",
    "plum": "#be79b3",
    "grey": "#858585",
}

_LINE_STYLES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "X")
# No dotted hatches: in SVG one costs a quarter of a megabyte.
_HATCHES = ("", "////", "----", "\\\\\\\\", "xxxx")

_PAPER: dict[str, Any] = {"dpi": 200, "facecolor": "white"}
# matplotlib measures text in DejaVu Sans; Verdana has its widths; any other sans is narrower, so nothing collides.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
# A little more than the 96 of CSS: 10 pt then look like the page's small text.
_CSS_PIXELS_PER_INCH = 108


def _style(kind: str | int) -> tuple[str, int]:
    names = list(COLORS)
    if isinstance(kind, str):
        if kind not in COLORS:
            raise ValueError(f"no colour {kind!r} in the house style; choose one of {', '.join(names)}")
        return COLORS[kind], names.index(kind)
    return COLORS[names[kind % len(names)]], kind % len(names)


def line(kind: str | int, *, marker: bool = False) -> dict[str, Any]:
    """Keyword arguments for `ax.plot`: colour and line style (and marker) that belong together.

    `kind` is a name in `COLORS` or the number of the series.
    """
    color, i = _style(kind)
    return {"color": color, "linestyle": _LINE_STYLES[i], "linewidth": 2.0} | (
        {"marker": _MARKERS[i], "markersize": 5.5} if marker else {}
    )


def bars(kind: str | int) -> dict[str, Any]:
    """Keyword arguments for `ax.bar`, `ax.barh`, `ax.hist`: colour and hatch that belong together.

    `kind` is a name in `COLORS` or the number of the series.
    """
    color, i = _style(kind)
    if not _HATCHES[i]:
        return {"facecolor": color, "edgecolor": color, "linewidth": 1.0}
    # Not a tint: matplotlib's SVG gives a hatched face's opacity to the hatch as well.
    return {"facecolor": "none", "edgecolor": color, "hatch": _HATCHES[i], "linewidth": 1.0}


def label_bars(ax: Axes, container: Any, labels: list[str] | None = None, **kw: Any) -> None:
    """Write each bar's value at its end (`ax.bar_label` with the house's size and distance)."""
    ax.bar_label(container, labels=labels, **({"padding": 3, "fontsize": 10, "color": INK} | kw))


@cache
def _figure_class() -> type[Figure]:
    from matplotlib.figure import Figure

    class HouseFigure(Figure):
        """A figure that a notebook shows as the house's SVG; `alt` is its text alternative."""

        alt: str = ""

        def _repr_html_(self) -> str:
            return to_html(self, self.alt or "Figure")

    return HouseFigure


def figure(
    width: float = 5.2, height: float = 3.0, nrows: int = 1, ncols: int = 1, **kw: Any
) -> tuple[Figure, Axes | NDArray[Any]]:
    """A figure of `width` × `height` inches with `nrows` × `ncols` axes in the house style.

    A little over five inches: text has the size of the page's in the book and can still be read on a phone.
    `kw` goes to `matplotlib.figure.Figure.subplots` (`sharex`, `squeeze`, `width_ratios`, ...).
    Returns what `plt.subplots` returns: the figure, and one axes or an array of them.
    pyplot is not involved: nothing is shown or kept alive by itself.
    """
    import numpy as np

    fig = _figure_class()(figsize=(width, height), layout="constrained", **_PAPER)
    axes = fig.subplots(nrows, ncols, **kw)
    for ax in np.ravel(axes):
        _dress(ax)
    return fig, axes


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure to draw on with inches as units: x from 0 to `width`, y from `-height` to 0, without axes to be seen."""
    fig = _figure_class()(figsize=(width, height), **_PAPER)
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(-height, 0), facecolor="none")
    ax.set_axis_off()
    return fig, ax


def _dress(ax: Axes) -> None:
    from cycler import cycler

    ax.set_prop_cycle(cycler(color=list(COLORS.values())) + cycler(linestyle=_LINE_STYLES))
    ax.set_facecolor("none")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=10, length=3.5, colors=INK)
    ax.xaxis.label.set_size(11)
    ax.yaxis.label.set_size(11)
    ax.set_axisbelow(True)
    ax.grid(True, axis="y", color=INK, alpha=0.15, linewidth=0.7)


def to_html(fig: Figure, alt: str) -> str:
    """The figure as an HTML fragment: inline SVG with `alt` as its accessible name; the page decides its size.

    The same figure gives the same text on every run; ids are unique to the content, so many figures can share a page.
    Raises ValueError when `alt` is empty: a reader who cannot see the figure must be told what it shows.
    """
    if not alt.strip():
        raise ValueError("figures need alt=...: one sentence that says what the figure shows")
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    for ax in fig.axes:
        if ax.get_legend() is not None:
            ax.get_legend().set_frame_on(False)
    if fig.get_layout_engine() is not None:
        # Constrained layout moves a little on every draw: lay out once, then keep the places.
        fig.draw_without_rendering()
        fig.set_layout_engine("none")
    buffer = io.StringIO()
    # Not `savefig`: it draws everything once more, to lay it out.
    insets = (inset for ax in fig.axes for inset in ax.child_axes)
    surfaces = [fig.patch, *(ax.patch for ax in (*fig.axes, *insets))]
    before = fig.canvas, fig.dpi, [(surface.get_facecolor(), surface.get_edgecolor()) for surface in surfaces]
    try:
        for surface in surfaces:
            surface.set(facecolor="none", edgecolor="none")
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "two-switches"}):
            FigureCanvasSVG(fig).print_svg(buffer, metadata={"Date": None, "Creator": None})
    finally:
        fig.set_canvas(before[0])
        fig.dpi = before[1]
        for surface, (face, edge) in zip(surfaces, before[2], strict=True):
            surface.set(facecolor=face, edgecolor=edge)
    width = round(fig.get_figwidth() * _CSS_PIXELS_PER_INCH)
    return _embed(buffer.getvalue(), alt, width)


def _embed(svg: str, alt: str, width: int) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"(font: [^;\"]*?px|font-family:) [^;\"]*", rf"\1 {_FONTS}", svg)
    svg = svg.replace(f"stroke: {INK}", "stroke: currentColor").replace(f"fill: {INK}", "fill: currentColor")

    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg))
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:10]
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{prefix}-", svg)

    view_box = re.search(r'viewBox="[^"]+"', svg)
    assert view_box, "matplotlib wrote an SVG without a viewBox"
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {view_box[0]} role="img" '
        f'aria-label="{html.escape(alt)}" fill="currentColor" '
        f'style="display: block; width: 100%; max-width: {width}px; height: auto; margin: 0 auto; '
        'stroke-linejoin: round; stroke-linecap: butt">'
    )
    body = re.sub(r"\n\s*", "\n", svg[svg.index(">") + 1 :]).strip()
    # A blank line would end an HTML block in Markdown.
    return f'<div class="house-figure">{opening}\n' + re.sub(r"\n{2,}", "\n", body) + "</div>"


def show(fig: Figure, alt: str = "") -> None:
    """Show the figure in the notebook or the book; `alt` says in a sentence what it shows.

    A figure that brings its own `alt`, as a timeline does, may be shown without one. Raises ValueError as `to_html`.
    """
    from IPython.display import display

    alt = alt or getattr(fig, "alt", "")
    display({"text/html": to_html(fig, alt), "text/plain": f"[figure] {alt}"}, raw=True)
