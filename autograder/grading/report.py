"""The class report: one page per problem set that says what the class has understood and what to talk about next.

One HTML file without scripts, which asks nobody for anything: its Content-Security-Policy forbids both. Scores come
from the gradebook; misconceptions, timelines and solutions from the autograded notebooks, which hold what learners
wrote, so everything of theirs is escaped, and of a picture only what draws is kept.
"""

from __future__ import annotations

import datetime
import json
import re
import statistics
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from ..observe import figures
from ..specs import MIME, REGISTRY, exercises
from .folder import CourseFolder, graded_cells
from .restore import RECORD
from .scores import Score, read_scores
from .similarity import Alike, alike
from .verdict import exercise_of

TEMPLATE = "class-report.html.j2"
#: Misconceptions that get a picture and a section to discuss.
DISCUSSED = 3
#: A submission is slow if it took this many times the median, and more than this many seconds.
SLOW_TIMES, SLOW_SECONDS = 3.0, 10.0
#: Rows of the lists of submissions.
MOST_ROWS = 40
_BARS = 13
#: The registry's entry for results that fit no other: no idea to talk about.
NO_IDEA = "wrong-result"
#: Shades of the heat map: the share of the class from which each begins.
SHADES = (0.0, 0.05, 0.15, 0.3)


@dataclass(frozen=True)
class Named:
    """A misconception that a report named: in which exercise, with which words, what to reread, and the timeline."""

    exercise: str
    misconception: str
    message: str
    read: str
    picture: str = field(default="", repr=False)
    others: int = 0  # how many more misconceptions the same report names


@dataclass(frozen=True)
class Work:
    """What an autograded notebook shows besides its scores."""

    named: tuple[Named, ...] = ()
    solutions: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float | None = None
    stopped: tuple[str, ...] = ()
    sandbox: str = ""


@dataclass(frozen=True)
class Discussed:
    """A misconception of the next lesson, with an example of somebody's who is not named."""

    id: str
    learners: int
    read: str
    exercises: tuple[str, ...]
    example: Named


@dataclass(frozen=True)
class Row:
    """One exercise: how many submissions passed it, and so on."""

    exercise: str
    title: str
    max_score: float
    passed: int
    partly: int
    nothing: int
    untouched: int
    waits: int
    mean: float | None


@dataclass(frozen=True)
class ClassReport:
    """Everything the page says, before it is a page."""

    assignment: str
    scores: Sequence[Score]
    rows: Sequence[Row]
    heat: Mapping[str, Mapping[str, int]]
    learners: Mapping[str, int]
    discussed: Sequence[Discussed]
    slow: Sequence[tuple[str, float | None, tuple[str, ...]]]
    timed: bool
    alike: Sequence[Alike]
    sandboxes: Mapping[str, int]  # submissions by the level they were graded at, of levels below full

    @property
    def graded(self) -> list[Score]:
        """What has been handed in and could be graded."""
        return [score for score in self.scores if score.status in ("final", "needs manual grading")]

    def students(self, status: str) -> list[str]:
        return [score.student for score in self.scores if score.status == status]


# ---------------------------------------------------------------------- from gradebook and notebooks


def class_report(course: CourseFolder, assignment: str) -> ClassReport:
    """Read the gradebook and the autograded notebooks of a released problem set.

    Raises CourseError if the gradebook is not this course's.
    """
    notebook = course.released()[assignment]
    order = graded_cells(notebook)
    with course.gradebook() as gradebook:
        scores = read_scores(gradebook, course.assignment(gradebook, assignment), order, course.handed_in(assignment))
    works = {}
    for score in scores:
        folder = course.path(course.courses.autograded_directory, score.student, assignment)
        untouched = {cell.exercise for cell in score.cells if cell.untouched}
        if (path := folder / notebook.name).is_file():
            works[score.student] = read_work(path, untouched)
    return _summed_up(assignment, scores, works, [exercise_of(name) for name in order], read_work(notebook).solutions)


def read_work(path: Path, untouched: Iterable[str] = ()) -> Work:
    """What a notebook file shows; of exercises that are `untouched` no misconception. Nothing if it cannot be read."""
    untouched = frozenset(untouched)
    try:
        notebook = json.loads(path.read_bytes())
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        record = notebook["metadata"].get(RECORD, {})
    except (OSError, ValueError, KeyError, TypeError):
        return Work()
    named, solutions, stopped = [], {}, []
    for cell in cells:
        settings = cell["metadata"].get("nbgrader") or {}
        name = settings.get("grade_id", "")
        exercise = exercise_of(name.removesuffix("-solution"))
        if settings.get("solution"):
            solutions[exercise] = "".join(cell["source"])
        for output in cell.get("outputs", ()):
            if output.get("ename") == "CellTimeoutError":
                stopped.append(exercise)
            if settings.get("grade") and exercise not in untouched and MIME in output.get("data", {}):
                named += _named(output["data"])
    seconds, level = _seconds(record, cells), str(record.get("sandbox", ""))
    return Work(tuple(named), solutions, seconds, tuple(dict.fromkeys(stopped)), level)


def _named(data: Mapping[str, Any]) -> Iterator[Named]:
    report = data[MIME]
    failed = [one for one in report["findings"] if not one["passed"] and one["misconception"]]
    ideas = {one["misconception"]: one for one in reversed(failed)}  # the first finding with each
    page = data.get("text/html", "")
    for idea, one in ideas.items():
        picture = "".join(page)
        yield Named(report["exercise"], idea, one["message"], one.get("read") or "", picture, len(ideas) - 1)


def _seconds(record: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> float | None:
    """How long it ran: as grading noted, or as the times of its cells say; None if nobody noted it."""
    if isinstance(record.get("seconds"), (int, float)):
        return float(record["seconds"])
    times = []
    for cell in cells:
        noted = cell["metadata"].get("execution", {})
        if begin := noted.get("iopub.execute_input"):
            end = noted.get("shell.execute_reply", noted.get("iopub.status.idle", begin))
            times.append((_time(end) - _time(begin)).total_seconds())
    return sum(times) if times else None


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _summed_up(
    assignment: str,
    scores: Sequence[Score],
    works: Mapping[str, Work],
    order: Sequence[str],
    released: Mapping[str, str],
) -> ClassReport:
    graded = [score for score in scores if score.handed_in and score.cells]
    where: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    by_idea: dict[str, list[Named]] = defaultdict(list)
    for student, work in works.items():
        for one in work.named:
            where[one.misconception][one.exercise].add(student)
            by_idea[one.misconception].append(one)
    learners = {idea: len(set().union(*places.values())) for idea, places in where.items()}
    ordered = sorted(where, key=lambda idea: (idea == NO_IDEA, -learners[idea], idea))
    heat = {idea: {e: len(where[idea][e]) for e in order if e in where[idea]} for idea in ordered}
    discussed = [
        Discussed(
            idea, learners[idea], _usual(one.read for one in by_idea[idea]), tuple(heat[idea]), _example(by_idea[idea])
        )
        for idea in ordered[:DISCUSSED]
        if idea != NO_IDEA and idea in REGISTRY
    ]
    times = {student: work.seconds for student, work in works.items() if work.seconds is not None}
    limit = max(SLOW_SECONDS, SLOW_TIMES * statistics.median(times.values())) if times else 0.0
    slow = [(s, w.seconds, w.stopped) for s, w in works.items() if w.stopped or (w.seconds or 0.0) > limit]
    slow.sort(key=lambda row: (-(row[1] or 0.0), row[0]))
    solutions = {student: work.solutions for student, work in works.items()}
    return ClassReport(
        assignment,
        scores,
        [_row(exercise, graded) for exercise in order],
        heat,
        learners,
        discussed,
        slow,
        bool(times),
        alike(solutions, released),
        Counter(work.sandbox for work in works.values() if work.sandbox not in ("", "full")),
    )


def _usual(sections: Iterable[str]) -> str:
    """The section named most often; empty if none is."""
    return next((section for section, _ in Counter(filter(None, sections)).most_common(1)), "")


def _example(some: Sequence[Named]) -> Named:
    """The one that shows the idea most purely: with a picture, and with as few others as possible."""
    purest = sorted(some, key=lambda one: one.others)
    for one in purest[:50]:
        if picture := drawing(one.picture, f"{one.misconception}-"):
            return replace(one, picture=picture)
    return replace(purest[0], picture="")


def _row(exercise: str, graded: Sequence[Score]) -> Row:
    cells = [cell for score in graded for cell in score.cells if cell.exercise == exercise]
    judged = [cell for cell in cells if not cell.waits]
    title = next((info.title for info in exercises() if info.id == exercise), "")
    touched = [cell for cell in judged if not cell.untouched]
    passed = sum(cell.score >= cell.max_score for cell in touched)
    nothing = sum(cell.score <= 0 for cell in touched)
    return Row(
        exercise, title, cells[0].max_score if cells else 0.0, passed, len(touched) - passed - nothing, nothing,
        len(judged) - len(touched), len(cells) - len(judged),
        statistics.fmean(cell.score for cell in judged) if judged else None,
    )  # fmt: skip


# ---------------------------------------------------------------------- pictures

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_ELEMENTS = frozenset(
    ("svg", "defs", "g", "path", "clipPath", "pattern", "rect", "text", "tspan", "use", "line", "circle")
)
_ATTRIBUTES = frozenset(
    ("aria-label", "class", "clip-path", "cx", "cy", "d", "fill", "height", "id", "patternUnits", "r", "role", "stroke",
     "style", "text-anchor", "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2")
)  # fmt: skip


def drawing(page: str, prefix: str = "") -> str:
    """The first inline SVG of an HTML text, with what draws and nothing else; empty if there is none that can be kept.

    Its ids get the `prefix`, by which one picture may stand on a page twice.

    What a notebook shows comes from a grader that runs learners' code: no script, no link and no address of another
    site goes from there into a page that the instructor opens.
    """
    found = re.search(r"<svg\b.*?</svg>", page, flags=re.S)
    if not found or "<!" in found[0]:
        return ""
    try:
        root = ElementTree.fromstring(found[0])
    except ElementTree.ParseError:
        return ""
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag.removeprefix(f"{{{_SVG}}}") not in _ELEMENTS:
            return ""
        for name, value in list(element.attrib.items()):
            inside = name in (f"{{{_XLINK}}}href", "href") and value.startswith("#")
            outside = re.search(r"url\s*\((?!\s*#)|import|expression|\\|@", value) if name != "aria-label" else None
            if outside or not (inside or name in _ATTRIBUTES):
                del element.attrib[name]
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    kept = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}", kept)


def _distribution(report: ClassReport) -> str:
    """A histogram of the scores before penalties."""
    points = [score.raw for score in report.graded]
    if not points:
        return ""
    most = max(*points, report.scores[0].max_score)
    width = max(1, -(-int(most + 1) // _BARS))
    edges = [width * i for i in range(int(most // width) + 2)]
    counts = [sum(low <= value < low + width for value in points) for low in edges[:-1]]
    fig, ax = figures.figure(6.2, 2.6)
    drawn = ax.bar(edges[:-1], counts, width=0.9 * width, align="edge", **figures.bars("blue"))
    figures.label_bars(ax, drawn, [str(count) if count else "" for count in counts])
    ax.set_xticks(edges)
    ax.set_xlabel(f"points of {report.scores[0].max_score:g}")
    ax.set_ylabel("submissions")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.margins(y=0.15)
    labels = [f"{low}" if width == 1 else f"{low} to below {low + width}" for low in edges[:-1]]
    told = ", ".join(f"{label}: {count}" for label, count in zip(labels, counts, strict=True) if count)
    return figures.to_html(fig, f"Histogram of the scores. Submissions by points: {told}.")


# ---------------------------------------------------------------------- the page


def render(report: ClassReport, *, names: bool = True, today: datetime.date | None = None) -> str:
    """The page. Without `names`, everything that names a student is left out: such a page can be shown in class."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    called = {score.student: f"{score.first_name} {score.last_name}".strip() for score in report.scores}
    environment.filters.update(
        prose=_prose,
        breaks=_breaks,
        points=lambda value: f"{round(value, 2):g}",
        person=lambda student: f"{called[student]} ({student})" if called.get(student) else student,
    )
    raw = [score.raw for score in report.graded]
    return environment.get_template(TEMPLATE).render(
        report=report,
        names=names,
        today=(today or datetime.date.today()).isoformat(),
        registry=REGISTRY,
        distribution=Markup(_distribution(report)),
        drawn=Markup,
        median=statistics.median(raw) if raw else None,
        quarters=statistics.quantiles(raw, n=4, method="inclusive") if len(raw) > 1 else None,
        max_score=report.scores[0].max_score if report.scores else 0.0,
        shade=lambda count: sum(count / max(1, len(report.graded)) >= share for share in SHADES) if count else 0,
        shades=[round(100 * share) for share in SHADES],
        most=MOST_ROWS,
        used={exercise for places in report.heat.values() for exercise in places},
    )


def _prose(text: str) -> Markup:
    """Text with code between backticks."""
    parts = re.split(r"`([^`]*)`", text)
    marked = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(marked)


def _breaks(name: str) -> Markup:
    """An exercise's id that may be broken where its parts begin."""
    return Markup(re.sub(r"([._-])", r"\1<wbr>", str(escape(name))))
