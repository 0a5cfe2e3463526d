"use strict";
(() => {
  const field = document.getElementById("filter"), told = document.getElementById("shown");
  const boxes = [...document.querySelectorAll("input[name=state]")];
  const findings = [...document.querySelectorAll(".finding")];
  const tables = [...document.querySelectorAll("table[data-filter]")];
  const said = new Map();
  const textOf = (element) => {
    if (!said.has(element)) said.set(element, element.textContent.toLowerCase());
    return said.get(element);
  };
  // A row of a matrix is known by its head: its cells are versions and signs.
  const textOfRow = (row) => (row.closest(".matrix") ? textOf(row.cells[0]) : textOf(row));
  const has = (text, words) => words.every((word) => text.includes(word));

  function filter() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const one of findings) {
      one.hidden = !states.has(one.dataset.state) || !has(textOf(one), words);
      count += one.hidden ? 0 : 1;
    }
    for (const table of tables) {
      const rows = [...table.tBodies[0].rows];
      const fitting = rows.filter((row) => has(textOfRow(row), words));
      // A word that no row knows is about something else: then the whole table stays.
      for (const row of rows) row.hidden = fitting.length > 0 && !fitting.includes(row);
    }
    told.textContent = findings.length ? `${count} of ${findings.length} findings` : "";
  }

  let waiting = 0;
  field.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  for (const box of boxes) box.addEventListener("change", filter);
  document.getElementById("tools").addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  const crosses = [...document.querySelectorAll(".matrix td.no[title]")];
  function follow(cell) {
    field.value = cell.title.split(", ")[0];
    filter();
    document.getElementById("findings").scrollIntoView();
  }
  // One cross of them all is a stop of the tab key; from it the arrow keys lead to the others.
  function reach(cell) {
    for (const one of crosses) one.removeAttribute("tabindex");
    cell.tabIndex = 0;
    const row = cell.parentElement.cells[0], column = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
    cell.setAttribute("aria-label", `${row.textContent} and ${column.textContent} exclude one another: ${cell.title}`);
  }
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (crosses.length) reach(crosses[0]);
  document.addEventListener("click", (event) => {
    const cell = event.target.closest(".matrix td.no[title]");
    if (cell) follow(cell);
  });
  document.addEventListener("keydown", (event) => {
    const place = crosses.indexOf(event.target), step = steps[event.key];
    if (place < 0 || !(step || event.key === "Enter" || event.key === " ")) return;
    event.preventDefault();
    if (!step) return follow(event.target);
    let next = place + step;
    while (crosses[next]?.parentElement.hidden) next += step;
    if (!crosses[next]) return;
    reach(crosses[next]);
    crosses[next].focus();
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = findings.filter((one) => !one.open);
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
  filter();
})();
