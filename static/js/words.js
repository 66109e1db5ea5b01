/* The spoken text, word by word: lit while it is heard, and a place to start from. */

/**
 * Returns `{show, mark, step, wordAt}` over a container. `onPick` gets the second at which
 * a clicked word starts.
 */
export function createTranscript(container, onPick) {
  let starts = []; // seconds, ascending
  let ends = [];
  let spans = [];
  let reached = -1; // the last word that has begun
  let lit = null;

  container.addEventListener("click", (event) => {
    const span = event.target.closest("[data-word]");
    if (span) onPick(starts[Number(span.dataset.word)]);
  });

  /** Shows `text`; `words` place themselves in it by code points. */
  function show(text, words) {
    const points = Array.from(text); // by code point, as the offsets are
    const nodes = [];
    let at = 0;
    starts = [];
    ends = [];
    spans = [];
    reached = -1;
    lit = null;
    for (const [index, word] of words.entries()) {
      if (word.char_start < at) continue; // belongs to what is shown already
      const next = words[index + 1]?.char_start ?? points.length;
      const [from, to] = withMarks(points, at, word, next);
      nodes.push(points.slice(at, from).join(""));
      const span = document.createElement("span");
      span.textContent = points.slice(from, to).join("");
      span.dataset.word = String(spans.length);
      span.title = `${word.start.toFixed(2)}–${word.end.toFixed(2)} s`;
      nodes.push(span);
      spans.push(span);
      starts.push(word.start);
      ends.push(word.end);
      at = to;
    }
    nodes.push(points.slice(at).join(""));
    container.replaceChildren(...nodes);
    container.scrollTop = 0;
  }

  /** Lights the word that is heard at `time`, and dims those that are still to come. */
  function mark(time) {
    const now = lastAtOrBefore(starts, time);
    for (let i = reached + 1; i <= now; i += 1) spans[i].classList.add("is-spoken");
    for (let i = now + 1; i <= reached; i += 1) spans[i].classList.remove("is-spoken");
    reached = now;
    const heard = now >= 0 && time < ends[now] ? spans[now] : null;
    if (heard === lit) return;
    lit?.classList.remove("is-now");
    heard?.classList.add("is-now");
    lit = heard;
    if (heard) keepInView(heard);
  }

  /** Returns the second at which the next (1) or the previous (-1) word starts. */
  function step(time, direction) {
    const now = lastAtOrBefore(starts, time);
    if (direction > 0) return starts[now + 1];
    // Shortly after a word's start, "previous" means the word before it.
    return now >= 0 && time - starts[now] < 0.25 ? starts[now - 1] : starts[now];
  }

  /** Returns the word heard at `time`, empty between words. */
  function wordAt(time) {
    const now = lastAtOrBefore(starts, time);
    return now >= 0 && time < ends[now] ? spans[now].textContent : "";
  }

  function keepInView(span) {
    const top = span.offsetTop - container.offsetTop;
    const bottom = top + span.offsetHeight;
    const { scrollTop, clientHeight } = container;
    if (top < scrollTop || bottom > scrollTop + clientHeight) {
      container.scrollTop = top - clientHeight / 3;
    }
  }

  return { show, mark, step, wordAt };
}

// A word with the quotes before and the comma after it, as far as no space lies between and
// no other word begins.
function withMarks(points, floor, word, ceiling) {
  let from = word.char_start;
  let to = word.char_end;
  while (from > floor && !isSpace(points[from - 1])) from -= 1;
  while (to < ceiling && !isSpace(points[to])) to += 1;
  return [from, to];
}

function isSpace(point) {
  return /\s/.test(point);
}

function lastAtOrBefore(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
