// Everything that is known of a run.

import { ask, change } from "./api.js";
import { curves } from "./curves.js";
import { h, put, refill, section, table } from "./dom.js";
import { number, seconds, short, status, value } from "./format.js";
import { measured, sections } from "./sections.js";
import { choices } from "./smoothing.js";
import { annotate, tag, tagged } from "./tags.js";

const TRIALS = 200;
const [PARAMS, METRICS] = [6, 4];

export async function open(place, id) {
  let run = await ask(`runs/${encodeURIComponent(id)}`);
  let trials = await within();
  let stored = await ask(`runs/${run.id}/objects`);
  const how = choices((other) => (other ? draw() : paint()));
  let found = {};
  const [plots, sampled] = [curves(), curves()];
  const body = h("div", {});
  const to = {
    run: (other) => `/runs/${other}`,
    job: (of) => `/jobs/${of}`,
    lineage: (of) => `/lineage?of=${encodeURIComponent(of)}`,
    kept: (digest) => (stored.kept.includes(digest) || stored.code.some((file) => file.digest === digest) ? `/api/objects/${digest}` : null),
  };
  put(place, body);
  show();
  await draw();

  function show() {
    document.title = `${run.name} · autotrack`;
    refill(body, sections(run, to, {
      edited: [tags(), note()],
      plots: [how.element, plots.element],
      code: stored.code, sampled: sampled.element,
      trials: trials && inner(run, trials),
    }));
  }
  async function within() {
    return run.trials || run.kind === "search" ? ask(`runs/${run.id}/trials`, { limit: TRIALS }) : null;
  }
  async function draw() {
    const { log, along } = how.chosen();
    if (along === "epoch") [{ curves: found }] = (await ask("compare/curves", { run: run.id, log, along })).runs;
    else ({ curves: found } = await ask(`runs/${run.id}/curves`, { log }));
    paint();
    if (Object.keys(run.system).length) sampled.draw(run, (await ask(`jobs/${run.job.id}/curves`)).curves, { along: "time", say: measured });
  }
  function paint() {
    plots.draw(run, found, how.chosen());
  }
  function tags() {
    const name = h("input", { id: "tag", size: "12", required: true, placeholder: "name or name=value" });
    const form = h("form", { class: "tools", onsubmit: async (event) => {
      event.preventDefault();
      await tag(run.id, name.value);
      name.value = "";
      await renew();
    } }, h("label", { for: "tag" }, "Tag"), name, h("button", { type: "submit" }, "Add"));
    const own = Object.entries(run.tags).map(([key, held]) => h("li", {}, tagged(key, held), " ",
      h("button", { type: "button", "aria-label": `Take the tag ${key} away`, onclick: async () => (await change("DELETE", `runs/${run.id}/tags/${encodeURIComponent(key)}`), renew()) }, "×")));
    return section("Tags and note", h("ul", { class: "tags" }, own), form);
  }
  function note() {
    const text = h("textarea", { id: "note", rows: "2" }, run.note ?? "");
    return h("form", { onsubmit: async (event) => {
      event.preventDefault();
      await annotate(run.id, text.value);
      text.defaultValue = text.value;
      await renew();
    } }, h("label", { for: "note" }, "Note"), text, h("button", { type: "submit" }, "Save the note"));
  }
  async function renew() {
    const writing = [...place.querySelectorAll("#note, #tag")].some((one) => one.value !== one.defaultValue);
    if (!writing) {
      const before = held(run);
      run = await ask(`runs/${run.id}`);
      trials = await within();
      if (held(run) !== before) stored = await ask(`runs/${run.id}/objects`);
      show();
    }
    await draw();
  }
  return { changed: renew, close: () => (plots.close(), sampled.close()) };
}

// The runs in a run, with what tells them apart.
function inner(run, { runs, count }) {
  const [metrics, params] = ["metrics", "params"].map((group) => [...new Set(runs.flatMap((one) => Object.keys(one[group])))]);
  const differing = params.filter((name) => new Set(runs.map((one) => value(one.params[name]))).size > 1).slice(0, PARAMS);
  return section("Runs in it",
    table("Runs in it", ["Run", "Status", "Took", ...differing, ...metrics.slice(0, METRICS)], runs.map((one) => [
      h("a", { href: `/runs/${one.id}` }, one.name || short(one.id)), h("span", { class: `status ${one.status}` }, status(one.status)), seconds(one.duration),
      ...differing.map((name) => value(one.params[name])), ...metrics.slice(0, METRICS).map((name) => value(one.metrics[name]))])),
    count > runs.length ? h("p", { class: "quiet" }, `${number(runs.length)} of ${number(count)} are shown.`) : null,
    h("p", {}, h("a", { href: `/compare?nested=true&filter=${encodeURIComponent(`parent == "${run.id}"`)}` }, "Parameters against metrics across these")));
}

// What of a run may be kept: where it is the same, so is what can be had.
function held({ status, model, artifacts, job }) {
  return JSON.stringify([status, model?.kept, artifacts.map(({ digest }) => digest), job.code?.tree]);
}
