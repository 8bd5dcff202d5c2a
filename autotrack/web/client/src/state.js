// The state of a view is in its address, so that it can be sent to a colleague.

export function state() {
  return new URLSearchParams(location.search);
}

export function remember(changes) {
  const parameters = state();
  for (const [name, given] of Object.entries(changes)) {
    if (given === null || given === undefined || given === "" || given === false) parameters.delete(name);
    else parameters.set(name, given);
  }
  const text = parameters.toString();
  history.replaceState(null, "", `${location.pathname}${text ? `?${text}` : ""}`);
}

export function go(address) {
  history.pushState(null, "", address);
  window.dispatchEvent(new Event("gone"));
}
