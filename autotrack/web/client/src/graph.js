// Where things come from, drawn as a graph, and as a list of the same.
//
// `to` says where a thing is, or null where nothing leads to it: {run(id), lineage(id)}.

import dagre from "@dagrejs/dagre";
import { h, linked, svg, table } from "./dom.js";
import { bytes, short } from "./format.js";

const WIDTH = 190;
const HEIGHT = 46;
const WORDS = { file: "file", data: "data set", model: "model", run: "run", job: "job", person: "person" };

export function drawn({ nodes, edges, target }, to) {
  const graph = new dagre.graphlib.Graph({ multigraph: true }).setGraph({ rankdir: "LR", nodesep: 18, ranksep: 60, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  nodes.forEach((node) => graph.setNode(node.id, { width: WIDTH, height: HEIGHT }));
  edges.forEach((edge, at) => graph.setEdge(edge.to, edge.from, {}, String(at)));
  dagre.layout(graph);
  const { width, height } = graph.graph();
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${nodes.length} things and how they came of each other; the list below says the same` },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { class: "arrow", d: "M0 0L8 4L0 8z" }))),
    edges.map((edge, at) => {
      const { points } = graph.edge(edge.to, edge.from, String(at));
      return svg("path", { class: `edge ${edge.inferred ? "inferred" : ""}`, "marker-end": "url(#arrow)", d: points.map(({ x, y }, n) => `${n ? "L" : "M"}${x} ${y}`).join("") }, svg("title", {}, edge.kind));
    }),
    nodes.map((node) => {
      const { x, y } = graph.node(node.id);
      const box = svg("g", { class: `node ${node.kind} ${target.includes(node.id) ? "target" : ""}`, transform: `translate(${x - WIDTH / 2} ${y - HEIGHT / 2})` },
        svg("rect", { width: WIDTH, height: HEIGHT, rx: 6 }),
        svg("text", { x: 10, y: 18, class: "kind" }, WORDS[node.kind] ?? node.kind),
        svg("text", { x: 10, y: 36 }, cut(title(node))), svg("title", {}, title(node)));
      const address = node.kind === "run" ? to.run(bare(node)) : null;
      return address ? svg("a", { href: address }, box) : box;
    }));
}

// Brings what was asked for into sight, where the graph is larger than its place.
export function centred(place) {
  const [around, target] = [place.getBoundingClientRect(), place.querySelector(".target")?.getBoundingClientRect()];
  if (target) place.scrollBy(target.left - around.left - (around.width - target.width) / 2, target.top - around.top - (around.height - target.height) / 2);
}

export function listed({ nodes, edges }, to) {
  const names = new Map(nodes.map((node) => [node.id, title(node)]));
  return [
    table("Things", ["Thing", "Kind", "Id", "Size"], nodes.map((node) => [
      node.kind === "run" ? linked(to.run(bare(node)), title(node)) : title(node), WORDS[node.kind] ?? node.kind,
      linked(node.kind === "person" ? null : to.lineage(bare(node)), short(bare(node).split(":").at(-1))), bytes(node.bytes),
    ])),
    h("details", {}, h("summary", {}, `${edges.length} relations`), table("Relations", ["Later", "Relation", "Earlier"],
      edges.map((edge) => [names.get(edge.from), `${edge.kind.replace("_", " ")}${edge.inferred ? " (inferred)" : ""}`, names.get(edge.to)]))),
  ];
}

function bare(node) {
  return node.id.replace(/^(run|job|model|data|file|person):/, "");
}

function title(node) {
  const held = node.type && node.kind === "data" ? [node.type, node.rows && `${node.rows} rows`].filter(Boolean).join(", ") : null;
  return String(node.name ?? node.paths?.[0] ?? node.class ?? held ?? short(bare(node).split(":").at(-1)));
}

function cut(text) {
  const end = text.split("/").at(-1) || text;
  return end.length > 24 ? `${end.slice(0, 23)}…` : end;
}
