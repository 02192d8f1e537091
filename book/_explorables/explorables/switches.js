// Chapter 0: flip the two switches on a tiny network and watch what changes.
"use strict";

(() => {
  const { button, choice, drawing, element, number, random, readout, register, scale, text, mean, variance } = TwoSwitches;

  /** One forward pass of Linear, BatchNorm, Dropout, Linear on `net.x` (samples × features).
   *
   * `kept` is the dropout mask (samples × hidden, 1 for kept). In training mode the running statistics of `net` move.
   * Returns the hidden values after BatchNorm, after dropout, and the outputs.
   */
  function forward(net, training, kept) {
    const { x, w1, b1, w2, b2, p, eps, momentum } = net;
    const hidden = x.map((row) => w1.map((weights, j) => weights.reduce((sum, w, i) => sum + w * row[i], b1[j])));
    const normal = hidden.map((row) => row.slice());
    for (let j = 0; j < b1.length; j += 1) {
      const column = hidden.map((row) => row[j]);
      const centre = training ? mean(column) : net.running_mean[j];
      const spread = training ? variance(column) : net.running_var[j];
      normal.forEach((row) => { row[j] = (row[j] - centre) / Math.sqrt(spread + eps); });
      if (training) {
        net.running_mean[j] += momentum * (centre - net.running_mean[j]);
        net.running_var[j] += momentum * (variance(column, { unbiased: true }) - net.running_var[j]);
      }
    }
    const dropped = normal.map((row, n) => row.map((h, j) => (training ? (h * kept[n][j]) / (1 - p) : h)));
    const out = dropped.map((row) => row.reduce((sum, h, j) => sum + h * w2[j], b2));
    if (training) net.batches_tracked += 1;
    return { normal, dropped, out };
  }

  register("switches", { forward }, (stage, data) => {
    const { colors, facts } = data;
    const next = random(7);
    let net = structuredClone(data.net);
    let mode = "train";
    let grad = "grad";
    let history = [];
    let last = null;

    const controls = element("div", { class: "explorable-controls" },
      choice("mode", [["train", "model.train()"], ["eval", "model.eval()"]], mode, (v) => { mode = v; render(); }),
      choice("gradient recording", [["grad", "as it is"], ["no_grad", "no_grad()"], ["inference", "inference_mode()"]],
        grad, (v) => { grad = v; render(); }),
      button("forward", step),
      button("start over", () => { net = structuredClone(data.net); history = []; last = null; render(); }));
    const picture = element("div");
    const said = readout();
    const facing = element("ul", { class: "explorable-facts" });
    stage.append(controls, picture, facing, said);
    const draw = drawing(picture, 640, 250, "");

    function step() {
      const kept = net.x.map((row) => net.b1.map(() => (next() < net.p ? 0 : 1)));
      const before = net.running_mean.slice();
      const result = forward(net, mode === "train", kept);
      last = { mode, grad, kept: kept[0], result, moved: net.running_mean.some((m, j) => m !== before[j]) };
      history.push({ value: result.out[0], mode });
      history = history.slice(-14);
      render();
    }

    function fact() { return facts[`${mode},${grad}`]; }

    function render() {
      draw.clear();
      const f = fact();
      text(draw, "hidden units of one image", 10, 18);
      const y = (j) => 44 + j * 30;
      net.b1.forEach((_, j) => {
        const off = last && last.mode === "train" && last.kept[j] === 0;
        const value = last ? last.result.dropped[0][j] : 0;
        draw.circle(22).center(60, y(j)).fill(off ? "none" : colors.blue).opacity(off ? 0.9 : 0.25 + Math.min(0.75, Math.abs(value) / 3))
          .stroke({ color: off ? "currentColor" : colors.blue, width: 1.5, dasharray: off ? "3 3" : "" });
        if (off) {
          draw.line(52, y(j) - 8, 68, y(j) + 8).stroke({ color: "currentColor", width: 1.5 });
          draw.line(68, y(j) - 8, 52, y(j) + 8).stroke({ color: "currentColor", width: 1.5 });
        }
        draw.line(72, y(j), 150, 119).stroke({ color: "currentColor", width: off ? 0 : 1, opacity: 0.5 });
      });
      draw.rect(18, 18).center(158, 119).fill(colors.blue);
      if (f.builds_graph) {
        draw.path("M 158 140 C 158 232, 60 250, 60 222").fill("none").stroke({ color: colors.green, width: 2 });
        draw.polygon("60,214 54,226 66,226").fill(colors.green);
        text(draw, "graph recorded", 82, 244, { size: 12 });
      } else text(draw, "no graph", 82, 244, { size: 12 });

      text(draw, "output for the same image, call by call", 250, 18);
      const values = history.map((h) => h.value);
      const low = Math.min(-1, ...values), high = Math.max(1, ...values);
      const up = scale(low, high, 200, 40);
      draw.line(250, up(0), 630, up(0)).stroke({ color: "currentColor", width: 0.7, opacity: 0.4 });
      text(draw, "0", 244, up(0) + 4, { anchor: "end", size: 12 });
      history.forEach((h, n) => {
        const x = 266 + n * 27;
        const mark = h.mode === "train" ? draw.circle(12).fill(colors.blue) : draw.rect(11, 11).fill(colors.orange);
        mark.center(x, up(h.value));
      });
      draw.circle(10).center(266, 236).fill(colors.blue);
      text(draw, "training mode", 276, 240, { size: 12 });
      draw.rect(10, 10).center(396, 236).fill(colors.orange);
      text(draw, "evaluation mode", 406, 240, { size: 12 });
      draw.describe(history.length
        ? `Outputs so far: ${history.map((h) => `${number(h.value)} in ${h.mode} mode`).join(", ")}.`
        : "No forward pass yet.");

      facing.replaceChildren(
        element("li", {}, `Dropout: ${f.dropout_drops ? "drops units" : "lets everything through"}`),
        element("li", {}, `BatchNorm normalises with: the ${f.bn_normalises_with} statistics`),
        element("li", {}, `Running statistics: ${f.bn_updates_buffers ? "written on each call" : "left alone"} (batches counted: ${net.batches_tracked})`),
        element("li", {}, `Autograd: ${f.builds_graph ? `records ${f.nodes} steps, keeps ${f.saved_bytes} bytes for backward` : "records nothing"}`));
      said.textContent = last
        ? `Output ${number(last.result.out[0], 3)}. ${last.moved ? "The running statistics have moved." : "The running statistics have not moved."}`
        : "Choose both switches, then press forward a few times.";
    }
    render();
  });
})();
