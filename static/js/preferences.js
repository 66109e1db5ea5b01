/* What the person who is logged in prefers. The server puts it into the page; changes go
   back a moment later, several as one, and are not lost when the page is left. */

import { call } from "./api.js";

const PAUSE = 800; // ms

const stored = document.getElementById("preferences");
const preferences = stored ? JSON.parse(stored.textContent) : null;
let waiting = {};
let timer = 0;

/** Returns the preference `name`; undefined for visitors, and where there is none. */
export function preferred(name) {
  return preferences?.[name];
}

/** Keeps the preference `name`; visitors have none to keep. */
export function prefer(name, value) {
  if (!preferences) return;
  preferences[name] = value;
  waiting[name] = value;
  clearTimeout(timer);
  timer = setTimeout(send, PAUSE);
}

function send() {
  if (!Object.keys(waiting).length) return;
  const body = JSON.stringify({ preferences: waiting });
  waiting = {};
  call("PATCH", "/api/v1/me", { body, outlives: true }).catch(() => {
    // it is a convenience: the page works on without
  });
}

addEventListener("pagehide", () => {
  clearTimeout(timer);
  send();
});
