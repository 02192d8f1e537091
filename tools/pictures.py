"""Draw the site's icon and the picture that is shown where someone shares a link to the book.

Run it after a change here: python -m tools.pictures. What it writes into book/_static/ is committed.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from autograder.observe.figures import COLORS

STATIC = Path(__file__).parent.parent / "book" / "_static"
NIGHT, PAPER = "#14181e", "#ffffff"
# A switch is 24 wide and 12 high; the first is on, the second is off.
SWITCHES = ((COLORS["blue"], 18.0), (COLORS["orange"], 6.0))

SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="6" fill="{night}"/>
{switches}</svg>
"""
SWITCH = """<g transform="translate(4 {y})"><rect width="24" height="11" rx="5.5" fill="{color}"/>\
<circle cx="{x}" cy="5.5" r="3.9" fill="{paper}"/></g>
"""


def icon() -> str:
    """The icon as SVG."""
    rows = (SWITCH.format(y=4 + 13 * row, color=c, x=x, paper=PAPER) for row, (c, x) in enumerate(SWITCHES))
    return SVG.format(night=NIGHT, switches="".join(rows))


def _canvas(width: int, height: int) -> Figure:
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=NIGHT)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _draw_switches(figure: Figure, x: float, y: float, scale: float, step: float) -> None:
    axes = figure.axes[0]
    for row, (color, knob) in enumerate(SWITCHES):
        top = y + row * step
        radius = 5.5 * scale
        # A thick line with round ends, its width in points of a seventy-second of an inch.
        ends, thick = (x + radius, x + 24 * scale - radius), 2 * radius * 72 / figure.dpi
        axes.plot(ends, (top + radius,) * 2, color=color, linewidth=thick, solid_capstyle="round")
        axes.add_patch(Circle((x + knob * scale, top + radius), 3.9 * scale, fc=PAPER, ec="none", zorder=3))


def touch_icon() -> Figure:
    """The icon for places that take no SVG, 180 by 180 pixels."""
    figure = _canvas(180, 180)
    _draw_switches(figure, 22.5, 22.5, 5.625, 73)
    return figure


def preview() -> Figure:
    """The picture for previews of links, 1200 by 630 pixels."""
    figure = _canvas(1200, 630)
    _draw_switches(figure, 90, 270, 7.5, 150)
    axes = figure.axes[0]
    axes.text(86, 120, "Two Switches", size=62, weight="bold", color=PAPER, va="center")
    axes.text(90, 200, "of every PyTorch loop, measured", size=28, color="#c3c9d3", va="center")
    for row, (name, question) in enumerate(
        [("model.train()  model.eval()", "what do the layers compute?"), ("torch.no_grad()", "is a gradient recorded?")]
    ):
        axes.text(310, 296 + 150 * row, name, size=29, family="monospace", color=PAPER, va="center")
        axes.text(310, 344 + 150 * row, question, size=22, color="#c3c9d3", va="center")
    return figure


def main() -> None:
    (STATIC / "favicon.svg").write_text(icon(), encoding="utf-8")
    with rc_context({"font.family": ["DejaVu Sans"], "font.monospace": ["DejaVu Sans Mono"]}):
        for name, figure in (("favicon.png", touch_icon()), ("social.png", preview())):
            figure.savefig(STATIC / name, facecolor=NIGHT, metadata={"Software": None})
            print(f"{name}: {(STATIC / name).stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
