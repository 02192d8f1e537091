"""The pages of the misconceptions, written from the registry that findings are worded by."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import groupby
from pathlib import Path

from autograder.specs import REGISTRY, Misconception, exercises

FOLDER = "misconceptions"

_OPENING = """(misconceptions)=
# Misconceptions

When a check fails, its message names the likely cause.
Each cause is one wrong idea, or one slip, and has a page here.
It says what one believes, what happens, the smallest program that shows it, and the repair.
Pages and messages are made from one list, and a test runs every program.
"""


def named_by(results: Path) -> dict[str, list[str]]:
    """Which exercises name each misconception: those that say it is at stake, and those that named it when measured."""
    named = defaultdict(set)
    for exercise in exercises():
        for mistake in exercise.at_stake:
            named[mistake].add(exercise.id)
    for row in json.loads((results / "corpora.json").read_text(encoding="utf-8"))["candidates"]:
        for mistake in row["verdicts"]:
            named[mistake].add(row["exercise"])
    return {mistake: [e.id for e in exercises() if e.id in ids] for mistake, ids in named.items()}


def pages(results: Path) -> dict[str, str]:
    """The Markdown of every page, by its path below book/."""
    named, texts, opening = named_by(results), {}, [_OPENING]
    for group, entries in groupby(REGISTRY.values(), key=lambda entry: entry.group):
        opening.append(f"\n## {group[0].upper()}{group[1:]}\n")
        for entry in entries:
            opening.append(f"- [{entry.title}]({FOLDER}/{entry.id}.md)")
            texts[f"{FOLDER}/{entry.id}.md"] = page(entry, named.get(entry.id, []))
    texts[f"{FOLDER}.md"] = "\n".join(opening) + "\n"
    return texts


def page(entry: Misconception, named: list[str]) -> str:
    """The Markdown of one misconception."""
    parts = [
        f"(misconception-{entry.id})=\n# {entry.title}",
        f"`{entry.id}`, one of the [misconceptions](../{FOLDER}.md) about {entry.group}.",
        f"## What one believes\n\n{entry.belief}",
        f"## What happens\n\n{entry.happens}",
        "## The smallest demonstration\n\nIt runs in silence: every `assert` holds.\n\n"
        f"```python\n{entry.demo.strip()}\n```",
        f"## The repair\n\n{entry.repair}",
    ]
    if entry.threads:
        links = [f"- [{thread}](https://github.com/{thread.replace('#', '/issues/')})" for thread in entry.threads]
        parts.append("## Met in the wild\n\n" + "\n".join(links))
    if named:
        ids = ", ".join(f"`{exercise}`" for exercise in named)
        parts.append(f"## Exercises that name it\n\n{ids}.")
    return "\n\n".join(parts) + "\n"
