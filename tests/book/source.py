"""Reading the chapters' sources: cells, headings, prose."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cell:
    """A code cell of a chapter."""

    tags: list[str]
    code: str

    @property
    def hidden(self) -> bool:
        return bool({"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(self.tags))


def cells(text: str) -> list[Cell]:
    found = []
    for cell in re.findall(r"^```\{code-cell\}.*?\n(.*?)^```", text, flags=re.M | re.S):
        options = re.match(r"\A(:.*\n)*", cell)[0]
        tags = re.search(r":tags: \[(.*)\]", options)
        found.append(Cell([tag.strip() for tag in tags[1].split(",")] if tags else [], cell[len(options) :]))
    return found


def labels(text: str) -> dict[str, str]:
    """Label to the heading right below it."""
    return {label: title.strip() for label, title in re.findall(r"^\(([\w-]+)\)=\n#+ (.*)$", text, flags=re.M)}


def prose(text: str) -> list[str]:
    """What a reader reads: no front matter, comments, code, mathematics, roles, addresses, directive lines."""
    text = re.sub(r"\A---\n.*?^---\n", "", text, flags=re.M | re.S)
    text = re.sub(r"^(`{3,})[^\n]*\n.*?^\1\s*$", "", text, flags=re.M | re.S)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.S)
    text = re.sub(r"\{[\w:.-]+\}`[^`]*`|`[^`]*`", "", text)
    text = re.sub(r"\[[^\]]*\]\(https?:[^)]*\)|\]\([^)]*\)", "", text)
    return [line for line in text.splitlines() if line.strip() and not re.match(r":{1,}|\([\w-]+\)=|%", line)]


def calls(code: str) -> set[str]:
    """Last names of everything called, entered or used as a decorator in the code."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            function = node.func
            names.add(function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""))
    return names


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")
