"""Small systematic changes of the right candidates: each is a mistake somebody could make, and has to be noticed.

The operators are ours. Kept mutation tools (Cosmic Ray, mutmut) change the files of a package and start its tests once
per mutant, a process and an `import torch` each; and their operators know comparisons and arithmetic, not `train()`,
`no_grad` or the ``finally`` that restores a mode. Here one grading is the test of one mutant, and `ast` serves.

A mutant that behaves as the contract asks is *equivalent*. Those are listed with the reason in `equivalents.toml`.
"""

from __future__ import annotations

import ast
import copy
import difflib
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import torch

from . import FOLDER, Candidate, load

EQUIVALENTS = FOLDER / "equivalents.toml"


@dataclass(frozen=True)
class Mutant:
    """One right candidate with one change.

    `change` shows the lines that differ, as ``before => after``; a number follows where one text changes in two places.
    """

    candidate: Candidate
    operator: str
    change: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same when lines of the corpus move."""
        return self.candidate.exercise, self.candidate.title, self.operator, self.change

    def build(self) -> object:
        """As `Candidate.build`."""
        return self.candidate.build()


Replacement = tuple[str, ast.AST | list[ast.stmt]]

_CONTEXTS = {
    "no_grad": ("enable_grad", "inference_mode"),
    "inference_mode": ("enable_grad",),
    "enable_grad": ("no_grad",),
}
_MODES = {"train": "eval", "eval": "train"}
_MODE_WORDS = {**_MODES, "val": "train", "batch": "running", "running": "batch", "grad": "no_grad", "no_grad": "grad",
               "inference": "grad"}  # fmt: skip
_COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
_FRACTIONS = {"p", "momentum", "decay", "keep", "rate", "factor"}
_COPIES = {"clone", "detach", "copy", "deepcopy"}
_TURNS = {"item", "float", "tolist", "abs", "sorted"}
_NEIGHBOURS = {
    "modules": "children", "named_modules": "named_children", "parameters": "buffers", "buffers": "parameters",
    "named_parameters": "named_buffers", "named_buffers": "named_parameters", "mean": "sum", "sum": "mean",
    "any": "all", "all": "any", "argmax": "argmin", "running_mean": "running_var", "running_var": "running_mean",
    "max": "min", "zeros_like": "ones_like", "ones_like": "zeros_like", "requires_grad": "require_grad",
    "softmax": "log_softmax",
}  # fmt: skip
_OUT_OF_PLACE = ("add", "sub", "mul", "div", "lerp", "masked_fill", "clamp", "addcmul", "sqrt", "abs", "square")


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load)


def _renamed(node: ast.AST, name: str) -> ast.AST:
    other = copy.deepcopy(node)
    setattr(other, "attr" if isinstance(node, ast.Attribute) else "id", name)
    return other


def _one_minus(node: ast.expr) -> ast.expr:
    return ast.BinOp(ast.Constant(1), ast.Sub(), node)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _statements(node: ast.AST) -> Iterator[Replacement]:
    """What can be done to a statement as a whole."""
    keep = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Pass, ast.Nonlocal, ast.Global)
    if isinstance(node, ast.stmt) and not isinstance(node, keep) and not _is_docstring(node):
        yield "drop a statement", [ast.Pass()]
    if isinstance(node, ast.FunctionDef):
        for number, decorator in enumerate(node.decorator_list):
            if _name(decorator) == "staticmethod":
                continue
            other = copy.deepcopy(node)
            del other.decorator_list[number]
            yield "drop a decorator", other
        if node.name == "__exit__" and len(node.body) > 1:
            other = copy.deepcopy(node)
            other.body = [ast.Pass()]
            yield "drop the restore", other
    elif isinstance(node, ast.With):
        for number, item in enumerate(node.items):
            if item.optional_vars is None:
                items = node.items[:number] + node.items[number + 1 :]
                yield "drop a context", [ast.With(items, node.body)] if items else node.body
    elif isinstance(node, ast.Try):
        if node.finalbody:
            bare = [ast.Try(node.body, node.handlers, node.orelse, [])] if node.handlers else node.body
            yield "drop the restore", bare
            yield "restore without finally", bare + node.finalbody
        if node.handlers:
            rest = node.body + node.orelse
            yield "drop the except", [ast.Try(rest, [], [], node.finalbody)] if node.finalbody else rest
    elif isinstance(node, ast.AugAssign):
        if type(node.op) in _ARITHMETIC:
            yield "swap arithmetic", ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)
        yield "overwrite instead of adding up", ast.Assign([node.target], node.value, lineno=0)
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield "swap break and continue", ast.Continue() if isinstance(node, ast.Break) else ast.Break()


def _switches(node: ast.AST) -> Iterator[Replacement]:
    """Modes, grad modes and flags."""
    name = _name(node)
    if isinstance(node, ast.Attribute) and name in _MODES:
        yield "swap train and eval", _renamed(node, _MODES[name])
    for other in _CONTEXTS.get(name, ()):
        yield "swap grad modes", _renamed(node, other)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "flip a boolean", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _MODE_WORDS:
        yield "swap a word for a mode", ast.Constant(_MODE_WORDS[node.value])
    if _is_read(node) and name in ("training", "requires_grad", "is_grad_enabled"):
        if name != "is_grad_enabled":
            yield "flip a flag", ast.UnaryOp(ast.Not(), node)
    elif isinstance(node, ast.Call) and _name(node.func) == "is_grad_enabled":
        yield "flip a flag", ast.UnaryOp(ast.Not(), node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "flip a flag", node.operand
    if isinstance(node, (ast.If, ast.IfExp)):
        other = copy.deepcopy(node)
        other.test = ast.UnaryOp(ast.Not(), node.test)
        yield "negate a condition", other
    elif isinstance(node, ast.comprehension):
        for number in range(len(node.ifs)):
            other = copy.deepcopy(node)
            del other.ifs[number]
            yield "drop a filter", other


def _numbers(node: ast.AST) -> Iterator[Replacement]:
    """Arithmetic, comparisons, statistics."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = copy.deepcopy(node)
        other.ops = [_COMPARISONS[type(node.ops[0])]()]
        yield "swap a comparison", other
    elif isinstance(node, ast.BoolOp):
        yield "swap and and or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.BinOp):
        if type(node.op) in _ARITHMETIC:
            yield "swap arithmetic", ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        if isinstance(node.op, ast.Div):
            yield "drop the division", node.left
        if isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant) and node.left.value == 1:
            yield "p for 1 - p", node.right
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "drop a sign", node.operand
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "one more or less", ast.Constant(node.value + 1)
        yield "one more or less", ast.Constant(node.value - 1)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        yield "another number", ast.Constant(2 * node.value if node.value else 1.0)
    if _is_read(node) and _name(node) in _FRACTIONS:
        yield "1 - p for p", _one_minus(node)
    if isinstance(node, ast.Call):
        if _name(node.func) in ("var", "std", "var_mean", "std_mean"):
            if not {k.arg for k in node.keywords} & {"correction", "unbiased"}:
                other = copy.deepcopy(node)
                other.keywords.append(ast.keyword("correction", ast.Constant(0)))
                yield "biased for unbiased", other
        elif _name(node.func) == "len" and len(node.args) == 1:
            argument = node.args[0]
            if _name(argument).endswith(("loader", "batches")):
                yield "samples for batches", ast.Call(node.func, [ast.Attribute(argument, "dataset", ast.Load())], [])
            elif isinstance(argument, ast.Attribute) and argument.attr == "dataset":
                yield "batches for samples", ast.Call(node.func, [argument.value], [])
            else:
                yield "batches for samples", ast.Constant(1)
        elif _name(node.func) in ("size", "numel"):
            yield "batches for samples", ast.Constant(1)
    elif isinstance(node, ast.Subscript) and _name(node.value) == "shape" and isinstance(node.ctx, ast.Load):
        yield "batches for samples", ast.Constant(1)


def _objects(node: ast.AST) -> Iterator[Replacement]:
    """Copies, places, neighbouring names, arguments left out."""
    name = _name(node)
    # the built-in sum has no neighbour
    if name in _NEIGHBOURS and not (isinstance(node, ast.Name) and name == "sum"):
        yield "a neighbouring name", _renamed(node, _NEIGHBOURS[name])
    if not isinstance(node, ast.Call):
        return
    name = _name(node.func)
    if name in _COPIES | _TURNS:
        # copy.deepcopy(x), copy.copy(x), float(x) wrap their argument; x.clone() its object
        wrapped = node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
        if wrapped is not None:
            yield "alias instead of a copy" if name in _COPIES else "drop a conversion", wrapped
    if isinstance(node.func, ast.Attribute):
        if name.endswith("_") and not name.startswith("_") and hasattr(torch.Tensor, name[:-1]):
            if callable(getattr(torch.Tensor, name[:-1])):
                yield "out of place", ast.Call(_renamed(node.func, name[:-1]), node.args, node.keywords)
        elif name in _OUT_OF_PLACE and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "torch"):
            yield "in place", ast.Call(_renamed(node.func, name + "_"), node.args, node.keywords)
    for number, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield (
                "drop an argument",
                ast.Call(node.func, node.args, node.keywords[:number] + node.keywords[number + 1 :]),
            )


_OPERATORS = (_statements, _switches, _numbers, _objects)


def _sites(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every place of the tree that holds code: (parent, field, index or None, node).

    Annotations, texts and what only prints are none.
    """
    if isinstance(node, ast.FunctionDef) and node.name in ("extra_repr", "__repr__"):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield node, field, index, child
                yield from _sites(child)


def _put(parent: ast.AST, field: str, index: int | None, new: ast.AST | list[ast.stmt]) -> None:
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index : index + 1] = new if isinstance(new, list) else [new]


def _change(before: str, after: str) -> str:
    """The lines that differ, whatever their indentation."""
    old, new = ([line.strip() for line in text.splitlines()] for text in (before, after))
    lost, gained = [], []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            lost += old[i:j]
            gained += new[k:m]
    return f"{' / '.join(lost)} => {' / '.join(gained)}".strip()


def mutants(candidate: Candidate) -> list[Mutant]:
    """All mutants of one right candidate, in the order of its source. Two with the same text are one."""
    tree = ast.parse(candidate.source)
    original = ast.unparse(tree)
    seen, found, used = {original}, [], Counter()
    looped = {n.id for f in ast.walk(tree) if isinstance(f, (ast.For, ast.comprehension)) for n in ast.walk(f.target)
              if isinstance(n, ast.Name)}  # fmt: skip
    for parent, field, index, node in list(_sites(tree)):
        compared_with_none = isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.Is, ast.IsNot))
        for operator in _OPERATORS:
            for name, new in operator(node):
                # a loop's `p` is a parameter; a BatchNorm has both running statistics or none
                if (name == "1 - p for p" and _name(node) in looped) or (
                    name == "a neighbouring name" and compared_with_none
                ):
                    continue
                for part in new if isinstance(new, list) else [new]:
                    ast.fix_missing_locations(ast.copy_location(part, node))  # unparse asks statements for their line
                _put(parent, field, index, new)
                text = ast.unparse(tree)
                # undone by the number of statements put in place of one
                if index is None:
                    setattr(parent, field, node)
                else:
                    getattr(parent, field)[index : index + (len(new) if isinstance(new, list) else 1)] = [node]
                if text in seen:
                    continue
                seen.add(text)
                change = _change(original, text)
                used[name, change] += 1
                if used[name, change] > 1:
                    change = f"{change} ({used[name, change]})"
                found.append(Mutant(replace(candidate, source=text + "\n"), name, change))
    return found


def of_exercise(exercise_id: str) -> list[Mutant]:
    """The mutants of all right candidates of one exercise."""
    return [mutant for candidate in load(exercise_id) if candidate.right for mutant in mutants(candidate)]


@cache
def equivalents() -> dict[tuple[str, str, str, str], str]:
    """The mutants that do what the contract asks, by `Mutant.key`, with the reason."""
    entries = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8")) if EQUIVALENTS.exists() else {}
    return {
        (entry["exercise"], title, operator, change): entry["reason"]
        for entry in entries.get("equivalent", ())
        for title, operator, change in entry["mutants"]
    }
