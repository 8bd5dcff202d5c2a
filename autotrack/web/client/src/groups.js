// Runs put together by what they have in common.

import { ask } from "./api.js";
import { spread, named, title } from "./columns.js";
import { h, put, table } from "./dom.js";
import { number, seconds, status, time, value } from "./format.js";

const RUNS = 20;

// Fills `place` with the groups of the runs that are asked for; `metrics` are told of each, and `choose` is called
// with the filter of a group to see all of its runs.
export async function grouped(place, { by, filter, nested, metrics, choose }) {
  const { groups, count } = await ask("groups", { by, filter, nested, metric: metrics });
  const left = count - groups.reduce((all, group) => all + group.count, 0);
  const heads = [title(by), "Runs", ...metrics];
  const rows = groups.flatMap((group) => {
    const cell = h("td", { colspan: heads.length });
    const within = h("tr", { hidden: true }, cell);
    const open = h("button", { type: "button", class: "fold", "aria-expanded": "false", onclick: async () => {
      open.setAttribute("aria-expanded", String(within.hidden));
      if (within.hidden) put(cell, await listed(group));
      within.hidden = !within.hidden;
    } }, group.value === null ? "(none, or not there)" : group.value);
    return [h("tr", {}, h("th", { scope: "row" }, open), h("td", {}, number(group.count)),
      metrics.map((name) => h("td", {}, group.metrics[name] ? spread(group.metrics[name]) : ""))), within];
  });
  put(place,
    rows.length ? h("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": "Groups" },
      h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows))) : h("p", { class: "quiet" }, "There are no runs."),
    left > 0 ? h("p", { class: "quiet" }, `${number(left)} runs are in smaller groups, which are not shown.`) : null);
  return count;

  async function listed(group) {
    const whole = filter ? `(${filter}) and ${group.filter}` : group.filter;
    const { runs } = await ask("runs", { filter: whole, nested, limit: RUNS });
    return h("div", { class: "within" },
      table(`Runs of ${group.value ?? "none"}`, ["Run", "Status", "Started", "Took", ...metrics], runs.map((run) => [
        h("a", { href: `/runs/${run.id}` }, named(run)), h("span", { class: `status ${run.status}` }, status(run.status)), time(run.started), seconds(run.duration),
        ...metrics.map((name) => value(run.metrics[name]))])),
      h("button", { type: "button", class: "link", onclick: () => choose(whole) },
        group.count > runs.length ? `All ${number(group.count)} runs` : "These runs in the list"));
  }
}
