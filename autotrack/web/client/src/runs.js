// The runs as a table: filtered in the language of `autotrack ls`, sorted and read a page at a time by the server.

import {
  AjaxModule, FormatModule, InteractionModule, MoveColumnsModule, PageModule, ResizeColumnsModule,
  SortModule, Tabulator, TooltipModule,
} from "tabulator-tables";
import { ask } from "./api.js";
import { fitting, found, known, marks, named, shown, title } from "./columns.js";
import { h, put } from "./dom.js";
import { number } from "./format.js";
import { grouped } from "./groups.js";
import { go, remember, state } from "./state.js";

Tabulator.registerModule([
  AjaxModule, FormatModule, InteractionModule, MoveColumnsModule, PageModule, ResizeColumnsModule, SortModule, TooltipModule,
]);

const PAGE = 100;
const NESTED = 200;
const compared = new Set(); // also after somebody has looked at a run and comes back
const BY = ["name", "status", "framework", "kind", "user", "job"];

export async function open(place) {
  const asked = state();
  const filter = h("input", {
    id: "filter", type: "search", spellcheck: "false", autocomplete: "off", value: asked.get("filter") ?? "",
    placeholder: 'params.C < 1 and metrics["test/accuracy"] > .9', "aria-describedby": "problem",
  });
  const problem = h("p", { id: "problem", class: "problem", role: "alert" });
  const told = h("p", { class: "quiet", role: "status" });
  const fresh = h("button", { type: "button", hidden: true, onclick: () => asks() });
  const nested = h("input", { id: "nested", type: "checkbox", checked: asked.get("nested") === "true" });
  const by = h("select", { id: "group" });
  const chooser = h("details", { class: "chooser" }, h("summary", {}, "Columns"));
  const grid = h("div", { id: "runs" });
  const groups = h("div", { hidden: true });
  const cells = new Map(); // what stands in them, by run and column
  let applied = filter.value; // what is typed beyond that is not asked for yet
  const compare = h("button", { type: "button", disabled: compared.size < 2, onclick: () => go(`/compare?runs=${[...compared].join(",")}`) }, compared.size ? `Compare ${compared.size}` : "Compare");
  const across = h("a", { href: "/compare" }, "Chart all of these");
  const heading = h("h1", {}, "Runs");
  put(
    place, heading,
    h("form", { class: "tools", onsubmit: (event) => (event.preventDefault(), asks()) },
      h("label", { for: "filter" }, "Filter"), filter, h("button", { type: "submit" }, "Filter"), helped()),
    h("div", { class: "tools" },
      h("label", { class: "inline" }, nested, " nested runs too"), h("label", { class: "inline", for: "group" }, "Group by "), by,
      compare, across, chooser),
    problem, h("div", { class: "tools" }, told, fresh), grid, groups,
  );
  nested.addEventListener("change", () => asks());
  by.addEventListener("change", () => asks());
  filter.addEventListener("input", () => filter.value === "" && asks());

  let sort = asked.get("sort") ?? "";
  const first = await page({}).catch((error) => (problem.append(error.message), { runs: [], count: 0, next: null }));
  if (!first.count && !asked.get("filter") && !problem.textContent) {
    put(place, heading, welcome());
    return { changed: async () => (await ask("runs", { limit: 1 })).count && go("/") };
  }
  let columns = asked.get("columns")?.split(",") ?? fitting(first.runs);
  let cursors = [null];
  let begun = problem.textContent ? null : first;
  const opened = new Set();
  const fields = known(first.runs, columns);
  put(by, ["", ...BY, ...fields.filter((field) => /^(params|tags)\./.test(field))].map((field) => h("option", { value: field, selected: field === asked.get("group") }, field || "nothing")));
  if (by.value !== (asked.get("group") ?? "")) by.prepend(h("option", { value: asked.get("group"), selected: true }, asked.get("group")));
  count(first.count);
  const table = new Tabulator(grid, {
    height: "calc(100vh - 17rem)", layout: "fitDataFill", placeholder: "No run is like that.", index: "id", nestedFieldSeparator: false,
    columns: described(), movableColumns: true, sortMode: "remote", headerSortTristate: true,
    progressiveLoad: "scroll", paginationSize: PAGE, ajaxURL: "/api/runs",
    initialSort: sort ? [{ column: sort.replace(/^-/, ""), dir: sort.startsWith("-") ? "asc" : "desc" }] : [],
    ajaxRequestFunc: async (_url, _config, { page: at, sort: sorters }) => {
      const sorted = sorters?.[0] ? `${sorters[0].dir === "asc" ? "-" : ""}${sorters[0].field}` : "";
      if (at === 1) {
        cursors = [null];
        opened.clear();
        cells.clear();
      }
      if (sorted !== sort) remember({ sort: (sort = sorted) });
      try {
        const answer = at === 1 && begun ? begun : await page({ after: cursors[at - 1] });
        begun = null;
        problem.textContent = "";
        if (at === 1) count(answer.count);
        cursors[at] = answer.next;
        return { data: answer.runs, last_page: answer.next ? at + 1 : at };
      } catch (error) {
        problem.textContent = error.message;
        told.textContent = "";
        return { data: [], last_page: at };
      }
    },
  });
  table.on("tableBuilt", () => {
    grid.setAttribute("aria-label", "Runs");
    // What can be scrolled has links to get to by keyboard; a grid may have no other child that takes the focus.
    grid.querySelector(".tabulator-tableholder").removeAttribute("tabindex");
  });
  table.on("columnMoved", () => chosen(table.getColumns().map((column) => column.getField()).filter(Boolean)));
  table.on("rowClick", (event, row) => event.target.closest("a, input, button") || event.target.closest(".tabulator-cell")?.querySelector("input") || go(`/runs/${row.getData().id}`));
  chooser.append(choices());
  await show();

  function page(more) {
    return ask("runs", { filter: applied.trim(), nested: nested.checked, limit: PAGE, marks: true, sort, ...more });
  }
  function count(all) {
    if (all !== null) told.textContent = `${number(all)} ${all === 1 ? "run" : "runs"}`;
    const text = new URLSearchParams([["filter", applied.trim()], ["nested", nested.checked || ""]].filter(([, given]) => given)).toString();
    across.href = `/compare?${text || "filter="}`;
  }
  async function asks(text = filter.value) {
    applied = filter.value = text;
    remember({ filter: applied.trim(), nested: nested.checked, group: by.value });
    fresh.hidden = true;
    await show();
    if (!by.value) await table.setData();
  }
  // The table, or the groups in its place.
  async function show() {
    groups.hidden = !by.value;
    grid.hidden = Boolean(by.value);
    if (!by.value) return;
    const metrics = columns.filter((field) => field.startsWith("metrics.")).map((field) => field.slice("metrics.".length));
    try {
      count(await grouped(groups, { by: by.value, filter: applied.trim(), nested: nested.checked, metrics, choose: (whole) => ((by.value = ""), asks(whole)) }));
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message;
    }
  }
  function chosen(names) {
    columns = names;
    remember({ columns: names.join(",") });
  }
  // Chosen for a comparison; they stay so while the table is filtered.
  function box(cell) {
    const run = cell.getRow().getData();
    return h("input", { type: "checkbox", "aria-label": `Compare ${named(run)}`, checked: compared.has(run.id), onchange: (event) => {
      if (event.target.checked) compared.add(run.id);
      else compared.delete(run.id);
      compare.disabled = compared.size < 2;
      compare.textContent = compared.size ? `Compare ${compared.size}` : "Compare";
    } });
  }
  function content(row, field) {
    return field === "name" ? name(row) : shown(row.getData(), field, (text) => (problem.textContent = text));
  }
  // A run's name; those nested in it are folded away until they are asked for.
  function name(row) {
    const run = row.getData();
    const inside = run.marks?.nested;
    const fold = inside && !nested.checked ? h("button", { type: "button", class: "fold", "aria-expanded": String(opened.has(run.id)), "aria-label": `${number(inside)} runs in ${named(run)}`, onclick: () => unfold(row) }, number(inside)) : null;
    return h("span", { class: run.folded ? "inner" : "" }, fold, h("a", { href: `/runs/${run.id}` }, run.folded ? innermost(run) : named(run)), marks(run));
  }
  async function unfold(row) {
    const run = row.getData();
    if (opened.delete(run.id)) {
      const inside = table.getRows().filter((other) => other.getData().folded === run.id);
      await table.deleteRow(inside);
    } else {
      opened.add(run.id);
      const answer = await ask(`runs/${run.id}/trials`, { limit: NESTED });
      await table.addData(answer.runs.map((trial) => ({ ...trial, folded: run.id })), false, run.id);
      if (answer.count > answer.runs.length) told.textContent = `Of ${number(answer.count)} runs in ${named(run)} the first ${number(answer.runs.length)} are shown; all of them with the filter parent == "${run.id}" and nested runs too.`;
    }
    row.getElement().querySelector(".fold")?.setAttribute("aria-expanded", String(opened.has(run.id)));
    row.getElement().querySelector(".fold")?.focus();
  }
  // Only cells that say something else now are filled anew: what has the focus in others keeps it.
  function renew(runs) {
    for (const run of runs) {
      const row = table.getRow(run.id);
      Object.assign(row.getData(), run);
      for (const field of columns) {
        const held = cells.get(`${run.id} ${field}`);
        const made = h("span", {}, content(row, field));
        if (held && held.innerHTML !== made.innerHTML && !held.querySelector("input")) put(held, ...made.childNodes);
      }
    }
  }
  function described() {
    const chosenBy = { title: "", titleFormatter: () => h("span", { class: "hidden" }, "Compare"), formatter: box, headerSort: false, width: 36, minWidth: 36, hozAlign: "center", resizable: false };
    return [chosenBy, ...columns.map((field) => [field, field !== "tags" && field !== "note"]).map(([field, sorted]) => ({
      // Titles and tooltips that are texts would be read as HTML.
      field, title: "", titleFormatter: () => (sorted ? h("button", { type: "button", class: "head" }, title(field)) : h("span", {}, title(field))), headerTooltip: () => h("span", {}, field),
      headerSort: sorted, minWidth: 60, maxInitialWidth: 320,
      hozAlign: /^(metrics|params)\./.test(field) ? "right" : "left",
      formatter: (cell) => {
        const run = cell.getRow().getData();
        const held = h("span", {}, content(cell.getRow(), field));
        cells.set(`${run.id} ${field}`, held);
        return held;
      },
    }))];
  }
  function choices() {
    const search = h("input", { type: "search", "aria-label": "Find a column", placeholder: "find", oninput: () => {
      for (const label of chosenFrom.querySelectorAll("label")) label.hidden = !label.textContent.toLowerCase().includes(search.value.toLowerCase());
    } });
    const chosenFrom = h("fieldset", {}, h("legend", { class: "hidden" }, "Columns"), search,
      fields.map((field) => h("label", { class: "inline" },
        h("input", { type: "checkbox", checked: columns.includes(field), onchange: (event) => {
          chosen(event.target.checked ? [...columns, field] : columns.filter((one) => one !== field));
          table.setColumns(described());
          show();
        } }), ` ${field}`)));
    return chosenFrom;
  }
  return {
    changed: async () => {
      if (by.value) return groups.querySelector("[aria-expanded=true]") ? null : show(); // else it would fold what is read
      const newest = await page({});
      const there = new Map(table.getData().map((run) => [run.id, run]));
      renew(newest.runs.filter((run) => there.has(run.id) && JSON.stringify(run) !== JSON.stringify(there.get(run.id))));
      const added = newest.runs.filter((run) => !there.has(run.id));
      const outer = [...there.values()].filter((run) => !run.folded).length;
      if (!sort && newest.count >= outer) {
        count(newest.count);
        if (added.length) await table.addData(added, true);
      } else if (added.length || newest.count < outer) {
        fresh.textContent = `${number(newest.count)} ${newest.count === 1 ? "run" : "runs"} by now: show them`;
        fresh.hidden = false;
      }
      return null;
    },
    close: () => table.destroy(),
  };
}

// The name of a run in another, whose name is right above it.
function innermost(run) {
  return /\[[^\]]+\]$/.exec(named(run))?.[0] ?? named(run);
}

function helped() {
  const rows = [
    ["params.C < 1", "a parameter"], ['metrics["test/accuracy"] > .9', "the last value of a metric; also .min, .max, .count"],
    ['tags.stage == "final"', "a tag"], ['"Forest" in name', "a text within another"], ['status != "finished"', "a column: id, job, name, framework, kind, status, started, duration, user, parent"],
    ['started > "2026-01-31"', "a date"], ["params.C == None", "runs that lack it"],
  ];
  return h("details", { class: "chooser" }, h("summary", {}, "Filter help"), h("div", { class: "help" },
    h("p", {}, "Conditions as in Python, joined by ", h("code", {}, "and"), ", ", h("code", {}, "or"), ", ", h("code", {}, "not"), "; the same as those of ", h("code", {}, "autotrack ls"), "."),
    h("dl", { class: "facts" }, rows.map(([text, meaning]) => [h("dt", {}, h("code", {}, text)), h("dd", {}, meaning)]))));
}

function welcome() {
  return h("section", { class: "welcome" },
    h("p", {}, "Nothing is recorded yet. Record a program as it is:"),
    h("pre", {}, h("code", {}, "autotrack run train.py")),
    h("p", {}, "or with two lines at its beginning:"),
    h("pre", {}, h("code", {}, "import autotrack\nautotrack.enable()")),
    h("p", {}, "The first run shows here by itself."));
}
