/* Text as the server sees it: code points, no CRLF, no white space at its ends. */

// What Python's str.strip() removes; JavaScript's trim() has another list.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const ENDS = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
// Half of a pair, or NUL: no server can store it, and nobody types it.
const UNSTORABLE = /[\ud800-\udfff\0]/gu;

/** Returns the text that is sent, counted and spoken. */
export function normalise(text) {
  return text.replace(UNSTORABLE, "").replace(/\r\n/g, "\n").replace(ENDS, "");
}

/** Returns the number of characters as they are counted and priced: code points. */
export function countCharacters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Returns seconds as m:ss. */
export function clock(seconds) {
  const whole = Math.floor(seconds + 0.05);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
