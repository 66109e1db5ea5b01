/* Samples in the gallery: each link to one becomes a button that plays it in place. One is
   heard at a time. */

const PATIENCE = 5; // tries; a sample that nobody has asked for before is made first

const audio = new Audio();
const status = document.querySelector("[data-sample-status]");
let current = null;

for (const link of document.querySelectorAll("[data-sample]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = link.className;
  button.append(...link.childNodes);
  button.addEventListener("click", () => toggle(button, link.href));
  link.replaceWith(button);
}
audio.addEventListener("ended", stop);

function toggle(button, address) {
  const isSame = current === button;
  stop();
  if (isSame) return;
  current = button;
  show(button, true);
  play(button, address, PATIENCE);
}

async function play(button, address, tries) {
  try {
    const response = await fetch(address);
    if (current !== button) return; // another was chosen meanwhile
    if (response.status === 202 && tries > 1) {
      setTimeout(() => current === button && play(button, address, tries - 1), 1_000);
      return;
    }
    if (response.status !== 200) throw new Error(String(response.status));
    audio.src = address; // the browser has it by now
    await audio.play();
  } catch (error) {
    if (current !== button || error.name === "AbortError") return;
    stop();
    status.textContent = "This sample can't be played now.";
  }
}

function stop() {
  audio.pause();
  if (current) show(current, false);
  current = null;
  status.textContent = "";
}

function show(button, isPlaying) {
  button.dataset.playing = String(isPlaying);
  button.setAttribute("aria-pressed", String(isPlaying));
  button.querySelector(".icon").className = `icon icon-${isPlaying ? "pause" : "play"}`;
}
