"""The connector's retry rules as values (TDC reference 6)."""

from __future__ import annotations

from typing import Final

from seg_console.delivery.outcome import Failure
from seg_console.delivery.rules import ALWAYS_FINAL, RetryRules

# Life counts from enqueueing, by the wall clock; a single retry after a minute fits inside it.
LIFE_S: Final = 120
RETRY_WAIT_S: Final = 60
LEAST_CONNECTIONS: Final = 3

RULES: Final = RetryRules(
    max_retries=1,
    first_wait_s=RETRY_WAIT_S,
    max_wait_s=RETRY_WAIT_S,
    life_s=LIFE_S,
    # Documented: these two 5xx codes are retried like a 4xx.
    retried_replies=frozenset({503, 552}),
    final=ALWAYS_FINAL | {Failure.TLS},
    greeting_is_final=True,
    expires_before_due=True,
)
