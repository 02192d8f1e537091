// Chapter 3: build a validation loop from lines; its timeline and what it got wrong were recorded by the chapter.
"use strict";

(() => {
  const { checkbox, choice, drawing, element, readout, register, scale, text } = TwoSwitches;

  /** The name under which the chapter recorded a combination of lines. */
  const key = (lines) => [lines.evaluation, lines.no_grad, lines.per_sample].map(Number).join("") + lines.restore;

  register("validation", { key }, (stage, data) => {
    const { colors, loops } = data;
    const lines = { evaluation: false, no_grad: false, per_sample: false, restore: "nothing" };
    const set = (name) => (value) => { lines[name] = value; render(); };
    const controls = element("div", { class: "explorable-controls explorable-lines" },
      checkbox("model.eval() before the loop", false, set("evaluation")),
      checkbox("with torch.no_grad(): around the loop", false, set("no_grad")),
      checkbox("weigh each batch by its size", false, set("per_sample")),
      choice("at the end", [["nothing", "nothing"], ["train", "model.train()"], ["saved", "every module's own mode back"]],
        "nothing", set("restore")));
    const code = element("pre", { class: "explorable-code", tabindex: "0", "aria-label": "The loop" });
    const picture = element("div");
    const wrong = element("ul", { class: "explorable-findings", "aria-live": "polite" });
    const said = readout();
    const marks = element("p", { class: "explorable-marks" },
      "▶ forward with a graph · ▷ forward without · ● statistics written · ◆ random numbers drawn");
    stage.append(controls, code, picture, marks, said, wrong);
    const draw = drawing(picture, 640, 165, "");

    function render() {
      const loop = loops[key(lines)];
      code.textContent = loop.code;
      draw.clear();
      const across = scale(0, loop.length, 120, 625);
      const lanes = [["model", 28], ["gradients", 68], ["statistics", 112], ["random", 146]];
      for (const [name, y] of lanes) text(draw, name, 108, y + 5, { anchor: "end" });
      for (const [from, to, state] of loop.model) {
        const training = state !== "eval";
        draw.rect(across(to) - across(from), 22).move(across(from), 17).fill(training ? colors.blue : "none")
          .attr("fill-opacity", 0.35).stroke({ color: colors.blue, width: 1.5 });
        if (to - from > 0.5) text(draw, state, across(from) + 4, 12, { size: 11 });
      }
      for (const [from, to, on] of loop.gradients) {
        draw.rect(across(to) - across(from), 22).move(across(from), 57).fill(on ? colors.green : "none")
          .attr("fill-opacity", 0.35).stroke({ color: colors.green, width: 1.5 });
        if (to - from > 0.5) text(draw, on ? "on" : "off", across(from) + 4, 52, { size: 11 });
      }
      for (const [, y] of lanes.slice(2)) draw.line(120, y, 625, y).stroke({ color: "currentColor", width: 0.7, opacity: 0.4 });
      for (const [t, graph] of loop.forwards) {
        const x = across(t);
        draw.polygon(`${x - 6},22 ${x + 7},28 ${x - 6},34`).fill(graph ? "currentColor" : "none").stroke({ color: "currentColor", width: 1.5 });
      }
      for (const t of loop.statistics) draw.circle(9).center(across(t), 112).fill("currentColor");
      for (const t of loop.random) draw.rect(8, 8).center(across(t), 146).rotate(45).fill("currentColor");
      draw.describe(loop.picture);
      said.textContent = `It reports accuracy ${loop.accuracy}. The true one is ${loop.truth}.`;
      wrong.replaceChildren(...(loop.findings.length ? loop.findings : ["Nothing wrong: this loop may be used."])
        .map((finding) => element("li", {}, finding)));
    }
    render();
  });
})();
