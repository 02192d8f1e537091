"""The ledger of claims: every ruling that a chapter's cell made, as it was made."""

import logging
import re
from types import SimpleNamespace

import pytest
from docutils import nodes
from sphinx.util import logging as sphinx_logging

from .conftest import BOOK, Built, chapters

from _lib import claims, ledger  # isort: skip  (book/ is put on the path by conftest)


def page_with(*rulings: claims.Ruling) -> nodes.document:
    raws = (nodes.raw("", ruling._repr_html_(), format="html") for ruling in rulings)
    document = nodes.document(None, None)
    document += [nodes.raw("", "<p>no claim</p>", format="html"), *raws]
    return document


def application(**pages: nodes.document) -> SimpleNamespace:
    builder = SimpleNamespace(get_relative_uri=lambda here, there: f"{there}.html")
    app = SimpleNamespace(env=SimpleNamespace(found_docs=set(pages)), builder=builder)
    for name, document in pages.items():
        app.env.docname = name
        ledger.collect(app, document)
    return app


HALF = claims.rule(
    "G-1", "half-true", holds={"for `train`": True, "for <eval>": False}, evidence="Measured: 3 < 4 in `x`."
)


def test_a_ruling_comes_through_with_its_evidence_conditions_and_address() -> None:
    app = application(**{"04-gradient-mode": page_with(HALF)})
    document = nodes.document(None, None)
    document += ledger.ledger(wanted="4")
    ledger.fill(app, document, "claims-ledger")
    [row] = document.findall(nodes.tbody)
    assert row.next_node(nodes.reference)["refuri"] == "04-gradient-mode.html#claim-g-1"
    claim, says, ruling, evidence = (entry.astext() for entry in row.findall(nodes.entry))
    assert (claim, ruling) == ("G-1", "◐ half-true")
    assert says == "set_grad_enabled(phase == 'train') lets one loop serve both phases.\n\ntutorial post"
    assert evidence == "Measured: 3 < 4 in x.\n\nHolds for train\n\nFails for <eval>"


def test_the_count() -> None:
    app = application(**{"04-gradient-mode": page_with(HALF)})
    document = nodes.document(None, None)
    document += ledger.ledger(wanted="summary")
    ledger.fill(app, document, "claims-ledger")
    others = len(claims.claims()["claims"]) - 1
    assert document.astext() == (
        f"Of 1 claims, 0 hold, 0 fail and 1 is half-true. {others} more wait for their chapters."
    )


def test_a_claim_that_its_chapter_does_not_rule_on_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    logger = logging.getLogger(sphinx_logging.NAMESPACE)
    logger.addHandler(caplog.handler)
    try:
        app = application(**{"04-gradient-mode": page_with(HALF)})
        ledger.complete(app, app.env)
        assert not caplog.records
        ledger.forget(app, app.env, "04-gradient-mode")
        ledger.complete(app, app.env)
    finally:
        logger.removeHandler(caplog.handler)
    assert "claim G-1 has no ruling: no cell shows rule('G-1', ...)" in caplog.messages


@pytest.mark.slow
def test_the_built_ledger_shows_what_the_chapters_show(built: Built) -> None:
    page = (built.html / f"{ledger.PAGE}.html").read_text(encoding="utf-8")
    shown = dict(re.findall(r'claim-([a-z]-\d+)">.*?class="claim-ruling">\W*([a-z-]+)<', page, flags=re.S))
    stated = {claim: ruling for chapter in chapters() for claim, ruling in claims.ruled(chapter).items()}
    assert shown == {claim.lower(): ruling for claim, ruling in stated.items()}


def test_the_page_has_a_table_for_every_chapter_with_claims() -> None:
    source = (BOOK / f"{ledger.PAGE}.md").read_text(encoding="utf-8")
    tables = [int(number) for number in re.findall(r"^```\{ledger\} (\d+)$", source, flags=re.M)]
    assert tables == sorted({claim["chapter"] for claim in claims.claims()["claims"].values()})
