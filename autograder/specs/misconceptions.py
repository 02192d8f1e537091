"""The misconceptions that findings name: one wrong idea each, explained once.

Findings, reports and the book's misconception pages all read this registry. Its words live in
``_misconceptions/*.toml``, one file per group, so that they can be edited without touching code.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

__all__ = ["REGISTRY", "Misconception", "misconception"]

# In the order of the course; it is also the order of the pages.
_FILES = ("switching-modes", "dropout", "batchnorm", "gradients", "evaluation-hygiene", "freezing")


@dataclass(frozen=True, slots=True)
class Misconception:
    """One wrong idea about the two switches, or one slip, in words a learner reads.

    ``title`` and ``cause`` are plain text; a report prints ``cause`` after "Likely cause:", at most 22 words.
    ``belief``, ``happens`` and ``repair`` are Markdown with inline code only. ``demo`` is Python source that runs on
    its own, prints nothing, and ends with asserts that show what ``happens`` says. ``threads`` are public discussions
    where the idea was met, as ``"owner/repository#number"``; it is empty where none is known.
    """

    id: str
    group: str
    title: str
    cause: str
    belief: str
    happens: str
    repair: str
    demo: str
    threads: tuple[str, ...]


def _read() -> Mapping[str, Misconception]:
    registry: dict[str, Misconception] = {}
    for name in _FILES:
        source = resources.files(__package__) / "_misconceptions" / f"{name}.toml"
        entries = tomllib.loads(source.read_text(encoding="utf-8"))
        group = entries.pop("group")
        for id_, entry in entries.items():
            demo = entry.pop("demo")
            threads = tuple(entry.pop("threads"))
            # The files hold one sentence per line; the line breaks mean nothing.
            prose = {field: " ".join(text.split()) for field, text in entry.items()}
            registry[id_] = Misconception(id=id_, group=group, demo=demo, threads=threads, **prose)
    return MappingProxyType(registry)


#: Every misconception by its id, in the order of the course.
REGISTRY: Mapping[str, Misconception] = _read()


def misconception(id: str) -> Misconception:
    """The misconception called ``id``.

    Raises:
        LookupError: there is none of that id; the message names the closest one.
    """
    try:
        return REGISTRY[id]
    except KeyError:
        close = difflib.get_close_matches(id, REGISTRY, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "autograder.specs.misconceptions.REGISTRY lists all ids."
        raise LookupError(f"There is no misconception {id!r}. {hint}") from None
