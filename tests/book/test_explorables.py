"""The explorables: their arithmetic is PyTorch's, and mouse and keyboard move them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Browser, Page
from torch import nn

from .conftest import Built, chapters
from .test_browser import CHROMIUM, Visit, browser  # noqa: F401  the fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: `apt-get install chromium` brings it"),
]

WITH_EXPLORABLE = [path.stem for path in chapters() if "\nexplorable(" in path.read_text(encoding="utf-8")]


def data(page: Page) -> dict[str, Any]:
    return json.loads(page.locator(".explorable script[type='application/json']").first.text_content())


def said(page: Page) -> str:
    return page.locator(".explorable-readout").first.text_content()


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Browser, built: Built):  # noqa: F811
    with Visit(browser, built, f"{request.param}.html") as opened:
        yield opened


@pytest.mark.parametrize("visit", ["00-two-switches"], indirect=True)
@pytest.mark.parametrize("training", [True, False])
def test_the_tiny_network_computes_what_pytorch_computes(visit: Visit, training: bool) -> None:
    net = data(visit.page)["net"]
    x = torch.tensor(net["x"], dtype=torch.float64)
    keep = torch.tensor([[float((n + j) % 3 > 0) for j in range(6)] for n in range(len(x))], dtype=torch.float64)
    norm = nn.BatchNorm1d(6, eps=net["eps"], momentum=net["momentum"]).double().train(training)
    norm.running_mean[:] = torch.tensor(net["running_mean"])
    norm.running_var[:] = torch.tensor(net["running_var"])
    with torch.no_grad():
        hidden = norm(F.linear(x, torch.tensor(net["w1"]).double(), torch.tensor(net["b1"]).double()))
        if training:
            hidden = hidden * keep / (1 - net["p"])
        out = hidden @ torch.tensor(net["w2"]).double() + net["b2"]
    theirs = visit.page.evaluate(
        "([net, training, kept]) => { const r = TwoSwitches.arithmetic.switches.forward(net, training, kept);"
        " return { out: r.out, mean: net.running_mean, variance: net.running_var }; }",
        [net, training, keep.tolist()],
    )
    assert theirs["out"] == pytest.approx(out.tolist(), abs=1e-5)
    assert theirs["mean"] == pytest.approx(norm.running_mean.tolist(), abs=1e-6)
    assert theirs["variance"] == pytest.approx(norm.running_var.tolist(), abs=1e-6)


@pytest.mark.parametrize("visit", ["00-two-switches"], indirect=True)
def test_switches_answer_to_mouse_and_keyboard(visit: Visit) -> None:
    page = visit.page
    box = page.locator(".explorable")
    before = said(page)
    box.get_by_role("button", name="forward").click()
    first = said(page)
    assert first != before
    assert "have moved" in first
    box.get_by_role("radio", name="model.train()").focus()
    page.keyboard.press("ArrowRight")  # to model.eval()
    assert "running statistics" in box.locator(".explorable-facts").text_content()
    outputs = set()
    for _ in range(3):
        box.get_by_role("button", name="forward").press("Enter")
        outputs.add(said(page))
    assert len(outputs) == 1, "evaluation mode gives one output"
    assert "have not moved" in outputs.pop()
    assert not visit.complaints


@pytest.mark.parametrize("visit", ["01-dropout"], indirect=True)
def test_the_dropout_of_the_page_is_pytorchs(visit: Visit) -> None:
    reference = data(visit.page)["reference"]
    for case in reference["training"]:
        kept = [float(value != 0) for value in case["output"]]
        ours = "([x, kept, p]) => TwoSwitches.arithmetic.dropout.dropout(x, kept, p, true)"
        theirs = visit.page.evaluate(ours, [reference["input"], kept, case["p"]])
        assert theirs == pytest.approx(case["output"], rel=1e-5)
        theory = visit.page.evaluate("p => TwoSwitches.arithmetic.dropout.theory(p, true)", case["p"])
        # 200,000 draws: eight standard errors of the mean; the variance of the variance is largest at p = 0.9
        assert theory["mean"] == pytest.approx(case["mean"], abs=8 * (theory["variance"] / 200_000) ** 0.5 + 1e-6)
        assert theory["variance"] == pytest.approx(case["variance"], rel=0.05, abs=1e-6)
    evaluated = visit.page.evaluate(
        "x => TwoSwitches.arithmetic.dropout.dropout(x, x.map(() => 0), 0.5, false)", reference["input"]
    )
    assert evaluated == reference["input"]


@pytest.mark.parametrize("visit", ["01-dropout"], indirect=True)
def test_the_dropout_page_answers_to_slider_and_mode(visit: Visit) -> None:
    page = visit.page
    box = page.locator(".explorable")
    assert "theory 1.00" in said(page)
    box.get_by_role("slider").press("End")
    assert "(theory 19.00)" in said(page)  # 0.95 / 0.05
    box.get_by_role("checkbox").uncheck()
    assert "(theory 0.05)" in said(page)  # the mean, 1 - p
    box.get_by_role("radio", name="model.eval()").check()
    assert said(page) == "Mean 1.00 (theory 1.00), variance 0.00 (theory 0.00)."
    assert not visit.complaints


@pytest.mark.parametrize("visit", ["02-batchnorm"], indirect=True)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 0.75])
def test_the_batchnorm_of_the_page_is_pytorchs(visit: Visit, training: bool, momentum: float) -> None:
    given = data(visit.page)
    norm = nn.BatchNorm1d(1, eps=given["eps"], momentum=momentum, affine=False).double().train(training)
    norm.running_mean[:], norm.running_var[:] = 0.7, 2.5
    x = torch.tensor([*given["x"], 4.2], dtype=torch.float64)
    out = norm(x[:, None])[:, 0]
    theirs = visit.page.evaluate(
        "([x, running, options]) => TwoSwitches.arithmetic.batchnorm.batchNorm(x, running, options)",
        [x.tolist(), {"mean": 0.7, "variance": 2.5}, {"training": training, "momentum": momentum, "eps": given["eps"]}],
    )
    assert theirs["out"] == pytest.approx(out.tolist(), rel=1e-9)
    assert theirs["running"]["mean"] == pytest.approx(norm.running_mean.item(), rel=1e-9)
    assert theirs["running"]["variance"] == pytest.approx(norm.running_var.item(), rel=1e-9)


@pytest.mark.parametrize("visit", ["02-batchnorm"], indirect=True)
def test_a_dragged_sample_moves_the_others_in_training_mode_only(visit: Visit) -> None:
    page = visit.page
    box = page.locator(".explorable")

    def others() -> str:
        return said(page).partition("you have not touched: ")[2]

    before = others()
    box.get_by_role("slider", name="sample to drag").press("End")
    assert others() != before
    picture = box.locator(".explorable-stage svg")
    picture.scroll_into_view_if_needed()
    where = picture.bounding_box()
    unit = where["width"] / 640  # the drawing is 640 units wide; the sample stands at its right end, on the upper axis
    page.mouse.move(where["x"] + 620 * unit, where["y"] + 60 * unit)
    page.mouse.down()
    page.mouse.move(where["x"] + 365 * unit, where["y"] + 60 * unit, steps=3)
    page.mouse.up()
    assert box.locator("output").last.text_content() in ("0.0", "−0.1", "0.1")
    box.get_by_role("radio", name="model.eval()").check()
    still = others()
    box.get_by_role("slider", name="sample to drag").press("Home")
    assert others() == still
    box.get_by_role("button", name="forward").click()
    assert "Running after 1 forward passes: mean 0.00, variance 1.00" in said(page)
    assert not visit.complaints


@pytest.mark.parametrize("visit", ["03-evaluation"], indirect=True)
def test_the_loop_that_has_every_line_is_the_only_right_one(visit: Visit) -> None:
    page = visit.page
    box = page.locator(".explorable")
    findings = box.locator(".explorable-findings li")
    assert findings.count() >= 2
    for checkbox in box.get_by_role("checkbox").all():
        checkbox.focus()
        page.keyboard.press("Space")
    box.get_by_text("every module's own mode back").click()
    assert findings.all_text_contents() == ["Nothing wrong: this loop may be used."]
    assert "torch.no_grad()" in box.locator(".explorable-code").text_content()
    assert not visit.complaints


@pytest.mark.parametrize("visit", ["04-gradient-mode"], indirect=True)
def test_stepping_shows_the_line_and_the_switch(visit: Visit) -> None:
    page = visit.page
    box = page.locator(".explorable")
    programs = data(page)["programs"]
    for number, program in enumerate(programs):
        box.get_by_role("combobox").select_option(str(number))
        for step in program["steps"]:
            now = box.locator(".explorable-now")
            assert now.count() == (1 if step["line"] else 0)
            if step["line"]:
                assert now.text_content().partition("#")[0].strip() == step["text"]
            assert f"gradient recording is {'on' if step['recording'] else 'off'}" in said(page)
            box.get_by_role("button", name="step").press("Enter")
    box.get_by_role("button", name="back").click()
    box.get_by_role("slider").press("Home")
    assert "1 of" in box.locator("output").text_content()
    assert not visit.complaints


@pytest.mark.parametrize("visit", ["05-transfer"], indirect=True)
def test_each_recipe_can_be_picked_and_says_what_was_measured(visit: Visit) -> None:
    page = visit.page
    box = page.locator(".explorable")
    recipes = data(page)["recipes"]
    assert len(recipes) == 6
    box.get_by_role("radio").first.focus()
    for recipe in recipes:
        sentence = said(page)
        assert sentence.startswith(f"{recipe['recipe']}: {recipe['mean']['target']:.1f} ±")
        theirs = page.evaluate("seeds => TwoSwitches.arithmetic.transfer.summary(seeds)", recipe["seeds"])
        for what, values in recipe["seeds"].items():
            seeds = torch.tensor(values, dtype=torch.float64)
            assert theirs[what]["mean"] == pytest.approx(seeds.mean().item())
            assert theirs[what]["deviation"] == pytest.approx(seeds.std().item())
        page.keyboard.press("ArrowDown")
    assert not visit.complaints


@pytest.mark.parametrize("visit", WITH_EXPLORABLE, indirect=True)
def test_the_picture_gives_way_to_the_explorable(visit: Visit) -> None:
    for box in visit.page.locator(".explorable").all():
        assert box.locator(".explorable-still").is_hidden()
        assert box.locator(".explorable-stage svg").get_attribute("aria-label")


def test_without_scripts_the_picture_stands(browser: Browser, built: Built) -> None:  # noqa: F811
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((built.html / "00-two-switches.html").as_uri())
    assert page.locator(".explorable-still svg").is_visible()
    context.close()
