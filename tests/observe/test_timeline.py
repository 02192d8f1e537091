"""The timeline: what is drawn, how often, under which word; and that nothing lies on top of anything else."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from autograder.observe import Event, ModeTrace
from autograder.observe import _timeline as timeline


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, micro: int = 1) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        for _ in range(micro):
            nn.CrossEntropyLoss()(model(torch.ones(6, 4)), torch.arange(6) % 3).backward()
        optimizer.step()


def ten_lines() -> None:
    model = net()
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 3)
    model.eval()
    with torch.no_grad():
        model(torch.ones(2, 4))


def forgets_to_restore() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        train(model, optimizer, 16)
        model.eval()
        with torch.no_grad():
            for _ in range(5):
                model(torch.ones(2, 4))


def three_epochs() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        model.train()
        train(model, optimizer, 50)
        model.eval()
        with torch.inference_mode():
            for _ in range(10):
                model(torch.ones(2, 4))


def many_epochs() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(30):
        model.train()
        train(model, optimizer, 5, micro=4)
        model.eval()
        with torch.no_grad():
            for _ in range(3):
                model(torch.ones(2, 4))


def irregular() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rng = random.Random(0)
    for _ in range(40):
        model.train()
        train(model, optimizer, rng.randint(2, 9))
        model.eval()
        with torch.no_grad():
            model(torch.ones(2, 4))


def gan() -> None:
    generator, discriminator = net(), nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 1))
    opt_g = torch.optim.Adam(generator.parameters())
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    for _ in range(20):
        fake = generator(torch.ones(6, 4))
        opt_d.zero_grad()
        (discriminator(torch.ones(6, 3)) - discriminator(fake.detach())).mean().backward()
        opt_d.step()
        opt_g.zero_grad()
        discriminator(generator(torch.ones(6, 4))).mean().backward()
        opt_g.step()


def teacher() -> None:
    student, mentor = net(), net().eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(20):
        with torch.no_grad():
            target = mentor(torch.ones(6, 4))
        optimizer.zero_grad()
        F.mse_loss(student(torch.ones(6, 4)), target).backward()
        optimizer.step()
    student(torch.ones(6, 4))
    with torch.no_grad():
        student(torch.ones(6, 4))


def many_models() -> None:
    for a_model_with_quite_a_long_name in [net() for _ in range(7)]:
        with torch.no_grad():
            a_model_with_quite_a_long_name.eval()(torch.ones(2, 4))


def backward_only() -> None:
    model = net().eval()
    x = torch.ones(2, 4, requires_grad=True)
    torch.autograd.grad(model(x).sum(), x)


def flickers() -> None:
    model = net()
    model.eval()
    with torch.no_grad():
        for i in range(12):
            model[1].train(i % 2 == 0)
            model(torch.ones(2, 4))


def nothing() -> None:
    pass


def raises() -> None:
    model = net()
    for shape in ((2, 4), (2, 5)):
        with torch.no_grad():
            model.eval()
            try:
                model(torch.ones(shape))
            except RuntimeError:
                return


PROGRAMS = [
    ten_lines, forgets_to_restore, three_epochs, many_epochs, irregular, gan, teacher, many_models, backward_only,
    flickers, nothing, raises,
]  # fmt: skip


def traced(program: Callable[[], None]) -> ModeTrace:
    torch.manual_seed(0)
    with ModeTrace() as trace:
        program()
    return trace


def laid_out(trace: ModeTrace) -> tuple[list[timeline._Column], list[str]]:
    columns = timeline._with_phases(list(timeline._columns(trace.events, trace.findings())))
    flat, spans = timeline._lay_out(timeline._fit(timeline._fold(columns)))
    return flat, [s.label for s in spans]


@pytest.mark.parametrize(
    ("program", "labels", "columns"),
    [
        (ten_lines, ["train", "evaluate"], 10),
        (forgets_to_restore, ["train ×16", "evaluate ×5"] * 2, 8),
        (three_epochs, ["train ×50", "evaluate ×10"] * 3, 12),
        (many_epochs, ["×30", "train ×5", "×4", "evaluate"], 6),
        (gan, ["train ×20"], 9),
        (teacher, ["train ×20", "evaluate"], 6),
        (backward_only, ["backward"], 2),
        (nothing, [], 0),
    ],
)
def test_equal_units_are_drawn_once_under_the_right_word(
    program: Callable[[], None], labels: list[str], columns: int
) -> None:
    flat, words = laid_out(traced(program))
    assert (words, len(flat)) == (labels, columns)


def test_columns_of_the_ten_lines() -> None:
    flat, _ = laid_out(traced(ten_lines))
    assert [c.kind for c in flat] == ["forward", "backward", "step"] * 3 + ["forward"]  # no losses, no inner modules
    assert [c.mode for c in flat if c.kind == "forward"] == ["train"] * 3 + ["eval"]
    assert [c.grad for c in flat] == ["on"] * 9 + ["off"]
    assert [c.full for c in flat if c.kind == "forward"] == [True] * 3 + [False]
    assert [(c.statistics, c.random) for c in flat if c.kind == "forward"] == [(True, True)] * 3 + [(False, False)]


def test_a_validation_in_the_wrong_mode_is_still_called_an_evaluation() -> None:
    def program() -> None:
        model = net()
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), 2)
        with torch.no_grad():
            model(torch.ones(2, 4))

    flat, words = laid_out(traced(program))
    assert words == ["train", "evaluate"]
    assert (flat[-1].mode, flat[-1].faults) == ("train", (1,))


def test_findings_stand_on_the_passes_they_concern() -> None:
    trace = traced(forgets_to_restore)
    flat, _ = laid_out(trace)
    assert [f.rule for f in trace.findings()] == ["train-never-called"]
    marked = [(c.kind, c.mode) for c in flat if c.faults]
    assert marked == [("forward", "eval"), ("step", "")]
    assert "train-never-called (×16)" in " ".join(t.get_text() for t in trace.timeline().axes[0].texts)


def test_models_and_optimizers_have_lanes_of_their_own() -> None:
    flat, _ = laid_out(traced(gan))
    assert [c.lane for c in flat if c.kind == "forward"] == [
        "generator", "discriminator", "discriminator", "generator", "discriminator",
    ]  # fmt: skip
    texts = [t.get_text() for t in traced(gan).timeline().axes[0].texts]
    assert {"generator", "discriminator", "opt_g", "opt_d", "gradients", "statistics", "random"} <= set(texts)
    lanes = {c.lane for c in laid_out(traced(many_models))[0]}
    assert len(lanes) == timeline._MOST_LANES + 1
    assert "other models" in lanes


def test_draws_of_a_loader_have_a_column() -> None:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 4)), batch_size=4, shuffle=True)

    def program() -> None:
        model = net().eval()
        with torch.no_grad():
            for (x,) in loader:
                model(x)

    flat, words = laid_out(traced(program))
    assert [(c.kind, c.random) for c in flat] == [("draw", True), ("forward", False)]
    assert words == ["evaluate"]


def test_draws_that_make_a_model_or_data_are_not_part_of_the_loop() -> None:
    def program() -> None:
        model, x = net(), torch.randn(6, 4)
        model.eval()
        model(x).sum().backward()
        torch.rand(3)
        model(x).sum().backward()

    flat, _ = laid_out(traced(program))
    assert [c.kind for c in flat] == ["forward", "backward", "draw", "forward", "backward"]


def test_a_long_irregular_run_stays_a_picture() -> None:
    trace = traced(irregular)
    flat, spans = timeline._lay_out(
        timeline._fit(timeline._fold(timeline._with_phases(list(timeline._columns(trace.events, ())))))
    )
    rows, left_out = timeline._rows(flat, spans)
    assert len(rows) == timeline._MOST_ROWS
    assert max(map(len, rows)) <= timeline._PER_ROW
    assert sum(map(len, rows)) + left_out == len(flat)
    assert rows[-1].stop == len(flat)
    fig = timeline.draw(trace.events, truncated=7)
    texts = [t.get_text() for t in fig.axes[0].texts]
    assert f"{left_out} columns in the middle are left out" in texts
    assert "7 later events were not kept" in texts


def test_folding_keeps_every_column() -> None:
    """Unfolded again, the columns are what they were, whatever repeats in them."""
    blank = timeline._Column("draw", "", "", "on", False, False, False, False, False, ())
    rng = random.Random(1)

    def unfold(nodes: list[timeline._Node]) -> list[timeline._Column]:
        out: list[timeline._Column] = []
        for node in nodes:
            out += [node] if isinstance(node, timeline._Column) else unfold(list(node.unit)) * node.count
        return out

    for _ in range(200):
        columns: list[timeline._Column] = []
        while len(columns) < 40:
            unit = [blank._replace(kind=rng.choice("abc")) for _ in range(rng.randint(1, 4))]
            columns += unit * rng.randint(1, 5)
        folded = timeline._fold(columns)
        assert unfold(folded) == columns
        assert unfold(timeline._fit(folded)) == columns
        assert not any(a == b for a, b in itertools.pairwise(folded))


# ---------------------------------------------------------------------- the drawing itself


def boxes(fig: Figure) -> list[tuple[str, tuple[float, float, float, float]]]:
    renderer = FigureCanvasAgg(fig).get_renderer()
    return [(t.get_text(), t.get_window_extent(renderer).extents) for t in fig.axes[0].texts if t.get_text()]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_text_lies_on_another_or_leaves_the_picture(program: Callable[[], None]) -> None:
    fig = traced(program).timeline()
    width, height = fig.get_size_inches() * fig.dpi
    found = boxes(fig)
    for text, (x0, y0, x1, y1) in found:
        assert x0 >= 0, text
        assert y0 >= 0, text
        assert x1 <= width, text
        assert y1 <= height, text
    for (a, (ax0, ay0, ax1, ay1)), (b, (bx0, by0, bx1, by1)) in itertools.combinations(found, 2):
        across, down = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
        assert across <= 2 or down <= 4, (a, b)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_picture_is_told_in_words(program: Callable[[], None]) -> None:
    trace = traced(program)
    alt = trace.timeline().alt  # type: ignore[attr-defined]
    assert alt.startswith("Timeline")
    for finding in trace.findings():
        assert finding.rule in alt


def test_words_of_the_ten_lines() -> None:
    assert traced(ten_lines).timeline().alt == (  # type: ignore[attr-defined]
        "Timeline. train: model in train mode, gradients on; evaluate: model in eval mode, gradients off."
    )


def test_inline_svg_from_plain_rows() -> None:
    trace = traced(forgets_to_restore)
    rows = json.loads(json.dumps([e.as_row() for e in trace.events]))
    for row in rows:
        del row["file"], row["thread"]
    first, again = (timeline.draw([Event(**row) for row in rows], trace.findings())._repr_html_() for _ in range(2))
    assert first == again
    assert 'role="img"' in first
    assert 'aria-label="Timeline. train ×16' in first
    assert first == trace.timeline()._repr_html_()  # type: ignore[attr-defined]


def test_pictures_of_programs_that_do_the_same_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(program: Callable[[], None]) -> list[Event]:
        with ModeTrace() as trace:
            program()
        return trace.events

    drawn: list[int] = []
    draw = timeline._Picture.draw
    monkeypatch.setattr(timeline._Picture, "draw", lambda self, alt: drawn.append(1) or draw(self, alt))
    timeline._html.cache_clear()
    first, second = traced(ten_lines), traced(ten_lines)
    assert timeline.to_html(first) == timeline.to_html(second) == timeline.draw(first)._repr_html_()
    assert len(drawn) == 2  # `draw` makes a figure each time
    assert timeline.to_html(traced(forgets_to_restore)) != timeline.to_html(first)
    assert len(drawn) == 3
