/* The player: play and pause, a seek bar that knows words, and time. */

import { clock } from "./text.js";
import { createWaveform } from "./waveform.js";
import { createTranscript } from "./words.js";

const LEAP = 5; // seconds, for Page Up and Page Down

/** Returns `{load, play, stop}` over the display's parts. */
export function createPlayer(root) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const audio = part("audio");
  const seekBar = part("seek");
  const waveform = createWaveform(part("wave"));
  const transcript = createTranscript(part("transcript"), (time) => {
    seek(time);
    play();
  });
  let address = "";
  let frame = 0;

  part("play").addEventListener("click", () => (audio.paused ? play() : audio.pause()));
  seekBar.addEventListener("input", () => seek(Number(seekBar.value)));
  seekBar.addEventListener("keydown", onKey);
  audio.addEventListener("play", onState);
  audio.addEventListener("pause", onState);
  audio.addEventListener("ended", onState);
  audio.addEventListener("seeked", showTime);
  audio.addEventListener("durationchange", showTime);

  /** Shows and prepares audio; `words` may be empty. Resolves when it can be played. */
  async function load(blob, text, words) {
    stop();
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(blob);
    transcript.show(text, words);
    await new Promise((resolve, reject) => {
      audio.onloadedmetadata = resolve;
      audio.onerror = () => reject(audio.error);
      audio.src = address;
    });
    waveform.show(blob).then(showTime);
    showTime();
    tellPlace();
  }

  /** Plays; returns whether the browser let us. */
  async function play() {
    try {
      await audio.play();
      return true;
    } catch (error) {
      if (error.name === "NotAllowedError") return false; // it wants another click first
      if (error.name === "AbortError") return true; // paused, or replaced, meanwhile
      throw error;
    }
  }

  function stop() {
    audio.pause();
  }

  function seek(time) {
    audio.currentTime = Math.min(Math.max(time, 0), audio.duration || 0);
    showTime();
    tellPlace();
  }

  function onKey(event) {
    const now = audio.currentTime;
    const target = {
      ArrowRight: () => transcript.step(now, 1) ?? now,
      ArrowUp: () => transcript.step(now, 1) ?? now,
      ArrowLeft: () => transcript.step(now, -1) ?? 0,
      ArrowDown: () => transcript.step(now, -1) ?? 0,
      PageUp: () => now + LEAP,
      PageDown: () => now - LEAP,
      Home: () => 0,
      End: () => audio.duration,
    }[event.key];
    if (!target || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    seek(target());
  }

  function onState() {
    const isPlaying = !audio.paused && !audio.ended;
    part("play-label").textContent = isPlaying ? "Pause" : "Play";
    part("play-icon").className = `icon icon-${isPlaying ? "pause" : "play"}`;
    root.dataset.playing = String(isPlaying);
    cancelAnimationFrame(frame);
    showTime();
    if (isPlaying) frame = requestAnimationFrame(tick);
    else tellPlace();
  }

  function tick() {
    showTime();
    frame = requestAnimationFrame(tick);
  }

  function showTime() {
    const duration = Number.isFinite(audio.duration) ? audio.duration : 0;
    const now = audio.currentTime;
    part("now").textContent = clock(now);
    part("duration").textContent = clock(duration);
    seekBar.max = String(duration || 1);
    seekBar.value = String(now);
    waveform.mark(duration ? now / duration : 0);
    transcript.mark(audio.ended ? duration : now);
  }

  // Not while it plays: a screen reader would talk over the speech.
  function tellPlace() {
    const word = transcript.wordAt(audio.currentTime);
    const place = `${clock(audio.currentTime)} of ${clock(audio.duration || 0)}`;
    seekBar.setAttribute("aria-valuetext", word ? `${place}, ${word}` : place);
  }

  return { load, play, stop };
}
