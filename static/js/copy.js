/* "Copy" beside code. Browsers give the clipboard to secure pages only; elsewhere the
   button stays away. */

if (navigator.clipboard) {
  for (const block of document.querySelectorAll("[data-copy]")) {
    const button = block.querySelector("[data-copy-button]");
    const label = block.querySelector("[data-copy-label]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.querySelector("[data-copy-text]").textContent);
        label.textContent = "Copied";
      } catch {
        label.textContent = "Select and copy by hand";
      }
      setTimeout(() => (label.textContent = "Copy"), 2_000);
    });
  }
}
