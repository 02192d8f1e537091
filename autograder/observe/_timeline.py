"""The timeline: what a program did with the two switches, drawn so that it can be read at a glance.

Time runs right and counts events, not seconds.  Each model has a lane for its mode, with a triangle for every forward
pass; gradient recording has one, with a triangle for every backward; below them stands what moved: the weights,
BatchNorm's statistics, the random numbers.  A filled band is a switch that is on, a hollow one a switch that is off.
Equal units that follow each other (forward, backward, step) are drawn once, with how often they came.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from . import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._events import Event
    from ._rules import TraceFinding

#: Columns side by side; a longer timeline goes on below, like music, and after some rows its middle is left out.
_PER_ROW = 12
_MOST_ROWS = 4
#: The longest unit looked for when equal units are drawn once.
_LONGEST_UNIT = 32
#: A repeat inside a repeated unit is drawn in full if that takes no more columns than this.
_INNER_GROWTH = 3
_MOST_LANES = 4
_MOST_FINDINGS = 6
_OTHERS = "other models"


class _Column(NamedTuple):
    """One event as the picture shows it; equal columns are drawn alike, so they can be counted instead of repeated."""

    kind: str  # "forward", "backward", "step", or "draw": only something below the switches moved
    lane: str  # the model of a forward pass, the optimizer of a step
    mode: str  # "train", "eval", "mixed"; "" where no model ran
    grad: str  # "on", "off", "inference"
    full: bool  # the forward pass recorded a graph; the backward filled .grad
    learned: bool  # a forward pass that a backward went through
    statistics: bool
    random: bool
    failed: bool
    faults: tuple[int, ...]
    phase: str = ""


@dataclass(frozen=True)
class _Repeat:
    unit: tuple[_Node, ...]
    count: int


_Node = _Column | _Repeat


@dataclass(frozen=True)
class _Span:
    """A stretch of columns with a word above it."""

    start: int
    stop: int
    phase: str
    count: int
    level: int = 0

    @property
    def label(self) -> str:
        return " ".join(([self.phase] if self.phase else []) + ([f"×{self.count}"] if self.count > 1 else []))


def draw(events: Sequence[Event], findings: Sequence[TraceFinding] = (), truncated: int = 0) -> Figure:
    """The timeline of `events`, with `findings` as numbered marks on the passes they concern.

    `truncated` is the number of events that were not kept; the picture says so.  The figure is in the house style
    (`figures.to_html` gives it as inline SVG for light and dark pages) and carries its own text alternative, `alt`.
    """
    return _draw(_nodes(events, findings), findings, truncated)


def to_html(events: Sequence[Event]) -> str:
    """The timeline of `events` as inline SVG.

    Pictures are kept: in a class many programs do the same, and drawing takes longer than judging.
    """
    return _html(tuple(_nodes(events, ())))


@lru_cache(maxsize=128)
def _html(nodes: tuple[_Node, ...]) -> str:
    figure = _draw(nodes, (), 0)
    return figures.to_html(figure, figure.alt)


def _nodes(events: Sequence[Event], findings: Sequence[TraceFinding]) -> list[_Node]:
    return _fit(_fold(_with_phases(list(_columns(events, findings)))))


def _draw(nodes: Sequence[_Node], findings: Sequence[TraceFinding], truncated: int) -> Figure:
    flat, spans = _lay_out(nodes)
    rows, left_out = _rows(flat, spans)
    picture = _Picture(flat, spans, rows, left_out, findings, truncated)
    return picture.draw(_alt(nodes, findings))


# ---------------------------------------------------------------------- events to columns


def _columns(events: Sequence[Event], findings: Sequence[TraceFinding]) -> Iterator[_Column]:
    number = {(f.rule, f.line): i + 1 for i, f in enumerate(findings)}
    lanes = list(dict.fromkeys(_model(e) for e in events if _is_pass(e)))
    steppers = {e.detail.get("name", e.module) for e in events if e.kind == "step"}
    begun = False
    waiting = False  # the previous column only says that random numbers were drawn
    for e in events:
        if e.depth:
            continue
        faults = tuple(sorted({number[f] for f in map(tuple, e.detail.get("findings", ())) if f in number}))
        common = {"grad": e.grad, "statistics": e.buffers_moved, "random": bool(e.rng_advanced), "faults": faults}
        blank = _Column("draw", "", "", "on", False, False, False, False, False, ())
        if _is_pass(e):
            begun, waiting = True, False
            name = _model(e)
            yield blank._replace(
                kind="forward", lane=name if lanes.index(name) < _MOST_LANES else _OTHERS,
                mode=e.detail.get("mode", "train" if e.training else "eval"),
                full=bool(e.detail.get("graph")), learned=bool(e.detail.get("used")),
                failed=bool(e.detail.get("failed")), **common,
            )  # fmt: skip
        elif e.kind == "backward":
            waiting = False
            yield blank._replace(kind="backward", full=e.detail.get("function") != "grad", **common)
        elif e.kind == "step":
            waiting = False
            name = e.detail.get("name", e.module)
            yield blank._replace(kind="step", lane=name if len(steppers) <= _MOST_LANES else "", **common)
        elif e.kind != "forward" and (e.rng_advanced or e.buffers_moved):
            # Making a model or its data draws too: that is not part of the loop
            if not begun and e.kind == "random" and e.detail.get("origin") != "loader":
                continue
            if not (waiting and e.kind == "random"):
                yield blank._replace(**common)
            waiting = e.kind == "random"


def _is_pass(event: Event) -> bool:
    return event.kind == "forward" and not event.depth and not event.detail.get("loss")


def _model(event: Event) -> str:
    """A part of a model that is called on its own (`net.encoder`) shares the lane of the model."""
    return event.module.partition(".")[0]


def _with_phases(columns: list[_Column]) -> list[_Column]:
    """Say what each column was for, judged by what followed it and not by its switches: so a wrong switch shows."""
    trains = "train" if any(c.kind == "step" for c in columns) else "backward"
    words = ["evaluate" if c.kind == "forward" else "" for c in columns]
    start = None
    for i, c in enumerate(columns):
        if start is None and (c.learned or c.kind in ("backward", "step")):
            # another model may have been asked first: a teacher, a generator, an encoder that stays as it is
            start = j = i
            while j and words[j - 1] == "evaluate" and columns[j - 1].lane != c.lane:
                j -= 1
            start = j if i - j <= 2 else i
        if start is not None:
            if c.kind == "step":  # what other models ran between the pass and its step belongs to them
                lanes = {d.lane for d in columns[start : i + 1] if d.learned}
                for j in range(start, i + 1):
                    if columns[j].mode != "eval" or columns[j].learned or columns[j].lane not in lanes:
                        words[j] = trains
                start = None
            elif c.learned or c.kind == "backward":
                words[i] = trains
    following = ""
    for i in reversed(range(len(words))):  # a draw belongs to the pass it was made for
        following = words[i] = words[i] or following
    return [c._replace(phase=word) for c, word in zip(columns, words, strict=True)]


# ---------------------------------------------------------------------- equal units


def _fold(columns: Sequence[_Column]) -> list[_Node]:
    """Equal neighbours become one unit and a count, short units first, so that batches fold before epochs."""
    nodes: list[_Node] = list(columns)
    length = 1
    while length <= min(_LONGEST_UNIT, len(nodes) // 2):
        ids: dict[_Node, int] = {}
        keys = [ids.setdefault(node, len(ids)) for node in nodes]
        folded: list[_Node] = []
        i = 0
        while i < len(nodes):
            count = 1
            while keys[i] == keys[i + count * length] if i + count * length < len(keys) else False:
                if keys[i : i + length] != keys[i + count * length : i + (count + 1) * length]:
                    break
                count += 1
            if count > 1:
                folded.append(_Repeat(tuple(nodes[i : i + length]), count))
                i += count * length
            else:
                folded.append(nodes[i])
                i += 1
        length = 1 if len(folded) < len(nodes) and length > 1 else length + 1
        nodes = folded
    return nodes


def _width(node: _Node) -> int:
    return 1 if isinstance(node, _Column) else sum(_width(n) for n in node.unit)


def _fit(nodes: list[_Node]) -> list[_Node]:
    """Draw in full again what the first row has room for: the fewer counts, the easier the picture."""
    while True:
        room = _PER_ROW - sum(_width(n) for n in nodes)
        growth: dict[tuple[str, ...], int] = {}
        for node, depth in _repeats(nodes):
            extra = _width(node) * (node.count - 1)
            if not depth or extra <= _INNER_GROWTH:
                growth[_sort(node)] = growth.get(_sort(node), 0) + extra
        fitting = [(extra, sort) for sort, extra in growth.items() if extra <= room]
        if not fitting:
            return nodes
        _, chosen = max(fitting)  # all of a sort or none: the same loop should look the same in every epoch
        nodes = _unfold(nodes, chosen)


def _repeats(nodes: Iterable[_Node], depth: int = 0) -> Iterator[tuple[_Repeat, int]]:
    for node in nodes:
        if isinstance(node, _Repeat):
            yield node, depth
            yield from _repeats(node.unit, depth + 1)


def _unfold(nodes: Iterable[_Node], chosen: tuple[str, ...]) -> list[_Node]:
    unfolded: list[_Node] = []
    for node in nodes:
        if isinstance(node, _Column):
            unfolded.append(node)
        elif _sort(node) == chosen:
            unfolded += node.unit * node.count
        else:
            unfolded.append(_Repeat(tuple(_unfold(node.unit, chosen)), node.count))
    return unfolded


def _sort(node: _Repeat) -> tuple[str, ...]:
    return tuple(c.kind + c.phase for c in _leaves([node]))


def _leaves(nodes: Iterable[_Node]) -> Iterator[_Column]:
    for node in nodes:
        if isinstance(node, _Column):
            yield node
        else:
            yield from _leaves(node.unit)


# ---------------------------------------------------------------------- columns and spans


def _lay_out(nodes: Sequence[_Node]) -> tuple[list[_Column], list[_Span]]:
    flat: list[_Column] = list(_leaves(nodes))
    spans: list[_Span] = []

    def walk(parts: Sequence[_Node], start: int) -> int:
        """Spans of the repeats among `parts`; the highest level used."""
        top = -1
        for part in parts:
            width = _width(part)
            if isinstance(part, _Repeat):
                level = walk(part.unit, start) + 1
                phases = {c.phase for c in flat[start : start + width]}
                spans.append(_Span(start, start + width, phases.pop() if len(phases) == 1 else "", part.count, level))
                top = max(top, level)
            start += width
        return top

    walk(nodes, 0)
    # A phase of its own word gets it once; counts inside it stand alone
    named: list[_Span] = []
    for span in sorted(spans, key=lambda s: -s.level):
        outer = any(o.phase and o.start <= span.start and span.stop <= o.stop for o in named)
        named.append(replace(span, phase="") if outer else span)
    covered = {i for s in named if s.phase for i in range(s.start, s.stop)}
    i = 0
    while i < len(flat):
        if i in covered or not flat[i].phase:
            i += 1
            continue
        stop = i
        while stop < len(flat) and stop not in covered and flat[stop].phase == flat[i].phase:
            stop += 1
        inside = [s.level for s in named if i <= s.start and s.stop <= stop]
        if any(c.kind != "draw" for c in flat[i:stop]):
            named.append(_Span(i, stop, flat[i].phase, 1, max(inside, default=-1) + 1))
        i = stop
    return flat, sorted(named, key=lambda s: (s.start, -s.level))


def _rows(flat: list[_Column], spans: list[_Span]) -> tuple[list[range], int]:
    """Rows of at most `_PER_ROW` columns, broken between phases where possible, and how many columns are left out."""
    edges = {s.start for s in spans} | {s.stop for s in spans}
    rows: list[range] = []
    start = 0
    while start < len(flat):
        stop = min(start + _PER_ROW, len(flat))
        if stop < len(flat):
            stop = max((e for e in edges if start + _PER_ROW // 2 <= e <= stop), default=stop)
        rows.append(range(start, stop))
        start = stop
    if len(rows) <= _MOST_ROWS:
        return rows, 0
    kept = rows[: _MOST_ROWS - 1] + rows[-1:]
    return kept, len(flat) - sum(len(r) for r in kept)


# ---------------------------------------------------------------------- drawing; lengths are inches

_SIZE = 10.0  # points; a letter is about 0.6 em wide
_LETTER = _SIZE * 0.61 / 72
_BAND = 0.2
_WORD = 0.19
_SWITCH = _BAND + _WORD + 0.05
_MOVE = 0.25
_BRACKET = 0.24
_HEAD = {"forward": ">", "backward": "<", "step": "s"}


class _Picture:
    def __init__(
        self, flat: list[_Column], spans: list[_Span], rows: list[range], left_out: int,
        findings: Sequence[TraceFinding], truncated: int,
    ) -> None:  # fmt: skip
        self.flat, self.spans, self.rows, self.left_out = flat, spans, rows, left_out
        self.models = list(dict.fromkeys(c.lane for c in flat if c.kind == "forward"))
        steppers = list(dict.fromkeys(c.lane for c in flat if c.kind == "step"))
        self.steppers = steppers if len(steppers) > 1 else ["weights"]
        self.several = len(steppers) > 1
        self.names = [*self.models, "gradients", *self.steppers, "statistics", "random"]
        self.left = min(max(len(_short(n)) for n in self.names) * _LETTER + 0.15, 1.5)
        widest = max((len(r) for r in rows), default=0)
        self.column = min(max(4.2 / max(widest, 1), 0.33), 0.45)
        self.width = max(self.left + widest * self.column + 0.2, 4.6)
        self.levels = max((s.level for s in spans), default=-1) + 1
        self.faults = any(c.faults for c in flat)
        self.notes = list(self._notes(findings, truncated))
        self.modes = self._modes()

    def _notes(self, findings: Sequence[TraceFinding], truncated: int) -> Iterator[tuple[int, str]]:
        letters = int((self.width - 0.5) / _LETTER)
        for i, f in enumerate(findings[:_MOST_FINDINGS]):
            where = f"line {f.line}: " if f.line else ""
            times = f" (×{f.count})" if f.count > 1 else ""
            lines = textwrap.wrap(f"{where}{f.rule}{times}", letters) or [""]
            for j, text in enumerate(lines):
                yield (0 if j else i + 1), text
        if len(findings) > _MOST_FINDINGS:
            yield 0, f"and {len(findings) - _MOST_FINDINGS} more findings"
        if self.left_out:
            yield 0, f"{self.left_out} columns in the middle are left out"
        if truncated:
            yield 0, f"{truncated} later events were not kept"

    def _modes(self) -> dict[str, list[str]]:
        """Per model the mode in every column: a switch keeps its state until it is found in another."""
        modes: dict[str, list[str]] = {}
        for model in self.models:
            seen = [c.mode if c.kind == "forward" and c.lane == model else "" for c in self.flat]
            state = next(filter(None, seen))
            modes[model] = [state := word or state for word in seen]
        return modes

    def draw(self, alt: str) -> Figure:
        row = self.levels * _BRACKET + 0.06 + (0.26 if self.faults else 0)
        row += _SWITCH * (len(self.models) + 1) + 0.1 + _MOVE * (len(self.steppers) + 2)
        gap = 0.3
        foot = 0.36 + 0.235 * len(self.notes) + (0.08 if self.notes else 0)
        height = (len(self.rows) * row + max(len(self.rows) - 1, 0) * gap if self.rows else 0.5) + foot + 0.1
        fig, ax = figures.canvas(self.width, height)
        fig.alt = alt
        y = -0.05
        for i, columns in enumerate(self.rows):
            self._row(ax, columns, y)
            y -= row
            if i < len(self.rows) - 1:
                if self.left_out and i == len(self.rows) - 2:
                    self._text(ax, self.width / 2, y - gap / 2, "· · ·", ha="center")
                y -= gap
        if not self.rows:
            self._text(ax, self.width / 2, y - 0.25, "no forward pass, backward or step", ha="center")
            y -= 0.5
        self._foot(ax, y)
        return fig

    # ------------------------------------------------------------------ one row

    def _row(self, ax: Axes, columns: range, top: float) -> None:
        x = {c: self.left + (i + 0.5) * self.column for i, c in enumerate(columns)}
        half = self.column / 2
        bottom = top - self.levels * _BRACKET - 0.06 - (0.26 if self.faults else 0)
        bottom -= _SWITCH * (len(self.models) + 1) + 0.1 + _MOVE * (len(self.steppers) + 2)
        y = top
        for span in self.spans:
            inside = [c for c in range(span.start, span.stop) if c in x]
            if not inside:
                continue
            ends = x[inside[0]] - half + 0.03, x[inside[-1]] + half - 0.03
            near = [s for s in self.spans if s.level == span.level and s is not span]
            before = max((s.stop for s in near if s.stop <= span.start), default=columns[0] - 2)
            after = min((s.start for s in near if s.start >= span.stop), default=columns[-1] + 3)
            free = min(span.start - before, after - span.stop) * self.column
            self._bracket(ax, *ends, y - (self.levels - span.level) * _BRACKET + 0.04, span.label, free)
            if span.phase in ("train", "backward"):
                self._box(ax, ends[0], bottom, ends[1], y - self.levels * _BRACKET, facecolor=figures.INK, alpha=0.06)
        y -= self.levels * _BRACKET + 0.06
        if self.faults:
            for c in columns:
                if self.flat[c].faults:
                    self._line(
                        ax, [x[c]] * 2, [y - 0.2, bottom], color=figures.COLORS["orange"], lw=1.2, ls=(0, (2, 1.5))
                    )
                    self._badge(ax, x[c], y - 0.1, _listed(self.flat[c].faults))
            y -= 0.26

        for model in self.models:
            self._switch(ax, x, y, _short(model), [self.modes[model][c] for c in columns], "blue")
            for c in columns:
                if self.flat[c].kind == "forward" and self.flat[c].lane == model:
                    self._mark(ax, x[c], y - _WORD - _BAND / 2, "forward", self.flat[c].full, self.flat[c].failed)
            y -= _SWITCH
        self._switch(ax, x, y, "gradients", [self.flat[c].grad for c in columns], "green")
        for c in columns:
            if self.flat[c].kind == "backward":
                self._mark(ax, x[c], y - _WORD - _BAND / 2, "backward", self.flat[c].full)
        y -= _SWITCH + 0.1
        ends = x[columns[0]] - half, x[columns[-1]] + half
        for name in self.steppers:
            self._lane(ax, y, ends, _short(name))
            for c in columns:
                if self.flat[c].kind == "step" and (not self.several or self.flat[c].lane == name):
                    self._mark(ax, x[c], y - _MOVE / 2, "step", True)
            y -= _MOVE
        for name in ("statistics", "random"):
            self._lane(ax, y, ends, name)
            for c in columns:
                if getattr(self.flat[c], name):
                    marker, size = ("o", 6.5) if name == "statistics" else ("D", 5.0)
                    self._line(ax, [x[c]], [y - _MOVE / 2], marker=marker, ms=size, color=figures.INK, mew=0)
            y -= _MOVE

    def _switch(self, ax: Axes, x: dict[int, float], y: float, name: str, states: list[str], colour: str) -> None:
        """A band per stretch of equal state, with the state's name above it."""
        half = self.column / 2
        self._text(ax, self.left - 0.1, y - _WORD - _BAND / 2, name, ha="right")
        at = list(x.values())
        start = 0
        free = at[0] - half
        for i in range(1, len(states) + 1):
            if i < len(states) and states[i] == states[start]:
                continue
            ends = at[start] - half + 0.015, at[i - 1] + half - 0.015
            state, colour_code = states[start], figures.COLORS[colour]
            face = colour_code + ("66" if state in ("train", "on") else "00")
            hatch = {"mixed": "////", "inference": "----"}.get(state)
            self._box(
                ax, ends[0], y - _WORD - _BAND, ends[1], y - _WORD,
                facecolor=face, edgecolor=colour_code, linewidth=1.2, hatch=hatch,
            )  # fmt: skip
            word = "inf." if state == "inference" and ends[1] - ends[0] < 9 * _LETTER else state
            if free <= ends[0] + 0.02:
                self._text(ax, ends[0], y - _WORD / 2 - 0.005, word)
                free = ends[0] + len(word) * _LETTER
            start = i

    def _lane(self, ax: Axes, y: float, ends: tuple[float, float], name: str) -> None:
        self._text(ax, self.left - 0.1, y - _MOVE / 2, name, ha="right")
        self._line(ax, ends, [y - _MOVE / 2] * 2, color=figures.INK, alpha=0.25, lw=0.8)

    def _bracket(self, ax: Axes, start: float, stop: float, y: float, label: str, free: float) -> None:
        self._line(ax, [start, start, stop, stop], [y - 0.05, y, y, y - 0.05], color=figures.INK, lw=1.0)
        shorter = (label, label.replace("evaluate", "eval."), label.partition(" ")[2] or label[:4])
        fitting = [word for word in shorter if len(word) * _LETTER <= stop - start + 0.06 + free]
        self._text(ax, (start + stop) / 2, y + 0.095, fitting[0] if fitting else "", ha="center")

    def _badge(self, ax: Axes, x: float, y: float, label: str) -> None:
        wide = 0.1 + 0.04 * (len(label) - 1)
        from matplotlib.patches import FancyBboxPatch

        ax.add_artist(
            FancyBboxPatch(
                (x - wide, y - 0.1), 2 * wide, 0.2, boxstyle="round,pad=0,rounding_size=0.1",
                facecolor="none", edgecolor=figures.COLORS["orange"], linewidth=1.6,
            )
        )  # fmt: skip
        self._text(ax, x, y - 0.005, label, ha="center", weight="bold", fontsize=_SIZE - 1)

    def _mark(self, ax: Axes, x: float, y: float, kind: str, full: bool, failed: bool = False) -> None:
        if failed:
            self._line(ax, [x], [y], marker="x", ms=7.5, color=figures.INK, mew=1.8)
            return
        size = 7.0 if kind == "step" else 8.5
        face = figures.INK if full else "none"
        self._line(ax, [x], [y], marker=_HEAD[kind], ms=size, mfc=face, mec=figures.INK, mew=1.3, color=figures.INK)

    def _foot(self, ax: Axes, y: float) -> None:
        y -= 0.2
        kinds = {(c.kind, c.full) for c in self.flat if not c.failed}
        legend = [
            ("forward", True, "forward", ("forward", True) in kinds),
            ("forward", False, "forward, no graph", ("forward", False) in kinds),
            ("backward", True, "backward", any(k == "backward" for k, _ in kinds)),
        ]
        x = 0.12
        for kind, full, text, there in legend:
            if there:
                self._mark(ax, x + 0.05, y, kind, full)
                self._text(ax, x + 0.18, y, text)
                x += 0.18 + len(text) * _LETTER + 0.22
        y -= 0.24 if legend else 0.05
        for number, text in self.notes:
            if number:
                self._badge(ax, 0.2, y, str(number))
            self._text(ax, 0.4, y, text)
            y -= 0.235

    @staticmethod
    def _text(ax: Axes, x: float, y: float, text: str, **kw: object) -> None:
        ax.text(x, y, text, **({"fontsize": _SIZE, "color": figures.INK, "va": "center_baseline"} | kw))

    @staticmethod
    def _line(ax: Axes, xs: Sequence[float], ys: Sequence[float], **kw: object) -> None:
        from matplotlib.lines import Line2D

        # not `plot`, which looks for limits: they are fixed here
        ax.add_artist(Line2D(xs, ys, **({"ls": "-" if len(xs) > 1 else "none"} | kw)))

    @staticmethod
    def _box(ax: Axes, x0: float, y0: float, x1: float, y1: float, **kw: object) -> None:
        from matplotlib.patches import Rectangle

        ax.add_artist(Rectangle((x0, y0), x1 - x0, y1 - y0, **({"linewidth": 0} | kw)))


def _listed(numbers: Sequence[int]) -> str:
    """1, 2, 3 as "1–3": a badge is as wide as a column."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]}–{numbers[-1]}"
    return ",".join(map(str, numbers))


def _short(name: str, most: int = 16) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _alt(nodes: Sequence[_Node], findings: Sequence[TraceFinding]) -> str:
    """The picture in words, for those who cannot see it."""
    flat, spans = _lay_out(nodes)
    if not flat:
        return "Timeline: no forward pass, backward or step."
    told: list[str] = []
    for span in spans:
        if not span.phase:
            continue
        inside = flat[span.start : span.stop]
        modes = ", ".join(dict.fromkeys(f"{c.lane} in {c.mode} mode" for c in inside if c.kind == "forward"))
        grads = " and ".join(dict.fromkeys(c.grad for c in inside))
        told.append(f"{span.label}: {modes + ', ' if modes else ''}gradients {grads}")
    if len(told) > 8:
        told = [*told[:7], "and so on"]
    wrong = "; ".join(dict.fromkeys(f.rule for f in findings))
    return f"Timeline. {'; '.join(told)}." + (f" Findings: {wrong}." if wrong else "")
