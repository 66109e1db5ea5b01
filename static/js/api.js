/* Talks to the API: JSON in, JSON out, and one kind of error. */

const TIMEOUT = 20_000; // ms

/** A call that failed. `code` is the API's, or `network`, or `unexpected`. */
export class ApiError extends Error {
  constructor({ status = 0, code = "unexpected", detail = "", retryAfter = null }) {
    super(detail || code);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter; // seconds
  }

  /** Whether sending the very same request again may succeed. */
  get isPassing() {
    return (
      this.status === 0 || this.status >= 500 || this.code === "idempotency_in_progress"
    );
  }
}

/**
 * Calls the API and returns `{data, headers}`; `body` is the JSON text to send. A call that
 * `outlives` its page is sent even while that is left.
 * Throws ApiError.
 */
export async function call(method, url, { body, key, outlives = false } = {}) {
  const headers = { Accept: "application/json", ...workspaceHeaders() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  // A visitor has no session and needs no token; the cookie of somebody who is signed in
  // is only accepted together with one.
  const token = cookie("csrftoken");
  if (token && method !== "GET") headers["X-CSRFToken"] = token;
  const response = await send(url, { method, headers, body, keepalive: outlives });
  const text = await readText(response);
  const data = parse(text);
  if (response.ok && data !== undefined) return { data, headers: response.headers };
  throw new ApiError({
    status: response.status,
    code: data?.code,
    detail: data?.detail,
    retryAfter: retryAfter(response),
  });
}

/** Fetches a file and returns it as a Blob. Throws ApiError. */
export async function fetchFile(url) {
  const response = await send(url, { method: "GET", headers: workspaceHeaders() });
  if (!response.ok) {
    const data = parse(await readText(response));
    throw new ApiError({
      status: response.status,
      code: data?.code,
      detail: data?.detail,
      retryAfter: retryAfter(response),
    });
  }
  return reading(() => response.blob());
}

// Where the person who is logged in acts, as the page was told.
function workspaceHeaders() {
  const { workspace, environment } = document.documentElement.dataset;
  return workspace ? { "X-Workspace": workspace, "X-Environment": environment } : {};
}

function send(url, options) {
  return reading(() =>
    fetch(url, {
      ...options,
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT),
    }),
  );
}

function readText(response) {
  return reading(() => response.text());
}

async function reading(act) {
  try {
    return await act();
  } catch (error) {
    throw new ApiError({ code: "network", detail: String(error) });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not from our API: a proxy's own page, say
  }
}

function retryAfter(response) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return Number.isNaN(seconds) ? null : seconds;
}

function cookie(name) {
  const pair = document.cookie.split("; ").find((item) => item.startsWith(`${name}=`));
  return pair ? decodeURIComponent(pair.slice(name.length + 1)) : "";
}
