"""Solutions that are alike in what few others wrote: a place to look, never a verdict.

A solution is read as Python's syntax tree, so comments, docstrings, layout and quotes do not count, and every name that
the solution itself binds (parameters, variables, functions) counts as the same name. The tree, walked from top to
bottom, is a row of words; each run of `RUN` words is a gram. Grams of the released cell, and grams that many in the
class have, are what the exercise asks for: they are left out, as common passages are by Schleimer, Wilkerson and Aiken
("Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003). Two solutions are alike if they share
`LEAST_SHARED` other grams and, counting all, `LEAST_SHARE` of the shorter one's. Solutions that are too short to be
written in many ways are not compared, nor what stands there as released.

What this cannot see: more learners with one solution than the limit for a common gram allows, and code that was written
anew with another structure. What it will show although nobody copied: an idiom that two people found in the same place.
"""

from __future__ import annotations

import ast
import builtins
import textwrap
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

#: Words of the tree in one gram.
RUN = 8
#: Grams that a solution must have to be compared: about six lines.
SHORTEST = 60
#: A gram that more than this share of the submissions have is common, but never one that only `FEW` have.
COMMON, FEW = 0.05, 3
#: Uncommon grams that two solutions must share, and the share of the shorter one's grams that they must have in common.
LEAST_SHARED, LEAST_SHARE = 20, 0.8
#: Characters of a solution that are read.
_MOST = 50_000


@dataclass(frozen=True)
class Alike:
    """Two submissions, the exercises in which they are alike, and how much of the shorter solutions they share.

    `word_for_word` names the exercises in which even names, comments and layout agree.
    """

    students: tuple[str, str]
    exercises: tuple[str, ...]
    share: float
    uncommon: int
    word_for_word: tuple[str, ...]


def alike(solutions: Mapping[str, Mapping[str, str]], released: Mapping[str, str] | None = None) -> list[Alike]:
    """Pairs of submissions that are alike, those with most in common first.

    Args:
        solutions: source by exercise by student.
        released: what stood in the solution cells at first, by exercise.
    """
    found: dict[tuple[str, str], dict[str, tuple[float, int]]] = defaultdict(dict)
    exercises = list(dict.fromkeys(exercise for one in solutions.values() for exercise in one))
    for exercise in exercises:
        stub = grams((released or {}).get(exercise, ""))
        own = {student: grams(one[exercise]) - stub for student, one in solutions.items() if exercise in one}
        own = {student: some for student, some in own.items() if len(some) >= SHORTEST}
        for pair, share, uncommon in _pairs(own, max(FEW, COMMON * len(solutions))):
            found[pair][exercise] = share, uncommon
    pairs = []
    for (one, other), where in found.items():
        same = tuple(e for e in where if solutions[one][e].strip() == solutions[other][e].strip())
        share = sum(share for share, _ in where.values()) / len(where)
        pairs.append(Alike((one, other), tuple(where), share, sum(count for _, count in where.values()), same))
    return sorted(pairs, key=lambda pair: (-pair.uncommon, pair.students))


def _pairs(own: Mapping[str, Collection[int]], most: float) -> Iterator[tuple[tuple[str, str], float, int]]:
    owners: dict[int, list[str]] = defaultdict(list)
    for student in sorted(own):
        for gram in own[student]:
            owners[gram].append(student)
    shared: Counter[tuple[str, str]] = Counter()
    for students in owners.values():
        if 1 < len(students) <= most:
            shared.update(combinations(students, 2))
    for (one, other), uncommon in shared.items():
        share = len(own[one] & own[other]) / min(len(own[one]), len(own[other]))
        if uncommon >= LEAST_SHARED and share >= LEAST_SHARE:
            yield (one, other), share, uncommon


def grams(source: str) -> frozenset[int]:
    """The grams of a solution; none if it is no Python."""
    try:
        tree = ast.parse(textwrap.dedent(source[:_MOST]))
        words = list(_words(tree, _bound(tree)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(hash(tuple(words[at : at + RUN])) for at in range(len(words) - RUN + 1))


def _bound(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names - set(dir(builtins))


def _words(node: ast.AST, bound: Collection[str]) -> Iterator[object]:
    yield type(node).__name__
    if isinstance(node, ast.Name):
        yield "" if node.id in bound else node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Constant):
        yield repr(node.value)
    elif isinstance(node, ast.keyword):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield node.name
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment", "ctx"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (name == "body" and _is_text(child)):
                yield from _words(child, bound)


def _is_text(node: ast.AST) -> bool:
    """A docstring, or another text that nobody reads."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
