
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  const put = (parent, tag, text) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return parent.appendChild(made);
  };

  function rows(parent, caption, heads, lines) {
    if (!lines.length) return;
    const table = put(parent, "table");
    put(table, "caption", caption);
    const head = put(put(table, "thead"), "tr");
    for (const text of heads) put(head, "th", text).scope = "col";
    const body = put(table, "tbody");
    for (const line of lines) {
      const row = put(body, "tr");
      for (const text of line) put(row, "td", text);
    }
  }

  function show(answer) {
    const place = $("answers");
    for (const sync of answer.syncs) {
      const part = put(place, "article");
      put(part, "h2", `${sync.sync} ${sync.key}`);
      put(part, "p", sync.reason);
      rows(part, "What stood there", ["Field", "Value", "Since"], sync.fields);
      rows(part, "Cohorts", ["Cohort", "Since", "Until"], sync.cohorts);
      rows(part, "What was done", ["When", "What", "Cohort", "Outcome", "Run"], sync.steps);
    }
    for (const note of answer.notes) put(place, "p", note);
    $("state").textContent = answer.syncs.length ? "" : "Nothing is known of that.";
  }

  $("ask").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("answers").replaceChildren();
    $("state").textContent = "asking …";
    try {
      const reply = await fetch("/why", {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify({ key: $("key").value, to: $("to").value, at: $("at").value }),
      });
      const answer = await reply.json();
      if (reply.ok) show(answer);
      else $("state").textContent = answer.error;
    } catch {
      $("state").textContent = "revetl docs --serve does not answer any more.";
    }
  });
})();
