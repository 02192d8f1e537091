"""The ledger of claims: what the chapters' cells ruled when they ran, collected while Sphinx reads them.

`{ledger} 3` becomes the table of chapter 3's claims, `{ledger} summary` the count of all rulings.
A claim that its chapter does not rule on is a warning, and so an error of the build.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from _lib.claims import RULINGS, SIGNS, claims

PAGE = "claims-ledger"
_WORDS = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "half-true": ("is half-true", "are half-true")}
_log = logging.getLogger(__name__)

#: docname to claim id to the box that the chapter shows
Rulings = dict[str, dict[str, ElementTree.Element]]


class ledger(nodes.General, nodes.Element):  # noqa: N801  as docutils names its nodes
    """Stands where a table will be when all chapters have been read."""


class Ledger(Directive):
    """The directive `ledger`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        wanted = self.arguments[0]
        if wanted != "summary" and (not wanted.isdecimal() or int(wanted) not in claims()["chapters"]):
            known = ", ".join(map(str, claims()["chapters"]))
            raise self.error(f"ledger: {wanted!r} is neither `summary` nor a chapter of claims.yml ({known})")
        return [ledger(wanted=wanted)]


def boxes(doctree: nodes.document) -> Iterator[ElementTree.Element]:
    """The claim boxes among the outputs of a page."""
    for raw in doctree.findall(nodes.raw):
        if raw.get("format") == "html" and "data-claim=" in raw.astext():
            yield ElementTree.fromstring(raw.astext())


def recorded(env: BuildEnvironment) -> Rulings:
    """The rulings of all pages read so far; the environment is kept from build to build."""
    if not hasattr(env, "house_rulings"):
        env.house_rulings = {}  # type: ignore[attr-defined]
    return env.house_rulings


def collect(app: Sphinx, doctree: nodes.document) -> None:
    found = {box.attrib["data-claim"]: box for box in boxes(doctree)}
    if found:
        recorded(app.env)[app.env.docname] = found


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    recorded(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    recorded(env).update({name: found for name, found in recorded(other).items() if name in docnames})


def rewrite(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The ledger is written anew whenever anything is."""
    return [PAGE] if PAGE in env.found_docs else []


def complete(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each claim that its chapter does not rule on."""
    for claim_id, claim in claims()["claims"].items():
        page = claims()["chapters"][claim["chapter"]]["page"]
        if page in env.found_docs and claim_id not in recorded(env).get(page, {}):
            _log.warning("claim %s has no ruling: no cell shows rule(%r, ...)", claim_id, claim_id, location=page)


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for place in list(doctree.findall(ledger)):
        wanted = place["wanted"]
        place.replace_self(_summary(app.env) if wanted == "summary" else _chapter(app, docname, int(wanted)))


def _summary(env: BuildEnvironment) -> list[nodes.Node]:
    count = Counter(box.attrib["data-ruling"] for found in recorded(env).values() for box in found.values())
    rulings = [f"{count[ruling]} {_WORDS[ruling][count[ruling] != 1]}" for ruling in RULINGS]
    text = f"Of {count.total()} claims, {', '.join(rulings[:-1])} and {rulings[-1]}."
    open_ones = len(claims()["claims"]) - count.total()
    if open_ones:
        text += f" {open_ones} more wait for their chapters."
    return [nodes.paragraph(text, text)]


def _chapter(app: Sphinx, docname: str, number: int) -> list[nodes.Node]:
    chapter = claims()["chapters"][number]
    if chapter["page"] not in app.env.found_docs:
        return [nodes.paragraph("", "This chapter is not written yet.")]
    address = app.builder.get_relative_uri(docname, chapter["page"])
    found = recorded(app.env).get(chapter["page"], {})
    rows = [
        (claim_id, claim, found[claim_id])
        for claim_id, claim in claims()["claims"].items()
        if claim["chapter"] == number and claim_id in found
    ]
    if not rows:
        return [nodes.paragraph("", "No claim of the articles belongs here.")]
    body = nodes.tbody()
    for claim_id, claim, box in rows:
        link = nodes.reference("", claim_id, internal=True, refuri=f"{address}#claim-{claim_id.lower()}")
        ruling = box.attrib["data-ruling"]
        says = nodes.paragraph("", "", *_inline_text(claim["text"]))
        articles = ", ".join(claims()["articles"][a] for a in claim["articles"])
        source = nodes.paragraph("", articles, classes=["claim-id"])
        verdict = nodes.inline("", f"{SIGNS[ruling]} {ruling}", classes=["claim-ruling"])
        body += nodes.row(
            "",
            nodes.entry("", nodes.paragraph("", "", link)),
            nodes.entry("", says, source),
            nodes.entry("", nodes.paragraph("", "", verdict)),
            nodes.entry("", *_evidence(box)),
            classes=[f"claim-{ruling}"],
        )
    widths = (10, 32, 18, 40)
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    titles = ("claim", "what is said", "ruling", "what was measured")
    group += nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", title)) for title in titles)))
    group += body
    return [nodes.table("", group, classes=["ledger", "colwidths-given"])]


def _evidence(box: ElementTree.Element) -> Iterator[nodes.Node]:
    evidence = box.find("p[@class='claim-evidence']")
    yield nodes.paragraph("", "", *_inline(evidence))
    if items := box.findall(".//li"):
        yield nodes.bullet_list("", *(nodes.list_item("", nodes.paragraph("", "", *_inline(item))) for item in items))


def _inline(element: ElementTree.Element) -> Iterator[nodes.Node]:
    """What `claims` writes inside a line: text, code and bold words."""
    if element.text:
        yield nodes.Text(element.text)
    for child in element:
        kind = nodes.literal if child.tag == "code" else nodes.strong
        yield kind("", child.text)
        if child.tail:
            yield nodes.Text(child.tail)


def _inline_text(text: str) -> Iterator[nodes.Node]:
    for number, piece in enumerate(text.split("`")):
        if piece:
            yield nodes.literal("", piece) if number % 2 else nodes.Text(piece)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_node(ledger)
    app.add_directive("ledger", Ledger)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", rewrite)
    app.connect("env-check-consistency", complete)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
