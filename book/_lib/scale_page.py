"""The page "Grading at scale": the words of scale.md, the numbers of bench/results/."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from .grading_page import Numbers, read_results, table

_WORDS = Path(__file__).with_name("scale.md")
_SOURCES = ("layers", "stock_attacks", "kills", "same_verdicts", "plan", "grading", "scale")
_DAY = "class_day"
LEARNERS = 100_000
CORES = (64, 256, 1024)
#: What the attacks of a kind want, in the order of the table.
_KINDS = {
    "points": "points, by what a cell does",
    "notebook": "points, by changing the notebook",
    "shadow": "points, by a file beside the notebook",
    "secrets": "to read or to send what is not theirs",
    "harm": "to change what is not theirs",
    "starve": "more than their share",
}
_FOR_POINTS = ("points", "notebook", "shadow")
_LAYERS = {
    "bubblewrap": "a file system with Python and nothing else, read-only; no network",
    "namespaces": "processes, files and network of its own for each submission",
    "landlock": "opens nothing and signals nobody outside its own folder",
    "seccomp": "no sockets but local ones, no new namespaces, no tracing, no memory that nobody counts",
    "rlimits": "the system refuses what is above the limits",
    "watchdog": "a process outside ends it when all its processes together are above the limits",
}


def page(results: Path) -> str:
    """The Markdown of the page.

    Raises:
        FileNotFoundError: numbers are missing; the message says which script writes them.
    """
    numbers = {name: read_results(results, name) for name in _SOURCES}
    if (results / f"{_DAY}.json").is_file():  # without it the page is complete, and shorter
        numbers[_DAY] = read_results(results, _DAY)
    configurations = numbers["layers"]["configurations"]
    fields = {
        **_attacks(configurations["full"], numbers["stock_attacks"]),
        **_layers(configurations),
        **_kills(numbers["kills"]),
        **_same(numbers["same_verdicts"]),
        **_speed(numbers["grading"], numbers["scale"]),
        "day": _day(numbers[_DAY]) if _DAY in numbers else "",
        **_plan(numbers["plan"], numbers["scale"]),
        "runs": table(
            ("command", "date", "torch"),
            [(f"`{n['command']}`", n["date"], n["versions"]["torch"]) for n in numbers.values()],
        ),
    }
    return Template(_WORDS.read_text(encoding="utf-8")).substitute(fields)


def _by_kind(configuration: Numbers) -> Counter[str]:
    return Counter(attack["kind"] for attack in configuration["succeeded"])


def _listed(attacks: Iterable[Numbers]) -> str:
    return "\n".join(f"- {attack['name']}: {attack['success']}" for attack in attacks)


def _attacks(ours: Numbers, stock: Numbers) -> dict[str, object]:
    mine, theirs = _by_kind(ours), _by_kind(stock)
    tried, left_out = ours["tried"], stock["left_out"]
    rows = []
    for kind, wants in _KINDS.items():
        there = "left out" if kind in left_out else f"{theirs[kind]} of {stock['tried'].get(kind, 0)}"
        rows.append((wants, tried[kind], f"{mine[kind]} of {tried[kind]}", there))
    rows.append(
        (
            "all",
            sum(tried.values()),
            f"{mine.total()} of {sum(tried.values())}",
            f"{theirs.total()} of {sum(stock['tried'].values())}",
        )
    )
    why = (f"{count} attacks of the last kind were left out there: {why}." for count, why in left_out.values())
    return {
        "attacks": sum(tried.values()),
        "attacks_table": table(("they want", "attacks", "autograder grade", "nbgrader as it comes"), rows),
        "stock_points": stock["gained_points"],
        "point_attacks": sum(stock["tried"].get(kind, 0) for kind in _FOR_POINTS),
        "left_out": " ".join(why),
        "stock_list": _listed(stock["succeeded"]),
    }


def _layers(configurations: Mapping[str, Numbers]) -> dict[str, object]:
    rows = []
    for layer, what in _LAYERS.items():
        found = configurations[f"full without {layer}"]["succeeded"]
        names = "; ".join(attack["name"] for attack in found) or "no attack of the corpus: another layer holds it too"
        rows.append((f"{layer}: {what}", names))
    reduced = configurations["reduced"]
    return {
        "layers": len(rows),
        "layers_table": table(("layer", "gets through without it"), rows, numbers=False),
        "reduced_count": len(reduced["succeeded"]),
        "reduced_tried": sum(reduced["tried"].values()),
        "reduced_list": _listed(reduced["succeeded"]),
    }


def _kills(numbers: Numbers) -> dict[str, object]:
    rows = numbers["kills"]
    folders = len({name for row in rows for name in row["folders_left_after"]})
    told = "Nor were temporary folders."
    if folders:
        told = (
            f"{folders} temporary files and folders were, in the folder that the system keeps for such; "
            "the next run removes those that it knows as its own."
        )
    return {
        "kills": len(rows),
        "kills_time": sum(row["moment"] == "time" for row in rows),
        "kills_write": sum(row["moment"] == "write" for row in rows),
        "kills_journal": sum(row["journal"] for row in rows),
        "identical": sum(row["identical"] for row in rows),
        "processes_left": _count(sum(len(row["processes_left"]) + len(row["processes_left_after"]) for row in rows)),
        "mounts_left": _count(sum(len(row["mounts_left"]) for row in rows)).lower(),
        "folders_left": told,
    }


def _count(number: int) -> str:
    return str(number) if number else "No"


def _same(numbers: Numbers) -> dict[str, object]:
    rows = numbers["runs"]
    jobs = sorted({row["jobs"] for row in rows})
    return {
        "same_submissions": numbers["submissions"],
        "same_sets": len(numbers["problem_sets"]),
        "same_runs": len(rows),
        "same_jobs": ", ".join(map(str, jobs[:-1])) + f" and {jobs[-1]}" if len(jobs) > 1 else str(jobs[0]),
        "same_cores": numbers["cores"],
        "same_slowest": f"{max(row['seconds'] for row in rows):.0f}",
        "same_fastest": f"{min(row['seconds'] for row in rows):.0f}",
        "same_differing": _count(sum(bool(row["differing"]) for row in rows)).replace("No", "None"),
    }


# ---------------------------------------------------------------------- the plan


def _speed(grading: Numbers, scale: Numbers) -> dict[str, object]:
    sizes = {int(n): run for n, run in scale["sizes"].items()}
    fewer = {int(n): seconds for n, seconds in scale["fewer_workers_seconds"].items()}
    runs = {int(n): run for n, run in grading["runs"].items()}
    return {
        "speed_cores": grading["cores"],
        "speed_table": table(
            ("submissions", "`nbgrader autograde`, seconds", "`autograder grade`, seconds", "times as fast"),
            [
                (f"{n:,}", f"{run['stock']:.1f}", f"{run['ours']:.1f}", f"{run['stock'] / run['ours']:.1f}")
                for n, run in runs.items()
            ],
        ),
        "further": _further(runs),
        "start": f"{statistics.median(run['started_seconds'] for run in sizes.values()):.1f}",
        "sizes_table": table(
            (
                "submissions",
                "seconds",
                "seconds each",
                "writing",
                "gradebook, MB",
                "MiB, median",
                "MiB at most",
            ),
            [
                (
                    f"{n:,}",
                    f"{run['seconds']:.1f}",
                    f"{run['seconds'] / n:.3f}",
                    f"{run['gradebook_seconds'] / n:.3f}",
                    f"{run['gradebook_bytes'] / 1e6:.1f}",
                    f"{run['median_mib']:,}",
                    f"{run['peak_mib']:,}",
                )
                for n, run in sizes.items()
            ],
        ),
        "workers": scale["workers"],
        "fewer": " and ".join(f"{seconds:.1f} with {n}" for n, seconds in fewer.items()),
        "per_set": scale["per_set"],
        **_lasting(max(sizes.items())),
        "floor_table": table(
            ("problem set", "seconds", "without the start", "floor", "ratio", "ratio without start", "in all rounds"),
            [
                (
                    f"`{name}`",
                    f"{one['seconds']:.1f}",
                    f"{_going(one):.1f}",
                    f"{one['floor_seconds']:.1f}",
                    f"{one['seconds'] / one['floor_seconds']:.2f}",
                    f"{_to_floor(one, scale['per_set']):.2f}",
                    _span([_to_floor(each, scale["per_set"]) for each in one["rounds"]]),
                )
                for name, one in scale["sets"].items()
            ],
        ),
        "yardsticks_table": table(
            ("problem set", "without the start", "floor, all cores at it", "ratio", "nbclient alone", "ratio"),
            [
                (
                    f"`{name}`",
                    f"{_going(one):.1f}",
                    f"{one['floor_side_by_side_seconds']:.1f}",
                    f"{_to_floor(one, scale['per_set'], 'floor_side_by_side_seconds'):.2f}",
                    f"{one['executed_seconds']:.1f}",
                    f"{_going(one) / one['executed_seconds']:.2f}",
                )
                for name, one in scale["sets"].items()
            ],
        ),
        "least_to_nbclient": f"{min(_to_nbclient(scale)):.2f}",
        "most_to_nbclient": f"{max(_to_nbclient(scale)):.2f}",
        "computing_table": table(
            ("problem set", "the cells alone", "kernels", "workers", "writer"),
            [
                (
                    f"`{name}`",
                    f"{1000 * scale['cores'] * one['floor_seconds'] / scale['per_set']:.0f}",
                    *(_each(one["computing"].get(who), scale["per_set"] - 1) for who in _WHO),
                )
                for name, one in scale["sets"].items()
            ],
        ),
    }


def _further(runs: Mapping[int, Numbers]) -> str:
    """What each submission more took, from the smallest run to the largest: the start is in both, and falls out."""
    few, many = min(runs), max(runs)
    if few == many:
        return ""
    stock, ours = ((runs[many][who] - runs[few][who]) / (many - few) for who in ("stock", "ours"))
    return (
        f"Without the start, from the run of {few:,} to that of {many:,}, each submission more took {stock:.2f} "
        f"seconds there and {ours:.3f} here: {stock / ours:.0f} times as fast."
    )


#: The processes of a run, as their computing is recorded.
_WHO = ("kernels", "workers", "writer")


def _each(seconds: float | None, count: int) -> str:
    """Milliseconds for each of so many."""
    return "not measured" if seconds is None else f"{1000 * seconds / count:,.0f}"


def _lasting(largest: tuple[int, Numbers]) -> dict[str, object]:
    """What lasting processes keep to themselves, early and late in the largest run."""
    count, run = largest
    own = sorted((int(n), mib) for n, mib in run["own_mib"].items())
    (early, before), (_, after) = own[0], own[-1]
    return {
        "largest": f"{count:,}",
        "early": f"{early:,}",
        **{f"{who}_early": before[who] for who in ("writer", "workers")},
        **{f"{who}_late": after[who] for who in ("writer", "workers")},
    }


def _span(values: list[float]) -> str:
    """From the least to the greatest, on one line."""
    return f"{min(values):.2f}\u00a0to\u00a0{max(values):.2f}"


def _to_floor(run: Numbers, count: int, floor: str = "floor_seconds") -> float:
    """How many times the floor of one a submission took after the first of so many."""
    return _going(run) / (count - 1) / (run[floor] / count)


def _going(run: Numbers) -> float:
    """Seconds from the first result to the last: without the start."""
    return run["seconds"] - run["started_seconds"]


def _to_nbclient(scale: Numbers) -> list[float]:
    return [_going(one) / one["executed_seconds"] for one in scale["sets"].values()]


#: The rows of a class's day: what is said, what is recorded.
_STEPS = {
    "`autograder collect`, seconds": "collect_s",
    "`autograder grade`, seconds": "grade_s",
    "`autograder report`, seconds": "report_s",
    "`autograder export --format csv`, seconds": "export_csv_s",
    "`autograder export --format canvas`, seconds": "export_canvas_s",
    "the report, KiB": "page_kib",
    "until it has opened in Chromium, seconds": "page_opens_s",
}


def _day(numbers: Numbers) -> str:
    """The section about a class's day."""
    sets = numbers["problem_sets"]
    rows = [
        (what, *("not measured" if one[key] is None else f"{one[key]:,}" for one in sets.values()))
        for what, key in _STEPS.items()
    ]
    return f"""## A class's day

{len(sets)} problem sets, handed in by {numbers["students"]:,} learners each.
The notebooks are put together from the corpora's right and wrong solutions.
Here are the instructor's commands on Moodle's download of each, typed one after the other on {numbers["cores"]} cores.
The seconds hold Python's own start.
Every exported score was the one that the corpora state.

{table(("step", *(f"`{name}`" for name in sets)), rows)}
"""


def _plan(plan: Numbers, scale: Numbers) -> dict[str, object]:
    sets = plan["problem_sets"]
    seconds = {name: scale["cores"] * _going(one) / (scale["per_set"] - 1) for name, one in scale["sets"].items()}
    rows = [
        (
            f"`{name}`",
            f"{seconds[name]:.2f}",
            f"{1000 * one['writer_seconds']:.0f}",
            f"{one['gradebook_bytes'] / 1000:.1f}",
            f"{one['notebook_bytes'] / 1000:.0f}",
        )
        for name, one in sets.items()
    ]
    learner = sum(seconds.values())
    writer = sum(one["writer_seconds"] for one in sets.values())
    gradebook = sum(one["gradebook_bytes"] for one in sets.values())
    notebooks = sum(one["notebook_bytes"] for one in sets.values())
    sent = sum(one["result_bytes"] for one in sets.values())
    rows.append(("all", f"{learner:.2f}", f"{1000 * writer:.0f}", f"{gradebook / 1000:.1f}", f"{notebooks / 1000:.0f}"))

    run = max(scale["sizes"].items(), key=lambda pair: int(pair[0]))[1]
    hours, useful = LEARNERS * learner / 3600, learner / writer
    columns = ("problem set", "seconds of a core", "ms of the writer", "kB in the gradebook", "kB of notebook")
    return {
        "plan_table": table(columns, rows),
        "arithmetic_computing": "\n".join(
            [
                f"- One learner, {len(sets)} notebooks: {learner:.2f} seconds of a core.",
                f"- {LEARNERS:,} × {learner:.2f} s ÷ 3,600 = {hours:,.0f} hours of a core.",
                f"- In memory: {run['peak_mib']:,} MiB at most with {scale['workers']} workers, in the largest run.",
            ]
        ),
        "cores_table": table(
            ("cores", "hours for all problem sets", "hours for each, on average"),
            [(n, f"{hours / min(n, useful):,.1f}", f"{hours / min(n, useful) / len(sets):,.1f}") for n in CORES],
        ),
        "arithmetic_writer": "\n".join(
            [
                f"It takes {1000 * writer / len(sets):.0f} ms for each notebook, so "
                f"{LEARNERS * len(sets):,} × {1000 * writer / len(sets):.0f} ms ÷ 3,600 = "
                f"{LEARNERS * writer / 3600:,.1f} hours in all.",
                f"The writer keeps up with {learner:.2f} ÷ {writer:.3f} = {useful:,.0f} cores; "
                "more of them finish no earlier, and the table above counts no more.",
            ]
        ),
        "arithmetic_bytes": "\n".join(
            [
                f"- Gradebook: {LEARNERS:,} × {gradebook / 1000:.1f} kB = {_bytes(LEARNERS * gradebook)}.",
                f"- Autograded notebooks: {LEARNERS:,} × {notebooks / 1000:.0f} kB = {_bytes(LEARNERS * notebooks)}.",
                f"- From the workers to the writer: {LEARNERS:,} × {sent / 1000:.0f} kB = {_bytes(LEARNERS * sent)}.",
                "- In memory: the grading process holds at most two results for each worker at a time.",
            ]
        ),
    }


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"
