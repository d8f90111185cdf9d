"""Policies that are never reached: named with those that take their mail, and never one that could take a message."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from policies.matching import (
    Member,
    Policy,
    PolicyTable,
    RecipientCondition,
    SenderCondition,
    SenderHeader,
    Senders,
)
from policies.reach import never_reached
from tests.unit.test_matching import addresses, identities_, priorities_

ANY = Member()


def to(
    *entries: str, join: str = "any", except_: tuple[str, ...] = (), sender: SenderCondition | None = None
) -> Member:
    recipients = RecipientCondition("following", "all" if join == "all" else "any", entries, except_)
    return Member(sender or SenderCondition(), recipients)


def of(*entries: str) -> SenderCondition:
    return SenderCondition("following", entries)


def but(*entries: str) -> SenderCondition:
    return SenderCondition("not", entries)


def named(*rows: tuple[Member, ...]) -> dict[str, list[str]]:
    policies = [Policy(f"uid-{name}", name, row) for name, row in zip("ABCDEF", rows, strict=False)]
    return {uid[-1]: [policy.name for policy in by] for uid, by in never_reached(policies).items()}


def test_whatever_stands_behind_a_policy_for_everybody_is_never_reached() -> None:
    rows = [(to("@a.example"),), (ANY,), (to("b@"),), (Member(of("x@")),), (to("c@", join="all", except_=("d@",)),)]
    assert named(*rows) == {"C": ["B"], "D": ["B"], "E": ["B"]}


@pytest.mark.parametrize("wider", ["joe@a.corp.example", "joe@", "@a.corp.example", "@.corp.example", "@.example"])
def test_an_address_is_covered_by_every_entry_that_matches_it(wider: str) -> None:
    assert named((to(wider, "other@"),), (to("joe@a.corp.example"),)) == {"B": ["A"]}


@pytest.mark.parametrize(
    ("wider", "narrow", "is_covered"),
    [
        ("@.example", "@corp.example", True),
        ("@.example", "@.corp.example", True),
        ("@corp.example", "@corp.example", True),
        ("@.corp.example", "@.corp.example", True),
        ("joe@", "joe@", True),
        ('"joe"@', "joe@", True),
        ("JOE@corp.example", "joe@corp.example", True),
        ("@.corp.example", "@corp.example", False),
        ("@corp.example", "@.corp.example", False),
        ("@corp.example", "@.example", False),
        ("joe@corp.example", "joe@", False),
        ("joe@", "joey@", False),
        ("@.corp.example", "@xcorp.example", False),
        ("@corp.example", "joe@", False),
    ],
)
def test_parts_of_addresses_are_covered_by_wider_parts(wider: str, narrow: str, is_covered: bool) -> None:
    assert named((to(wider),), (to(narrow),)) == ({"B": ["A"]} if is_covered else {})


def test_each_entry_may_be_taken_by_another_policy() -> None:
    both = to("ann@a.example", "@b.example")
    assert named((to("@a.example"),), (to("@b.example"),), (both,)) == {"C": ["A", "B"]}
    assert named((to("@a.example"),), (to("b@"),), (both,)) == {}


def test_each_row_has_to_be_covered() -> None:
    assert named((to("@a.example"),), (to("ann@a.example"), to("bob@a.example"))) == {"B": ["A"]}
    assert named((to("@a.example"),), (to("ann@a.example"), to("bob@b.example"))) == {}


def test_a_policy_that_is_never_reached_takes_nothing_from_others() -> None:
    assert named((to("@a.example"),), (to("ann@a.example"),), (to("ann@a.example"),)) == {"B": ["A"], "C": ["A"]}


@pytest.mark.parametrize("sender", [of("x@", "y@"), but("x@", "y@")])
def test_the_same_senders_or_any_cover_a_row(sender: SenderCondition) -> None:
    same = SenderCondition(sender.match, ("Y@", "x@"))
    assert named((Member(same),), (to("b@", sender=sender),)) == {"B": ["A"]}
    assert named((to("b@", sender=same),), (to("b@", "b@", sender=sender),)) == {"B": ["A"]}
    assert named((ANY,), (Member(sender),)) == {"B": ["A"]}
    assert named((to("b@"),), (to("b@", sender=sender),)) == {"B": ["A"]}
    # Any Sender takes in the first round, before a header of a lower priority is asked: it is not behind these.
    assert named((Member(sender),), (ANY,)) == {}
    assert named((Member(of("z@")),), (Member(sender),)) == {}


@pytest.mark.parametrize(
    "taker",
    [
        to("a@", "b@", join="all"),
        to("b@", except_=("c@",)),
        Member(recipients=RecipientCondition("any", except_=("c@",))),
        to(),
    ],
)
def test_a_row_that_asks_for_the_whole_message_covers_nothing(taker: Member) -> None:
    assert named((taker,), (to("b@"),)) == {}


def test_one_condition_that_must_match_is_the_same_as_one_of_which_one_must() -> None:
    assert named((to("b@", "B@", join="all"),), (to("b@"),)) == {"B": ["A"]}


def test_what_takes_nobody_anyway_is_not_blamed_on_others() -> None:
    assert named((ANY,), (), (to(),)) == {}


def test_two_hundred_long_lists_are_looked_up_not_compared() -> None:
    rows = [(to(*(f"user{entry}@part{number % 100}.example" for entry in range(500))),) for number in range(200)]
    policies = [Policy(str(number), str(number), row) for number, row in enumerate(rows)]
    found = {uid: [policy.name for policy in by] for uid, by in never_reached(policies).items()}
    assert found == {str(number): [str(number - 100)] for number in range(100, 200)}


# Few different conditions, so that many a generated policy is covered.
parts = st.sampled_from(["joe@", "ann@", "@corp.example", "@.example", "joe@corp.example", "ann@a.corp.example"])
few = st.lists(parts, max_size=3).map(tuple)
conditions = st.one_of(
    st.just(SenderCondition()),
    st.builds(SenderCondition, st.sampled_from(["following", "not"]), st.lists(parts, max_size=1).map(tuple)),
)
targets = st.one_of(
    st.builds(RecipientCondition, st.just("any"), st.just("all"), st.just(()), st.just(()) | few),
    st.builds(RecipientCondition, st.just("following"), st.sampled_from(["all", "any"]), few, st.just(()) | few),
)
members = st.builds(Member, conditions, targets)
tables = st.lists(st.lists(members, min_size=1, max_size=2).map(tuple), min_size=2, max_size=6).map(
    lambda rows: [Policy(f"uid-{number}", f"p{number}", row) for number, row in enumerate(rows)]
)
people = st.sampled_from(
    ["joe@corp.example", "ann@corp.example", "ann@a.corp.example", "joe@a.corp.example", "bob@b.example", "joe@x.test"]
)
mailboxes = st.builds(Senders, *[people | st.just("")] * 4)


@settings(max_examples=1_500)
@given(
    tables,
    priorities_,
    st.lists(st.tuples(mailboxes, st.lists(people, min_size=1, max_size=4)), min_size=1, max_size=8),
)
def test_what_is_never_reached_never_wins(
    policies: list[Policy], priorities: list[list[SenderHeader]], messages: list[tuple[Senders, list[str]]]
) -> None:
    found = never_reached(policies)
    event(f"never reached: {min(len(found), 3)}")
    order = [policy.uid for policy in policies]
    table = PolicyTable(policies, priorities)
    for senders, recipients in messages:
        assert not {policy.uid for policy in table.match(senders, recipients)} & set(found)
    for uid, by in found.items():
        assert by
        assert all(order.index(policy.uid) < order.index(uid) and policy.uid not in found for policy in by)


@settings(max_examples=300)
@given(tables, priorities_, identities_, st.lists(addresses, min_size=1, max_size=5))
def test_nor_for_the_addresses_that_the_matcher_is_tested_with(
    policies: list[Policy], priorities: list[list[SenderHeader]], senders: Senders, recipients: list[str]
) -> None:
    found = never_reached(policies)
    winners = {policy.uid for policy in PolicyTable(policies, priorities).match(senders, recipients)}
    assert not winners & set(found)
