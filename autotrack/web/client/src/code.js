// How the code of two runs differs: lines beside their numbers, and the words that differ within a line.
//
// The server tells lines from heads of files; of a text in the format of diff, a removed line `-- x` above an added
// `++ y` would read as the head of another file (as diff2html reads it), and its HTML would have to be trusted.

import { diffWordsWithSpace } from "diff";
import { ask } from "./api.js";
import { h, put } from "./dom.js";
import { number } from "./format.js";

const WORDS = { added: "added", removed: "removed", changed: "changed" };
const SAID = { "-": "removed: ", "+": "added: ", " ": "" };
const LONG = 400;

export async function show(place, first, second) {
  put(place, h("p", { class: "quiet" }, "Loading …"));
  try {
    const { files, more } = await ask("compare/code", { first, second });
    put(place,
      h("p", { role: "status" }, files.length ? `${number(files.length + more)} ${files.length + more === 1 ? "file differs" : "files differ"}.` : "The code is the same."),
      files.map(drawn),
      more ? h("p", { class: "quiet" }, `… and ${number(more)} files more. All of it: autotrack compare ${first} ${second} --code`) : null);
  } catch (error) {
    put(place, h("p", { role: "alert" }, error.message));
  }
}

function drawn({ path, change, told, hunks }) {
  const counts = ["+", "-"].map((mark) => hunks.flatMap(({ lines }) => lines).filter(([of]) => of === mark).length);
  return h("details", { class: "file", open: true },
    h("summary", {}, h("code", {}, path), h("span", { class: "quiet" }, ` ${WORDS[change]}, +${counts[0]} −${counts[1]}`)),
    hunks.length ? h("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": `Differences in ${path}` },
      h("table", { class: "lines" }, h("caption", { class: "hidden" }, `Differences in ${path}`),
        h("thead", { class: "hidden" }, h("tr", {}, ["before", "after", "line"].map((head) => h("th", { scope: "col" }, head)))),
        hunks.map((hunk, at) => h("tbody", { class: at ? "apart" : null }, rows(hunk))))) : null,
    told ? h("p", { class: "quiet" }, told) : null);
}

function rows({ first, second, lines }) {
  const marked = within(lines);
  return lines.map(([mark, text], at) => {
    const [before, after] = [mark === "+" ? "" : first++, mark === "-" ? "" : second++];
    return h("tr", { class: mark === "+" ? "added" : mark === "-" ? "removed" : null },
      h("td", { class: "at" }, before), h("td", { class: "at" }, after),
      h("td", {}, h("span", { class: "mark", "aria-hidden": "true" }, mark), SAID[mark] ? h("span", { class: "hidden" }, SAID[mark]) : null, h("code", {}, marked.get(at) ?? text)));
  });
}

// Index of a line to its parts, where as many lines were removed as were added in their place.
function within(lines) {
  const found = new Map();
  let at = 0;
  while (at < lines.length) {
    const removed = run(lines, at, "-");
    const added = run(lines, at + removed, "+");
    for (let pair = 0; removed === added && pair < removed; pair += 1) {
      const [one, other] = [at + pair, at + removed + pair];
      if (Math.max(lines[one][1].length, lines[other][1].length) > LONG) continue;
      const parts = diffWordsWithSpace(lines[one][1], lines[other][1]);
      if (!parts.some((part) => !part.added && !part.removed && part.value.trim())) continue;
      found.set(one, parts.filter((part) => !part.added).map(({ value, removed: gone }) => (gone ? h("del", {}, value) : value)));
      found.set(other, parts.filter((part) => !part.removed).map(({ value, added: come }) => (come ? h("ins", {}, value) : value)));
    }
    at += removed + added || 1;
  }
  return found;
}

function run(lines, at, mark) {
  let count = 0;
  while (lines[at + count]?.[0] === mark) count += 1;
  return count;
}
