// Chapter 4: step through a program and watch the gradient switch; the steps were recorded while it ran.
"use strict";

(() => {
  const { button, drawing, element, readout, register, scale, slider, text } = TwoSwitches;

  /** The first `count` steps of one thread as [step, recording] pairs. */
  const curve = (steps, thread, count) =>
    steps.slice(0, count).map((step, i) => [i, step]).filter(([, step]) => step.thread === thread)
      .map(([i, step]) => [i, step.recording]);

  register("gradmode", { curve }, (stage, data) => {
    const { colors, programs } = data;
    let program = programs[0];
    let at = 1;

    const pick = element("select", {}, ...programs.map((one, i) => element("option", { value: i }, one.name)));
    pick.addEventListener("change", () => { program = programs[Number(pick.value)]; at = 1; rebuild(); });
    const controls = element("div", { class: "explorable-controls" },
      element("label", { class: "explorable-select" }, element("span", {}, "program"), pick));
    const moves = element("div", { class: "explorable-controls" });
    const code = element("ol", { class: "explorable-code", tabindex: "0", "aria-label": "The program" });
    const picture = element("div");
    const said = readout();
    stage.append(controls, moves, code, picture, said);
    const draw = drawing(picture, 640, 130, "");
    let where = null;

    function go(to) {
      at = Math.max(1, Math.min(program.steps.length, to));
      where.set(at);
      render();
    }

    function rebuild() {
      where = slider("step", [1, program.steps.length, 1], at, (v) => `${v} of ${program.steps.length}`, (v) => { at = v; render(); });
      moves.replaceChildren(button("back", () => go(at - 1)), button("step", () => go(at + 1)), where);
      code.replaceChildren(...program.source.map((line) => element("li", {}, element("code", {}, line || " "))));
      render();
    }

    function render() {
      const step = program.steps[at - 1];
      [...code.children].forEach((line, i) => {
        line.classList.toggle("explorable-now", i + 1 === step.line);
        if (i + 1 === step.line) line.setAttribute("aria-current", "step");
        else line.removeAttribute("aria-current");
      });
      draw.clear();
      const across = scale(0, Math.max(1, program.steps.length), 60, 630);
      const threads = [...new Set(program.steps.map((one) => one.thread))];
      const styles = [{ color: colors.blue, width: 3 }, { color: colors.orange, width: 3, dasharray: "6 4" }];
      text(draw, "on", 50, 34, { anchor: "end" });
      text(draw, "off", 50, 84, { anchor: "end" });
      draw.line(60, 80, 630, 80).stroke({ color: "currentColor", width: 0.5, opacity: 0.4 });
      draw.line(60, 30, 630, 30).stroke({ color: "currentColor", width: 0.5, opacity: 0.4 });
      threads.forEach((thread, n) => {
        const known = curve(program.steps, thread, at);
        const y = (on) => (on ? 30 : 80) + n * 4;
        const points = [];
        known.forEach(([i, on], k) => {
          if (k > 0) points.push([across(i), y(known[k - 1][1])]);
          points.push([across(i), y(on)]);
          points.push([across(i + 1), y(on)]);
        });
        if (points.length) draw.polyline(points).fill("none").stroke(styles[n % styles.length]);
        if (threads.length > 1) text(draw, n ? "- - the second thread" : "— the first thread", 60 + n * 220, 118, { size: 12 });
      });
      draw.line(across(at), 18, across(at), 96).stroke({ color: "currentColor", width: 1, dasharray: "2 3" });
      const place = step.line ? `before line ${step.line} runs` : "at the end";
      draw.describe(`Gradient recording is ${step.recording ? "on" : "off"} ${place}.`);
      said.textContent = `${step.thread ? "In the second thread, " : ""}${place}, gradient recording is ${step.recording ? "on" : "off"}.`
        .replace(/^./, (first) => first.toUpperCase());
    }
    rebuild();
  });
})();
