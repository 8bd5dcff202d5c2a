// Where a thing comes from, or what came of it, as a graph and as a list of the same.

import dagre from "@dagrejs/dagre";
import { ask } from "./api.js";
import { h, put, svg, table } from "./dom.js";
import { bytes, short } from "./format.js";
import { go, remember, state } from "./state.js";

const WIDTH = 190;
const HEIGHT = 46;
const WORDS = { file: "file", data: "data set", model: "model", run: "run", job: "job", person: "person" };

export async function open(place) {
  const asked = state();
  const of = h("input", { id: "of", type: "search", spellcheck: "false", value: asked.get("of") ?? "", placeholder: "a run, job, model, data set, digest or path" });
  const down = h("input", { type: "checkbox", checked: asked.get("down") === "true" });
  const problem = h("p", { class: "problem", role: "alert" });
  const told = h("p", { class: "quiet", role: "status" });
  const drop = h("label", { class: "drop" }, "Drop a file here, or choose one: it is digested in the browser, and goes nowhere. ",
    h("input", { type: "file", onchange: (event) => event.target.files[0] && digested(event.target.files[0]) }));
  const shown = h("div", {});
  put(place, h("h1", {}, "Lineage"),
    h("form", { class: "tools", onsubmit: (event) => (event.preventDefault(), trace()) },
      h("label", { for: "of" }, "Of"), of, h("label", { class: "inline" }, down, " what came of it"), h("button", { type: "submit" }, "Trace")),
    drop, problem, told, shown);
  down.addEventListener("change", trace);
  drop.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) digested(event.dataTransfer.files[0]);
  });

  async function digested(file) {
    told.textContent = `Digesting ${file.name} …`;
    const { digest } = await import("./digest.js");
    of.value = await digest(file, (share) => (told.textContent = `Digesting ${file.name}: ${Math.round(100 * share)} %`));
    await trace();
  }
  async function trace() {
    remember({ of: of.value.trim(), down: down.checked });
    problem.textContent = told.textContent = "";
    if (!of.value.trim()) return put(shown);
    try {
      const found = await ask("trace", { of: of.value.trim(), down: down.checked });
      told.textContent = `${found.nodes.length} things${found.left_out ? `, ${found.left_out} left out` : ""}`;
      put(shown, h("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "Graph" }, drawn(found)), listed(found));
    } catch (error) {
      put(shown);
      problem.textContent = error.message;
    }
    return null;
  }
  await trace();
  return { changed: () => {} };
}

function drawn({ nodes, edges, target }) {
  const graph = new dagre.graphlib.Graph({ multigraph: true }).setGraph({ rankdir: "LR", nodesep: 18, ranksep: 60, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  nodes.forEach((node) => graph.setNode(node.id, { width: WIDTH, height: HEIGHT }));
  edges.forEach((edge, at) => graph.setEdge(edge.to, edge.from, {}, String(at)));
  dagre.layout(graph);
  const { width, height } = graph.graph();
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${nodes.length} things and how they came of each other; the list below says the same` },
    edges.map((edge, at) => {
      const { points } = graph.edge(edge.to, edge.from, String(at));
      return svg("path", { class: `edge ${edge.inferred ? "inferred" : ""}`, d: points.map(({ x, y }, n) => `${n ? "L" : "M"}${x} ${y}`).join("") }, svg("title", {}, edge.kind));
    }),
    nodes.map((node) => {
      const { x, y } = graph.node(node.id);
      const box = svg("g", { class: `node ${node.kind} ${target.includes(node.id) ? "target" : ""}`, transform: `translate(${x - WIDTH / 2} ${y - HEIGHT / 2})` },
        svg("rect", { width: WIDTH, height: HEIGHT, rx: 6 }),
        svg("text", { x: 10, y: 18, class: "kind" }, WORDS[node.kind] ?? node.kind),
        svg("text", { x: 10, y: 36 }, cut(title(node))), svg("title", {}, title(node)));
      return node.kind === "run" ? svg("a", { href: `/runs/${bare(node)}` }, box) : box;
    }));
}

function listed({ nodes, edges }) {
  const names = new Map(nodes.map((node) => [node.id, title(node)]));
  return [
    table("Things", ["Thing", "Kind", "Id", "Size"], nodes.map((node) => [
      node.kind === "run" ? h("a", { href: `/runs/${bare(node)}` }, title(node)) : title(node), WORDS[node.kind] ?? node.kind,
      h("button", { type: "button", class: "link", onclick: () => go(`/lineage?of=${encodeURIComponent(bare(node))}`) }, short(bare(node).split(":").at(-1))), bytes(node.bytes),
    ])),
    h("details", {}, h("summary", {}, `${edges.length} relations`), table("Relations", ["Later", "Relation", "Earlier"],
      edges.map((edge) => [names.get(edge.from), `${edge.kind.replace("_", " ")}${edge.inferred ? " (inferred)" : ""}`, names.get(edge.to)]))),
  ];
}

function bare(node) {
  return node.id.replace(/^(run|job|model|data|file|person):/, "");
}

function title(node) {
  return String(node.name ?? node.path ?? node.class ?? short(bare(node).split(":").at(-1)));
}

function cut(text) {
  const end = text.split("/").at(-1) || text;
  return end.length > 24 ? `${end.slice(0, 23)}…` : end;
}
