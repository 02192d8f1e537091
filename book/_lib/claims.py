"""Rulings on the claims of the articles: a cell measures, `rule` compares with the ruling its prose was written for."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RULINGS = ("holds", "fails", "half-true")
_SOURCE = Path(__file__).resolve().parent.parent / "claims" / "claims.yml"
SIGNS = {"holds": "✓", "fails": "✗", "half-true": "◐"}


class RulingChanged(AssertionError):
    """What a cell measured no longer supports the ruling that the chapter states. `rule` raises it; the build fails."""


@cache
def claims() -> dict[str, Any]:
    """The claims as recorded in claims/claims.yml: `articles`, `chapters`, `claims`."""
    return yaml.safe_load(_SOURCE.read_text(encoding="utf-8"))


def rule(claim_id: str, ruling: str, *, holds: bool | Mapping[str, bool], evidence: str) -> Ruling:
    """Rule on a claim; as the last value of a cell it shows the claim, the ruling and the evidence.

    `holds` is what the cell measured: one boolean, or one per condition, ``{"with nn.Dropout": True, "with F.dropout":
    False}``. All true means the claim holds, all false that it fails, some of each that it is half-true, and the
    conditions are listed. `ruling` is the word that the prose around the cell was written for.
    `evidence` is a sentence with the measured numbers in it; `code` in backticks is set as code.

    Raises RulingChanged when the measurements say something else than `ruling`, ValueError for an unknown claim, an
    unknown ruling, no evidence, or a condition that is not a plain boolean.
    """
    known = claims()["claims"]
    if claim_id not in known:
        raise ValueError(f"no claim {claim_id!r} in claims/claims.yml; known are {', '.join(known)}")
    if ruling not in RULINGS:
        raise ValueError(f"claim {claim_id}: {ruling!r} is no ruling; use one of {', '.join(RULINGS)}")
    if not evidence.strip():
        raise ValueError(f"claim {claim_id}: a ruling needs evidence=, a sentence with what was measured")
    conditions = dict(holds) if isinstance(holds, Mapping) else {"": holds}
    if not conditions:
        raise ValueError(f"claim {claim_id}: nothing was measured; holds= needs a boolean, or one per condition")
    for condition, value in conditions.items():
        if not isinstance(value, bool):
            raise ValueError(
                f"claim {claim_id}: what was measured must be True or False, not {type(value).__name__} "
                f"{value!r} {condition and f'({condition})'}".rstrip()
            )
    measured = "half-true" if len(set(conditions.values())) > 1 else "holds" if all(conditions.values()) else "fails"
    if measured != ruling:
        seen = "; ".join(f"{condition or 'measured'}: {value}" for condition, value in conditions.items())
        raise RulingChanged(
            f"claim {claim_id} is ruled {ruling!r}, but what the cell measured says {measured!r} ({seen}). "
            "Look at the measurement first; if it is right, change the ruling and the prose around it."
        )
    return Ruling(claim_id, ruling, conditions, evidence)


class Ruling:
    """A claim, the ruling on it and the evidence: a box in the page."""

    def __init__(self, claim_id: str, ruling: str, conditions: Mapping[str, bool], evidence: str) -> None:
        self.id, self.ruling, self.conditions, self.evidence = claim_id, ruling, conditions, evidence
        self.claim = claims()["claims"][claim_id]

    def __repr__(self) -> str:
        return f"{self.id} {self.ruling}: {self.claim['text']} {self.evidence}"

    def _repr_html_(self) -> str:
        articles = claims()["articles"]
        source = ", ".join(f"{articles[a]} ({a})" for a in self.claim["articles"])
        conditions = ""
        if self.ruling == "half-true":
            items = (
                f"<li><b>{'Holds' if value else 'Fails'}</b> {_inline(condition)}</li>"
                for condition, value in sorted(self.conditions.items(), key=lambda item: not item[1])
            )
            conditions = f'<ul class="claim-conditions">{"".join(items)}</ul>'
        return (
            f'<div class="claim claim-{self.ruling}" id="claim-{self.id.lower()}" role="note" '
            f'aria-label="Claim {self.id}: {self.ruling}" data-claim="{self.id}" data-ruling="{self.ruling}">'
            f'<p class="claim-head"><span class="claim-ruling">{SIGNS[self.ruling]} {self.ruling}</span> '
            f'<span class="claim-id">Claim {self.id}, {source}</span></p>'
            f'<p class="claim-text">{_inline(self.claim["text"])}</p>{conditions}'
            f'<p class="claim-evidence">{_inline(self.evidence)}</p></div>'
        )


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def ruled(page: Path) -> dict[str, str]:
    """The rulings that a chapter's source states, by claim id: read from its `rule(...)` calls without running it.

    A built chapter has run them, and each raised if it was not so.
    """
    found: dict[str, str] = {}
    for cell in re.findall(r"^```\{code-cell\}.*?\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S):
        source = re.sub(r"\A(:.*\n)+", "", cell)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "rule":
                claim_id, ruling = (ast.literal_eval(a) for a in node.args[:2])
                if claim_id in found:
                    raise ValueError(f"{page.name}: claim {claim_id} is ruled on twice")
                found[claim_id] = ruling
    return found
