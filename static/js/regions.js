"use strict";
/* Regions that change and regions that scroll.
   - When htmx replaces the region that held the focus, the focus stays there: on what was refused, else on the region.
   - Escape in a form that was opened in a table's cell is its Cancel.
   - A table wider than its place is a named region that the keyboard reaches and the arrow keys scroll. */
(() => {
  let held = false;
  document.addEventListener("htmx:beforeSwap", (event) => {
    held = event.detail.target.contains(document.activeElement);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    watchTables(document);
    toChosen(document.activeElement);
    const isLost = !document.activeElement || document.activeElement === document.body;
    if (!held || !isLost) return;
    held = false;
    const region = event.detail.elt;
    const place = region.querySelector("[aria-invalid='true']") ?? region;
    if (place === region) region.tabIndex = -1;
    place.focus({ preventScroll: true });
  });

  /* Of a group of choices the chosen one has the focus, wherever the new region put it. */
  const toChosen = (element) => {
    if (element?.type !== "radio" || element.checked || !held) return;
    element.form?.querySelector(`input[type="radio"][name="${CSS.escape(element.name)}"]:checked`)?.focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
    const cancel = event.target.closest("form")?.querySelector("[data-escape]");
    if (!cancel) return;
    event.preventDefault();
    // The focus is in a new form a moment before htmx knows its links; a press so early would leave the page.
    htmx.process(cancel);
    cancel.click();
  });

  const name = (scroller) => {
    const heading = scroller.closest("section")?.querySelector("h2[id]");
    if (heading) scroller.setAttribute("aria-labelledby", heading.id);
    return Boolean(heading);
  };
  const measure = (scroller) => {
    const scrolls = scroller.scrollWidth > scroller.clientWidth;
    scroller.toggleAttribute("tabindex", scrolls);
    if (scrolls && name(scroller)) scroller.setAttribute("role", "region");
    else scroller.removeAttribute("role");
    if (scrolls) scroller.tabIndex = 0;
    else scroller.removeAttribute("aria-labelledby");
  };
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => measure(entry.target)));
  const watchTables = (root) => root.querySelectorAll(".scroll").forEach((scroller) => sizes.observe(scroller));
  watchTables(document);
})();
