"use strict";
/* Drop-down menus are <details>: they work without this. It adds what people expect of a menu: one open at a time,
   arrow keys, Home, End and Escape, pointing at a neighbour of an open menu, and a click elsewhere closes. */
(() => {
  const menus = [...document.querySelectorAll("details.menu")];
  const open = (menu) => { menu.open = true; };
  const close = (menu, giveFocusBack) => {
    menu.open = false;
    if (giveFocusBack) menu.querySelector("summary").focus();
  };
  const closeOthers = (kept) => menus.filter((menu) => menu !== kept && menu.open).forEach((menu) => close(menu, false));
  const items = (menu) => [...menu.querySelectorAll(".menu-panel a, .menu-panel button")];
  const row = (menu) => menus.filter((other) => other.closest("nav") === menu.closest("nav"));

  const focusItem = (menu, place) => items(menu).at(place)?.focus();
  const step = (menu, by) => {
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    focusItem(menu, at < 0 ? (by > 0 ? 0 : -1) : (at + by + all.length) % all.length);
  };
  const neighbour = (menu, by) => {
    const all = row(menu);
    const next = all[(all.indexOf(menu) + by + all.length) % all.length];
    const wasOpen = menu.open;
    close(menu, false);
    next.open = wasOpen;
    next.querySelector("summary").focus();
  };

  for (const menu of menus) {
    menu.addEventListener("toggle", () => menu.open && closeOthers(menu));
    menu.addEventListener("keydown", (event) => {
      const moves = {
        ArrowDown: () => { open(menu); step(menu, 1); },
        ArrowUp: () => { open(menu); step(menu, -1); },
        ArrowRight: () => neighbour(menu, 1),
        ArrowLeft: () => neighbour(menu, -1),
        Home: () => menu.open && focusItem(menu, 0),
        End: () => menu.open && focusItem(menu, -1),
        Escape: () => menu.open && close(menu, true),
      };
      if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      moves[event.key]();
    });
    let openedByPointing = false;
    menu.addEventListener("pointerenter", (event) => {
      openedByPointing = event.pointerType === "mouse" && !menu.open && row(menu).some((other) => other.open);
      if (openedByPointing) open(menu);
    });
    // The click that meant to open it must not close what pointing has opened already.
    menu.querySelector("summary").addEventListener("click", (event) => {
      if (openedByPointing) event.preventDefault();
      openedByPointing = false;
    });
  }
  document.addEventListener("click", (event) => closeOthers(event.target.closest("details.menu")));
  document.addEventListener("focusin", (event) => closeOthers(event.target.closest("details.menu")));
})();
