// What is known of a run, section by section: of the page, and of a file that stands alone.
//
// `to` says where a thing is, or null where nothing leads to it: {run(id), job(id), lineage(id), kept(digest)}.

import { facts, h, linked, section, table } from "./dom.js";
import { bytes, moment, number, seconds, short, status, value } from "./format.js";

const LINES = 400;
const COLUMNS = 20;

// `edited`: tags and note; `plots`: the curves, and what they are chosen by; `trials`, `also`: further sections; `sampled`: the
// curves of the system.
export function sections(run, to, { edited, plots, trials = null, also = null, code = [], sampled = null }) {
  return [
    h("h1", {}, run.name || short(run.id), " ", h("span", { class: `status ${run.status}` }, status(run.status))),
    gaps(run),
    facts([
      ["Run", h("code", {}, run.id)],
      ["Job", h("code", {}, linked(to.job(run.job.id), run.job.id))],
      ["Framework", [run.framework, run.kind].filter(Boolean).join(", ")],
      ["Started", moment(run.started)],
      ["Took", seconds(run.duration)],
      ["By", [run.user, run.job.host].filter(Boolean).join(" on ")],
      ["Part of", run.parent && linked(to.run(run.parent), short(run.parent))],
      ["Repeats", run.job.duplicate_of && linked(to.run(run.job.duplicate_of.run), short(run.job.duplicate_of.run))],
      ["Reproduce with", h("code", {}, `autotrack reproduce ${short(run.id)}`)],
      ["Lineage", linked(to.lineage(run.id), "where it comes from")],
    ]),
    failure(run), edited,
    section("Metrics", metrics(run), plots),
    summary(run), trials,
    section("Parameters", params(run)),
    section("Data", datasets(run, to)),
    section("Model", model(run, to)),
    section("Files", artifacts(run.artifacts, to)),
    also,
    section("Environment", environment(run.job), coded(code, to)),
    observed(run, run.job, sampled),
  ];
}

// What is known of a program, which may be more than its runs.
export function programme(job, to, runs, sampled = null) {
  return [gaps(job), section("Runs", runs), section("Files", artifacts(job.files, to)), section("Environment", environment(job)), observed(job, job, sampled)];
}

function observed(of, job, sampled) {
  return [section("System", system(of), Object.keys(of.system).length ? sampled : null), section("Console", consoled(job)), section("What was observed", receipt(of))];
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

function summary(run) {
  const rows = Object.entries(run.summary).map(([name, held]) => [name, value(held)]);
  return rows.length ? section("Summary", table("Summary", ["Name", "Value"], rows)) : null;
}

function params(run) {
  const rows = run.params.map(({ name, value: held, source }) => [name, value(held), source]);
  return rows.length ? table("Parameters", ["Parameter", "Value", "Source"], rows) : h("p", { class: "quiet" }, "None was recorded.");
}

function datasets(run, to) {
  if (!run.datasets.length) return h("p", { class: "quiet" }, "None was recorded.");
  return run.datasets.map((data) => h("article", {},
    h("h3", {}, [data.role, data.name].filter(Boolean).join(": ")),
    facts([
      ["Identity", data.id && linked(to.lineage(data.id), short(data.id.split(":").at(-1)))],
      ["Kind", data.kind], ["Rows", data.rows && number(data.rows)], ["Columns", data.columns && number(data.columns)],
      ["Size", bytes(data.bytes)], ["Identified by", data.method],
    ]),
    columns(data.profile, data.role), (data.parts ?? []).map((part) => columns(part.profile, [data.role, part.name].filter(Boolean).join(" ")))));
}

function columns(profile, of) {
  if (!profile?.columns?.length) return null;
  return h("details", { open: profile.columns.length <= COLUMNS }, h("summary", {}, `Columns of ${of}`),
    table(`Columns of ${of}`, ["Column", "Type", "Least", "Greatest", "Mean", "Deviation", "Missing"],
      profile.columns.map((column) => [column.name || "(no name)", column.type, ...[column.low, column.high, column.mean, column.deviation].map((one) => value(one ?? undefined)), value((column.nulls ?? 0) + (column.nans ?? 0))])));
}

function model(run, to) {
  if (!run.model) return h("p", { class: "quiet" }, "None was recorded.");
  return facts([
    ["Class", run.model.class], ["Identity", run.model.id && linked(to.lineage(run.model.id), short(run.model.id.split(":").at(-1)))],
    ["Parameters", run.model.parameters && number(run.model.parameters)], ["Size", bytes(run.model.bytes)],
    ["Kept", fetched(to, run.model.kept)],
    ["Also trained by", run.model.trained_by?.length ? run.model.trained_by.map((id) => [linked(to.run(id), short(id)), " "]) : null],
  ]);
}

function artifacts(files, to) {
  const rows = files.map(({ path, mode, digest, bytes: size, kind, step }) => [path, { r: "read", w: "written" }[mode] ?? mode, kind, bytes(size), value(step ?? undefined),
    digest ? linked(to.lineage(digest), short(digest.split(":").at(-1))) : "", fetched(to, digest)]);
  return rows.length ? table("Files", ["Path", "How", "Kind", "Size", "Step", "Digest", "Kept"], rows) : h("p", { class: "quiet" }, "None was recorded.");
}

// A link to what the store has kept of a content.
function fetched(to, digest) {
  const address = digest && to.kept(digest);
  return address ? h("a", { href: address, download: true }, "download") : "";
}

function coded(files, to) {
  if (!files.length) return null;
  return h("details", {}, h("summary", {}, files.length === 1 ? "1 file of code" : `${number(files.length)} files of code`),
    table("Code", ["File", "Kept"], files.map(({ path, digest }) => [path, fetched(to, digest)])));
}

function environment(job) {
  const packages = Object.entries(job.packages ?? {}).map(([name, held]) => [name, value(held)]);
  return [
    facts([["Command", h("code", {}, (job.argv ?? []).join(" "))], ["Folder", job.cwd], ["Python", value(job.python ?? undefined)], ["Commit", commit(job.git)]]),
    packages.length ? h("details", {}, h("summary", {}, `${packages.length} packages`), table("Packages", ["Package", "Version"], packages)) : null,
  ];
}

export function commit(git) {
  return git?.commit ? `${git.commit}${git.branch ? ` (${git.branch})` : ""}${git.dirty ? ", with changes that are not committed" : ""}` : "";
}

function system(run) {
  const rows = Object.entries(run.system).map(([name, { last, min, max, mean }]) => [name, ...[last, min, max, mean].map((one) => measured(name, one))]);
  return rows.length ? table("System", ["Sample", "Last", "Least", "Greatest", "Mean"], rows) : h("p", { class: "quiet" }, "None was taken.");
}

// The units of `autotrack.capture.system`.
export function measured(name, found) {
  if (found === null || found === undefined || typeof found !== "number") return value(found ?? undefined);
  if (/\/(disk|network)_/.test(name)) return `${bytes(Math.round(found))}/s`;
  if (/memory$/.test(name)) return bytes(Math.round(found));
  if (/power$/.test(name)) return `${number(found)} W`;
  return `${number(found)} %`;
}

function consoled(job) {
  const lines = job.console ?? [];
  if (!lines.length) return h("p", { class: "quiet" }, "Nothing was printed.");
  const left = (job.lines ?? lines.length) - Math.min(lines.length, LINES);
  return h("pre", { class: "console", tabindex: "0", role: "region", "aria-label": "Console" },
    left > 0 ? `… ${number(left)} more before\n` : "",
    lines.slice(-LINES).map(({ stream, text }) => h("span", { class: stream }, text)));
}

function receipt(run) {
  const rows = run.receipt.map(({ patch, attached, fired, failed, off }) => [patch, attached ? "yes" : "no", number(fired ?? 0), number(failed ?? 0), off ? "switched off" : ""]);
  const cost = run.overhead?.seconds;
  return [
    cost === null || cost === undefined ? null : h("p", {}, `autotrack's overhead: ${seconds(cost)} of processor time on the program's threads.`),
    rows.length ? null : h("p", { class: "quiet" }, "It tells at its end, and every while until then."),
    !rows.length ? null : h("details", {}, h("summary", {}, `${rows.length} patches`), table("Receipt", ["Patch", "Attached", "Calls", "Failed", ""], rows)),
  ];
}
