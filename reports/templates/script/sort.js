// Sorts the comparison by a column: up, down, and back to the plan's order. Cells without a figure come last.
(() => {
  const text = new Intl.Collator("en", { numeric: true });

  function figureOf(row, column) {
    const cell = row.cells[column];
    if (column === 0) return cell.dataset.key;
    const key = cell?.dataset.key;
    if (key === undefined) return null;
    // What did not happen within the horizon took longer than all that did.
    return key === "beyond" ? Number.MAX_VALUE : Number(key);
  }

  function order(column, sign) {
    return (a, b) => {
      const [one, other] = [figureOf(a, column), figureOf(b, column)];
      if (one === null || other === null) return (one === null) - (other === null);
      if (one === other) return 0;
      return sign * (column === 0 ? text.compare(one, other) : one < other ? -1 : 1);
    };
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const planned = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const next = { none: "ascending", ascending: "descending", descending: "none" };

    function sort(head, column) {
      const to = next[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", to);
      const rows = [...planned];
      if (to !== "none") rows.sort(order(column, to === "ascending" ? 1 : -1));
      body.append(...rows);
    }

    if (planned.length < 2) return;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.setAttribute("aria-label", `Sort by ${head.textContent.trim()}`);
      button.addEventListener("click", () => sort(head, column));
      head.setAttribute("aria-sort", "none");
      head.append(button);
    });
    table.classList.add("sortable");
  }

  document.querySelectorAll("table.comparison").forEach(sortable);
})();
