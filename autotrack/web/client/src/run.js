// Everything that is known of a run.

import { ask, change } from "./api.js";
import { chart } from "./chart.js";
import { facts, h, put, section, table } from "./dom.js";
import { bytes, moment, number, seconds, short, status, value } from "./format.js";
import { remember, state } from "./state.js";

const LINES = 400;

export async function open(place, id) {
  let run = await ask(`runs/${encodeURIComponent(id)}`);
  let charts = [];
  const [log, time] = ["log", "time"].map((name) => h("input", { type: "checkbox", checked: state().get(name) === "true" }));
  const curves = h("div", { class: "charts" });
  const body = h("div", {});
  put(place, body);
  show();
  await draw();
  log.addEventListener("change", () => (remember({ log: log.checked }), draw()));
  time.addEventListener("change", () => (remember({ time: time.checked }), draw()));

  function show() {
    document.title = `${run.name} · autotrack`;
    put(body,
      h("h1", {}, run.name || short(run.id), " ", h("span", { class: `status ${run.status}` }, status(run.status))),
      gaps(run),
      facts([
        ["Run", h("code", {}, run.id)],
        ["Job", h("code", {}, run.job.id)],
        ["Framework", [run.framework, run.kind].filter(Boolean).join(", ")],
        ["Started", moment(run.started)],
        ["Took", seconds(run.duration)],
        ["By", [run.user, run.job.host].filter(Boolean).join(" on ")],
        ["Part of", run.parent && h("a", { href: `/runs/${run.parent}` }, short(run.parent))],
        ["Repeats", run.job.duplicate_of && h("a", { href: `/runs/${run.job.duplicate_of.run}` }, short(run.job.duplicate_of.run))],
        ["Made again by", h("code", {}, `autotrack reproduce ${short(run.id)}`)],
        ["Lineage", h("a", { href: `/lineage?of=${run.id}` }, "where it comes from")],
      ]),
      failure(run), tags(run), note(run),
      section("Metrics", metrics(run),
        h("p", { class: "tools" }, h("label", { class: "inline" }, log, " logarithmic"), h("label", { class: "inline" }, time, " by time")), curves),
      section("Parameters", params(run)),
      section("Data", datasets(run)),
      section("Model", model(run)),
      section("Files", artifacts(run)),
      section("Environment", environment(run.job)),
      section("System", system(run)),
      section("Console", consoled(run.job)),
      section("What was observed", receipt(run)),
    );
  }
  async function draw() {
    const { curves: found } = await ask(`runs/${run.id}/curves`, { log: log.checked });
    const groups = grouped(Object.keys(found));
    const made = groups.map(([title, names]) => [title, names.map((name) => drawn(name, found[name]))]);
    if (charts.length === made.length && charts.every(({ title }, at) => title === made[at][0]) && charts.asked === asked()) {
      made.forEach(([, series], at) => charts[at].update(series));
      return;
    }
    charts.forEach((one) => one.close());
    charts = made.map(([title, series]) => ({ title, ...chart(title, series, { log: log.checked, along: time.checked ? "seconds" : "step" }) }));
    charts.asked = asked();
    put(curves, charts.map((one) => one.element));
  }
  function asked() {
    return `${log.checked} ${time.checked}`;
  }
  function drawn(label, { step, time: times, value: y, odd, of }) {
    const begun = run.started ?? times[0];
    return { label, x: time.checked ? times.map((at) => at - begun) : step, y, odd, of };
  }

  function tags(run) {
    const name = h("input", { id: "tag", size: "12", required: true, placeholder: "name or name=value" });
    const form = h("form", { class: "tools", onsubmit: async (event) => {
      event.preventDefault();
      const [key, ...rest] = name.value.split("=");
      await edit("PUT", `tags/${encodeURIComponent(key.trim())}`, { value: rest.length ? rest.join("=").trim() : true });
    } }, h("label", { for: "tag" }, "Tag"), name, h("button", { type: "submit" }, "Add"));
    const own = Object.entries(run.tags).map(([key, held]) => h("li", {},
      held === true ? key : `${key}: ${value(held)}`, " ",
      h("button", { type: "button", "aria-label": `Take the tag ${key} away`, onclick: () => edit("DELETE", `tags/${encodeURIComponent(key)}`) }, "×")));
    return section("Tags and note", h("ul", { class: "tags" }, own), form);
  }
  function note(run) {
    const text = h("textarea", { id: "note", rows: "2" }, run.note ?? "");
    return h("form", { onsubmit: async (event) => {
      event.preventDefault();
      await edit("PUT", "note", { note: text.value || null });
    } }, h("label", { for: "note" }, "Note"), text, h("button", { type: "submit" }, "Save the note"));
  }
  async function edit(method, path, body) {
    await change(method, `runs/${run.id}/${path}`, body);
    await renew();
  }
  async function renew() {
    const writing = place.querySelector("#note");
    const kept = writing === document.activeElement ? null : await ask(`runs/${run.id}`);
    if (kept) [run] = [kept];
    if (kept) show();
    await draw();
  }
  return { changed: renew, close: () => charts.forEach((one) => one.close()) };
}

// train/loss and valid/loss share a chart.
function grouped(names) {
  const groups = new Map();
  for (const name of names) {
    const title = name.includes("/") ? name.slice(name.indexOf("/") + 1) : name;
    groups.set(title, [...(groups.get(title) ?? []), name]);
  }
  return [...groups];
}

function gaps(run) {
  if (!run.gaps.length) return null;
  return h("details", { class: "gaps" }, h("summary", {}, `${run.gaps.length} ${run.gaps.length === 1 ? "thing was" : "things were"} not recorded`),
    h("ul", {}, run.gaps.map(({ what, why }) => h("li", {}, `${what}: ${why}`))));
}

function failure(run) {
  if (!run.failure) return null;
  const { type, message, traceback } = run.failure;
  return h("details", { class: "failure" }, h("summary", {}, `${type}: ${message}`), h("pre", {}, value(traceback ?? undefined)));
}

function metrics(run) {
  const rows = Object.entries(run.metrics).map(([name, { last, min, max, count }]) => [name, number(last), number(min ?? ""), number(max ?? ""), number(count)]);
  return rows.length ? table("Metrics", ["Metric", "Last", "Least", "Greatest", "Points"], rows) : h("p", { class: "quiet" }, "None was recorded.");
}

function params(run) {
  const rows = run.params.map(({ name, value: held, source }) => [name, value(held), source]);
  return rows.length ? table("Parameters", ["Parameter", "Value", "Source"], rows) : h("p", { class: "quiet" }, "None was recorded.");
}

function datasets(run) {
  if (!run.datasets.length) return h("p", { class: "quiet" }, "None was recorded.");
  return run.datasets.map((data) => h("article", {},
    h("h3", {}, [data.role, data.name].filter(Boolean).join(": ")),
    facts([
      ["Identity", data.id && h("a", { href: `/lineage?of=${encodeURIComponent(data.id)}` }, short(data.id.split(":").at(-1)))],
      ["Kind", data.kind], ["Rows", data.rows && number(data.rows)], ["Columns", data.columns && number(data.columns)],
      ["Size", bytes(data.bytes)], ["Identified by", data.method],
    ]),
    data.profile?.columns?.length ? table(`Columns of ${data.role}`, ["Column", "Type", "Least", "Greatest", "Mean", "Deviation", "Missing"],
      data.profile.columns.map((column) => [column.name, column.type, ...[column.low, column.high, column.mean, column.deviation].map((one) => value(one ?? undefined)), value((column.nulls ?? 0) + (column.nans ?? 0))])) : null));
}

function model(run) {
  if (!run.model) return h("p", { class: "quiet" }, "None was recorded.");
  return facts([
    ["Class", run.model.class], ["Identity", run.model.id && h("a", { href: `/lineage?of=${encodeURIComponent(run.model.id)}` }, short(run.model.id.split(":").at(-1)))],
    ["Parameters", run.model.parameters && number(run.model.parameters)], ["Size", bytes(run.model.bytes)],
    ["Also trained by", run.model.trained_by?.length ? run.model.trained_by.map((id) => [h("a", { href: `/runs/${id}` }, short(id)), " "]) : null],
  ]);
}

function artifacts(run) {
  const rows = run.artifacts.map(({ path, mode, digest, bytes: size, kind, step }) => [path, { r: "read", w: "written" }[mode] ?? mode, kind, bytes(size), value(step ?? undefined),
    digest ? h("a", { href: `/lineage?of=${digest}` }, short(digest)) : ""]);
  return rows.length ? table("Files", ["Path", "How", "Kind", "Size", "Step", "Digest"], rows) : h("p", { class: "quiet" }, "None was recorded.");
}

function environment(job) {
  const packages = Object.entries(job.packages ?? {}).map(([name, held]) => [name, value(held)]);
  return [
    facts([["Command", h("code", {}, (job.argv ?? []).join(" "))], ["Folder", job.cwd], ["Python", value(job.python ?? undefined)], ["Commit", value(job.git?.commit ?? undefined)]]),
    packages.length ? h("details", {}, h("summary", {}, `${packages.length} packages`), table("Packages", ["Package", "Version"], packages)) : null,
  ];
}

function system(run) {
  const rows = Object.entries(run.system).map(([name, { last, min, max, mean }]) => [name, ...[last, min, max, mean].map((one) => value(one ?? undefined))]);
  return rows.length ? table("System", ["Sample", "Last", "Least", "Greatest", "Mean"], rows) : h("p", { class: "quiet" }, "None was taken.");
}

function consoled(job) {
  const lines = job.console ?? [];
  if (!lines.length) return h("p", { class: "quiet" }, "Nothing was printed.");
  const left = lines.length - LINES;
  return h("pre", { class: "console", tabindex: "0", role: "region", "aria-label": "Console" },
    left > 0 ? `… ${number(left)} more before\n` : "",
    lines.slice(-LINES).map(({ stream, text }) => h("span", { class: stream }, text)));
}

function receipt(run) {
  const rows = run.receipt.map(({ patch, attached, fired, failed, off }) => [patch, attached ? "yes" : "no", number(fired ?? 0), number(failed ?? 0), off ? "switched off" : ""]);
  const cost = run.overhead?.seconds;
  return [
    cost === null || cost === undefined ? null : h("p", {}, `It took ${seconds(cost)} of processor time on the program's threads.`),
    h("details", {}, h("summary", {}, `${rows.length} patches`), table("Receipt", ["Patch", "Attached", "Calls", "Failed", ""], rows)),
  ];
}
