from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.matching import (
    DEFAULT_POLICY,
    DOCUMENTED_PRIORITIES,
    SENDER_HEADERS,
    Member,
    Miss,
    Part,
    Policy,
    PolicyTable,
    RecipientCondition,
    SenderCondition,
    SenderHeader,
    Senders,
    check_entry,
    explain,
)
from seg_console.mail.addresses import AddressError


def senders(*entries: str) -> SenderCondition:
    return SenderCondition("following", entries)


def not_senders(*entries: str) -> SenderCondition:
    return SenderCondition("not", entries)


def all_of(*entries: str, except_: tuple[str, ...] = ()) -> RecipientCondition:
    return RecipientCondition("following", "all", entries, except_)


def any_of(*entries: str, except_: tuple[str, ...] = ()) -> RecipientCondition:
    return RecipientCondition("following", "any", entries, except_)


def policy(name: str, *members: Member) -> Policy:
    return Policy(f"uid-{name}", name, members)


ANY_SENDER = SenderCondition()
ANY_RECIPIENT = RecipientCondition()

# The guide's example; its LDAP group is written out as the addresses it would hold.
GUIDE = PolicyTable(
    [
        policy("special_people", Member(ANY_SENDER, any_of("joe@example.com", "ann@example.com"))),
        policy("from_lawyers", Member(senders("@lawfirm.com"), ANY_RECIPIENT)),
        policy("acquired_domains", Member(ANY_SENDER, any_of("@newdomain.com", "@anotherexample.com"))),
        policy("engineering", Member(ANY_SENDER, any_of("engineer1@example.com", "engineer2@example.com"))),
        policy("sales_team", Member(ANY_SENDER, any_of("jim@", "john@", "larry@"))),
    ]
)


def names(table: PolicyTable, sender: str | Sequence[str], *recipients: str) -> list[str]:
    identities = (sender, "", "") if isinstance(sender, str) else sender
    return [found.name for found in table.match(identities, recipients)]


def takes(member: Member, sender: str | Sequence[str], *recipients: str) -> list[bool]:
    return [name == "only" for name in names(PolicyTable([policy("only", member)]), sender, *recipients)]


def test_guide_example_a_sender_policy_above_wins_over_a_recipient_policy_below() -> None:
    assert names(GUIDE, "bill@lawfirm.com", "jim@example.com") == ["from_lawyers"]


def test_guide_example_three_recipients_fall_to_three_policies() -> None:
    recipients = ("john@example.com", "jane@newdomain.com", "bill@example.com")
    assert names(GUIDE, "joe@yahoo.com", *recipients) == ["sales_team", "acquired_domains", "DEFAULT"]
    assert GUIDE.split(("joe@yahoo.com", "", ""), recipients) == [
        Part(GUIDE.policies[2], (1,)),
        Part(GUIDE.policies[4], (0,)),
        Part(DEFAULT_POLICY, (2,)),
    ]


def test_guide_example_the_rest_go_to_the_sender_policy() -> None:
    recipients = ("ann@example.com", "larry@example.com")
    assert names(GUIDE, "bill@lawfirm.com", *recipients) == ["special_people", "from_lawyers"]


def test_combination_any_sender_and_all_recipients() -> None:
    member = Member(ANY_SENDER, all_of("user1@", "user2@"))
    assert takes(member, "x@y.example", "user1@a.com", "user2@b.com") == [True, True]
    assert takes(member, "x@y.example", "user1@a.com") == [False]
    assert takes(member, "x@y.example", "user1@a.com", "user2@b.com", "user3@a.com") == [True, True, False]


def test_combination_following_senders_all_recipients_and_not_both_others() -> None:
    member = Member(senders("u1@a.com", "u2@a.com"), all_of("u1@b.com", "u2@b.com", except_=("u3@b.com", "u4@b.com")))
    assert takes(member, "u1@a.com", "u1@b.com", "u2@b.com") == [True, True]
    assert takes(member, "u2@a.com", "u1@b.com", "u2@b.com", "u3@b.com") == [True, True, False]
    assert takes(member, "u2@a.com", "u1@b.com", "u2@b.com", "u3@b.com", "u4@b.com") == [False] * 4
    assert takes(member, "u3@a.com", "u1@b.com", "u2@b.com") == [False, False]
    assert takes(member, "u1@a.com", "u1@b.com") == [False]


def test_combination_senders_are_not_and_one_or_more_recipients() -> None:
    member = Member(not_senders("u1@a.com", "u2@a.com"), any_of("u1@b.com", "u2@b.com"))
    assert takes(member, "x@a.com", "u1@b.com", "u3@b.com") == [True, False]
    assert takes(member, "u2@a.com", "u1@b.com") == [False]


@pytest.mark.parametrize(
    ("entry", "address", "matches"),
    [
        ("user@example.com", "user@example.com", True),
        ("user@example.com", "user@sub.example.com", False),
        ("user@", "user@anything.example", True),
        ("user@", "user", True),
        ("user@", "other@anything.example", False),
        ("user@", "a-user@anything.example", False),
        ("@example.com", "user@example.com", True),
        ("@example.com", "user@sub.example.com", False),
        ("@example.com", "user@notexample.com", False),
        ("@.example.com", "user@sub.example.com", True),
        ("@.example.com", "user@deep.sub.example.com", True),
        ("@.example.com", "user@example.com", False),
        ("@.example.com", "user@notexample.com", False),
        ("Joe@", "joe@example.com", True),
        ("joe@EXAMPLE.com", "JOE@example.COM", True),
        ("joe@", '"joe"@example.com', True),
        ("joe@example.com", '"j\\oe"@example.com', True),
        ('"joe"@', "joe@example.com", True),
        ("taro..y@example.com", '"taro..y"@example.com', True),
        ('"taro..y"@', r'"ta\ro..y"@example.com', True),
        ('"taro..y"@', "taro..y@example.com", True),
        ("taro..y@", "taro.y@example.com", False),
        (r'"a\ b"@', '"A b"@example.com', True),
        ("joe@[IPv6:2001:db8::1]", "joe@[ipv6:2001:DB8:0::1]", True),
        ("@exam_ple.com", "joe@EXAM_ple.com", True),
        ('"a@b"@example.com', '"a@b"@example.com', True),
        ("@example.com", "", False),
    ],
)
def test_entry_forms(entry: str, address: str, matches: bool) -> None:
    assert takes(Member(ANY_SENDER, any_of(entry)), "x@y.example", address) == [matches]
    assert takes(Member(senders(entry), ANY_RECIPIENT), address, "r@corp.example") == [matches]


@pytest.mark.parametrize(
    "identities",
    [
        ("x@law.example", "", ""),
        ("", "x@law.example", ""),
        ("bounce@lists.example", "a@b.example", "x@law.example"),
    ],
)
def test_a_message_is_from_any_of_its_three_identities(identities: tuple[str, str, str]) -> None:
    assert takes(Member(senders("@law.example"), ANY_RECIPIENT), identities, "r@corp.example") == [True]
    assert takes(Member(not_senders("@law.example"), ANY_RECIPIENT), identities, "r@corp.example") == [False]


def test_the_null_sender_is_nobody_in_particular() -> None:
    assert takes(Member(senders("@law.example"), ANY_RECIPIENT), ("", "", ""), "r@corp.example") == [False]
    assert takes(Member(not_senders("@law.example"), ANY_RECIPIENT), ("", "", ""), "r@corp.example") == [True]


def test_except_alone_keeps_the_whole_message_out() -> None:
    member = Member(ANY_SENDER, RecipientCondition(except_=("u1@b.com", "u2@b.com")))
    assert takes(member, "x@y.example", "u3@b.com") == [True]
    assert takes(member, "x@y.example", "u1@b.com") == [True]
    assert takes(member, "x@y.example", "u1@b.com", "u2@b.com", "u3@b.com") == [False] * 3


def test_conditions_without_entries() -> None:
    assert takes(Member(senders(), ANY_RECIPIENT), "x@y.example", "a@b.com") == [False]
    assert takes(Member(not_senders(), ANY_RECIPIENT), "x@y.example", "a@b.com") == [True]
    assert takes(Member(ANY_SENDER, all_of()), "x@y.example", "a@b.com") == [False]
    assert takes(Member(ANY_SENDER, any_of()), "x@y.example", "a@b.com") == [False]


def test_any_member_of_a_policy_is_enough() -> None:
    table = PolicyTable(
        [policy("p", Member(senders("@a.com"), any_of("x@b.com")), Member(ANY_SENDER, any_of("y@b.com")))]
    )
    assert names(table, "u@c.com", "x@b.com", "y@b.com") == ["DEFAULT", "p"]
    assert names(table, "u@a.com", "x@b.com", "y@b.com") == ["p", "p"]


def test_a_policy_without_members_and_an_empty_table_leave_mail_to_the_default_policy() -> None:
    assert names(PolicyTable([policy("empty")]), "a@b.com", "c@d.com") == ["DEFAULT"]
    assert PolicyTable([]).match(("a@b.com", "", ""), ["c@d.com", "e@f.com"]) == [DEFAULT_POLICY] * 2


def test_one_policy_for_all_recipients_is_one_part() -> None:
    recipients = [f"u{n}@example.com" for n in range(5)]
    assert GUIDE.split(("a@lawfirm.com", "", ""), recipients) == [Part(GUIDE.policies[1], (0, 1, 2, 3, 4))]


def test_parts_come_in_table_order_with_ascending_recipients() -> None:
    recipients = ["bill@example.com", "jim@example.com", "joe@example.com", "john@x.example", "ann@example.com"]
    parts = GUIDE.split(("", "", ""), recipients)
    assert [(part.policy.name, part.rids) for part in parts] == [
        ("special_people", (2, 4)),
        ("sales_team", (1, 3)),
        ("DEFAULT", (0,)),
    ]


def test_policies_of_equal_content_stay_apart() -> None:
    twin = policy("twin", Member(ANY_SENDER, any_of("a@b.com")))
    table = PolicyTable([twin, policy("twin", Member(ANY_SENDER, any_of("a@b.com")))])
    assert table.match(("", "", ""), ["a@b.com"])[0] is twin


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("User@Example.COM", "user@example.com"),
        (" joe@ ", "joe@"),
        ('"Joe"@', "joe@"),
        ('"Taro..Y"@', "taro..y@"),
        (r'"a\ B"@Example.com', '"a b"@example.com'),
        ("@_spf.Exam_ple.com", "@_spf.exam_ple.com"),
        ('"\\a\\"b"@x.example', '"a\\"b"@x.example'),
        ('"a@b"@x.example', '"a@b"@x.example'),
        ("@Example.com", "@example.com"),
        ("@.Example.com", "@.example.com"),
        ("@bücher.example", "@xn--bcher-kva.example"),
        ("@.bücher.example", "@.xn--bcher-kva.example"),
    ],
)
def test_an_entry_is_normalised(text: str, entry: str) -> None:
    assert check_entry(text) == entry
    assert check_entry(entry) == entry


@pytest.mark.parametrize(
    "text",
    ["", "@", "example.com", "user", "a b@c.example", "*@example.com", "@*.example.com", "@.", "@-x.example",
     "a@b@c.example", "@..example.com", "jürgen@", "user@exam\nple.com"],
)  # fmt: skip
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        check_entry(text)
    assert len(str(caught.value).splitlines()) == 1


# --- whose header counts


LAWYERS_ABOVE_SALES = [
    policy("from_lawyers", Member(senders("@lawfirm.com"), ANY_RECIPIENT)),
    policy("from_partners", Member(senders("@partner.com"), ANY_RECIPIENT)),
]
MAILED_FOR_LAWYERS = Senders("bounce@partner.com", "bill@lawfirm.com")


@pytest.mark.parametrize(
    ("priorities", "winner"),
    [
        (DOCUMENTED_PRIORITIES, "from_partners"),
        ([["from"], ["envelope_sender"]], "from_lawyers"),
        ([["envelope_sender", "from"]], "from_lawyers"),
        ([["from"]], "from_lawyers"),
        ([["reply_to"], ["sender"]], "DEFAULT"),
    ],
)
def test_the_header_of_the_higher_priority_wins_over_the_order_of_the_table(
    priorities: list[list[SenderHeader]], winner: str
) -> None:
    table = PolicyTable(LAWYERS_ABOVE_SALES, priorities)
    assert names(table, MAILED_FOR_LAWYERS, "r@corp.example") == [winner]


def test_a_policy_for_any_sender_takes_in_the_first_round() -> None:
    table = PolicyTable([*LAWYERS_ABOVE_SALES, policy("sales", Member(ANY_SENDER, any_of("jim@")))], [["from"]])
    assert names(table, MAILED_FOR_LAWYERS, "jim@a.example", "x@a.example") == ["from_lawyers"] * 2
    table = PolicyTable(table.policies, [["reply_to"], ["from"]])
    assert names(table, MAILED_FOR_LAWYERS, "jim@a.example", "x@a.example") == ["sales", "from_lawyers"]


def test_senders_are_not_asks_every_header_of_every_priority() -> None:
    table = PolicyTable([policy("p", Member(not_senders("@lawfirm.com"), ANY_RECIPIENT))], DOCUMENTED_PRIORITIES)
    assert names(table, MAILED_FOR_LAWYERS, "r@corp.example") == ["DEFAULT"]
    assert names(PolicyTable(table.policies, [["envelope_sender"]]), MAILED_FOR_LAWYERS, "r@c.example") == ["p"]


def test_the_sender_header_counts_where_it_is_asked_for() -> None:
    policies = [policy("p", Member(senders("@lawfirm.com"), ANY_RECIPIENT))]
    identities = Senders("", "", "", "clerk@lawfirm.com")
    assert names(PolicyTable(policies, DOCUMENTED_PRIORITIES), identities, "r@corp.example") == ["DEFAULT"]
    assert names(PolicyTable(policies, [["from"], ["sender"]]), identities, "r@corp.example") == ["p"]


def test_an_explanation_names_the_winner_and_why_each_policy_before_it_was_passed() -> None:
    table = PolicyTable(
        [
            policy("lawyers", Member(senders("@lawfirm.com"), ANY_RECIPIENT)),
            policy("not bulk", Member(not_senders("@partner.com"), ANY_RECIPIENT)),
            policy("others", Member(ANY_SENDER, any_of("zoe@")), Member(senders("@x.example"), ANY_RECIPIENT)),
            policy("pair", Member(ANY_SENDER, all_of("r@", "boss@"))),
            policy("excepted", Member(ANY_SENDER, any_of("r@", except_=("r@corp.example",)))),
            policy("empty"),
            policy("partners", Member(ANY_SENDER, any_of("q@")), Member(senders("@partner.com"), any_of("r@"))),
        ],
        DOCUMENTED_PRIORITIES,
    )
    (found,) = explain(table, MAILED_FOR_LAWYERS, ["r@corp.example"])
    assert (found.policy.name, found.number, found.header, found.priority) == ("partners", 2, "envelope_sender", 1)
    assert (found.sender_entries, found.entries) == (("@partner.com",), ("r@",))
    said = {
        passed.policy.name: [(m.number, m.miss, m.entries, m.header, m.priority) for m in passed.misses]
        for passed in found.passed_by
    }
    assert said == {
        "lawyers": [(1, Miss.OUTRANKED, ("@lawfirm.com",), "from", 2)],
        "not bulk": [(1, Miss.BARRED, ("@partner.com",), "envelope_sender", 0)],
        "others": [(1, Miss.NOT_TO, (), None, 0), (2, Miss.NOT_FROM, (), None, 0)],
        "pair": [(1, Miss.NOT_ALL, ("boss@",), None, 0)],
        "excepted": [(1, Miss.EXCEPTED, ("r@corp.example",), None, 0)],
        "empty": [],
    }


def test_the_default_policy_is_explained_by_all_the_others() -> None:
    (found,) = explain(GUIDE, ("joe@yahoo.com",), ["bill@example.com"])
    assert found.policy is DEFAULT_POLICY
    assert [passed.policy.name for passed in found.passed_by] == [policy.name for policy in GUIDE.policies]


# --- the index against the definition, read word by word


def entry_matches(entry: str, address: str) -> bool:
    entry, address = entry.lower(), address.lower()
    local, _, domain = address.rpartition("@")
    if entry.endswith("@"):
        return local == entry[:-1]
    if entry.startswith("@."):
        return domain.endswith(entry[1:])
    if entry.startswith("@"):
        return domain == entry[1:]
    return address == entry


def some(entry: str, addresses: Sequence[str]) -> bool:
    return any(entry_matches(entry, address) for address in addresses if address)


def member_takes(
    member: Member, identities: Sequence[str], looked_at: Sequence[str], recipient: str, recipients: Sequence[str]
) -> bool:
    """`looked_at`: the identities of one priority; `identities`: those of all."""
    entries = member.senders.entries
    if member.senders.match == "following" and not any(some(entry, looked_at) for entry in entries):
        return False
    if member.senders.match == "not" and any(some(entry, identities) for entry in entries):
        return False
    condition = member.recipients
    if condition.except_ and all(some(entry, recipients) for entry in condition.except_):
        return False
    if condition.match == "any":
        return True
    if condition.join == "all" and not all(some(entry, recipients) for entry in condition.entries):
        return False
    return any(entry_matches(entry, recipient) for entry in condition.entries)


def straightforward(table: PolicyTable, senders: Senders, recipients: Sequence[str]) -> list[str]:
    by_header = dict(zip(SENDER_HEADERS, senders, strict=True))
    rounds = [[by_header[header] for header in headers] for headers in table.priorities]
    everybody = [identity for looked_at in rounds for identity in looked_at]
    return [
        next(
            (
                p.name
                for looked_at in rounds
                for p in table.policies
                if any(member_takes(m, everybody, looked_at, recipient, recipients) for m in p.members)
            ),
            "DEFAULT",
        )
        for recipient in recipients
    ]


locals_ = st.sampled_from(["a", "b", "C", "d"])
domains = st.sampled_from(["x.example", "s.x.example", "t.s.x.example", "Y.example"])
addresses = st.builds("{}@{}".format, locals_, domains)
entries = (
    addresses
    | locals_.map("{}@".format)
    | domains.map("@{}".format)
    | domains.map("@.{}".format)
    | st.just("@.example")
)
entry_lists = st.lists(entries, max_size=3).map(tuple)
members = st.builds(
    Member,
    st.builds(SenderCondition, st.sampled_from(["any", "following", "not"]), entry_lists),
    st.builds(
        RecipientCondition,
        st.sampled_from(["any", "following"]),
        st.sampled_from(["all", "any"]),
        entry_lists,
        entry_lists,
    ),
)
tables = st.lists(st.lists(members, max_size=3).map(tuple), max_size=5).map(
    lambda rows: [Policy(f"uid-{n}", f"p{n}", row) for n, row in enumerate(rows)]
)


identities_ = st.builds(Senders, *[addresses | st.just("")] * 4)
# Any of the headers, in one or several rounds.
priorities_ = st.lists(st.sampled_from(SENDER_HEADERS), min_size=1, max_size=4, unique=True).flatmap(
    lambda headers: st.lists(st.booleans(), min_size=len(headers), max_size=len(headers)).map(
        lambda breaks: _in_rounds(headers, breaks)
    )
)


def _in_rounds(headers: list[SenderHeader], breaks: list[bool]) -> list[list[SenderHeader]]:
    rounds: list[list[SenderHeader]] = [[]]
    for header, is_break in zip(headers, breaks, strict=True):
        if is_break and rounds[-1]:
            rounds.append([])
        rounds[-1].append(header)
    return rounds


@settings(max_examples=400)
@given(tables, priorities_, identities_, st.lists(addresses, min_size=1, max_size=5))
def test_the_index_answers_as_the_definition_does(
    policies: list[Policy], priorities: list[list[SenderHeader]], identities: Senders, recipients: list[str]
) -> None:
    table = PolicyTable(policies, priorities)
    found = [p.name for p in table.match(identities, recipients)]
    assert found == straightforward(table, identities, recipients)
    parts = table.split(identities, recipients)
    assert sorted(rid for part in parts for rid in part.rids) == list(range(len(recipients)))
    assert all(found[rid] == part.policy.name for part in parts for rid in part.rids)


@settings(max_examples=200)
@given(tables, priorities_, identities_, st.lists(addresses, min_size=1, max_size=5))
def test_what_is_explained_is_what_splits_the_message(
    policies: list[Policy], priorities: list[list[SenderHeader]], identities: Senders, recipients: list[str]
) -> None:
    table = PolicyTable(policies, priorities)
    explained = explain(table, identities, recipients)
    winner = {rid: part.policy for part in table.split(identities, recipients) for rid in part.rids}
    for rid, found in enumerate(explained):
        assert found.policy is winner[rid]
        earlier = policies if found.policy is DEFAULT_POLICY else policies[: policies.index(found.policy)]
        assert [passed.policy for passed in found.passed_by] == list(earlier)
        assert all(len(passed.misses) == len(passed.policy.members) for passed in found.passed_by)
