"""What a row of users says of itself, for every combination that can be chosen, and in both languages whole."""

from __future__ import annotations

from itertools import product
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import sentences
from policies.matching import (
    Member,
    Policy,
    PolicyTable,
    RecipientCondition,
    SenderCondition,
    SenderHeader,
    Senders,
    explain,
)
from tests.unit.test_matching import addresses, identities_, policy, priorities_, tables

ONE, TWO = ("a@",), ("a@", "@b.example")
JOINS: tuple[Literal["all", "any"], ...] = ("all", "any")


@pytest.mark.parametrize(
    ("senders", "recipients", "said"),
    [
        (SenderCondition(), RecipientCondition(), ["From any sender to any recipient."]),
        (
            SenderCondition("following", TWO),
            RecipientCondition("following", "any", TWO),
            ["From a@ or @b.example to a@ or @b.example."],
        ),
        (
            SenderCondition("not", TWO),
            RecipientCondition("following", "all", TWO),
            ["From any sender other than a@ or @b.example to a@ and @b.example, if the message goes to all of these."],
        ),
        (
            SenderCondition(),
            RecipientCondition("following", "all", ONE, TWO),
            ["From any sender to a@.", "Not if the message goes to a@ and @b.example."],
        ),
        (
            SenderCondition("following", tuple("abcdef")),
            RecipientCondition(),
            ["From a, b, c, d or 2 more to any recipient."],
        ),
    ],
)
def test_a_row_of_users_in_sentences(senders: SenderCondition, recipients: RecipientCondition, said: list[str]) -> None:
    assert list(sentences.describe(Member(senders, recipients))) == said


def test_every_combination_says_something_of_its_own() -> None:
    senders = [SenderCondition(), SenderCondition("following", TWO), SenderCondition("not", TWO)]
    recipients = [
        RecipientCondition(except_=except_) if any_one else RecipientCondition("following", join, TWO, except_)
        for any_one, join, except_ in product((True, False), JOINS, ((), ONE))
        if not any_one or join == "all"
    ]
    members = [Member(*pair) for pair in product(senders, recipients)]
    assert len({sentences.describe(member) for member in members}) == len(members) == 18


@given(tables, priorities_, identities_, st.lists(addresses, min_size=1, max_size=3))
def test_every_explanation_can_be_said(
    policies: list[Policy], priorities: list[list[SenderHeader]], identities: Senders, recipients: list[str]
) -> None:
    for found in explain(PolicyTable(policies, priorities), identities, recipients):
        said = [sentences.winner(found)]
        said += [sentences.reason(miss) for passed in found.passed_by for miss in passed.misses]
        assert all(sentence and "%" not in sentence for sentence in said)


def test_the_winner_is_said_with_header_and_entry() -> None:
    table = PolicyTable(
        [
            policy(
                "p", Member(SenderCondition("following", ("@x.example",)), RecipientCondition("following", "any", ONE))
            )
        ],
        [["reply_to"], ["from"]],
    )
    (found,) = explain(table, ("", "joe@x.example"), ["a@corp.example"])
    assert sentences.winner(found) == "From (priority P2) matches @x.example, and the recipient matches a@."
