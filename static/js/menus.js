"use strict";
/* Drop-down menus are <details>: they work without this. It adds what people expect of a menu: one open at a time,
   Escape, arrow keys, and a click elsewhere closes. */
(() => {
  const menus = [...document.querySelectorAll("details.menu")];
  const close = (menu, giveFocusBack) => {
    menu.open = false;
    if (giveFocusBack) menu.querySelector("summary").focus();
  };
  const closeOthers = (kept) => menus.filter((menu) => menu !== kept && menu.open).forEach((menu) => close(menu, false));
  const items = (menu) => [...menu.querySelectorAll(".menu-panel a, .menu-panel button")];

  const step = (menu, by) => {
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
    all[next].focus();
  };
  const neighbour = (menu, by) => {
    const row = menus.filter((other) => other.closest("nav") === menu.closest("nav"));
    const next = row[(row.indexOf(menu) + by + row.length) % row.length];
    const wasOpen = menu.open;
    close(menu, false);
    next.open = wasOpen;
    next.querySelector("summary").focus();
  };

  for (const menu of menus) {
    menu.addEventListener("toggle", () => menu.open && closeOthers(menu));
    menu.addEventListener("keydown", (event) => {
      const moves = { ArrowDown: () => { menu.open = true; step(menu, 1); }, ArrowUp: () => menu.open && step(menu, -1),
        ArrowRight: () => neighbour(menu, 1), ArrowLeft: () => neighbour(menu, -1), Escape: () => menu.open && close(menu, true) };
      if (!(event.key in moves)) return;
      event.preventDefault();
      moves[event.key]();
    });
  }
  document.addEventListener("click", (event) => closeOthers(event.target.closest("details.menu")));
  document.addEventListener("focusin", (event) => closeOthers(event.target.closest("details.menu")));
})();
