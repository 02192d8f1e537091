"""The claims: all there, ruled where they belong, and no ruling that its measurement does not bear out."""

import re

import pytest

from .conftest import BOOK, chapters

from _lib import claims  # isort: skip  (book/ is put on the path by conftest)

ALL = (
    [f"D-{n}" for n in range(1, 11)]
    + [f"B-{n}" for n in range(1, 11)]
    + [f"E-{n}" for n in range(1, 14)]
    + ["G-1"]
    + [f"T-{n}" for n in range(1, 10)]
)
RECORD = claims.claims()


def test_every_claim_of_the_articles_is_recorded() -> None:
    assert list(RECORD["claims"]) == ALL
    for claim_id, claim in RECORD["claims"].items():
        assert claim["chapter"] in RECORD["chapters"], claim_id
        assert set(claim["articles"]) <= set(RECORD["articles"]), claim_id
        assert claim["text"].endswith("."), claim_id


def test_written_says_which_chapters_exist() -> None:
    written = {c["page"] for c in RECORD["chapters"].values() if c["written"]}
    assert written == {page.stem for page in chapters()} & {c["page"] for c in RECORD["chapters"].values()}


@pytest.mark.parametrize("number", [n for n, c in RECORD["chapters"].items() if c["written"]])
def test_a_written_chapter_rules_on_its_claims_and_no_others(number: int) -> None:
    page = BOOK / f"{RECORD['chapters'][number]['page']}.md"
    belong = {claim_id for claim_id, claim in RECORD["claims"].items() if claim["chapter"] == number}
    assert set(claims.ruled(page)) == belong


def test_every_claim_on_eval_and_no_grad_is_ruled_in_chapter_three() -> None:
    ruled = claims.ruled(BOOK / "03-evaluation.md")
    assert {c for c in ALL if c.startswith("E-")} <= set(ruled)
    assert set(ruled.values()) <= set(claims.RULINGS)


def test_a_claim_ruled_twice_is_refused(tmp_path) -> None:
    page = tmp_path / "page.md"
    cell = '```{code-cell} ipython3\n:tags: [x]\n\nrule("E-1", "fails", holds=False, evidence="e")\n```\n'
    page.write_text(cell)
    assert claims.ruled(page) == {"E-1": "fails"}
    page.write_text(cell + "\n" + cell)
    with pytest.raises(ValueError, match=r"page\.md: claim E-1 is ruled on twice"):
        claims.ruled(page)


@pytest.mark.parametrize(
    ("holds", "ruling"),
    [
        (True, "holds"),
        (False, "fails"),
        ({"a": True, "b": True}, "holds"),
        ({"a": False}, "fails"),
        ({"a": True, "b": False}, "half-true"),
    ],
)
def test_only_the_measured_ruling_is_accepted(holds, ruling: str) -> None:
    assert claims.rule("E-1", ruling, holds=holds, evidence="seen").ruling == ruling
    for other in set(claims.RULINGS) - {ruling}:
        with pytest.raises(claims.RulingChanged, match=f"claim E-1 is ruled '{other}', but .* says '{ruling}'"):
            claims.rule("E-1", other, holds=holds, evidence="seen")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("E-99", "holds", True, "e"), "no claim 'E-99' in claims/claims.yml; known are D-1"),
        (("E-1", "true", True, "e"), "claim E-1: 'true' is no ruling; use one of holds, fails, half-true"),
        (("E-1", "holds", True, " "), "claim E-1: a ruling needs evidence="),
        (("E-1", "holds", 0.97, "e"), "claim E-1: what was measured must be True or False, not float 0.97"),
        (("E-1", "holds", {}, "e"), "claim E-1: nothing was measured"),
    ],
)
def test_messages(arguments, message: str) -> None:
    claim_id, ruling, holds, evidence = arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        claims.rule(claim_id, ruling, holds=holds, evidence=evidence)


def test_the_box_names_claim_ruling_conditions_and_evidence() -> None:
    box = claims.rule("E-12", "half-true", holds={"in `a`": True, "in <b>": False}, evidence="3 < 4")._repr_html_()
    assert 'data-claim="E-12" data-ruling="half-true"' in box
    assert "<code>eval()</code> has no output." in box
    assert "knowledge post (002)" in box
    assert "<b>Holds</b> in <code>a</code>" in box
    assert "<b>Fails</b> in &lt;b&gt;" in box
    assert "3 &lt; 4" in box
