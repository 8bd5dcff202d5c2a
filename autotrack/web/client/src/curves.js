// The curves of a run, those that belong together over each other.

import { chart } from "./chart.js";
import { h, put } from "./dom.js";
import { AXES, series } from "./smoothing.js";

const FAR = 3;

// `found`: as the server has them, by name `{step, time, value, odd, of}`, or `{x, value, odd, of}` along epochs.
export function curves() {
  const element = h("div", { class: "charts" });
  let charts = [];
  let kind = null;
  return {
    element,
    draw(run, found, { log = false, along, smooth = 0, say }) {
      const made = grouped(found, along).map(([title, names]) => [title, names.flatMap((name, at) => series(name, { ...drawn(run, name, found[name], along), colour: at }, smooth))]);
      const same = charts.length === made.length && charts.every(({ title }, at) => title === made[at][0]) && kind === `${log} ${along}`;
      if (same) {
        made.forEach(([, lines], at) => charts[at].update(lines));
        return;
      }
      charts.forEach((one) => one.close());
      charts = made.map(([title, lines]) => ({ title, ...chart(title, lines, { log, along: AXES[along], ...(say ? { say: (found) => say(lines[0].label, found) } : {}) }) }));
      kind = `${log} ${along}`;
      put(element, charts.length || along !== "epoch" ? charts.map((one) => one.element) : h("p", { class: "quiet" }, "No epochs are on record."));
    },
    close: () => charts.forEach((one) => one.close()),
  };
}

function drawn(run, label, { x, step, time: times, value: y, odd, of }, along) {
  const begun = run.started ?? times?.[0];
  return { label, x: x ?? (along === "time" ? times.map((at) => at - begun) : step), y, odd, of };
}

// train/loss and valid/loss share a chart, unless one has a step a batch and the other one an epoch.
function grouped(found, along) {
  const groups = new Map();
  for (const name of Object.keys(found)) {
    const title = name.includes("/") ? name.slice(name.indexOf("/") + 1) : name;
    groups.set(title, [...(groups.get(title) ?? []), name]);
  }
  return [...groups].flatMap(([title, names]) => {
    const ends = names.map((name) => found[name].step?.at(-1) ?? 0);
    const alike = along !== "step" || Math.max(...ends) <= FAR * Math.max(Math.min(...ends), 1);
    return alike ? [[title, names]] : names.map((name) => [name, [name]]);
  });
}
