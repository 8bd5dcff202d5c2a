// Tags and notes of runs, as `autotrack tag` and `autotrack note` have them.

import { change } from "./api.js";
import { value } from "./format.js";

export function tagged(name, held) {
  return held === true ? name : `${name}=${typeof held === "string" && valued(held) !== held ? JSON.stringify(held) : value(held)}`;
}

// Tags as they are written to be edited: NAME or NAME=VALUE, with commas between.
export function written(tags) {
  return Object.entries(tags).filter(writable).map(([name, held]) => writing(name, held)).join(", ");
}

function writing(name, held) {
  return typeof held === "string" && /[,"]/.test(held) ? `${name}=${JSON.stringify(held)}` : tagged(name, held);
}

// Whether a tag is the same once it was written and read: programs may give them names that nobody could write.
function writable([name, held]) {
  const read = [...words(writing(name, held))];
  return read.length === 1 && read[0][0] === name && read[0][1] === held;
}

function words(text) {
  const parts = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,])+/g) ?? [];
  return new Map(parts.map((word) => word.trim()).filter(Boolean).map((word) => {
    const at = word.indexOf("=");
    return at < 0 ? [word, true] : [word.slice(0, at).trim(), valued(word.slice(at + 1).trim())];
  }));
}

// A number, true or false where it looks like one, else a text.
function valued(text) {
  try {
    const found = JSON.parse(text);
    return typeof found === "object" || Math.abs(found) === Infinity ? text : found;
  } catch {
    return text;
  }
}

// What is to be another one is told to the server; what stays as it was is not.
export async function retag(run, tags, text) {
  const wanted = words(text);
  for (const [name] of Object.entries(tags).filter(writable)) {
    if (!wanted.has(name)) await change("DELETE", `runs/${run}/tags/${encodeURIComponent(name)}`);
  }
  for (const [name, held] of wanted) {
    if (name && tags[name] !== held) {
      await change("PUT", `runs/${run}/tags/${encodeURIComponent(name)}`, { value: held });
    }
  }
}

// Adds the tags of a text to those that a run has.
export async function tag(run, text) {
  for (const [name, held] of words(text)) {
    if (name) await change("PUT", `runs/${run}/tags/${encodeURIComponent(name)}`, { value: held });
  }
}

export function annotate(run, text) {
  return change("PUT", `runs/${run}/note`, { note: text.trim() ? text : null });
}
