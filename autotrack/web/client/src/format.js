// Numbers, times and values as people read them.

import { h } from "./dom.js";

const SIGNS = { finished: "✓", running: "●", failed: "✗", interrupted: "◼", killed: "✗", crashed: "✗" };

export function number(value) {
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(3);
  return String(Number(value.toPrecision(5)));
}

export function value(found) {
  if (found === undefined) return "";
  if (found === null) return "None";
  if (typeof found === "number") return number(found);
  if (typeof found === "string") return found;
  return JSON.stringify(found);
}

export function seconds(length) {
  if (length === null || length === undefined) return "";
  if (length < 1) return `${Math.round(length * 1000)} ms`;
  if (length < 60) return `${length.toFixed(1)} s`;
  if (length < 3600) return `${Math.floor(length / 60)} min ${Math.round(length % 60)} s`;
  return `${Math.floor(length / 3600)} h ${Math.round((length % 3600) / 60)} min`;
}

export function bytes(size) {
  if (size === null || size === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (size >= 1000 && at < units.length - 1) [size, at] = [size / 1000, at + 1];
  return `${at ? size.toPrecision(3) : size} ${units[at]}`;
}

export function moment(time) {
  return time === null || time === undefined ? "" : new Date(time * 1000).toLocaleString("sv");
}

// A moment as an element, for tables.
export function time(at) {
  return at === null || at === undefined ? "" : h("time", { datetime: new Date(at * 1000).toISOString() }, moment(at));
}

export function status(word) {
  return `${SIGNS[word] ?? ""} ${word}`.trim();
}

export function short(id) {
  return id && id.length > 8 ? id.slice(0, 8) : (id ?? "");
}
