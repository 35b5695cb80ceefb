
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const search = $("search"), where = $("where"), personal = $("personal"), count = $("count"), theme = $("theme");
  const entries = [...document.querySelectorAll("[data-entry]")];
  const texts = new Map(entries.map((entry) => [entry, entry.textContent.toLowerCase()]));
  const places = (entry) => (entry.dataset.to || "").split(" ");

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of entries) {
      const text = texts.get(entry);
      const fits = words.every((word) => text.includes(word))
        && (!where.value || places(entry).includes(where.value))
        && (!personal.checked || entry.dataset.personal === "yes");
      entry.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const part of document.querySelectorAll("[data-part]")) {
      part.querySelector(".none").hidden = part.querySelector("[data-entry]:not([hidden])") !== null;
    }
    count.textContent = `${shown} of ${entries.length} entries`;
  }

  function dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function name() {
    theme.textContent = dark() ? "Light" : "Dark";
  }

  for (const control of [search, where, personal]) {
    for (const kind of ["input", "change"]) control.addEventListener(kind, filter);
  }
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    name();
  });
  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && document.activeElement === search) {
      search.value = "";
      filter();
    }
  });
  name();
  filter();
})();
