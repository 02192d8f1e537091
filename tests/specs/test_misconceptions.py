"""The registry says what the course says, in words for learners, and every demonstration shows what it claims."""

import ast
import dataclasses
import re
from collections.abc import Iterator

import pytest
import torch

from autograder.specs.misconceptions import REGISTRY, Misconception, misconception

# The design's list, typed again: an id that is renamed or dropped here breaks findings, pages and corpora.
DESIGN = {
    "switching modes": """
        eval-never-called train-never-called mode-not-restored blanket-train-restore restore-skipped-on-exception
        root-flag-only dropout-not-registered own-training-flag train-override-broken""",
    "dropout": """
        functional-dropout-always-on keep-drop-swapped no-rescale wrong-rescale rescale-at-eval dropout-in-eval
        dropout-missing fixed-mask shared-mask p-edge-cases generator-ignored bn-live-in-mc-dropout""",
    "batchnorm": """
        biased-running-var unbiased-normalisation momentum-reversed momentum-none-not-cumulative
        buffers-not-registered running-stats-in-train batch-stats-in-eval stats-updated-in-eval stats-not-updated
        counter-not-updated grad-mode-as-mode-flag wrong-reduction-dims eps-misplaced single-value-not-rejected
        stats-not-reset momentum-not-restored buffers-forgotten library-layer-used""",
    "gradients": """
        graph-built grad-mode-leaked grad-disabled-in-training inference-tensor-escapes generator-leaks-grad-mode
        decorator-flips-at-definition parameter-grads-touched input-touched""",
    "evaluation hygiene": """
        batch-mean-of-means validation-disturbs-rng validation-trains zero-grad-missing nondeterministic
        best-state-aliased tensor-not-float wrong-result global-rng-disturbed""",
    "freezing": """
        requires-grad-typo bn-drifts-when-frozen freeze-undone-by-train head-frozen-too optimizer-holds-frozen
        frozen-weights-move parameters-changed backbone-graph-built duplicate-param-group not-unfrozen""",
}

PROSE = ("title", "cause", "belief", "happens", "repair")

each = pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)


@pytest.fixture
def torch_untouched() -> Iterator[None]:
    """Demonstrations set seeds and switches of the whole process; the other tests must not notice."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)  # the tensors are tiny: more threads only wait for each other
    yield
    left_on = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    torch.set_rng_state(state)
    torch.set_num_threads(threads)
    assert left_on, "the demonstration left gradient recording off"


def test_ids_and_groups_are_those_of_the_design_in_its_order() -> None:
    expected = [(id_, group) for group, ids in DESIGN.items() for id_ in ids.split()]
    assert [(id_, entry.group) for id_, entry in REGISTRY.items()] == expected
    assert [entry.id for entry in REGISTRY.values()] == list(REGISTRY)


def test_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        REGISTRY["new"] = misconception("graph-built")  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        misconception("graph-built").title = "another"  # type: ignore[misc]


def test_titles_and_causes_are_distinct() -> None:
    assert len({entry.title for entry in REGISTRY.values()}) == len(REGISTRY)
    assert len({entry.cause for entry in REGISTRY.values()}) == len(REGISTRY)


def test_unknown_id_names_the_closest_one() -> None:
    with pytest.raises(LookupError, match=r"There is no misconception 'mode-not-restord'\. Did you mean 'mode-not-res"):
        misconception("mode-not-restord")


def test_unknown_id_that_resembles_nothing_says_where_the_ids_are() -> None:
    with pytest.raises(LookupError, match=r"There is no misconception '42'\. autograder\.specs\.misconceptions\.REGIS"):
        misconception("42")


@each
def test_no_field_is_empty(entry: Misconception) -> None:
    for field in (*PROSE, "demo"):
        assert getattr(entry, field).strip(), field


@each
def test_cause_fits_in_a_report(entry: Misconception) -> None:
    assert len(entry.cause.split()) <= 22
    assert entry.cause.endswith(".")
    assert "\n" not in entry.cause
    # Reports print title and cause as plain text.
    assert "`" not in entry.title + entry.cause


@each
def test_prose_is_whole_sentences_in_plain_markdown(entry: Misconception) -> None:
    for field in ("belief", "happens", "repair"):
        text = getattr(entry, field)
        assert text.endswith("."), field
        assert text.count("`") % 2 == 0, field
        assert "\n" not in text, field
        assert "!" not in text, field


@each
def test_no_id_is_shown_raw(entry: Misconception) -> None:
    for field in (*PROSE, "demo"):
        shown = [id_ for id_ in REGISTRY if re.search(rf"(?<![\w-]){id_}(?![\w-])", getattr(entry, field))]
        assert not shown, field


@each
def test_threads_are_references_to_public_discussions(entry: Misconception) -> None:
    for thread in entry.threads:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#[1-9]\d*", thread), thread
    assert len(set(entry.threads)) == len(entry.threads)


@each
def test_demo_is_small_and_ends_with_an_assert(entry: Misconception) -> None:
    lines = entry.demo.strip().splitlines()
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 88
    last: ast.AST = ast.parse(entry.demo)
    while body := getattr(last, "body", None):
        last = body[-1]
    assert isinstance(last, ast.Assert)


@each
@pytest.mark.usefixtures("torch_untouched")
def test_demo_shows_what_it_claims(entry: Misconception, capfd: pytest.CaptureFixture[str]) -> None:
    exec(compile(entry.demo, f"demo of {entry.id}", "exec"), {"__name__": "demo"})
    assert capfd.readouterr() == ("", "")


@each
@pytest.mark.usefixtures("torch_untouched")
def test_every_assert_of_a_demo_is_reached(entry: Misconception) -> None:
    def asserts(tree: ast.Module) -> list[ast.Assert]:
        return [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]

    for number in range(len(asserts(ast.parse(entry.demo)))):
        tree = ast.parse(entry.demo)
        target = asserts(tree)[number]
        target.test = ast.UnaryOp(ast.Not(), target.test)
        line = target.lineno
        negated = compile(ast.fix_missing_locations(tree), "demo", "exec")
        with pytest.raises(AssertionError) as caught:
            exec(negated, {"__name__": "demo"})
        torch.set_grad_enabled(True)  # the demonstration was cut off before it could do so
        assert caught.traceback[-1].lineno + 1 == line
