/* What is left of a guest's tries today. */

import { timeOfDay } from "./messages.js";

const MOST_DOTS = 10;

/**
 * Returns `{accepted, usedUp, limit, resets}` over the demo; somebody who is signed in has
 * no tries to count, and nothing is shown.
 */
export function createQuota(root) {
  const line = root.querySelector("[data-quota]");
  const limit = Number(root.dataset.limit);
  let left = Number(root.dataset.left);
  let resets = new Date(root.dataset.resets);
  const dots = document.createElement("span");
  const text = document.createElement("span");
  dots.className = "dots";
  dots.setAttribute("aria-hidden", "true");
  line?.replaceChildren(dots, text);
  show();
  document.addEventListener("visibilitychange", () => {
    forgetYesterday();
    show();
  });

  /** Counts one accepted try; `told` is what the server says is left, null if it doesn't. */
  function accepted(told) {
    forgetYesterday();
    left = told ?? Math.max(left - 1, 0);
    show();
  }

  /** Notes the server's refusal; `retryAfter` in seconds, null if it didn't say. */
  function usedUp(retryAfter) {
    left = 0;
    if (retryAfter !== null) resets = new Date(Date.now() + retryAfter * 1000);
    show();
  }

  function forgetYesterday() {
    while (resets <= new Date()) {
      resets = new Date(resets.getTime() + 86_400_000);
      left = limit;
    }
  }

  function show() {
    text.textContent = left
      ? `${left} of ${limit} ${limit === 1 ? "try" : "tries"} left today`
      : `No tries left today. New ones at ${timeOfDay(resets)}.`;
    if (limit > MOST_DOTS) return;
    dots.replaceChildren(
      ...Array.from({ length: limit }, (_, index) => {
        const dot = document.createElement("i");
        dot.classList.toggle("is-left", index < left);
        return dot;
      }),
    );
  }

  return {
    accepted,
    usedUp,
    limit,
    get resets() {
      return resets;
    },
  };
}
