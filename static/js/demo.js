/* The guest demo: a text becomes a job, the job becomes sound, the words light up. */

import { ApiError, call, fetchFile } from "./api.js";
import { follow, submit } from "./jobs.js";
import { recall, remember } from "./memory.js";
import { explain, explainScene } from "./messages.js";
import { createPlayer } from "./player.js";
import { createQuota } from "./quota.js";
import { countCharacters, normalise } from "./text.js";
import { loadVoices } from "./voices.js";

const root = document.querySelector("[data-demo]");
const part = (name) => root.querySelector(`[data-${name}]`);
const field = part("text");
const display = part("display");
const button = part("submit");
const limit = Number(root.dataset.characters);
const quota = createQuota(root);
const player = createPlayer(display);

let voices = null; // a promise of the menus, while they load and after
let running = null; // AbortController of the job that is being followed
let runningBody = ""; // what was sent for it
let retry = null; // what "Try again" does

start();

function start() {
  const memory = recall();
  field.value = memory.text ?? greeting();
  if (memory.speed) part("speed").value = memory.speed;
  part("fields").disabled = false;
  showShortcut();
  showCount();

  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    speak();
  });
  part("form").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    speak();
  });
  field.addEventListener("input", () => {
    remember({ text: field.value });
    showCount();
    hideError();
  });
  part("form").addEventListener("change", () => {
    remember({ voice: part("voice").value, speed: part("speed").value });
    field.lang = part("language").value;
    showButton();
  });
  for (const chip of root.querySelectorAll("[data-example]")) {
    chip.addEventListener("click", () => takeExample(chip));
  }
  part("retry").addEventListener("click", () => retry?.());

  openMenus(memory.voice);
  if (memory.job) bringBack(memory);
}

// The example in the visitor's language, if there is one: the first click already speaks.
function greeting() {
  const language = (navigator.languages[0] ?? "en").split("-")[0];
  const chips = [...root.querySelectorAll("[data-example]")];
  const chip = chips.find((item) => item.dataset.example.split("-")[0] === language);
  return chip?.dataset.exampleText ?? "";
}

function openMenus(remembered) {
  voices = loadVoices(part("language"), part("voice"), navigator.languages);
  voices.then(
    (menus) => {
      if (remembered) menus.choose(remembered);
      field.lang = part("language").value;
      showButton();
    },
    (error) => {
      retry = () => {
        hideError();
        openMenus(remembered);
      };
      showError(error);
    },
  );
}

async function takeExample(chip) {
  field.value = chip.dataset.exampleText;
  remember({ text: field.value });
  showCount();
  hideError();
  try {
    (await voices).chooseLanguage(chip.dataset.example);
  } catch {
    return; // the menus are missing, and say so themselves
  }
  remember({ voice: part("voice").value });
  field.lang = part("language").value;
  showButton();
}

/** Sends what is in the form, waits for the audio and plays it. */
async function speak() {
  const text = normalise(field.value);
  const characters = countCharacters(text);
  if (!characters) return refuse("empty_text");
  if (characters > limit) return refuse("text_too_long");
  try {
    await voices;
  } catch (error) {
    return showError(error); // "Try again" loads them again
  }
  const body = request(text);
  if (running && body === runningBody) return; // pressed twice

  const control = take(body);
  const began = performance.now();
  const language = part("language").value;
  let again = speak;
  hideError();
  player.stop();
  showWorking("Sending your text");
  try {
    const { job, left } = await submit(body, keyFor(body));
    again = () => bringBack(recall()); // from here on the job is there: no second try
    remember({ pending: undefined });
    quota.accepted(left);
    if (control.signal.aborted) return;
    remember({ job: job.transaction_id, spoken: text, language });
    showProgress(job);
    await listen(job.transaction_id, text, language, control.signal, true);
    showFacts((performance.now() - began) / 1000);
    showStatus((await player.play()) ? ready() : `${ready()} Press play to listen.`);
  } catch (error) {
    fail(error, control, again);
  } finally {
    release(control);
  }
}

/** Shows the last job again, or goes on waiting for it: after a reload, or a failure. */
async function bringBack({ job, spoken, language }) {
  const control = take("");
  hideError();
  showWorking("Getting your audio back");
  try {
    await listen(job, spoken, language, control.signal, false);
    showFacts(null);
    showStatus(ready());
  } catch (error) {
    const isGone = error instanceof ApiError && !error.isPassing;
    if (isGone) remember({ job: undefined });
    if (isGone && !control.signal.aborted) showState("idle"); // nobody has asked for it
    else fail(error, control, () => bringBack(recall()));
  } finally {
    release(control);
  }
}

// Follows a job to its end and puts its audio and words into the player.
async function listen(id, text, language, signal, isNew) {
  const job = await follow(id, { isNew, onUpdate: showProgress, onSilence, signal });
  const [scene] = job.scenes;
  if (scene.status !== "completed") {
    remember({ job: undefined });
    throw new SceneFailed(scene.error?.code);
  }
  const audioPath = here(scene.audio_url);
  const [blob, { data }] = await Promise.all([
    fetchFile(audioPath),
    call("GET", here(scene.words_url)),
  ]);
  signal.throwIfAborted();
  part("transcript").lang = language;
  part("download").href = `${audioPath}?download`;
  await player.load(blob, text, data.words);
  display.dataset.seconds = (scene.duration_ms / 1000).toFixed(1);
  display.dataset.words = String(data.words.length);
  display.dataset.timing = data.timing;
  showState("ready");
}

// The API names its own host and scheme; behind a proxy those may not be the page's.
function here(url) {
  return new URL(url, location.href).pathname;
}

class SceneFailed extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// --- One job at a time ----------------------------------------------------------------

function take(body) {
  running?.abort();
  running = new AbortController();
  runningBody = body;
  showButton();
  return running;
}

function release(control) {
  if (running === control) running = null;
  showButton();
}

function request(text) {
  return JSON.stringify({
    text,
    voice: part("voice").value,
    speed: Number(part("speed").value),
    format: "mp3",
  });
}

// The key stays with its body until an answer has come: sent again after a lost
// connection, even after a reload, the same text is the same job and the same try.
function keyFor(body) {
  const { pending } = recall();
  if (pending?.body === body) return pending.key;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  remember({ pending: { body, key } });
  return key;
}

// --- What goes wrong -------------------------------------------------------------------

function refuse(code) {
  showError(new ApiError({ status: 400, code }));
  field.focus();
}

function fail(error, control, again) {
  if (control.signal.aborted) return; // something newer is under way
  showState(display.dataset.seconds ? "ready" : "idle"); // what was heard before stays
  if (error instanceof SceneFailed) return showSentence(explainScene(error.code));
  if (!(error instanceof ApiError)) {
    showSentence("Your browser could not play this audio.");
    throw error; // a bug, or a browser without MP3: leave a trace in the console
  }
  if (!error.isPassing) remember({ pending: undefined });
  if (error.code === "guest_limit") quota.usedUp(error.retryAfter);
  retry = error.isPassing ? again : null;
  showError(error);
}

function showError(error) {
  const characters = countCharacters(normalise(field.value));
  const facts = { characters, limit, tries: quota.limit, resets: quota.resets };
  if (["empty_text", "text_too_long"].includes(error.code)) {
    field.setAttribute("aria-invalid", "true");
  }
  showSentence(explain(error, facts), error.isPassing);
}

function showSentence(sentence, canRetry = false) {
  part("error").hidden = false;
  part("error-text").textContent = sentence;
  part("retry").hidden = !canRetry;
  part("error").scrollIntoView({ block: "nearest" });
}

function hideError() {
  part("error").hidden = true;
  part("error-text").textContent = "";
  field.removeAttribute("aria-invalid");
}

// --- What is shown ---------------------------------------------------------------------

function showState(state) {
  display.dataset.state = state;
  part("idle").hidden = state === "ready";
  part("transcript").hidden = state !== "ready";
  part("player").inert = state !== "ready";
  part("progress").hidden = state !== "working";
  part("facts").hidden = state !== "ready";
  if (state === "idle") {
    part("idle-text").textContent = "Your words appear here and light up as they are spoken.";
    showStatus("");
  }
}

function showWorking(text) {
  showState("working");
  part("progress").removeAttribute("value");
  display.scrollIntoView({ block: "nearest" });
  showStep(text);
}

function showProgress(job) {
  const { percent } = job.progress;
  if (percent > 0) part("progress").value = percent;
  if (job.status === "queued") showStep("Waiting for a free voice");
  else showStep(percent > 0 ? `Speaking, ${percent} percent done` : "Speaking");
}

function onSilence() {
  showStep("We lost the connection and keep trying");
}

function showStep(text) {
  if (part("idle-text").textContent === text) return;
  part("idle-text").textContent = text;
  showStatus(text);
}

function showStatus(text) {
  part("status").textContent = text;
}

function ready() {
  const { seconds, words } = display.dataset;
  return `Ready: ${seconds} seconds, ${words} words.`;
}

function showFacts(took) {
  const { seconds, words, timing } = display.dataset;
  const times = timing === "exact" ? "exact times" : "estimated times";
  const facts = [`${seconds} s`, `${words} words, ${times}`];
  if (took !== null) facts.push(`made in ${took.toFixed(1)} s`);
  part("facts").textContent = facts.join(" · ");
}

function showCount() {
  const count = countCharacters(normalise(field.value));
  part("count").textContent = String(count);
  part("count").parentElement.classList.toggle("is-over", count > limit);
  showButton();
}

function showButton() {
  const isBusy = running !== null && request(normalise(field.value)) === runningBody;
  button.setAttribute("aria-disabled", String(isBusy));
  part("submit-label").textContent = isBusy ? "Speaking…" : "Speak";
}

function showShortcut() {
  const isApple = /mac|iphone|ipad/i.test(navigator.platform);
  part("modifier").textContent = isApple ? "⌘" : "Ctrl";
  part("shortcut").hidden = false;
}
