// The columns of the list of runs: which there are at first, what is in them, and what it looks like.

import { h } from "./dom.js";
import { moment, number, seconds, short, status, value } from "./format.js";
import { annotate, retag, tagged, written } from "./tags.js";

export const FIRST = ["name", "id", "status", "started", "duration", "tags", "note"];
export const OTHERS = ["job", "framework", "kind", "user"];
const METRICS = 4;
const CHOICES = 1000;
const PARAMS = 6;
const SPLITS = ["test", "valid", "cv", "train"];
const SHOWN = {
  status: (run) => h("span", { class: `status ${run.status}` }, status(run.status)),
  started: (run) => moment(run.started),
  duration: (run) => (run.status === "running" && run.started ? `${seconds(Date.now() / 1000 - run.started)} so far` : seconds(run.duration)),
  id: (run) => run.id.replace(/^(.{8})[^.]*/, "$1"),
  job: (run) => h("a", { href: `/jobs/${run.job}` }, short(run.job)),
};

export function named(run) {
  return run.name || short(run.id);
}

export function found(run, field) {
  const dot = field.indexOf(".");
  return dot < 0 ? run[field] : run[field.slice(0, dot)]?.[field.slice(dot + 1)];
}

export function title(field) {
  const [group, ...rest] = field.split(".");
  if (field === "duration") return "took";
  if (!rest.length) return field;
  return group === "tags" ? `#${rest.join(".")}` : rest.join(".").split("__").at(-1);
}

// What stands in a cell; `failed` is told what the server says against a change.
export function shown(run, field, failed) {
  if (field === "tags") return edited(run, "tags", () => chips(run), () => written(run.tags), (text) => retag(run.id, run.tags, text), failed);
  if (field === "note") return edited(run, "note", () => (run.marks?.note ? [h("span", { class: "note", title: run.marks.note }, run.marks.note)] : []), () => run.marks?.note ?? "", (text) => annotate(run.id, text), failed);
  return SHOWN[field]?.(run) ?? value(found(run, field));
}

function chips(run) {
  return Object.entries(run.tags).map(([name, held]) => h("span", { class: "chip" }, tagged(name, held)));
}

// A cell that is edited in place: by its button, with Enter to keep and Escape to leave what is there.  `content` says
// what that is by now.
function edited(run, what, content, text, save, failed) {
  const place = h("span", { class: "edited" });
  const begin = h("button", { type: "button", class: "edit", "aria-label": `Edit the ${what} of ${named(run)}`, title: what === "tags" ? "Tags: name or name=value, with commas between" : "Note", onclick: () => {
    const input = h("input", { "aria-label": `The ${what} of ${named(run)}`, value: text(), size: "14" });
    let done = false;
    const back = () => {
      done = true;
      filled();
      begin.focus();
    };
    const keep = async () => {
      if (done) return;
      if (input.value === text()) return back();
      done = true;
      try {
        await save(input.value);
      } catch (error) {
        failed(error.message);
      }
      back();
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") event.preventDefault(); // else it presses the button that is focused then
      if (event.key === "Enter") keep();
      if (event.key === "Escape") back();
    });
    input.addEventListener("blur", keep);
    place.replaceChildren(input);
    input.focus();
  } });
  const filled = () => {
    const there = content();
    begin.textContent = there.length ? "✎" : "+";
    place.replaceChildren(begin, ...there);
  };
  filled();
  return place;
}

// What a run is marked with, beside its name.
export function marks(run) {
  const { gaps, duplicate_of: repeated } = run.marks ?? {};
  return [
    gaps ? h("span", { class: "badge", title: `${gaps} ${gaps === 1 ? "thing was" : "things were"} not recorded` }, `${gaps} ${gaps === 1 ? "gap" : "gaps"}`) : null,
    repeated ? h("a", { class: "badge", href: `/runs/${repeated}`, title: "It did again what that run had done" }, `repeats ${short(repeated)}`) : null,
  ];
}

// What tells these runs apart, as on the terminal: metrics by how many have them, and parameters that differ.
export function fitting(runs) {
  const rank = (name) => [name.endsWith(".std"), (SPLITS.indexOf(name.split("/")[0]) + 5) % 5];
  const metrics = counted(runs, "metrics").sort(
    ([a, n], [b, m]) => m - n || rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1] || a.localeCompare(b),
  );
  const values = new Map(); // of runs of one name, or of one search
  for (const run of runs) {
    for (const [name, held] of Object.entries(run.params)) {
      const key = JSON.stringify([run.parent ?? run.name, name]);
      values.set(key, [name, (values.get(key)?.[1] ?? new Set()).add(JSON.stringify(held))]);
    }
  }
  const varied = new Set([...values.values()].filter(([, seen]) => seen.size > 1).map(([name]) => name));
  const differing = counted(runs, "params").filter(([name]) => varied.has(name));
  const params = differing.sort(([a, n], [b, m]) => m - n || a.length - b.length || a.localeCompare(b));
  return [
    ...FIRST,
    ...metrics.slice(0, METRICS).map(([name]) => `metrics.${name}`),
    ...params.slice(0, PARAMS).map(([name]) => `params.${name}`),
  ];
}

// What may be a column of these runs, of each kind as many as one can choose from.
export function known(runs, columns) {
  const all = new Set([...columns, ...FIRST, ...OTHERS]);
  for (const run of runs) {
    for (const group of ["metrics", "params", "tags"]) Object.keys(run[group]).slice(0, CHOICES).forEach((name) => all.size < CHOICES && all.add(`${group}.${name}`));
  }
  return [...all].sort();
}

function counted(runs, group) {
  const counts = new Map();
  for (const run of runs) for (const name of Object.keys(run[group])) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts];
}

export function spread({ mean, min, max }) {
  if (mean === null) return value(max);
  return min === max ? number(mean) : `${number(mean)} (${number(min)} to ${number(max)})`;
}
