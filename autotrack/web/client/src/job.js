// A program that was recorded: its runs, and what it did besides.

import { ask } from "./api.js";
import { curves } from "./curves.js";
import { facts, h, refill, table } from "./dom.js";
import { moment, number, seconds, short, status, time, value } from "./format.js";
import { measured, programme } from "./sections.js";

const METRICS = 4;
const to = { run: (id) => `/runs/${id}`, lineage: (of) => `/lineage?of=${encodeURIComponent(of)}`, kept: () => null };

export async function open(place, id) {
  let { job, runs } = await ask(`jobs/${encodeURIComponent(id)}`);
  const sampled = curves();
  show();
  await draw();

  async function draw() {
    if (Object.keys(job.system).length) sampled.draw(job, (await ask(`jobs/${job.id}/curves`)).curves, { along: "time", say: measured });
  }
  function show() {
    document.title = `${job.name} · autotrack`;
    const first = runs.filter((run) => run.parent === null || !runs.some((other) => other.id === run.parent));
    const counts = new Map();
    first.forEach((run) => Object.keys(run.metrics).forEach((name) => counts.set(name, (counts.get(name) ?? 0) + 1)));
    const names = [...counts].sort(([a, n], [b, m]) => m - n || a.localeCompare(b)).slice(0, METRICS).map(([name]) => name);
    refill(place,
      h("h1", {}, job.name || short(job.id), " ", h("span", { class: `status ${job.status}` }, status(job.status))),
      facts([
        ["Job", h("code", {}, job.id)],
        ["Started", moment(job.started)], ["Took", seconds(job.duration)], ["By", [job.user, job.host].filter(Boolean).join(" on ")],
        ["Started by", job.parent && h("a", { href: `/jobs/${job.parent}` }, short(job.parent))],
        ["Repeats", job.duplicate_of && h("a", { href: `/runs/${job.duplicate_of.run}` }, short(job.duplicate_of.run))], ["Exit code", job.exit && value(job.exit.code ?? job.exit.how)],
        ["Lineage", h("a", { href: `/lineage?of=${job.id}` }, "where it comes from")],
      ]),
      programme(job, to, [
        first.length ? table("Runs", ["Run", "Status", "Started", "Took", "Runs in it", ...names], first.map((run) => [
          h("a", { href: `/runs/${run.id}` }, run.name || short(run.id)), h("span", { class: `status ${run.status}` }, status(run.status)),
          time(run.started), seconds(run.duration), value(runs.filter((other) => other.parent === run.id).length || undefined),
          ...names.map((name) => value(run.metrics[name]))])) : h("p", { class: "quiet" }, "It trained nothing."),
        first.length < runs.length ? h("p", { class: "quiet" }, `${number(runs.length - first.length)} more are nested in these.`) : null,
      ], sampled.element));
  }
  return {
    changed: async () => {
      ({ job, runs } = await ask(`jobs/${encodeURIComponent(id)}`));
      show();
      await draw();
    },
    close: () => sampled.close(),
  };
}
