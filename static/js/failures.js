"use strict";
/* A region that could not be fetched says so in the message area instead of doing nothing. The words stand in the page,
   where they are translated. */
(() => {
  const show = () => {
    const area = document.getElementById("messages");
    const words = document.getElementById("failure-message");
    if (area && words) area.replaceChildren(words.content.cloneNode(true));
  };
  document.addEventListener("htmx:sendError", show);
  document.addEventListener("htmx:responseError", show);
  document.addEventListener("htmx:timeout", show);
})();
