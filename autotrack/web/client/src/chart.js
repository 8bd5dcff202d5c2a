// Curves over one axis.

import uPlot from "uplot";
import { h } from "./dom.js";
import { number } from "./format.js";

// Okabe and Ito (2008): told apart by eyes of every kind; dashes besides.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"];
const DASHES = [[], [8, 4], [2, 3]];
const HEIGHT = 260;
const STEPPED = /(^|\/)(lr|learning_rate)\b/; // what is kept only where it changes

// `series`: {label, x, y, colour}, each with an axis of its own, which are joined; `colour` is a number, by which it is
// known in other charts; `say` says a value with its unit.
export function chart(title, series, { log = false, along = "step", say = number } = {}) {
  const place = h("div", { class: "plot" });
  const figure = h("figure", { class: "chart" }, h("figcaption", {}, title), place, summary(series));
  let plot = null;
  function draw() {
    const style = getComputedStyle(figure);
    const [ink, grid] = [style.getPropertyValue("--quiet"), style.getPropertyValue("--line")];
    const smoothed = series.some(({ faint }) => faint);
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui" };
    plot?.destroy();
    plot = new uPlot(
      {
        width: Math.max(figure.clientWidth, 240), height: HEIGHT, ms: 1, cursor: { drag: { x: true, y: false }, hover: { prox: 24 } },
        scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
        legend: { live: true },
        axes: [
          { ...axis, label: along, labelSize: 18, labelFont: "12px system-ui" },
          { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : say(tick))) },
        ],
        series: [
          { label: along, value: (_, at) => (at === null ? "" : number(at)) },
          ...series.map(({ label, colour, faint }, at) => ({
            label, stroke: `${COLOURS[(colour ?? at) % COLOURS.length]}${faint ? "50" : ""}`, width: faint ? 1 : 1.6, spanGaps: true, ...(faint ? { class: "faint" } : {}),
            dash: DASHES[Math.floor((colour ?? at) / COLOURS.length) % DASHES.length],
            ...(STEPPED.test(label) ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
            points: { show: series[at].x.length < 30 && !smoothed },
            value: (_, found) => (found === null || found === undefined ? "" : say(found)),
          })),
        ],
      },
      joined(series, log),
      place,
    );
  }
  // What somebody looks at more closely stays where it is.
  function renew(data) {
    const { min, max } = plot.scales.x;
    const near = min > plot.data[0][0] || max < plot.data[0].at(-1);
    plot.setData(data, !near);
    if (near) plot.setScale("x", { min, max });
  }
  const observer = new ResizeObserver(() => {
    if (plot && figure.clientWidth) plot.setSize({ width: Math.max(figure.clientWidth, 240), height: HEIGHT });
    else if (figure.clientWidth) draw();
  });
  observer.observe(figure);
  window.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return {
    element: figure,
    update(next) {
      series = next;
      if (plot && next.every(({ label }, at) => plot.series[at + 1]?.label === label) && plot.series.length === next.length + 1 && Boolean(next[0]?.faint) === (plot.series[1]?.class === "faint")) renew(joined(next, log));
      else if (figure.clientWidth) draw();
      figure.querySelector(".reading").replaceWith(summary(next));
    },
    close() {
      observer.disconnect();
      window.removeEventListener("theme", draw);
      matchMedia("(prefers-color-scheme: dark)").removeEventListener("change", draw);
      plot?.destroy();
    },
  };
}

function joined(series, log) {
  const drawn = series.map(({ x, y }) => [x, log ? y.map((value) => (value > 0 ? value : null)) : y]);
  return drawn.length === 1 ? drawn[0] : uPlot.join(drawn);
}

// What a screen reader says of the drawing, and everybody sees of what is no number.
function summary(series) {
  const told = series.filter(({ faint }) => !faint).map(({ label, y, odd, of }) => {
    const values = y.filter((value) => value !== null);
    const ends = values.length ? `from ${number(values[0])} to ${number(values.at(-1))}, least ${number(values.reduce((a, b) => Math.min(a, b)))}` : "no numbers";
    return { odd: odd?.length ? `${label}: ${[...new Set(odd.map(([, word]) => word))].join(", ")} at ${odd.length} of the points shown` : null, text: `${label}: ${ends}, ${number(of)} points.` };
  });
  return h("div", { class: "reading" },
    h("p", { class: "hidden" }, told.map(({ text }) => `${text} `)),
    told.filter(({ odd }) => odd).map(({ odd }) => h("p", { class: "problem" }, odd)));
}
