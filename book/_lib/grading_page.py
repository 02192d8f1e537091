"""The page "How good is the autograder?": the words of grading.md, the numbers of bench/results/."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

from autograder import exercises
from autograder.specs import REGISTRY, ExerciseInfo

Numbers = dict[str, Any]

_WORDS = Path(__file__).with_name("grading.md")
#: Results that other pages tell.
_ELSEWHERE = frozenset(
    {"trace_overhead", "class_day", "grading", "kills", "layers", "plan", "same_verdicts", "scale", "stock_attacks"}
)


def page(results: Path) -> str:
    """The Markdown of the page.

    Raises:
        FileNotFoundError: numbers are missing; the message says which script writes them.
    """
    corpora, mutants = read_results(results, "corpora"), read_results(results, "mutants")
    fields = {
        "in_short": _in_short(corpora, mutants),
        **_corpora(corpora),
        **_mutants(mutants),
        **_disturbances(read_results(results, "disturbed")),
        **_first_try(read_results(results, "first_try")),
        **_false_alarms(read_results(results, "false_alarms")),
        **_stability(read_results(results, "stability")),
        **_values(read_results(results, "value_only")),
        **_times(read_results(results, "check_time")),
        "runs": _runs(results),
    }
    return Template(_WORDS.read_text(encoding="utf-8")).substitute(fields)


def read_results(results: Path, name: str) -> Numbers:
    path = results / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"bench/results/{path.name} is missing. Write it with: python bench/{name}.py")
    return json.loads(path.read_text(encoding="utf-8"))


def table(headers: Sequence[object], rows: Iterable[Sequence[object]], *, numbers: bool = True) -> str:
    """A Markdown table; all columns but the first are numbers, unless they are said to be words."""
    lines = [headers, [":---", *["---:" if numbers else ":---"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _share(part: int, whole: int) -> str:
    """A percentage that says 100 % only where all are meant."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if part in (0, whole) else f"{min(percent, 99.9):.1f} %"


def _in_short(corpora: Numbers, mutants: Numbers) -> str:
    total, m = Counter(corpora["total"]), Counter(mutants["total"])
    rows = [
        ("right solutions wrongly failed", f"{total['wrongly failed']:,} of {total['right']:,} gradings"),
        ("wrong solutions wrongly passed", f"{total['wrongly passed']:,} of {total['wrong']:,} gradings"),
        ("wrong solutions named as what they are", _share(total["named"], total["wrong"])),
        ("mutants noticed, of those that matter", f"{m['killed']:,} of {m['mutants'] - m['equivalent']:,}"),
    ]
    return table(("", "measured"), rows)


def _corpora(numbers: Numbers) -> Numbers:
    rows = defaultdict(list)
    for row in numbers["candidates"]:
        rows[row["exercise"]].append(row)
    sets: dict[str, list[ExerciseInfo]] = defaultdict(list)
    for exercise in exercises():
        if exercise.id in rows:
            sets[exercise.problem_set].append(exercise)
    tables = [_problem_set(name, infos, rows, numbers["seeds"]) for name, infos in sets.items()]
    return {"seeds": numbers["seeds"], "problem_sets": "\n\n".join(tables)}


def _problem_set(name: str, infos: list[ExerciseInfo], rows: dict[str, list[Numbers]], seeds: int) -> str:
    """Two tables: exercise by exercise, and the kill matrix."""
    summary, matrix = [], defaultdict(dict)
    for n, info in enumerate(infos, 1):
        right = [row for row in rows[info.id] if row["right"]]
        wrong = [row for row in rows[info.id] if not row["right"]]
        failed = sum(seeds - row["verdicts"].get("passed", 0) for row in right)
        passed, named = _passed_and_named(wrong)
        called = f"{n} `{info.id.partition('.')[2]}`"
        gradings = seeds * len(wrong)
        summary.append(
            (called, f"{failed} of {seeds * len(right)}", f"{passed} of {gradings}", _share(named, gradings))
        )
        for mistake in {row["misconception"] for row in wrong}:
            matrix[mistake][n] = _cell([row for row in wrong if row["misconception"] == mistake], seeds)
    order = range(1, len(infos) + 1)
    kills = [
        (f"[{entry.title}](misconceptions/{entry.id}.md)", *(matrix[entry.id].get(n, "") for n in order))
        for entry in REGISTRY.values()
        if entry.id in matrix
    ]
    columns = ("exercise", "right failed", "wrong passed", "named")
    n, _, topic = name.removeprefix("ps").partition("-")
    parts = (f"### Problem set {n}: {topic}", table(columns, summary), table(("misconception", *order), kills))
    return "\n\n".join(parts)


def _passed_and_named(rows: list[Numbers]) -> tuple[int, int]:
    return (
        sum(row["verdicts"].get("passed", 0) for row in rows),
        sum(row["verdicts"].get(row["misconception"], 0) for row in rows),
    )


def _cell(rows: list[Numbers], seeds: int) -> str:
    """How many wrong candidates; and how many gradings passed them, or named something else, if any did."""
    passed, named = _passed_and_named(rows)
    other = seeds * len(rows) - passed - named
    notes = [f"{passed} passed"] * bool(passed) + [f"{other} misnamed"] * bool(other)
    return f"{len(rows)}" + (f" ({', '.join(notes)})" if notes else "")


def _mutants(numbers: Numbers) -> Numbers:
    total = Counter(numbers["total"])
    by_exercise = {
        e: sum(map(Counter, row["operators"].values()), Counter()) for e, row in numbers["exercises"].items()
    }
    by_operator: dict[str, Counter[str]] = defaultdict(Counter)
    reasons, survivors = [], []
    for exercise, row in numbers["exercises"].items():
        for operator, counts in row["operators"].items():
            by_operator[operator].update(counts)
        if row["equivalent"]:
            lines = [f"- {reason} ({count})" for reason, count in row["equivalent"].items()]
            reasons.append("\n".join([f"`{exercise}`", "", *lines]))
        survivors += [f"- `{exercise}`, {title}, {o}: ``{change[:300]}``" for title, o, change in row["survivors"]]

    def counted(first: str, rows: Iterable[tuple[str, Counter[str]]]) -> str:
        kinds = ("mutants", "killed", "equivalent", "survived")
        lines = [(name, *(counts[k] for k in kinds)) for name, counts in rows if counts["mutants"]]
        return table((first, "mutants", "noticed", "equivalent", "survived"), lines)

    return {
        "mutants": f"{total['mutants']:,}",
        "killed": f"{total['killed']:,}",
        "killed_later": f"{total['killed later']:,}",
        "equivalent": f"{total['equivalent']:,}",
        "survived": f"{total['survived']:,}",
        "not_graded": f"{total['not graded']:,}",
        "mutants_named": _share(total["named"], total["killed"]),
        "no_code": f"{total['no code']:,}",
        "mutants_by_exercise": counted("exercise", ((f"`{e}`", counts) for e, counts in by_exercise.items())),
        "mutants_by_operator": counted("change", sorted(by_operator.items())),
        "reasons": "\n\n".join(reasons),
        "survivors": "\n".join([":::{dropdown} The survivors", *survivors, ":::"]) if survivors else "",
    }


def _disturbances(numbers: Numbers) -> Numbers:
    rows = [
        (name.replace("_", " "), f"{c['gradings']:,}", f"{c['noticed']:,}")
        for name, c in numbers["disturbances"].items()
    ]
    total = numbers["total"]
    missed = [
        f"- {name.replace('_', ' ')} after “{title}” (`{exercise}`)" for exercise, title, name in numbers["missed"]
    ]
    return {
        "disturbed_missed": "\n".join(["", "These were not:", "", *missed]) if missed else "",
        "disturbed": f"{total['gradings']:,}",
        "disturbed_noticed": "all" if total["noticed"] == total["gradings"] else f"{total['noticed']:,}",
        "disturbances": table(("", "gradings", "noticed"), rows),
    }


def _first_try(numbers: Numbers) -> Numbers:
    rows = [
        (name, c["right"], c["wrongly_failed"], c["wrong"], c["wrongly_passed"], c["misnamed"])
        for name, c in numbers["problem_sets"].items()
    ]
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    right, failed, wrong, passed, misnamed = total
    columns = ("", "right", "failed", "wrong", "passed", "misnamed")
    return {
        "first_right": _share(right + wrong - failed - passed, right + wrong),
        "first_named": _share(wrong - passed - misnamed, wrong),
        "first_try": table(columns, [*rows, ("all", *total)]),
        **{f"{turn}_{key}": f"{count:,}" for turn in ("again", "third") for key, count in numbers[turn].items()},
    }


def _false_alarms(numbers: Numbers) -> Numbers:
    rows = [
        (f"`{exercise}`", f"{c['bound']:.0e}", f"{c['gradings']:,}", f"{c['failed']:,}")
        for exercise, c in numbers["exercises"].items()
    ]
    milder = [
        (
            f"{row['surprise']:g}",
            f"{100 * row['bound']:.2g} %",
            f"{100 * row['rate']:.2g} %",
            f"{row['alarms']:,} of {row['counts']:,}",
        )
        for row in numbers["thresholds"]
    ]
    return {
        "surprise": f"{numbers['surprise']:g}",
        "false_alarms": table(("exercise", "bound per grading", "simulated gradings", "failed"), rows),
        "thresholds": table(("threshold", "bound", "simulated", "false alarms, of counts"), milder),
    }


def _stability(numbers: Numbers) -> Numbers:
    return {
        "stable_gradings": f"{numbers['gradings']:,}",
        "stable_pairs": f"{numbers['distinct']:,}",
        "stable_rounds": numbers["rounds"],
        "stable_busy": "while other processes kept all cores busy" if numbers["busy"] else "on an idle machine",
        "stable_differed": len(numbers["differed"]),
    }


def _values(numbers: Numbers) -> Numbers:
    rows = [(f"`{exercise}`", c["wrong"], c["values"], c["ours"]) for exercise, c in numbers["exercises"].items()]
    total = numbers["total"]
    return {
        "by_values": _share(total["values"], total["wrong"]),
        "by_ours": _share(total["ours"], total["wrong"]),
        "values": table(("exercise", "wrong", "caught by values", "caught here"), rows),
    }


def _times(numbers: Numbers) -> Numbers:
    ordered = sorted(numbers["exercises"].items(), key=lambda pair: -pair[1]["check_to_import_torch"])
    rows = [(f"`{e}`", f"{c['check_s']:.2f} s", f"{c['check_to_import_torch']:.2f}") for e, c in ordered]
    first, second, third = (f"{exercise} ({ratio})" for exercise, _, ratio in rows[:3])
    return {
        "times": table(("exercise", "check", "per `import torch`"), rows),
        "slowest": f"{first}, {second} and {third}",
    }


def _runs(results: Path) -> str:
    """The commands behind the page's numbers."""
    rows = []
    for path in sorted(results.glob("*.json")):
        numbers = json.loads(path.read_text(encoding="utf-8"))
        if "command" in numbers and path.stem not in _ELSEWHERE:
            rows.append((f"`{numbers['command']}`", numbers["date"], numbers["versions"]["torch"]))
    return table(("command", "date", "torch"), rows)
