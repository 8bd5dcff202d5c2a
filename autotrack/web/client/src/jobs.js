// The programs that were recorded, and what each of them did.

import { ask } from "./api.js";
import { h, put, table } from "./dom.js";
import { number, seconds, short, status, time } from "./format.js";

export async function open(place) {
  let jobs = [];
  let next = null;
  const shown = h("div", {});
  const more = h("button", { type: "button", onclick: async () => {
    const answer = await ask("jobs", { after: next });
    jobs = [...jobs, ...answer.jobs];
    next = answer.next;
    show();
  } }, "More");
  put(place, h("h1", {}, "Jobs"), h("p", { class: "quiet" }, "Programs that were recorded, the newest first."), shown, more);
  await renew();

  function show() {
    more.hidden = !next;
    put(shown, jobs.length ? table("Jobs", ["Program", "Status", "Started", "Took", "By", "Runs", "Started by"], jobs.map((job) => [
      h("a", { href: `/jobs/${job.id}` }, job.name || short(job.id)), h("span", { class: `status ${job.status}` }, status(job.status)),
      time(job.started), seconds(job.duration), job.user ?? "",
      job.runs ? h("a", { href: `/?filter=${encodeURIComponent(`job == "${job.id}"`)}` }, number(job.runs)) : "none",
      job.parent ? h("a", { href: `/jobs/${job.parent}` }, short(job.parent)) : ""])) : h("p", {}, "Nothing is recorded yet. Record a program with ", h("code", {}, "autotrack run train.py"), "."));
  }
  // The newest are read again; those that were asked for beyond them stay.
  async function renew() {
    const answer = await ask("jobs");
    const seen = new Set(answer.jobs.map((job) => job.id));
    if (!jobs.length) next = answer.next;
    jobs = [...answer.jobs, ...jobs.filter((job) => !seen.has(job.id))];
    show();
  }
  return { changed: renew };
}
