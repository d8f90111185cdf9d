"use strict";
/* A region that could not be fetched says so in the message area instead of doing nothing; that the database is away
   only until one can be fetched again. The words stand in the page, where they are translated. */
(() => {
  const show = (event) => {
    const area = document.getElementById("messages");
    const isAway = event.detail.xhr?.status === 503 && event.detail.xhr.getResponseHeader("Retry-After");
    const words = document.getElementById(isAway ? "database-away-message" : "failure-message");
    if (area && words) area.replaceChildren(words.content.cloneNode(true));
  };
  document.addEventListener("htmx:sendError", show);
  document.addEventListener("htmx:responseError", show);
  document.addEventListener("htmx:timeout", show);
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) document.querySelector("#messages > [data-away]")?.remove();
  });
})();
