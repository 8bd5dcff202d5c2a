// A run in a file that stands alone: it asks nobody, and changes nothing.  What it shows is in it, as JSON.

import "./style.css";
import "./report.css";
import { curves } from "./curves.js";
import { h, put, section } from "./dom.js";
import { moment, number } from "./format.js";
import { drawn, listed } from "./graph.js";
import { sections } from "./sections.js";
import { tagged } from "./tags.js";

const { run, curves: found, left, lineage, version, made } = JSON.parse(document.getElementById("run").textContent);
const to = { run: (id) => (id === run.id ? "#view" : null), job: () => null, lineage: (id) => (id === run.id ? "#section-lineage" : null), kept: () => null };
const [log, time] = ["log", "time"].map(() => h("input", { type: "checkbox", onchange: draw }));
const plots = curves();
const tags = Object.entries(run.tags);

document.title = `${run.name || run.id} · autotrack`;
put(document.getElementById("view"), sections(run, to, {
  edited: tags.length || run.note
    ? section("Tags and note", tags.length ? h("ul", { class: "tags" }, tags.map(([name, held]) => h("li", {}, tagged(name, held)))) : null, run.note ? h("p", { class: "note" }, run.note) : null)
    : null,
  plots: [
    Object.keys(found).length ? h("p", { class: "tools" }, h("label", { class: "inline" }, log, " logarithmic"), h("label", { class: "inline" }, time, " by time")) : null,
    plots.element,
    left ? h("p", { class: "quiet" }, `${number(left)} more curves are in the store.`) : null,
  ],
  also: section("Lineage", lineage.nodes.length > 1
    ? [h("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "Graph" }, drawn(lineage, to)), listed(lineage, to), lineage.left_out ? h("p", { class: "quiet" }, `${number(lineage.left_out)} more are left out: see autotrack trace ${run.id}.`) : null]
    : h("p", { class: "quiet" }, "None was recorded.")),
}));
put(document.getElementById("made"), `Written by autotrack ${version}, ${moment(made)}.`);
draw();

function draw() {
  plots.draw(run, found, { log: log.checked, along: time.checked ? "time" : "step" });
}

// On paper everything is open and light, and as wide as a page.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((one) => (one.open = true));
  dressed("light");
});
window.addEventListener("afterprint", () => {
  opened.forEach((one) => (one.open = false));
  dressed(null);
});

function dressed(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  document.documentElement.classList.toggle("paper", theme !== null);
  window.dispatchEvent(new Event("theme"));
}
