// Searches the ends of all logs: trials without a line that has the text are hidden, the others unfold and show those lines alone.
(() => {
  const logs = [...document.querySelectorAll("pre.log")].map((log) => ({ log, text: log.textContent, lines: log.textContent.split("\n") }));
  if (logs.length === 0) return;
  const trials = [...document.querySelectorAll("details.trial")];

  const bar = document.createElement("div");
  bar.className = "search";
  const label = document.createElement("label");
  label.textContent = "Search in the logs shown here";
  label.htmlFor = "search";
  const input = Object.assign(document.createElement("input"), { type: "search", id: "search" });
  const told = document.createElement("output");
  told.htmlFor = "search";
  bar.append(label, input, told);
  trials[0].before(bar);

  function search() {
    const wanted = input.value.toLowerCase();
    const found = new Map();
    let count = 0;
    logs.forEach(({ log, text, lines }) => {
      const own = lines.filter((line) => line.toLowerCase().includes(wanted));
      const shown = wanted ? own.join("\n") : text;
      if (log.textContent !== shown) log.textContent = shown;
      const trial = log.closest("details");
      found.set(trial, (found.get(trial) ?? 0) + own.length);
      count += own.length;
    });
    trials.forEach((trial) => {
      const is = (found.get(trial) ?? 0) > 0;
      trial.hidden = Boolean(wanted) && !is;
      if (wanted) trial.open = is;
    });
    told.textContent = wanted ? `${count} ${count === 1 ? "line" : "lines"}` : "";
  }

  input.addEventListener("input", search);
})();
