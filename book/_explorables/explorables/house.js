// What all explorables share: controls, scales, random numbers, and how a page's explorables come to life.
// Classic scripts, not modules: a browser refuses to load a module from file://, and the book is read from there too.
"use strict";

window.TwoSwitches = (() => {
  const makers = {};
  const arithmetic = {};

  /** Register an explorable: pure functions that tests compare with PyTorch, and what builds it in its box. */
  function register(name, pure, mount) {
    arithmetic[name] = pure;
    makers[name] = mount;
  }

  /** An HTML element with attributes and children (elements or text). */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  let serial = 0;

  /** Radio buttons in a row; returns the fieldset. `options` are [value, label] pairs. */
  function choice(legend, options, value, onChange) {
    const group = `explorable-choice-${(serial += 1)}`;
    const box = element("fieldset", { class: "explorable-choice" }, element("legend", {}, legend));
    for (const [option, label] of options) {
      const radio = element("input", { type: "radio", name: group, value: option, checked: option === value });
      radio.addEventListener("change", () => onChange(option));
      box.append(element("label", {}, radio, element("span", {}, label)));
    }
    return box;
  }

  /** A labelled slider that shows its value; `show` turns the number into text. */
  function slider(label, [low, high, step], value, show, onInput) {
    const shown = element("output", {}, show(value));
    const range = element("input", { type: "range", min: low, max: high, step, value });
    range.setAttribute("aria-valuetext", show(value));
    range.addEventListener("input", () => {
      const now = Number(range.value);
      shown.textContent = show(now);
      range.setAttribute("aria-valuetext", show(now));
      onInput(now);
    });
    const box = element("label", { class: "explorable-slider" }, element("span", {}, label), range, shown);
    box.set = (now) => {
      range.value = now;
      shown.textContent = show(now);
      range.setAttribute("aria-valuetext", show(now));
    };
    return box;
  }

  function button(label, onClick) {
    const made = element("button", { type: "button" }, label);
    made.addEventListener("click", onClick);
    return made;
  }

  function checkbox(label, checked, onChange) {
    const box = element("input", { type: "checkbox", checked });
    box.addEventListener("change", () => onChange(box.checked));
    return element("label", { class: "explorable-checkbox" }, box, element("span", {}, label));
  }

  /** A sentence that screen readers speak when it changes. */
  function readout() {
    return element("p", { class: "explorable-readout", "aria-live": "polite" });
  }

  /** A drawing of `width` × `height` units that takes the width of its column. */
  function drawing(box, width, height, name) {
    const draw = SVG().addTo(box).viewbox(0, 0, width, height);
    draw.node.removeAttribute("width");
    draw.node.removeAttribute("height");
    draw.attr({ role: "img", "aria-label": name });
    draw.node.style.maxWidth = `${width}px`;
    draw.describe = (text) => draw.attr("aria-label", text);
    return draw;
  }

  // A phone shows a drawing at half its size: letters start larger there.
  const enlarge = window.matchMedia("(max-width: 480px)").matches ? 1.45 : 1;

  /** Text in the page's own colour. Anchor: start, middle or end. */
  function text(draw, content, x, y, { anchor = "start", size = 13, weight = "normal", fill = "currentColor" } = {}) {
    return draw
      .plain(content)
      .attr({ x, y, "text-anchor": anchor, "font-size": size * enlarge, "font-weight": weight, fill, "font-family": null });
  }

  const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);

  /** Random numbers in [0, 1) that repeat on every visit (mulberry32). */
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** The biased variance (÷ n), or the unbiased one (÷ n−1). */
  function variance(values, { unbiased = false } = {}) {
    const centre = mean(values);
    const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
    return squares / (values.length - (unbiased ? 1 : 0));
  }

  /** A number for people: a true minus sign, `digits` decimals. */
  const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

  function start() {
    for (const box of document.querySelectorAll(".explorable[data-explorable]")) {
      const make = makers[box.dataset.explorable];
      if (!make || box.dataset.alive) continue;
      box.dataset.alive = "yes";
      const data = JSON.parse(box.querySelector("script[type='application/json']").textContent);
      box.querySelector(".explorable-still").hidden = true;
      const stage = element("div", { class: "explorable-stage" });
      box.append(stage);
      make(stage, data);
    }
  }

  // Scripts are deferred: the whole page has been read, and every explorable's own script has run, at DOMContentLoaded.
  document.addEventListener("DOMContentLoaded", start);

  return {
    arithmetic, button, checkbox, choice, drawing, element, mean, number, random, readout, register, scale, slider, text,
    variance,
  };
})();
