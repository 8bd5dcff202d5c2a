// What the server is asked, and told.

export class Refused extends Error {}

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, given] of Object.entries(parameters)) {
    for (const one of Array.isArray(given) ? given : [given]) {
      if (one !== null && one !== undefined && one !== "" && one !== false) query.append(name, one);
    }
  }
  const text = query.toString();
  return read(await fetch(`/api/${path}${text ? `?${text}` : ""}`));
}

export async function change(method, path, body) {
  const given = body === undefined ? {} : { body: JSON.stringify(body) };
  return read(await fetch(`/api/${path}`, { method, headers: { "content-type": "application/json" }, ...given }));
}

async function read(response) {
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(answer?.error ?? `the server answers ${response.status}`);
  return answer;
}

// Calls what is given whenever something was written, and says whether the server is there.
export function listen(changed, there) {
  let seen = null;
  const source = new EventSource("/api/changes");
  source.onopen = () => there(true);
  source.onerror = () => there(false);
  source.onmessage = (event) => {
    const { version } = JSON.parse(event.data);
    if (seen !== null && version !== seen) changed();
    seen = version;
  };
}
