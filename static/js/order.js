/* The page of an order: goes on to the page to pay at, or waits until it is paid. */

import { call } from "./api.js";

const WAIT = 1_000; // ms
const LONGEST_WAIT = 10_000; // ms
const SLOWER = 1.1;

const order = document.querySelector("[data-order]");

async function follow(id) {
  let wait = WAIT;
  for (;;) {
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * SLOWER, LONGEST_WAIT);
    if (document.hidden) continue;
    try {
      const { data } = await call("GET", `/api/v1/orders/${id}`);
      if (data.status !== "pending" || data.is_in_review) break;
    } catch {
      // The server can't be reached now, or asks to wait: it is asked again.
      wait = LONGEST_WAIT;
    }
  }
  location.reload();
}

if (order?.dataset.go) {
  // The way back leads to the page before, and not here, which would go on again.
  history.replaceState(null, "", location.pathname);
  location.assign(order.dataset.go);
} else if (order) {
  follow(order.dataset.order);
}
