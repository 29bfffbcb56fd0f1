// Opens the trial that a link names: its table unfolds, and the focus moves to its row.
(() => {
  function open() {
    const row = document.getElementById(location.hash.slice(1));
    if (!row || !row.matches(".trials tr")) return;
    row.closest("details").open = true;
    row.scrollIntoView({ block: "center", inline: "start" });
    row.focus({ preventScroll: true });
  }

  addEventListener("hashchange", open);
  // A link to the trial that is open already changes nothing in the address.
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && link.getAttribute("href") === location.hash) open();
  });
  open();
})();
