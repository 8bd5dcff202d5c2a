// Where a thing comes from, or what came of it, as a graph and as a list of the same.

import { ask } from "./api.js";
import { h, put } from "./dom.js";
import { centred, drawn, listed } from "./graph.js";
import { remember, state } from "./state.js";

const TO = { run: (id) => `/runs/${id}`, lineage: (id) => `/lineage?of=${encodeURIComponent(id)}` };

export async function open(place) {
  const asked = state();
  const of = h("input", { id: "of", type: "search", spellcheck: "false", value: asked.get("of") ?? "", placeholder: "a run, job, model, data set, digest or path" });
  const down = h("input", { type: "checkbox", checked: asked.get("down") === "true" });
  const problem = h("p", { class: "problem", role: "alert" });
  const told = h("p", { class: "quiet", role: "status" });
  const drop = h("label", { class: "drop" }, "Drop a file here, or choose one: it is hashed in the browser, and not uploaded. ",
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
      const graph = h("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "Graph" }, drawn(found, TO));
      put(shown, graph, listed(found, TO));
      centred(graph);
    } catch (error) {
      put(shown);
      problem.textContent = error.message;
    }
    return null;
  }
  await trace();
  return { changed: () => {} };
}
