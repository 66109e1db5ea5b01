/* The API's error codes in words for visitors. */

/**
 * Returns a sentence about an ApiError. `facts` fills in what the sentence needs:
 * `{characters, limit, tries, resets}`.
 */
export function explain(error, facts) {
  const sentence = SENTENCES[error.code];
  if (sentence) return sentence(facts, error);
  if (error.status >= 500) return "Something broke on our side. Please try again.";
  return error.detail || "That did not work. Please try again.";
}

/** Returns a sentence about a scene that could not be spoken, by its error's code. */
export function explainScene(code) {
  if (code === "unspeakable") {
    return "This voice finds nothing it can say in that text. Try words, or the language the text is written in.";
  }
  return "This one could not be spoken. Change the text or the voice and try again.";
}

/** Returns a moment as the visitor's clock shows it. */
export function timeOfDay(moment) {
  return new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" }).format(moment);
}

const SENTENCES = {
  empty_text: () => "There is nothing to say yet. Write a few words first.",
  text_too_long: ({ characters, limit }) =>
    `That is ${characters} characters. One try takes up to ${limit}.`,
  guest_limit: ({ tries, resets }) =>
    `Today’s ${tries} tries are used up. You get new ones at ${timeOfDay(resets)}.`,
  rate_limited: (_, { retryAfter }) =>
    retryAfter
      ? `That was a little fast. Try again in ${retryAfter} ${retryAfter === 1 ? "second" : "seconds"}.`
      : "That was a little fast. Try again in a moment.",
  unknown_voice: () => "This voice is no longer here. Please choose another one.",
  insufficient_credits: () => "Your credits are used up.",
  network: () => "We can’t be reached right now. Your text is still here.",
};
