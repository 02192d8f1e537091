// Chapter 2: drag one sample; watch the statistics of the batch, the running ones, and everybody's output.
"use strict";

(() => {
  const { button, choice, drawing, element, mean, number, readout, register, scale, slider, text, variance } = TwoSwitches;

  /** BatchNorm of one feature: `x` in, `out` and the running statistics afterwards out. */
  function batchNorm(x, running, { training, momentum, eps }) {
    const batch = { mean: mean(x), variance: variance(x) };
    const used = training ? batch : running;
    const out = x.map((value) => (value - used.mean) / Math.sqrt(used.variance + eps));
    const after = training
      ? {
          mean: (1 - momentum) * running.mean + momentum * batch.mean,
          variance: (1 - momentum) * running.variance + momentum * variance(x, { unbiased: true }),
        }
      : { ...running };
    return { out, batch, running: after };
  }

  register("batchnorm", { batchNorm }, (stage, data) => {
    const { colors, eps } = data;
    const range = [-6, 6];
    let x = data.x.slice();
    let running = { ...data.running };
    let momentum = 0.1;
    let mode = "train";
    let forwards = 0;
    let chosen = x.length - 1;

    const sample = slider("sample to drag", [range[0], range[1], 0.1], x[chosen], (v) => number(v, 1), (v) => { x[chosen] = v; render(); });
    const controls = element("div", { class: "explorable-controls" },
      choice("mode", [["train", "model.train()"], ["eval", "model.eval()"]], mode, (v) => { mode = v; render(); }),
      slider("momentum", [0.05, 1, 0.05], momentum, (v) => v.toFixed(2), (v) => { momentum = v; render(); }),
      sample,
      button("forward", () => {
        running = batchNorm(x, running, { training: mode === "train", momentum, eps }).running;
        forwards += 1;
        render();
      }),
      button("start over", () => { x = data.x.slice(); running = { ...data.running }; forwards = 0; sample.set(x[chosen]); render(); }));
    const picture = element("div");
    const said = readout();
    stage.append(controls, picture, said);
    const draw = drawing(picture, 640, 300, "");
    const across = scale(range[0], range[1], 110, 620);
    const inputY = 60, outputY = 265;

    // The drawing may be scaled down to a phone: pointer positions go through the SVG's own coordinates.
    draw.node.style.touchAction = "pan-y";
    let dragging = false;
    const place = (event) => {
      const value = range[0] + ((draw.point(event.clientX, event.clientY).x - 110) / 510) * (range[1] - range[0]);
      x[chosen] = Math.max(range[0], Math.min(range[1], Math.round(value * 10) / 10));
      sample.set(x[chosen]);
      render();
    };
    draw.node.addEventListener("pointerdown", (event) => {
      const at = draw.point(event.clientX, event.clientY);
      if (Math.abs(at.x - across(x[chosen])) > 24 || Math.abs(at.y - inputY) > 30) return;
      dragging = true;
      draw.node.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    draw.node.addEventListener("pointermove", (event) => { if (dragging) place(event); });
    for (const end of ["pointerup", "pointercancel"]) draw.node.addEventListener(end, () => { dragging = false; });

    function band(label, { mean: centre, variance: spread }, y, color, used) {
      const half = Math.sqrt(spread);
      draw.line(across(Math.max(range[0], centre - half)), y, across(Math.min(range[1], centre + half)), y)
        .stroke({ color, width: used ? 8 : 3, opacity: used ? 0.9 : 0.6, linecap: "round" });
      draw.line(across(centre), y - 9, across(centre), y + 9).stroke({ color: "currentColor", width: 1.5 });
      text(draw, label, 100, y + 4, { anchor: "end", size: 12, weight: used ? "bold" : "normal" });
    }

    function axis(y, label) {
      draw.line(110, y, 620, y).stroke({ color: "currentColor", width: 0.8, opacity: 0.5 });
      text(draw, label, 100, y + 4, { anchor: "end", size: 12 });
    }

    function render() {
      const training = mode === "train";
      const result = batchNorm(x, running, { training, momentum, eps });
      draw.clear();
      axis(inputY, "inputs");
      axis(outputY, "outputs");
      for (const tick of [-6, -3, 0, 3, 6]) text(draw, number(tick, 0), across(tick), 292, { anchor: "middle", size: 12 });
      band("batch ± std", result.batch, 110, colors.blue, training);
      band("running ± std", running, 145, colors.orange, !training);
      x.forEach((value, i) => {
        const out = Math.max(range[0], Math.min(range[1], result.out[i]));
        draw.line(across(value), inputY + 8, across(out), outputY - 8).stroke({ color: "currentColor", width: 0.8, opacity: 0.3 });
        const here = i === chosen;
        const color = here ? colors.orange : colors.blue;
        (here ? draw.rect(17, 17).radius(3) : draw.circle(13)).center(across(value), inputY).fill(color);
        (here ? draw.rect(13, 13).radius(3) : draw.circle(11)).center(across(out), outputY).fill(color);
      });
      text(draw, "drag me", across(x[chosen]), inputY - 18, { anchor: x[chosen] > 5 ? "end" : x[chosen] < -5 ? "start" : "middle", size: 12 });
      draw.describe(`The square sample is ${number(x[chosen], 1)}; its output is ${number(result.out[chosen])}. ` +
        `The first sample stays at ${number(x[0], 1)}; its output is ${number(result.out[0])}.`);
      said.textContent =
        `Batch: mean ${number(result.batch.mean)}, variance ${number(result.batch.variance)}. ` +
        `Running after ${forwards} forward passes: mean ${number(running.mean)}, variance ${number(running.variance)}. ` +
        `Output of the first sample, which you have not touched: ${number(result.out[0])}.`;
    }
    render();
  });
})();
