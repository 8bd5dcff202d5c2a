// What many runs tell: which parameters a metric goes with, in parallel coordinates, a scatter plot and tables.

import { ask } from "./api.js";
import { h, put, section, table } from "./dom.js";
import { number } from "./format.js";
import { go, remember, state } from "./state.js";

const NEWEST = 1000;
const AXES = 8;
const ROWS = 200;
const CHANCE = 0.05;

// Of the runs that pass a filter; `nested`: runs in runs too.
export async function open(place, filter, nested) {
  const asked = state();
  let told = await ask("importance", { filter, nested, metric: asked.get("metric") });
  let opened = [];
  let [runs, plots] = [[], null];
  const [metrics, weights, drawn] = [h("select", { id: "metric" }), h("div", {}), h("div", {})];
  const problem = h("p", { class: "problem", role: "alert" });
  put(place, section("Across runs", h("p", { class: "tools" }, h("label", { for: "metric" }, "Metric"), metrics), h("p", { class: "quiet", role: "status" }), problem, weights, drawn));
  metrics.addEventListener("change", () => (remember({ metric: metrics.value }), again()));
  await shown();

  async function again() {
    try {
      told = await ask("importance", { filter, nested, metric: metrics.value });
      await shown();
    } catch (error) {
      problem.textContent = error.message;
    }
  }
  async function shown() {
    problem.textContent = "";
    const { metric, of } = told;
    const known = told.metrics.includes(metric) || !metric ? told.metrics : [metric, ...told.metrics];
    put(metrics, known.map((name) => h("option", { value: name, selected: name === metric }, name)));
    place.querySelector("[role=status]").textContent = told.metrics.length
      ? `${number(of)} ${of === 1 ? "run passes" : "runs pass"}${of > NEWEST ? `, of which the ${number(NEWEST)} newest are looked at` : ""}; ${[`${number(told.runs)} with a number for it`, told.odd ? `${number(told.odd)} whose value is no number are left out` : "", told.without ? `${number(told.without)} have none` : ""].filter(Boolean).join(", ")}.`
      : "None of these runs has a metric.";
    put(weights, importance(told));
    if (!told.metrics.length) return;
    const columns = [...told.varying.slice(0, 60).map((name) => `params.${name}`), `metrics.${metric}`, ...["x", "y"].map((name) => state().get(name))];
    const wanted = [...new Set(columns.filter((name) => /^(params|metrics)\./.test(name ?? "")))];
    [{ runs }, plots] = await Promise.all([ask("runs", { filter, nested, limit: NEWEST, column: ["name", ...wanted] }), import("./plots.js")]);
    draw();
  }
  function draw() {
    opened.forEach((one) => one.close());
    opened = [parallel(), scatter()];
    put(drawn, opened.map(({ element }) => element));
    opened.forEach((one) => one.drawn());
  }
  function parallel() {
    const heavy = told.parameters.map(({ name }) => name);
    const usual = [...heavy, ...told.varying.filter((name) => !heavy.includes(name))].slice(0, AXES);
    const chosen = state().get("axes") === null ? usual : JSON.parse(safely(state().get("axes"))).filter((name) => told.varying.includes(name));
    const names = [...chosen.map((name) => `params.${name}`), `metrics.${told.metric}`];
    const rows = runs.filter((run) => typeof held(run, names.at(-1)) === "number");
    const scales = names.map((name) => plots.scale(rows.map((run) => held(run, name))));
    const values = rows.map((run) => held(run, names.at(-1)));
    const [low, high] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
    const upright = place.clientWidth > names.length * 90; // else one axis below the other
    const one = plots.plot(`Parameters and ${told.metric}`, upright ? 380 : 70 * names.length + 40, ({ ink, line, shades }) => ({
      parallel: { layout: upright ? "horizontal" : "vertical", ...(upright ? { left: 40, right: 60, top: 50, bottom: 30 } : { left: 20, right: 30, top: 30, bottom: 50 }),
        parallelAxisDefault: { ...(upright ? {} : { nameLocation: "start", nameGap: 8 }), nameTextStyle: { color: ink, ...(upright ? {} : { align: "left", verticalAlign: "bottom", padding: [0, 0, 6, -8] }) }, axisLabel: { color: ink, hideOverlap: true, formatter: (label) => plots.short(typeof label === "number" ? number(label) : label, 14) }, axisLine: { lineStyle: { color: line } }, axisTick: { lineStyle: { color: line } } } },
      parallelAxis: names.map((name, dim) => ({ dim, name: plots.short(own(name)), type: scales[dim].type, scale: true, ...(scales[dim].data ? { data: scales[dim].data } : {}) })),
      visualMap: { show: false, dimension: names.length - 1, min: low, max: high > low ? high : low + 1, inRange: { color: shades } },
      series: [{ type: "parallel", lineStyle: { width: 1.4, opacity: rows.length > 200 ? 0.35 : 0.7 }, data: rows.map((run) => ({ value: names.map((name, at) => scales[at].place(held(run, name)) ?? NaN), run: run.id })) }],
    }), ({ data }) => data?.run && go(`/runs/${data.run}`));
    const boxes = h("details", { class: "chooser inset" }, h("summary", {}, "Axes"), h("fieldset", {}, h("legend", { class: "hidden" }, "Axes"),
      told.varying.slice(0, 60).map((name) => h("label", { class: "inline" }, h("input", { type: "checkbox", checked: chosen.includes(name), onchange: ({ target }) => {
        remember({ axes: JSON.stringify(target.checked ? [...chosen, name] : chosen.filter((other) => other !== name)) });
        draw();
        place.querySelector(".chooser").open = true;
      } }), ` ${name}`))));
    const scale = h("p", { class: "quiet" }, `The lighter or the more yellow a line, the higher its ${told.metric}: from ${number(low)} to ${number(high)}. Drag along an axis to mark a range. A click on a line opens its run.`);
    return { element: section("Parallel coordinates", boxes, rows.length && chosen.length ? [one.element, scale, read("The runs as a table", names, rows)] : h("p", { class: "quiet" }, rows.length ? "No parameter that differs is chosen." : "None has a number for it.")), drawn: one.draw, close: one.close };
  }
  function scatter() {
    const choices = [...told.varying.map((name) => `params.${name}`), ...told.metrics.map((name) => `metrics.${name}`)];
    const heaviest = told.parameters[0]?.name ?? told.varying[0];
    const usual = { x: heaviest === undefined ? `metrics.${told.metrics[1] ?? told.metric}` : `params.${heaviest}`, y: `metrics.${told.metric}` };
    const chosen = Object.fromEntries(["x", "y"].map((axis) => [axis, choices.includes(state().get(axis)) ? state().get(axis) : usual[axis]]));
    const pickers = ["x", "y"].map((axis) => [h("label", { for: `scatter-${axis}` }, axis),
      h("select", { id: `scatter-${axis}`, onchange: ({ target }) => (remember({ [axis]: target.value }), shown().then(() => document.getElementById(`scatter-${axis}`).focus())) },
        choices.map((name) => h("option", { value: name, selected: name === chosen[axis] }, own(name))))]);
    const rows = runs.filter((run) => ["x", "y"].every((axis) => held(run, chosen[axis]) !== undefined));
    const scales = Object.fromEntries(["x", "y"].map((axis) => [axis, plots.scale(rows.map((run) => held(run, chosen[axis])))]));
    const one = plots.plot(`${own(chosen.y)} by ${own(chosen.x)}`, 380, ({ ink, line, tooltip, shades, width }) => {
      const axis = (of) => ({ type: scales[of].type, scale: true, name: plots.short(own(chosen[of]), 40), nameLocation: of === "x" ? "middle" : "end", nameGap: of === "x" ? 28 : 12, nameTextStyle: { color: ink, align: of === "x" ? "center" : "left" },
        axisLabel: { color: ink, hideOverlap: true, formatter: (label) => plots.short(typeof label === "number" ? number(label) : label, 12) }, axisLine: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line } }, ...(scales[of].data ? { data: scales[of].data } : {}) });
      return {
        grid: { left: width < 500 ? 60 : 80, right: 24, top: 36, bottom: 48 }, xAxis: axis("x"), yAxis: axis("y"),
        tooltip: { ...tooltip, trigger: "item", formatter: ({ data }) => [data.label_, ...["x", "y"].map((of) => `${own(chosen[of])}: ${plots.text(data.held[of])}`)].map((told) => plots.short(told, 60)).join("\n") },
        series: [{ type: "scatter", symbolSize: 9, itemStyle: { color: shades[0], opacity: 0.7 }, data: rows.map((run) => {
          const both = { x: held(run, chosen.x), y: held(run, chosen.y) };
          return { value: [scales.x.place(both.x), scales.y.place(both.y)], run: run.id, label_: run.name || run.id, held: both };
        }) }],
      };
    }, ({ data }) => data?.run && go(`/runs/${data.run}`));
    return { element: section("Scatter plot", h("p", { class: "tools" }, pickers), rows.length ? [one.element, h("p", { class: "quiet" }, "A click on a point opens its run."), read("The points as a table", [chosen.x, chosen.y], rows)] : h("p", { class: "quiet" }, "No run has both.")), drawn: one.draw, close: one.close };
  }
  function read(title, names, rows) {
    const some = rows.slice(0, ROWS);
    return h("details", {}, h("summary", {}, title),
      table(title, ["run", ...names.map(own)], some.map((run) => [h("a", { href: `/runs/${run.id}` }, run.name || run.id), ...names.map((name) => plots.text(held(run, name)))])),
      rows.length > ROWS ? h("p", { class: "quiet" }, `… and ${number(rows.length - ROWS)} more.`) : null);
  }
  return { close: () => opened.forEach((one) => one.close()) };
}

function importance({ parameters, left_out: without, why, metric, runs }) {
  if (!metric) return null;
  const rows = parameters.map(({ name, importance: weight, correlation, chance, runs: count, values, together }) => [
    name, bar(weight), correlation === null ? "" : signed(correlation), chance > CHANCE ? "may be chance" : "more than chance",
    `${number(count)}, ${number(values)} values`, together.join(", "),
  ]);
  return section("Parameter importance",
    why ? h("p", { class: "quiet" }, `Nothing can be told: ${why}.`) : null,
    rows.length ? [h("p", { class: "quiet" }, `How much of the spread of ${metric} (of its ranks, over ${number(runs)} runs) goes with each parameter alone; what two do only together does not show. It says what goes together, not what causes it; parameters that change with each other can not be told apart.`),
      table("Parameter importance", ["parameter", "importance", "rank correlation", "certainty", "runs", "changes with"], rows)] : null,
    !why && !rows.length ? h("p", { class: "quiet" }, "No parameter differs so that it could tell anything.") : null,
    without.length ? h("details", {}, h("summary", {}, `${without.length} left out`), table("Left out of importance", ["parameter", "why"], without.map(({ name, why: told }) => [name, told]))) : null);
}

function bar(weight) {
  const drawn = h("meter", { min: "0", max: "1", value: weight, "aria-hidden": "true" });
  return h("span", { class: "status" }, drawn, ` ${weight.toFixed(2)}`);
}

function signed(correlation) {
  return `${correlation < 0 ? "−" : "+"}${Math.abs(correlation).toFixed(2)}`;
}

function held(run, name) {
  const dot = name.indexOf(".");
  return run[name.slice(0, dot)]?.[name.slice(dot + 1)];
}

function own(name) {
  return name.slice(name.indexOf(".") + 1);
}

function safely(given) {
  try {
    const list = JSON.parse(given);
    return Array.isArray(list) ? JSON.stringify(list.filter((name) => typeof name === "string")) : "[]";
  } catch {
    return "[]";
  }
}
