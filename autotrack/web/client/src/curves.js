// The curves of a run, those that belong together over each other.

import { chart } from "./chart.js";
import { h, put } from "./dom.js";

const FAR = 3;

// `found`: as the server has them, by name `{step, time, value, odd, of}`.
export function curves() {
  const element = h("div", { class: "charts" });
  let charts = [];
  let kind = null;
  return {
    element,
    draw(run, found, { log, time }) {
      const made = grouped(found, time).map(([title, names]) => [title, names.map((name) => drawn(run, name, found[name], time))]);
      const same = charts.length === made.length && charts.every(({ title }, at) => title === made[at][0]) && kind === `${log} ${time}`;
      if (same) {
        made.forEach(([, series], at) => charts[at].update(series));
        return;
      }
      charts.forEach((one) => one.close());
      charts = made.map(([title, series]) => ({ title, ...chart(title, series, { log, along: time ? "seconds" : "step" }) }));
      kind = `${log} ${time}`;
      put(element, charts.map((one) => one.element));
    },
    close: () => charts.forEach((one) => one.close()),
  };
}

function drawn(run, label, { step, time: times, value: y, odd, of }, byTime) {
  const begun = run.started ?? times[0];
  return { label, x: byTime ? times.map((at) => at - begun) : step, y, odd, of };
}

// train/loss and valid/loss share a chart, unless one has a step a batch and the other one an epoch.
function grouped(found, byTime) {
  const groups = new Map();
  for (const name of Object.keys(found)) {
    const title = name.includes("/") ? name.slice(name.indexOf("/") + 1) : name;
    groups.set(title, [...(groups.get(title) ?? []), name]);
  }
  return [...groups].flatMap(([title, names]) => {
    const ends = names.map((name) => found[name].step.at(-1) ?? 0);
    const alike = byTime || Math.max(...ends) <= FAR * Math.max(Math.min(...ends), 1);
    return alike ? [[title, names]] : names.map((name) => [name, [name]]);
  });
}
