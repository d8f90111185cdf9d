"""Retry rules of both kinds, as tables (TDC reference 6 and 7.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.rules import decide, ordinary_rules, wait_s
from seg_console.delivery.states import Move
from tdc.rules import RULES as TDC

NOW = datetime(2024, 2, 16, 21, 19, 24, tzinfo=UTC)
ORDINARY = ordinary_rules()


def reply(code: int, stage: Stage = Stage.CONTENT, text: str = "text") -> Outcome:
    return Outcome(Failure.REPLY, stage, code, (text,))


def failed(failure: Failure) -> Outcome:
    return Outcome(failure, Stage.CONNECT)


@pytest.mark.parametrize(
    ("outcome", "first", "second"),
    [
        (Outcome(None, Stage.CONTENT, 250, ("ok",)), Move.DELIVER, Move.DELIVER),
        (reply(421), Move.RETRY_LATER, Move.BOUNCE),
        (reply(451), Move.RETRY_LATER, Move.BOUNCE),
        (reply(503), Move.RETRY_LATER, Move.BOUNCE),
        (reply(552), Move.RETRY_LATER, Move.BOUNCE),
        (reply(550), Move.BOUNCE, Move.BOUNCE),
        (reply(554), Move.BOUNCE, Move.BOUNCE),
        (reply(550, Stage.RCPT), Move.BOUNCE, Move.BOUNCE),
        (reply(554, Stage.GREETING), Move.BOUNCE, Move.BOUNCE),
        (reply(421, Stage.GREETING), Move.RETRY_LATER, Move.BOUNCE),
        (failed(Failure.TLS), Move.BOUNCE, Move.BOUNCE),
        (failed(Failure.NETWORK), Move.RETRY_LATER, Move.BOUNCE),
        (failed(Failure.DNS_TEMPORARY), Move.RETRY_LATER, Move.BOUNCE),
        (failed(Failure.DNS_NEGATIVE), Move.BOUNCE, Move.BOUNCE),
        (failed(Failure.UNKNOWN), Move.RETRY_LATER, Move.BOUNCE),
        (failed(Failure.EIGHT_BIT), Move.BOUNCE, Move.BOUNCE),
        (failed(Failure.EXPIRED), Move.EXPIRE, Move.EXPIRE),
        (failed(Failure.INTERNAL), Move.RETRY_LATER, Move.BOUNCE),
    ],
    ids=lambda value: f"{value.failure}-{value.code}-{value.stage}" if isinstance(value, Outcome) else str(value),
)
def test_a_copy_has_one_retry_where_the_documented_table_gives_one(outcome: Outcome, first: Move, second: Move) -> None:
    assert decide(TDC, outcome, attempt=1, now=NOW).move is first
    assert decide(TDC, outcome, attempt=2, now=NOW).move is second


def test_the_retry_of_a_copy_comes_after_sixty_seconds() -> None:
    assert decide(TDC, reply(451), attempt=1, now=NOW).due_at == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("outcome", "move"),
    [
        (reply(421), Move.RETRY_LATER),
        (reply(451), Move.RETRY_LATER),
        (reply(503), Move.BOUNCE),
        (reply(552), Move.BOUNCE),
        (reply(550, Stage.RCPT), Move.BOUNCE),
        (reply(552, Stage.RCPT, "5.2.2 full"), Move.BOUNCE),
        (reply(552, Stage.RCPT, "5.5.3 too many recipients"), Move.RETRY_LATER),
        (reply(554, Stage.GREETING), Move.RETRY_LATER),
        (failed(Failure.TLS), Move.RETRY_LATER),
        (failed(Failure.NETWORK), Move.RETRY_LATER),
        (failed(Failure.DNS_TEMPORARY), Move.RETRY_LATER),
        (failed(Failure.DNS_NEGATIVE), Move.BOUNCE),
        (failed(Failure.UNKNOWN), Move.RETRY_LATER),
        (failed(Failure.EIGHT_BIT), Move.BOUNCE),
        (failed(Failure.EXPIRED), Move.EXPIRE),
    ],
    ids=lambda value: f"{value.failure}-{value.code}-{value.text}" if isinstance(value, Outcome) else str(value),
)
def test_ordinary_mail_is_retried_unless_the_answer_is_final(outcome: Outcome, move: Move) -> None:
    assert decide(ORDINARY, outcome, attempt=1, now=NOW).move is move


def test_ordinary_mail_is_given_up_after_its_hundredth_retry() -> None:
    assert decide(ORDINARY, reply(451), attempt=100, now=NOW).move is Move.RETRY_LATER
    assert decide(ORDINARY, reply(451), attempt=101, now=NOW).move is Move.BOUNCE


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (8, 3600), (100, 3600)]
)
def test_ordinary_waits_double_up_to_an_hour(attempt: int, seconds: int) -> None:
    assert wait_s(ORDINARY, attempt) == seconds
