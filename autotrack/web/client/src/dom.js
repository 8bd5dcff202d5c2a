// Elements, made of texts and other elements alone: a name that somebody has recorded is never read as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function put(place, ...children) {
  place.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

// A link, or only what it says where there is no address.
export function linked(address, ...children) {
  return address ? h("a", { href: address }, ...children) : children;
}

// Fills a place anew, as something goes on that somebody looks at: what is unfolded stays so, what is scrolled stays
// where it is, and the focus stays on what is called the same.
export function refill(place, ...children) {
  const folds = new Map(marked(place, "details").map(([key, one]) => [key, one.open]));
  const scrolled = new Map(marked(place, ".scrolled, .console, .graph").map(([key, one]) => [key, [one.scrollLeft, one.scrollTop]]));
  const focused = marked(place, "a, button, input, textarea, select, summary, [tabindex]").find(([, one]) => one === document.activeElement)?.[0];
  put(place, ...children);
  marked(place, "details").forEach(([key, one]) => folds.has(key) && (one.open = folds.get(key)));
  marked(place, ".scrolled, .console, .graph").forEach(([key, one]) => scrolled.has(key) && one.scrollTo(...scrolled.get(key)));
  if (focused) marked(place, "a, button, input, textarea, select, summary, [tabindex]").find(([key]) => key === focused)?.[1].focus({ preventScroll: true });
}

// Elements with what they are known by: where they are and what they are called, numbers left out, and how often that
// came before.
function marked(place, selector) {
  const seen = new Map();
  return [...place.querySelectorAll(selector)].map((one) => {
    const called = one.getAttribute("aria-label") ?? one.id ?? "";
    const text = (one.matches("details") ? one.querySelector("summary")?.textContent : one.matches("a, button, summary") ? one.textContent : "") ?? "";
    const name = [one.closest("section")?.getAttribute("aria-labelledby"), one.tagName, called, text.replace(/\d+/g, "")].join(" ");
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return [`${name} ${seen.get(name)}`, one];
  });
}

// A list of names and what they stand for.
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

// A table for reading: the first column names its row.
export function table(caption, heads, rows) {
  return h(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h("tr", {}, row.map((cell, at) => (at ? h("td", {}, cell) : h("th", { scope: "row" }, cell)))),
        ),
      ),
    ),
  );
}

export function section(title, ...children) {
  const id = `section-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}
