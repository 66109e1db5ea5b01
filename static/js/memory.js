/* What the demo remembers while the tab is open, so that a reload changes nothing; of whoever
   is logged in, the form is found again in any browser. */

import { prefer, preferred } from "./preferences.js";

const KEY = "ozvena.demo";
const OF_THE_PERSON = ["text", "voice", "speed"];

/** Returns everything remembered, as one object. */
export function recall() {
  return { ...preferred("demo"), ...ofThisTab() };
}

/** Remembers `facts` besides what is remembered already; undefined forgets one. */
export function remember(facts) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...ofThisTab(), ...facts }));
  } catch {
    // switched off, or full: the demo works without
  }
  const kept = OF_THE_PERSON.filter((name) => facts[name] !== undefined);
  if (kept.length) {
    const changes = Object.fromEntries(kept.map((name) => [name, facts[name]]));
    prefer("demo", { ...preferred("demo"), ...changes });
  }
}

function ofThisTab() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is switched off, or holds something else
  }
}
