/* Light or dark. Runs before the first paint, so it is a plain script, not a module.

   Without a choice the page follows the system. The switch stores a choice only while it
   differs from the system's, so pressing it twice gives the system its say again. Of
   whoever is logged in it is a preference, which the page brings along. */

(() => {
  const KEY = "ozvena.theme";
  const root = document.documentElement;
  const isPerson = "person" in root.dataset;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function read() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the choice lasts as long as the page
    }
  }

  function write(choice) {
    if (isPerson) prefer(choice);
    try {
      if (choice) localStorage.setItem(KEY, choice);
      else localStorage.removeItem(KEY);
    } catch {
      // as above
    }
  }

  function prefer(choice) {
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    fetch("/api/v1/me", {
      method: "PATCH",
      keepalive: true,
      headers: { "Content-Type": "application/json", "X-CSRFToken": token?.[1] ?? "" },
      body: JSON.stringify({ preferences: { theme: choice } }),
    }).catch(() => {
      // it is kept in this browser, at least
    });
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  }

  function apply(choice) {
    if (choice === "light" || choice === "dark") root.dataset.theme = choice;
    else delete root.dataset.theme;
  }

  function show() {
    const button = document.querySelector("[data-theme-switch]");
    if (!button) return;
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isDark()));
  }

  root.dataset.script = "on"; // hides what is for browsers without scripts
  if (!isPerson) apply(read());
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const wanted = isDark() ? "light" : "dark";
    const choice = (wanted === "dark") === system.matches ? null : wanted;
    write(choice);
    apply(choice);
    show();
  });
  system.addEventListener("change", show);
  addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    apply(event.newValue);
    show();
  });
})();
