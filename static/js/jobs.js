/* Jobs: send one, and follow it to its end. */

import { ApiError, call } from "./api.js";

const JOBS = "/api/v1/jobs";
const FIRST_WAIT = 150; // ms; a sentence is spoken in less than half a second
const LONGEST_WAIT = 2_000; // ms
const SLOWER = 1.25;
const RUNNING = new Set(["queued", "processing"]);

/**
 * Submits a job and returns `{job, left}`; `left` is the number of a guest's remaining
 * tries, null when the server doesn't say. The same `key` and `body` make one job, however
 * often they are sent.
 */
export async function submit(body, key) {
  const { data, headers } = await call("POST", JOBS, { body, key });
  const left = Number.parseInt(headers.get("X-Guest-Remaining") ?? "", 10);
  return { job: data, left: Number.isNaN(left) ? null : left };
}

/**
 * Follows a job and returns it when it has ended. It is looked at for the first time at
 * once, or soon if `isNew`. `onUpdate` gets it at each look, `onSilence` is called when the
 * server can't be reached; it is asked again.
 * Throws ApiError when the job is gone, AbortError when `signal` fires.
 */
export async function follow(id, { isNew, onUpdate, onSilence, signal }) {
  let wait = FIRST_WAIT;
  if (isNew) await sleep(wait, signal);
  for (;;) {
    let pause = wait;
    try {
      const { data } = await call("GET", `${JOBS}/${id}`);
      signal.throwIfAborted();
      onUpdate(data);
      if (!RUNNING.has(data.status)) return data;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "rate_limited") pause = (error.retryAfter ?? 5) * 1000;
      else if (error.isPassing) onSilence();
      else throw error;
    }
    await sleep(pause, signal);
    wait = Math.min(wait * SLOWER, LONGEST_WAIT);
  }
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
