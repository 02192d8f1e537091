// Chapter 1: a slider for p and a mode switch; the mask, the outputs, and their mean and variance against theory.
"use strict";

(() => {
  const { button, checkbox, choice, drawing, element, mean, number, random, readout, register, scale, slider, text, variance } = TwoSwitches;

  /** Dropout of `x` with the mask `kept` (1 kept, 0 dropped), survivors times 1/(1−p). */
  const dropout = (x, kept, p, training, rescale = true) =>
    x.map((value, i) => (training ? (kept[i] ? value * (rescale ? 1 / (1 - p) : 1) : 0) : value));

  /** Mean and variance of one output of dropout on an input of 1. */
  function theory(p, training, rescale = true) {
    if (!training) return { mean: 1, variance: 0 };
    return rescale ? { mean: 1, variance: p / (1 - p) } : { mean: 1 - p, variance: p * (1 - p) };
  }

  register("dropout", { dropout, theory }, (stage, data) => {
    const { colors } = data;
    const side = 20;
    const ones = new Array(side * side).fill(1);
    let seed = 1;
    let p = 0.5;
    let mode = "train";
    let rescale = true;

    const controls = element("div", { class: "explorable-controls" },
      slider("p", [0, 0.95, 0.05], p, (v) => v.toFixed(2), (v) => { p = v; render(); }),
      choice("mode", [["train", "model.train()"], ["eval", "model.eval()"]], mode, (v) => { mode = v; render(); }),
      checkbox("scale survivors by 1/(1 − p)", rescale, (v) => { rescale = v; render(); }),
      button("new mask", () => { seed += 1; render(); }));
    const picture = element("div");
    const said = readout();
    stage.append(controls, picture, said);
    const draw = drawing(picture, 640, 270, "");

    function render() {
      const next = random(seed);
      const training = mode === "train";
      const kept = ones.map(() => (next() < p ? 0 : 1));
      const out = dropout(ones, kept, p, training, rescale);
      const expected = theory(p, training, rescale);
      const seen = { mean: mean(out), variance: variance(out) };
      const top = 1 / (1 - 0.95);

      draw.clear();
      text(draw, `${side * side} inputs, all 1`, 10, 18);
      out.forEach((value, i) => {
        const x = 10 + (i % side) * 11, y = 28 + Math.floor(i / side) * 11;
        if (value === 0) draw.rect(9, 9).move(x, y).fill("none").stroke({ color: "currentColor", width: 0.6, opacity: 0.5 });
        else draw.rect(9, 9).move(x, y).fill(colors.blue).opacity(0.35 + 0.65 * Math.min(1, Math.log(1 + value) / Math.log(1 + top)));
      });

      text(draw, "outputs: how many have which value", 280, 18);
      const dropped = out.filter((value) => value === 0).length;
      const survivor = training ? (rescale ? 1 / (1 - p) : 1) : 1;
      const right = Math.max(2.5, survivor * 1.1);
      const across = scale(0, right, 300, 620);
      const up = scale(0, out.length, 200, 40);
      draw.line(285, 200, 630, 200).stroke({ color: "currentColor", width: 1 });
      for (const [value, count, color] of [[0, dropped, colors.grey], [survivor, out.length - dropped, colors.blue]]) {
        if (!count) continue;
        draw.rect(22, 200 - up(count)).move(across(value) - 11, up(count)).fill(color);
        text(draw, String(count), across(value), up(count) - 5, { anchor: "middle", size: 12 });
        text(draw, number(value), across(value), 216, { anchor: "middle", size: 12 });
      }
      draw.line(across(expected.mean), 34, across(expected.mean), 200).stroke({ color: colors.orange, width: 1.5, dasharray: "5 4" });
      text(draw, "expected mean", across(expected.mean), 236, { anchor: "middle", size: 12 });
      draw.line(across(expected.mean), 222, across(expected.mean), 203).stroke({ color: colors.orange, width: 1.5 });
      draw.describe(`${dropped} of ${out.length} outputs are zero, the others are ${number(survivor)}.`);
      said.textContent =
        `Mean ${number(seen.mean)} (theory ${number(expected.mean)}), variance ${number(seen.variance)} (theory ${number(expected.variance)}).`;
    }
    render();
  });
})();
