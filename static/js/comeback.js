"use strict";
/* The page of an absent database asks for what it stands for now and then, and makes way for it once there is an answer. */
(() => {
  const wait_ms = Number(document.querySelector("[data-retry-seconds]").dataset.retrySeconds) * 1000;
  const look = async () => {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (answer && answer.status !== 503) location.reload();
    else setTimeout(look, wait_ms);
  };
  setTimeout(look, wait_ms);
})();
