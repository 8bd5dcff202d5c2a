// The runs as a table: filtered in the language of `autotrack ls`, sorted and read a page at a time by the server.

import {
  AjaxModule, FormatModule, InteractionModule, MoveColumnsModule, PageModule, ResizeColumnsModule,
  SelectRowModule, SortModule, Tabulator, TooltipModule,
} from "tabulator-tables";
import { ask } from "./api.js";
import { h, put } from "./dom.js";
import { moment, number, seconds, short, status, value } from "./format.js";
import { go, remember, state } from "./state.js";

Tabulator.registerModule([
  AjaxModule, FormatModule, InteractionModule, MoveColumnsModule, PageModule, ResizeColumnsModule, SelectRowModule,
  SortModule, TooltipModule,
]);

const PAGE = 100;
const FIRST = ["name", "status", "started", "duration"];
const METRICS = 4;
const PARAMS = 6;
const SPLITS = ["test", "valid", "cv", "train"];
const SHOWN = {
  name: (run) => h("a", { href: `/runs/${run.id}` }, run.name || short(run.id)),
  status: (run) => h("span", { class: `status ${run.status}` }, status(run.status)),
  started: (run) => moment(run.started),
  duration: (run) => seconds(run.duration),
  id: (run) => short(run.id),
  job: (run) => short(run.job),
};

export async function open(place) {
  const asked = state();
  const filter = h("input", {
    id: "filter", type: "search", spellcheck: "false", autocomplete: "off", value: asked.get("filter") ?? "",
    placeholder: 'params.C < 1 and metrics["test/accuracy"] > .9', "aria-describedby": "problem",
  });
  const problem = h("p", { id: "problem", class: "problem", role: "alert" });
  const told = h("p", { class: "quiet", role: "status" });
  const nested = h("input", { id: "nested", type: "checkbox", checked: asked.get("nested") === "true" });
  const chooser = h("details", { class: "chooser" }, h("summary", {}, "Columns"));
  const grid = h("div", { id: "runs" });
  const compared = new Set();
  const compare = h("button", { type: "button", disabled: true, onclick: () => go(`/compare?runs=${[...compared].join(",")}`) }, "Compare");
  const heading = h("h1", {}, "Runs");
  put(
    place, heading,
    h("form", { class: "tools", onsubmit: (event) => (event.preventDefault(), asks()) },
      h("label", { for: "filter" }, "Filter"), filter, h("button", { type: "submit" }, "Filter"),
      h("label", { class: "inline" }, nested, " runs in runs too"), compare, chooser),
    problem, told, grid,
  );
  nested.addEventListener("change", asks);
  filter.addEventListener("input", () => filter.value === "" && asks());

  const first = await page({}).catch((error) => (problem.append(error.message), { runs: [], count: 0, next: null }));
  if (!first.count && !asked.get("filter") && !problem.textContent) {
    put(place, heading, welcome());
    return { changed: async () => (await ask("runs", { limit: 1 })).count && go("/") };
  }
  let columns = asked.get("columns")?.split(",") ?? fitting(first.runs);
  let sort = asked.get("sort") ?? "";
  let cursors = [null];
  let begun = problem.textContent ? null : first;
  count(first.count);
  const table = new Tabulator(grid, {
    height: "calc(100vh - 15rem)", layout: "fitDataFill", placeholder: "No run is like that.", index: "id", nestedFieldSeparator: false,
    columns: described(), movableColumns: true, sortMode: "remote", headerSortTristate: true,
    progressiveLoad: "scroll", paginationSize: PAGE, ajaxURL: "/api/runs",
    initialSort: sort ? [{ column: sort.replace(/^-/, ""), dir: sort.startsWith("-") ? "asc" : "desc" }] : [],
    ajaxRequestFunc: async (_url, _config, { page: at, sort: sorters }) => {
      const sorted = sorters?.[0] ? `${sorters[0].dir === "asc" ? "-" : ""}${sorters[0].field}` : "";
      if (at === 1) cursors = [null];
      if (sorted !== sort) remember({ sort: (sort = sorted) });
      try {
        const found = at === 1 && begun ? begun : await page({ after: cursors[at - 1] });
        begun = null;
        problem.textContent = "";
        if (at === 1) count(found.count);
        cursors[at] = found.next;
        return { data: found.runs, last_page: found.next ? at + 1 : at };
      } catch (error) {
        problem.textContent = error.message;
        return { data: [], last_page: at };
      }
    },
  });
  table.on("columnMoved", () => chosen(table.getColumns().map((column) => column.getField()).filter(Boolean)));
  table.on("rowClick", (event, row) => event.target.closest("a, input") || go(`/runs/${row.getData().id}`));
  chooser.append(choices());

  function page(more) {
    return ask("runs", {
      filter: filter.value.trim(), nested: nested.checked, limit: PAGE, sort: state().get("sort"), ...more,
    });
  }
  function count(all) {
    if (all !== null) told.textContent = `${number(all)} ${all === 1 ? "run" : "runs"}`;
  }
  function asks() {
    remember({ filter: filter.value.trim(), nested: nested.checked });
    table.setData();
  }
  function chosen(names) {
    columns = names;
    remember({ columns: names.join(",") });
  }
  // Chosen for a comparison; they stay so while the table is filtered.
  function box(cell) {
    const run = cell.getRow().getData();
    return h("input", { type: "checkbox", "aria-label": `Compare ${run.name || short(run.id)}`, checked: compared.has(run.id), onchange: (event) => {
      if (event.target.checked) compared.add(run.id);
      else compared.delete(run.id);
      compare.disabled = compared.size < 2;
      compare.textContent = compared.size ? `Compare ${compared.size}` : "Compare";
    } });
  }
  function described() {
    const chosenBy = { title: "", titleFormatter: () => h("span", { class: "hidden" }, "Compare"), formatter: box, headerSort: false, width: 36, minWidth: 36, hozAlign: "center", resizable: false };
    return [chosenBy, ...columns.map((field) => ({
      // Titles and tooltips that are texts would be read as HTML.
      field, title: "", titleFormatter: () => h("span", {}, title(field)), headerTooltip: () => h("span", {}, field),
      headerSort: true, minWidth: 60, maxInitialWidth: 320,
      hozAlign: /^(metrics|params)\./.test(field) ? "right" : "left",
      formatter: (cell) => {
        const run = cell.getRow().getData();
        const shown = SHOWN[field]?.(run) ?? h("span", {}, value(found(run, field)));
        return shown instanceof Node ? shown : document.createTextNode(shown);
      },
    }))];
  }
  function choices() {
    const known = new Set([...columns, ...FIRST, "id", "job", "framework", "kind", "user"]);
    for (const run of first.runs) {
      for (const group of ["metrics", "params", "tags"]) Object.keys(run[group]).forEach((name) => known.add(`${group}.${name}`));
    }
    return h("fieldset", {}, h("legend", { class: "hidden" }, "Columns"),
      [...known].sort().map((field) => h("label", { class: "inline" },
        h("input", { type: "checkbox", checked: columns.includes(field), onchange: (event) => {
          chosen(event.target.checked ? [...columns, field] : columns.filter((name) => name !== field));
          table.setColumns(described());
        } }), ` ${field}`)));
  }
  return {
    changed: async () => {
      const newest = await page({});
      count(newest.count);
      const there = new Set(table.getData().map((run) => run.id));
      const fresh = newest.runs.filter((run) => !there.has(run.id));
      await table.updateData(newest.runs.filter((run) => there.has(run.id)));
      if (fresh.length) await table.addData(fresh, true);
    },
    close: () => table.destroy(),
  };
}

function found(run, field) {
  const dot = field.indexOf(".");
  return dot < 0 ? run[field] : run[field.slice(0, dot)]?.[field.slice(dot + 1)];
}

function title(field) {
  const [group, ...rest] = field.split(".");
  if (field === "duration") return "took";
  if (!rest.length) return field;
  return group === "tags" ? `#${rest.join(".")}` : rest.join(".").split("__").at(-1);
}

// What tells these runs apart, as on the terminal: metrics by how many have them, and parameters that differ.
function fitting(runs) {
  const rank = (name) => [name.endsWith(".std"), (SPLITS.indexOf(name.split("/")[0]) + 5) % 5];
  const metrics = counted(runs, "metrics").sort(
    ([a, n], [b, m]) => m - n || rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1] || a.localeCompare(b),
  );
  const differing = counted(runs, "params").filter(
    ([name]) => new Set(runs.filter((run) => name in run.params).map((run) => JSON.stringify(run.params[name]))).size > 1,
  );
  const params = differing.sort(([a, n], [b, m]) => m - n || a.length - b.length || a.localeCompare(b));
  return [
    ...FIRST,
    ...metrics.slice(0, METRICS).map(([name]) => `metrics.${name}`),
    ...params.slice(0, PARAMS).map(([name]) => `params.${name}`),
    ...counted(runs, "tags").map(([name]) => `tags.${name}`).sort(),
  ];
}

function counted(runs, group) {
  const counts = new Map();
  for (const run of runs) for (const name of Object.keys(run[group])) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts];
}

function welcome() {
  return h("section", { class: "welcome" },
    h("p", {}, "Nothing is recorded yet. Record a program as it is:"),
    h("pre", {}, h("code", {}, "autotrack run train.py")),
    h("p", {}, "or with two lines at its beginning:"),
    h("pre", {}, h("code", {}, "import autotrack\nautotrack.enable()")),
    h("p", {}, "The first run shows here by itself."));
}
