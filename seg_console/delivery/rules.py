"""When a failed attempt is tried again. Pure: the rules are values, the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from seg_console.delivery.outcome import Failure, Outcome, too_many_recipients
from seg_console.delivery.states import Move


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How one kind of delivery is retried.

    `life_s` counts from enqueueing. `retried_replies` are 5xx codes that count as temporary, `final` the failures
    that no retry can mend. `greeting_is_final`: whether a 5xx before MAIL FROM is held against the message.
    `expires_before_due`: whether the end of life ends a delivery at once, or only when its next attempt would be
    made (TDC reference 6, "Retry delay").
    """

    max_retries: int
    first_wait_s: int
    max_wait_s: int
    life_s: int
    retried_replies: frozenset[int]
    final: frozenset[Failure]
    greeting_is_final: bool
    expires_before_due: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one recipient: DELIVER, RETRY_LATER (with `due_at`), BOUNCE or EXPIRE."""

    move: Move
    due_at: datetime | None = None


# No retry mends these whatever the kind: the answer was authoritative, or the content cannot be sent as it is.
ALWAYS_FINAL = frozenset({Failure.DNS_NEGATIVE, Failure.EIGHT_BIT})


def ordinary_rules(
    *, max_retries: int = 100, initial_retry_s: int = 60, max_retry_s: int = 3600, max_queue_time_s: int = 259_200
) -> RetryRules:
    """The rules of ordinary mail under a bounce profile: 4xx is soft and 5xx hard (TDC reference 7.2).

    A refusal in the greeting is the host's and not the message's, so it is soft whatever its code.
    """
    return RetryRules(
        max_retries=max_retries,
        first_wait_s=initial_retry_s,
        max_wait_s=max_retry_s,
        life_s=max_queue_time_s,
        retried_replies=frozenset(),
        final=ALWAYS_FINAL,
        greeting_is_final=False,
        expires_before_due=False,
    )


def wait_s(rules: RetryRules, attempt: int) -> int:
    """Seconds between attempt number `attempt` (from 1) and the next: doubling from the first wait to the longest."""
    doublings = min(max(attempt - 1, 0), 32)
    return min(rules.first_wait_s << doublings, rules.max_wait_s)


def is_final(rules: RetryRules, outcome: Outcome) -> bool:
    """Whether this failure is permanent under these rules. Unknown trouble is temporary."""
    if outcome.failure is None:
        return False
    if outcome.failure is not Failure.REPLY:
        return outcome.failure in rules.final
    # A 552 for too many recipients means a 452 (RFC 5321 4.5.3.1.10).
    if outcome.code in rules.retried_replies or too_many_recipients(outcome):
        return False
    if not rules.greeting_is_final and outcome.stage.is_before_mail:
        return False
    return 500 <= outcome.code < 600


def decide(rules: RetryRules, outcome: Outcome, *, attempt: int, now: datetime) -> Decision:
    """What follows from the outcome of attempt number `attempt` (from 1) that ended at `now`."""
    if outcome.delivered:
        return Decision(Move.DELIVER)
    if outcome.failure is Failure.EXPIRED:
        return Decision(Move.EXPIRE)
    if is_final(rules, outcome) or attempt > rules.max_retries:
        return Decision(Move.BOUNCE)
    return Decision(Move.RETRY_LATER, now + timedelta(seconds=wait_s(rules, attempt)))
