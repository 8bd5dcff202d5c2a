// Everything that is known of a run.

import { ask, change } from "./api.js";
import { curves } from "./curves.js";
import { h, put, refill, section } from "./dom.js";
import { sections } from "./sections.js";
import { remember, state } from "./state.js";
import { annotate, tag, tagged } from "./tags.js";

export async function open(place, id) {
  let run = await ask(`runs/${encodeURIComponent(id)}`);
  let stored = await ask(`runs/${run.id}/objects`);
  const [log, time] = ["log", "time"].map((name) => h("input", { type: "checkbox", checked: state().get(name) === "true" }));
  const plots = curves();
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
  log.addEventListener("change", () => (remember({ log: log.checked }), draw()));
  time.addEventListener("change", () => (remember({ time: time.checked }), draw()));

  function show() {
    document.title = `${run.name} · autotrack`;
    refill(body, sections(run, to, {
      edited: [tags(), note()],
      plots: [h("p", { class: "tools" }, h("label", { class: "inline" }, log, " logarithmic"), h("label", { class: "inline" }, time, " by time")), plots.element],
      code: stored.code,
    }));
  }
  async function draw() {
    const { curves: found } = await ask(`runs/${run.id}/curves`, { log: log.checked });
    plots.draw(run, found, { log: log.checked, time: time.checked });
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
      text.blur();
      await renew();
    } }, h("label", { for: "note" }, "Note"), text, h("button", { type: "submit" }, "Save the note"));
  }
  async function renew() {
    const writing = [...place.querySelectorAll("#note, #tag")].some((one) => one === document.activeElement && (one.value !== one.defaultValue));
    if (!writing) {
      const before = held(run);
      run = await ask(`runs/${run.id}`);
      if (held(run) !== before) stored = await ask(`runs/${run.id}/objects`);
      show();
    }
    await draw();
  }
  return { changed: renew, close: () => plots.close() };
}

// What of a run may be kept: where it is the same, so is what can be had.
function held({ status, model, artifacts, job }) {
  return JSON.stringify([status, model?.kept, artifacts.map(({ digest }) => digest), job.code?.tree]);
}
