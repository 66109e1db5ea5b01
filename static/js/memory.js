/* What the demo remembers while the tab is open, so that a reload changes nothing. */

const KEY = "ozvena.demo";

/** Returns everything remembered, as one object. */
export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is switched off, or holds something else
  }
}

/** Remembers `facts` besides what is remembered already; undefined forgets one. */
export function remember(facts) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...recall(), ...facts }));
  } catch {
    // switched off, or full: the demo works without
  }
}
