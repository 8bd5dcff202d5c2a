// How runs differ: what is not the same first, and their curves over each other.

import { ask } from "./api.js";
import { chart } from "./chart.js";
import { h, put, refill, section, table } from "./dom.js";
import { bytes, moment, number, seconds, short, status, value } from "./format.js";
import { commit } from "./sections.js";
import { AXES, choices, series } from "./smoothing.js";
import { remember, state } from "./state.js";

const MOST = 12;
const CHARTS = 24;

export async function open(place) {
  const asked = state();
  const ids = [...new Set((asked.get("runs") ?? "").split(",").filter(Boolean))];
  const filter = asked.get("filter") ?? "";
  if (!ids.length && (filter || asked.has("filter") || asked.has("metric") || asked.has("nested"))) {
    put(place, h("h1", {}, "Runs compared"), filter ? h("p", { class: "quiet" }, "Those that pass ", h("code", {}, filter)) : null);
    return within(place, filter, asked.get("nested") === "true");
  }
  if (ids.length < 2 || ids.length > MOST) {
    put(place, h("h1", {}, "Compare"), h("p", {}, ids.length > MOST ? `${ids.length} runs are too many to compare side by side: ${MOST} at most. ` : "Choose two runs or more in the list of ", ids.length > MOST ? null : h("a", { href: "/" }, "runs"), ids.length > MOST ? null : "."));
    return ids.length > MOST ? within(place, among(ids), true) : {};
  }
  let [runs, data] = await Promise.all([Promise.all(ids.map((id) => ask(`runs/${encodeURIComponent(id)}`))), ask("compare/data", { run: ids })]);
  const names = runs.map((run) => label(run, runs));
  const how = choices(async (other) => {
    if (other) await read();
    draw();
  });
  const curves = h("div", { class: "charts" });
  const absent = h("p", { class: "quiet", role: "status" });
  const [differences, many] = [h("div", {}), h("div", {})];
  let charts = [];
  let found = [];
  put(place, h("h1", {}, `${runs.length} runs compared`), differences,
    section("Curves",
      how.element, absent, curves),
    section("Code", differing()), many);
  show();
  await read();
  draw();
  const across = asked.get("across") === "true" ? await within(many, among(runs.map(({ id }) => id)), true) : (put(many, h("p", {}, h("a", { href: `/compare?runs=${ids.map(encodeURIComponent).join(",")}&across=true` }, "Parameters against metrics across these runs"))), {});

  function show() {
    const heads = () => ["", ...runs.map((run, at) => h("a", { href: `/runs/${run.id}` }, names[at]))];
    const parts = [
      ["Runs", about(runs)], ["Parameters", valued(runs, (run) => run.params.map(({ name, value: held }) => [name, value(held)]))],
      ["Metrics", valued(runs, (run) => Object.entries(run.metrics).map(([name, { last }]) => [name, number(last)]))],
      ["Data", valued(runs, (run) => run.datasets.map((data) => [[data.role, data.name].filter(Boolean).join(": "), digest(data.id, data.rows)]))],
      ["Packages", valued(runs, (run) => Object.entries(run.job.packages ?? {}).map(([name, held]) => [name, value(held)]))],
    ];
    refill(differences, parts.map(([title, rows]) => {
      const [unlike, alike] = [rows.filter(differ), rows.filter((row) => !differ(row))];
      return section(title,
        unlike.length ? table(title, heads(), unlike) : h("p", { class: "quiet" }, rows.length ? "Nothing differs." : "None was recorded."),
        title === "Data" && data.rows.length ? [h("h3", {}, "Against the data of the first"), table("What differs in the data", heads(), data.rows.map(({ name, texts }) => [name, ...texts.map((text, at) => (at ? (text ?? "") : ""))]))] : null,
        alike.length ? h("details", {}, h("summary", {}, `${alike.length} the same`), table(`${title}: the same`, heads(), alike)) : null);
    }));
  }
  function differing() {
    const shown = h("div", {});
    const kept = runs.map((run) => run.job.code?.tree);
    const unlike = runs.slice(1).filter((run, at) => kept[at + 1] !== kept[0]);
    const first = asked.get("code") ?? unlike[0]?.id;
    const other = h("select", { id: "other", onchange: () => lines() }, runs.slice(1).map((run, at) => h("option", { value: run.id, selected: run.id === first }, names[at + 1])));
    const told = kept.includes(undefined) ? "the code of some was not kept" : unlike.length ? `it does, in ${unlike.length === 1 ? "one" : number(unlike.length)} of ${number(runs.length - 1)}` : "it is the same in all of these";
    async function lines() {
      remember({ code: other.value });
      const { show: drawn } = await import("./code.js");
      await drawn(shown, runs[0].id, other.value);
    }
    const folded = h("details", { open: asked.has("code"), ontoggle: () => (folded.open ? lines() : remember({ code: null })) }, h("summary", {}, `How the code differs: ${told}`),
      h("p", { class: "tools" }, `From ${names[0]} to `, h("label", { class: "hidden", for: "other" }, "To"), other), shown);
    return folded;
  }
  async function read() {
    ({ runs: found } = await ask("compare/curves", { run: ids, log: how.chosen().log, along: how.chosen().along }));
  }
  function draw() {
    const { log, along, smooth } = how.chosen();
    const metrics = [...new Set(found.flatMap(({ curves: one }) => Object.keys(one)))].slice(0, CHARTS);
    charts.forEach((one) => one.close());
    charts = metrics.map((metric) => chart(metric, found.flatMap(({ curves: one }, at) => (one[metric] ? series(metric, drawn(one[metric], at), smooth) : [])),
      { log, along: AXES[along] }));
    put(curves, metrics.length ? charts.map((one) => one.element) : h("p", { class: "quiet" }, "None has a curve."));
    absent.textContent = found.map(({ without }, at) => (without.length ? `${names[at]}: no ${along}s are on record for ${without.join(", ")}. ` : "")).join("");
  }
  function drawn({ x, value: y, odd, of }, at) {
    return { label: names[at], colour: at, x, y, odd, of };
  }
  return {
    changed: async () => {
      if (!runs.some((run) => run.status === "running")) return;
      runs = await Promise.all(ids.map((id) => ask(`runs/${encodeURIComponent(id)}`)));
      show();
      await read();
      draw();
    },
    close: () => {
      across.close?.();
      charts.forEach((one) => one.close());
    },
  };
}

async function within(place, filter, nested) {
  const { open: across } = await import("./across.js");
  const inside = h("div", {});
  place.append(inside);
  return across(inside, filter, nested);
}

// The condition that these runs pass and no others.
function among(ids) {
  return ids.map((id) => `id == ${JSON.stringify(id)}`).join(" or ");
}

// A run by its name, and where others have the same, by a parameter or two that tell it from them, or else its id.
function label(run, runs) {
  const name = run.name || short(run.id);
  const alike = runs.filter((other) => other.name === run.name);
  if (alike.length < 2) return name;
  const held = alike.map((other) => new Map(other.params.map((param) => [param.name, value(param.value)])));
  const told = [...new Set(held.flatMap((one) => [...one.keys()]))].filter((param) => new Set(held.map((one) => one.get(param))).size > 1);
  const words = held.map((one) => told.map((param) => `${param.split("__").at(-1)}=${one.get(param) ?? ""}`).join(", "));
  const usable = told.length && told.length <= 2 && new Set(words).size === alike.length && words.every((one) => one.length < 40);
  return `${name} ${usable ? words[alike.indexOf(run)] : short(run.id)}`;
}

function about(runs) {
  return [
    ["Status", ...runs.map((run) => status(run.status))], ["Started", ...runs.map((run) => moment(run.started))],
    ["Took", ...runs.map((run) => seconds(run.duration))], ["By", ...runs.map((run) => run.user ?? "")],
    ["Model", ...runs.map((run) => run.model?.class ?? "")], ["Size of the model", ...runs.map((run) => bytes(run.model?.bytes))],
    ["Commit", ...runs.map((run) => commit(run.job.git))],
    ["Command", ...runs.map((run) => (run.job.argv ?? []).join(" "))], ["Python", ...runs.map((run) => value(run.job.python ?? undefined))],
  ].filter((row) => row.slice(1).some(Boolean));
}

// A row for each name that any of the runs has.
function valued(runs, pairs) {
  const held = runs.map((run) => new Map(pairs(run)));
  return [...new Set(held.flatMap((one) => [...one.keys()]))].sort().map((name) => [name, ...held.map((one) => one.get(name) ?? "")]);
}

function digest(id, rows) {
  return [id ? short(id.split(":").at(-1)) : "", rows ? `${number(rows)} rows` : ""].filter(Boolean).join(", ");
}

function differ(row) {
  return new Set(row.slice(1)).size > 1;
}
