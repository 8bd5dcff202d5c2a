// Many runs at once: parallel coordinates and a scatter plot.  Loaded when they are shown, and no sooner.

import { ParallelChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, ParallelComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { h } from "./dom.js";
import { number } from "./format.js";

use([AriaComponent, CanvasRenderer, GridComponent, ParallelChart, ParallelComponent, ScatterChart, TooltipComponent, VisualMapComponent]);

// Cividis (Nuñez, Anderton and Renslow, 2018): the order shows to eyes of every kind, and in grey.
const SHADES = { light: ["#00224e", "#575d6d", "#8a8678", "#c0a51f"], dark: ["#5f83c9", "#8c9097", "#b9b28a", "#fee838"] };

// A drawing that is made again as the theme or the width changes; `described`: what it is to be, of these colours.
export function plot(title, height, described, opened) {
  const canvas = h("div", { class: "plot" });
  canvas.style.height = `${height}px`;
  const figure = h("figure", { class: "chart wide" }, h("figcaption", {}, title), canvas);
  let drawing = null;
  function draw() {
    if (!canvas.clientWidth) return;
    drawing ??= made();
    const style = getComputedStyle(figure);
    const dark = style.colorScheme === "dark" || (style.colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    const [ink, line, paper] = ["--ink", "--line", "--paper"].map((name) => style.getPropertyValue(name).trim());
    const tooltip = { renderMode: "richText", confine: true, backgroundColor: paper, borderColor: line, textStyle: { color: ink } };
    drawing.setOption({ animation: false, aria: { enabled: true }, ...described({ ink, line, paper, tooltip, shades: SHADES[dark ? "dark" : "light"], width: canvas.clientWidth }) }, true);
  }
  function made() {
    const one = init(canvas, null, { renderer: "canvas" });
    one.on("click", (event) => opened?.(event));
    return one;
  }
  const observer = new ResizeObserver(() => (drawing?.resize(), draw()));
  observer.observe(canvas);
  const dressed = matchMedia("(prefers-color-scheme: dark)");
  window.addEventListener("theme", draw);
  dressed.addEventListener("change", draw);
  return {
    element: figure,
    draw,
    close() {
      observer.disconnect();
      window.removeEventListener("theme", draw);
      dressed.removeEventListener("change", draw);
      drawing?.dispose();
    },
  };
}

// What an axis is: of numbers, logarithmic where these are apart by a thousand times, else of the texts that there are.
export function scale(values) {
  const there = values.filter((value) => value !== undefined);
  if (there.length && there.every((value) => typeof value === "number")) {
    const [low, high] = there.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    return { type: low > 0 && high / low >= 1000 ? "log" : "value", place: (value) => value };
  }
  const texts = [...new Set(there.map(text))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return { type: "category", data: texts, place: (value) => (value === undefined ? undefined : text(value)) };
}

export function text(value) {
  if (value === undefined) return "–";
  if (value === null) return "None";
  return typeof value === "string" ? value : typeof value === "number" ? number(value) : JSON.stringify(value);
}

export function short(told, most = 18) {
  return told.length > most ? `${told.slice(0, most - 1)}…` : told;
}
