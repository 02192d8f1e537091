// Chapter 5: pick a recipe and see what it does to the target, to the source, to statistics and weights.
"use strict";

(() => {
  const { choice, drawing, element, mean, number, readout, register, scale, text, variance } = TwoSwitches;

  /** Mean and standard deviation (÷ n−1) of the seeds of one recipe, one pair for each thing measured. */
  const summary = (seeds) => Object.fromEntries(Object.entries(seeds).map(([what, values]) =>
    [what, { mean: mean(values), deviation: Math.sqrt(variance(values, { unbiased: true })) }]));

  register("transfer", { summary }, (stage, data) => {
    const { colors, recipes, before } = data;
    const rows = [
      ["target", "target accuracy (%)"],
      ["source", "source accuracy (%)"],
      ["statistics", "drift of the statistics"],
      ["weights", "drift of the weights (%)"],
    ];
    let chosen = recipes[0].recipe;
    const controls = element("div", { class: "explorable-controls explorable-recipes" },
      choice("recipe", recipes.map(({ recipe }) => [recipe, recipe]), chosen, (v) => { chosen = v; render(); }));
    const picture = element("div");
    const marks = element("p", { class: "explorable-marks" },
      "● the recipe's five seeds · | their mean · ○ the other recipes · ┆ the source network before");
    const said = readout();
    stage.append(controls, picture, marks, said);
    const draw = drawing(picture, 640, 260, "");

    function render() {
      const one = recipes.find(({ recipe }) => recipe === chosen);
      const means = summary(one.seeds);
      draw.clear();
      rows.forEach(([what, label], row) => {
        const y = 42 + row * 62;
        const all = recipes.flatMap(({ seeds }) => seeds[what]);
        const accuracy = what === "target" || what === "source";
        const low = accuracy ? Math.floor(Math.min(...all) / 10) * 10 : 0;
        const high = accuracy ? 100 : Math.max(...all) * 1.05;
        const across = scale(low, high, 60, 595);
        text(draw, label, 60, y - 16, { size: 12 });
        draw.line(60, y, 595, y).stroke({ color: "currentColor", width: 0.8, opacity: 0.5 });
        text(draw, number(low, 0), 52, y + 4, { anchor: "end", size: 11 });
        text(draw, number(high, accuracy ? 0 : 1), 603, y + 4, { size: 11 });
        for (const { recipe, seeds } of recipes) {
          if (recipe !== chosen) draw.circle(9).center(across(mean(seeds[what])), y).fill("none").stroke({ color: colors.grey, width: 1.5 });
        }
        if (what === "source") {
          draw.line(across(before.source), y - 12, across(before.source), y + 12).stroke({ color: "currentColor", width: 1.2, dasharray: "2 3" });
        }
        for (const value of one.seeds[what]) draw.circle(9).center(across(value), y).fill(colors.orange).opacity(0.75);
        draw.line(across(means[what].mean), y - 11, across(means[what].mean), y + 11).stroke({ color: colors.orange, width: 3 });
      });
      const tell = (what, digits = 1) => `${number(means[what].mean, digits)} ± ${number(means[what].deviation, digits)}`;
      draw.describe(`${one.recipe}: target ${tell("target")} percent, source ${tell("source")} percent.`);
      said.textContent = `${one.recipe}: ${tell("target")} % on the target, ${tell("source")} % on the source ` +
        `(${number(before.source, 1)} % before). Statistics moved by ${tell("statistics", 2)} ${data.units.statistics}, ` +
        `weights by ${tell("weights")} ${data.units.weights}.`;
    }
    render();
  });
})();
