"use strict";
/* Edit Policy Order: the arrows move a row at once and a row can be dragged; the numbers follow. Without this the arrows
   ask the server to show the page with the row moved. */
(() => {
  const table = document.querySelector(".order-table");
  const body = table?.tBodies[0];
  const said = document.getElementById("order-said");
  if (!body) return;
  const rows = () => [...body.rows].filter((row) => row.querySelector("input"));
  const nameOf = (row) => row.querySelector("label").textContent.trim();
  let dragged = null;

  const renumber = () => {
    rows().forEach((row, at) => { row.querySelector("input").value = at + 1; });
    // What is said of policies never reached holds for the order the page came with; the table says it of the new one.
    table.dataset.moved = "";
  };
  const tell = (row) => {
    const place = rows().indexOf(row) + 1;
    said.textContent = table.dataset.said.replace("%(name)s", () => nameOf(row)).replace("%(place)s", place);
  };
  const put = (row, before) => {
    body.insertBefore(row, before);
    renumber();
  };

  body.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=up], button[name=down]");
    if (!button) return;
    event.preventDefault();
    const row = button.closest("tr");
    const all = rows();
    const at = all.indexOf(row);
    const next = button.name === "up" ? all[at - 1] : all[at + 1];
    if (!next) return;
    put(row, button.name === "up" ? next : next.nextElementSibling);
    button.focus();
    tell(row);
  });

  for (const row of rows()) {
    row.draggable = true;
    // A row that can be dragged would keep text in its field from being selected by the mouse.
    const input = row.querySelector("input");
    input.addEventListener("pointerdown", () => { row.draggable = false; });
    input.addEventListener("blur", () => { row.draggable = true; });
    row.addEventListener("dragstart", (event) => {
      dragged = row;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", nameOf(row));
      row.classList.add("dragged");
    });
    row.addEventListener("dragend", () => {
      row.classList.remove("dragged");
      if (dragged) tell(row);
      dragged = null;
    });
    row.addEventListener("dragover", (event) => {
      if (!dragged) return;
      event.preventDefault();
      if (dragged === row) return;
      const box = row.getBoundingClientRect();
      put(dragged, event.clientY < box.top + box.height / 2 ? row : row.nextElementSibling);
    });
    row.addEventListener("drop", (event) => event.preventDefault());
  }
})();
