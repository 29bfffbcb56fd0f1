// Opens the trial that a link names: what it stands in unfolds, and the focus moves to it.
(() => {
  function open() {
    const trial = document.getElementById(location.hash.slice(1));
    if (!trial || !trial.id.startsWith("trial-")) return;
    for (let fold = trial.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    trial.scrollIntoView({ block: trial.matches("tr") ? "center" : "start", inline: "start" });
    trial.focus({ preventScroll: true });
  }

  addEventListener("hashchange", open);
  // A link to the trial that is open already changes nothing in the address.
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && link.getAttribute("href") === location.hash) open();
  });
  open();
})();
