// The page: which view its address asks for, and what all of them share.

import "tabulator-tables/dist/css/tabulator.min.css";
import "./style.css";
import { listen, Refused } from "./api.js";
import { h, put } from "./dom.js";
import { go } from "./state.js";

const VIEWS = [
  [/^\/$/, "runs", () => import("./runs.js")],
  [/^\/runs\/(.+)$/, "runs", () => import("./run.js")],
  [/^\/compare$/, "compare", () => import("./compare.js")],
  [/^\/lineage$/, "lineage", () => import("./lineage.js")],
  [/^\/jobs$/, "jobs", () => import("./jobs.js")],
  [/^\/jobs\/(.+)$/, "jobs", () => import("./job.js")],
];
const place = document.getElementById("view");
let view = null;
let count = 0;

async function show(moved) {
  const mine = ++count;
  view?.close?.();
  view = null;
  const [pattern, name, load] = VIEWS.find(([known]) => known.test(location.pathname)) ?? [];
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!pattern) {
    put(place, h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "/" }, "All runs")));
    return;
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · autotrack`;
  try {
    const { open } = await load();
    const parts = pattern.exec(location.pathname).slice(1).map(decodeURIComponent);
    const opened = await open(place, ...parts);
    if (mine !== count) opened?.close?.();
    else view = opened;
  } catch (error) {
    if (mine !== count) return;
    put(place, h("h1", {}, "It can't be shown"), h("p", { role: "alert" }, String(error.message ?? error)));
    if (!(error instanceof Refused)) throw error;
  }
  if (moved) place.focus();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  place.focus();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (link && plain && !link.getAttribute("href").startsWith("/api/")) {
    event.preventDefault();
    go(link.getAttribute("href"));
  }
});
// What is folded out over the view goes away again.
function folded(event) {
  for (const one of document.querySelectorAll("details.chooser[open]")) {
    if (event.type === "click" ? !one.contains(event.target) : event.key === "Escape") {
      if (one.contains(document.activeElement)) one.querySelector("summary").focus();
      one.open = false;
    }
  }
}
document.addEventListener("click", folded);
document.addEventListener("keydown", folded);
window.addEventListener("popstate", () => show(true));
window.addEventListener("gone", () => show(true));

const live = document.getElementById("live");
let busy = false;
let again = false;
// One after the other: an older answer is not to be shown over a newer one.
async function renew() {
  again = busy;
  if (busy) return;
  busy = true;
  try {
    await view?.changed?.();
  } catch (error) {
    if (error instanceof Refused) live.textContent = error.message;
    else if (!(error instanceof TypeError)) throw error; // that the server is gone is said already
  } finally {
    busy = false;
    if (again) renew();
  }
}
listen(
  renew,
  (there) => {
    live.textContent = there ? "live" : "the server is gone";
    live.dataset.there = there;
  },
);

const themes = ["auto", "light", "dark"];
const button = document.getElementById("theme");
function dressed(theme) {
  document.documentElement.dataset.theme = theme;
  button.textContent = `Theme: ${theme}`;
  window.dispatchEvent(new Event("theme"));
}
button.addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
  localStorage.setItem("theme", next);
  dressed(next);
});
dressed(themes.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");
show(false);
