// What curves are drawn along, and how smooth.

import { h } from "./dom.js";
import { remember, state } from "./state.js";

export const AXES = { step: "step", time: "seconds", epoch: "epochs gone through" };
const AS_IT_IS = /(^|\/)(lr|learning_rate|epoch)\b/;

// The boxes that choose it; `changed` is called with whether other points are needed.
export function choices(changed) {
  const asked = state();
  const log = h("input", { type: "checkbox", checked: asked.get("log") === "true" });
  const along = h("select", { id: "along" }, Object.keys(AXES).map((axis) => h("option", { value: axis, selected: axis === (asked.get("along") ?? (asked.get("time") === "true" ? "time" : "step")) }, axis)));
  const smooth = h("input", { id: "smooth", type: "range", min: "0", max: "0.99", step: "0.01", value: asked.get("smooth") ?? "0" });
  const told = h("output", { for: "smooth" }, smooth.value);
  log.addEventListener("change", () => (remember({ log: log.checked }), changed(true)));
  along.addEventListener("change", () => (remember({ along: along.value === "step" ? null : along.value, time: null }), changed(true)));
  smooth.addEventListener("input", () => {
    told.textContent = smooth.value;
    remember({ smooth: Number(smooth.value) ? smooth.value : null });
    changed(false);
  });
  return {
    element: h("p", { class: "tools" }, h("label", { class: "inline" }, log, " logarithmic"), h("label", { for: "along" }, "along"), along,
      h("label", { for: "smooth" }, "Smoothing"), smooth, told),
    chosen: () => ({ log: log.checked, along: along.value, smooth: Number(smooth.value) }),
  };
}

// A series as it is drawn: smoothed, with what it was behind it.
export function series(name, one, weight) {
  return !weight || AS_IT_IS.test(name) ? [one] : [{ ...one, faint: true }, { ...one, y: smoothed(one.y, weight) }];
}

// An exponential moving average that begins without a bias (Kingma and Ba, 2015, section 3).
function smoothed(values, weight) {
  let [mean, count] = [0, 0];
  return values.map((one) => {
    if (one === null) return null;
    mean = weight * mean + (1 - weight) * one;
    count += 1;
    return mean / (1 - weight ** count);
  });
}
