"""Copying, ordering, explaining and pasting policies; hostile input; size."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.models import User
from seg_console.config import pending, running
from tdc.models import PolicyChoice
from tests.integration.test_pages_policies import member, names, policy_form
from tests.support.configurations import full, policy
from tests.support.pages import configuration_queries, configured, htmx, person, policy_uid, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}{% load x %}",
    "=HYPERLINK(1)",
    "a\u202eb",
    "a\x00b",
    "a\x07b\x1b[31m",
    "\ud7ff\uffff",
    "../../etc/passwd",
    "a" * 5_000,
]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def members_of(user: User, name: str) -> list[dict[str, Any]]:
    rows = PolicyMember.objects.filter(configuration=pending.shown_to(user), policy_uid=policy_uid(user, name))
    return [row.values() for row in rows.order_by("position")]


def test_a_copy_has_the_users_and_the_choice_and_stands_where_asked(user: User, client: Client) -> None:
    url = reverse("policies:copy", args=[policy_uid(user, "Finance")])
    form = client.get(url).context["form"]
    assert form.initial == {"name": "Finance 2", "before": str(policy_uid(user, "Board"))}
    assert client.post(url, {"name": "Treasury", "before": str(policy_uid(user, "Finance"))}).status_code == 302
    assert names(user) == ["Treasury", "Finance", "Board"]
    assert members_of(user, "Treasury") == members_of(user, "Finance")
    choice = PolicyChoice.objects.get(configuration=pending.shown_to(user), policy_uid=policy_uid(user, "Treasury"))
    assert (choice.mode, choice.address) == ("custom", "id2@intake.example")


def test_a_copy_without_a_good_name_is_refused(user: User, client: Client) -> None:
    url = reverse("policies:copy", args=[policy_uid(user, "Finance")])
    for name in ("finance", "Default Policy", "", *HOSTILE):
        response = client.post(url, {"name": name, "before": ""})
        assert response.status_code == 422, name
        assert "field-error" in response.content.decode()
    assert pending.pending_of(user) is None


def test_the_arrows_move_a_row_without_script_and_submit_nothing(user: User, client: Client) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABCD"])
    uids = {name: str(policy_uid(user, name)) for name in "ABCD"}
    numbers = {uid: place for place, uid in enumerate(uids.values(), start=1)}
    form = client.post(reverse("policies:order"), numbers | {"up": uids["C"]}).context["form"]
    assert [field.label for field in form] == list("ACBD")
    assert pending.pending_of(user) is None
    typed = {field.name: field.value() for field in form}
    form = client.post(reverse("policies:order"), typed | {"down": uids["A"]}).context["form"]
    assert [field.label for field in form] == list("CABD")
    client.post(reverse("policies:order"), {field.name: field.value() for field in form})
    assert names(user) == list("CABD")


@pytest.mark.parametrize("pressed", ["first", "nobody"])
def test_an_arrow_that_leads_nowhere_moves_nothing(user: User, client: Client, pressed: str) -> None:
    uids = [str(policy_uid(user, name)) for name in ("Finance", "Board")]
    numbers: dict[str, Any] = {uid: place for place, uid in enumerate(uids, start=1)}
    up = uids[0] if pressed == "first" else "no-policy"
    form = client.post(reverse("policies:order"), numbers | {"up": up}).context["form"]
    assert [field.label for field in form] == ["Finance", "Board"]


def test_a_moved_policy_is_marked_at_its_number_and_a_deleted_one_is_told(user: User, client: Client) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABCD"])
    numbers = {str(policy_uid(user, name)): place for name, place in zip("ABCD", (4, 1, 2, 3), strict=True)}
    client.post(reverse("policies:order"), numbers)
    rows = client.get(reverse("policies:list")).context["rows"]
    assert [(row.name, row.order_is_pending, row.is_pending) for row in rows[:4]] == [
        ("B", False, False),
        ("C", False, False),
        ("D", False, False),
        ("A", True, False),
    ]
    client.post(reverse("policies:delete", args=[policy_uid(user, "B")]))
    assert client.get(reverse("policies:list")).context["removed"] == ["B"]


def test_the_sentence_follows_what_is_typed_and_changes_nothing(user: User, client: Client) -> None:
    data = policy_form(member(0), member(1, sender_match="not", sender_entries="x@, no entry", join="all"))
    answer = client.post(reverse("policies:preview"), data | {"at": "1"}, headers=htmx()).content.decode()
    assert answer.strip() == escape("From any sender other than x@ to a@x.example. 1 entry cannot be read.")
    data["member-1-sender_entries"] = " "
    answer = client.post(reverse("policies:preview"), data | {"at": "1"}, headers=htmx()).content.decode()
    assert answer.strip() == "Matches nobody yet: an entry is missing."
    for at in ("", "x", "99999"):
        assert client.post(reverse("policies:preview"), data | {"at": at}).status_code == 400
    assert pending.pending_of(user) is None


def test_rows_of_users_stay_closed_until_one_is_to_be_edited(user: User, client: Client) -> None:
    url = reverse("policies:edit", args=[policy_uid(user, "Finance")])
    first = client.get(url)
    assert [shown["is_open"] for shown in first.context["users"]] == [False, False]
    typed = {field.html_name: field.value() for form in first.context["members"] for field in form}
    counts = {"member-TOTAL_FORMS": "2", "member-INITIAL_FORMS": "0"}
    whole = typed | counts | {"name": "Finance", "before": ""}
    second = client.post(url, whole | {"edit-member": "1"})
    assert [shown["is_open"] for shown in second.context["users"]] == [False, True]
    assert second.content.decode().count('type="radio"') == 5
    third = client.post(url, whole | {"opened": "1", "remove-member": "0"})
    assert [shown["is_open"] for shown in third.context["users"]] == [True]
    assert pending.pending_of(user) is None
    assert client.post(url, whole).status_code == 302
    assert len(members_of(user, "Finance")) == 2


def test_bad_entries_are_all_named_with_their_lines_up_to_fifty(user: User, client: Client) -> None:
    lines = [f"good{n}@corp.example" if n % 2 else f"bad {n}" for n in range(1, 141)]
    users = member(0, recipient_entries="\r\n".join(lines))
    response = client.post(reverse("policies:add"), policy_form(users))
    assert response.status_code == 422
    content = response.content.decode()
    assert escape('Line 2: "bad 2" is not an entry') in content
    assert escape('Line 100: "bad 100" is not an entry') in content
    assert '"bad 102"' not in content
    assert "20 more entries are bad." in content
    assert pending.pending_of(user) is None


def test_an_entry_whose_reason_does_not_name_it_is_named_all_the_same(user: User, client: Client) -> None:
    response = client.post(reverse("policies:add"), policy_form(member(0, recipient_entries="\n@-x.example")))
    assert escape("Line 2, “@-x.example”: ") in response.content.decode()


def test_ten_thousand_entries_are_taken_and_one_more_is_refused(user: User, client: Client) -> None:
    many = "\n".join(f"user{n}@part{n % 50}.corp.example" for n in range(10_000))
    assert client.post(reverse("policies:add"), policy_form(member(0, recipient_entries=many))).status_code == 302
    assert len(members_of(user, "New")[0]["recipients"]["entries"]) == 10_000
    users = member(0, recipient_entries=many + "\nlast@")
    response = client.post(reverse("policies:add"), policy_form(users, name="Too long"))
    assert response.status_code == 422
    assert "There are 10001 entries; a list holds at most 10000." in response.content.decode()


def test_entries_given_twice_are_kept_once_and_told(user: User, client: Client) -> None:
    users = member(0, recipient_entries="a@x.example\nA@X.example, b@, a@x.example")
    response = client.post(reverse("policies:add"), policy_form(users), follow=True)
    assert "2 entries stood there twice and were dropped." in response.content.decode()
    assert members_of(user, "New")[0]["recipients"]["entries"] == ["a@x.example", "b@"]


def test_a_megabyte_of_one_line_is_refused_in_few_words(user: User, client: Client) -> None:
    response = client.post(reverse("policies:add"), policy_form(member(0, recipient_entries="x" * 1_000_000)))
    assert response.status_code == 422
    assert "is not an entry" in response.content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize(
    "field", ["name", "member-0-sender_entries", "member-0-sender_match", "member-0-join", "before"]
)
def test_hostile_input_is_refused_and_shown_as_text(user: User, client: Client, field: str) -> None:
    data = policy_form(member(0, sender_match="following", sender_entries="x@"))
    for value in HOSTILE:
        response = client.post(reverse("policies:add"), data | {field: value})
        assert response.status_code == 422, value
        content = response.content.decode()
        assert "<script>alert" not in content
        assert "<img src=x" not in content
        assert "field-error" in content
    assert pending.pending_of(user) is None


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f"])
def test_a_mark_that_turns_text_round_is_written_out_where_an_entry_is_named(client: Client, mark: str) -> None:
    response = client.post(reverse("policies:add"), policy_form(member(0, recipient_entries=f"a{mark}b")))
    assert f"a\\u{ord(mark):04x}b" in response.content.decode()


def marks(client: Client) -> dict[str, str]:
    rows = client.get(reverse("policies:list")).context["rows"]
    return {row.name: row.never_reached for row in rows if row.never_reached}


def warnings(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"] if message.level_tag == "warning"]


def test_a_policy_all_of_whose_mail_an_earlier_one_takes_is_marked_with_its_name(user: User, client: Client) -> None:
    lists = [{"name": "Partners", "description": "", "entries": ["@partner.example", "joe@corp.example"]}]
    rows = [policy("Wide", "list:Partners"), policy("Narrow", "ann@partner.example"), policy("Other", "ann@x.example")]
    configured(address_lists=lists, incoming_mail_policies=rows)
    assert marks(client) == {"Narrow": "Never reached: “Wide” takes this mail first."}
    assert "Never reached: “Wide” takes this mail first.</p>" in client.get(reverse("policies:list")).content.decode()
    order = client.get(reverse("policies:order"))
    assert [said for _bound, said in order.context["rows"]] == ["", marks(client)["Narrow"], ""]
    # Moved without script: the marks are of the order shown.
    uids = [str(policy_uid(user, name)) for name in ("Wide", "Narrow", "Other")]
    moved = client.post(
        reverse("policies:order"), {uid: place for place, uid in enumerate(uids, start=1)} | {"up": uids[1]}
    )
    assert [said for _bound, said in moved.context["rows"]] == ["", "", ""]


def test_a_change_after_which_a_policy_is_never_reached_warns_of_it_and_no_other_does(
    user: User, client: Client
) -> None:
    configured(incoming_mail_policies=[policy("A", "@a.example"), policy("B", "@b.example"), policy("C", "@c.example")])
    to_a = member(0, recipient_entries="ann@a.example")
    response = client.post(reverse("policies:add"), policy_form(to_a, name="New"), follow=True)
    assert warnings(response) == ["Policy “New” is never reached: “A” takes its mail first."]
    elsewhere = member(0, recipient_entries="ann@d.example")
    response = client.post(reverse("policies:add"), policy_form(elsewhere, name="Else"), follow=True)
    assert warnings(response) == []
    edit = reverse("policies:edit", args=[policy_uid(user, "New")])
    both = member(0, recipient_entries="ann@a.example, @b.example")
    response = client.post(edit, policy_form(both, name="New"), follow=True)
    assert warnings(response) == ["Policy “New” is never reached: “A” and “B” take its mail first."]
    wide = member(0, recipient_match="any", recipient_entries="")
    response = client.post(edit, policy_form(wide, name="New", before=str(policy_uid(user, "B"))), follow=True)
    assert warnings(response) == [
        "3 policies are never reached, because earlier ones take their mail first: “B”, “C” and “Else”."
    ]
    response = client.post(reverse("policies:copy", args=[policy_uid(user, "A")]), {"name": "A 2"}, follow=True)
    assert warnings(response) == ["Policy “A 2” is never reached: “A” takes its mail first."]
    numbers = {str(policy_uid(user, name)): place for place, name in enumerate(names(user), start=1)}
    numbers[str(policy_uid(user, "New"))] = 1
    response = client.post(reverse("policies:order"), numbers, follow=True)
    assert warnings(response) == ["Policy “A” is never reached: “New” takes its mail first."]


def test_an_internationalized_domain_is_shown_with_its_letters_wherever_it_is_read(user: User, client: Client) -> None:
    stored, letters = "xn--mnchen-3ya.example", "münchen.example"
    choice = {"threat_defense_connector": {"mode": "custom", "address": f"id@{stored}"}}
    configured(
        incoming_mail_policies=[policy("A", f"@{stored}") | choice],
        smtp_routes=[{"domain": stored, "hosts": [{"host": "127.0.0.1", "port": 25, "priority": 0}]}],
        destination_controls=[{"domain": stored}],
        recipient_access=[{"recipient": stored, "action": "accept"}],
    )
    for page, count in (
        ("policies:list", 2),
        ("policies:order", 0),
        ("tdc:settings", 1),
        ("tdc:change-policies", 1),
        ("smtp-routes:list", 1),
        ("destination-controls:list", 1),
        ("recipient-access:list", 1),
    ):
        assert client.get(reverse(page)).content.decode().count(f"{stored} ({letters})") == count, page
    assert members_of(user, "A")[0]["recipients"]["entries"] == [f"@{stored}"]


NO_SENDERS = "Any Sender is chosen, so the senders given would not count: choose Following Senders, or empty the field."
NO_RECIPIENTS = (
    "Any Recipient is chosen, so the recipients given would not count: choose Following Recipients, or empty the field."
)


@pytest.mark.parametrize("typed", ["x@y.example", "x@y.example\nno entry", "no entry"])
def test_what_is_typed_beside_any_is_refused_at_its_field_and_nothing_is_submitted(
    user: User, client: Client, typed: str
) -> None:
    senders = policy_form(member(0, sender_entries=typed))
    response = client.post(reverse("policies:add"), senders)
    assert response.status_code == 422
    assert response.context["members"].errors == [{"sender_entries": [NO_SENDERS]}]
    assert escape(NO_SENDERS) in response.content.decode()
    recipients = policy_form(member(0, recipient_match="any", recipient_entries=typed))
    response = client.post(reverse("policies:add"), recipients)
    assert response.status_code == 422
    assert response.context["members"].errors == [{"recipient_entries": [NO_RECIPIENTS]}]
    assert pending.pending_of(user) is None


def test_blanks_beside_any_are_nothing(user: User, client: Client) -> None:
    response = client.post(reverse("policies:add"), policy_form(member(0, sender_entries=" \n, ")))
    assert response.status_code == 302
    assert members_of(user, "New")[0]["senders"] == {"match": "any", "entries": []}


def test_the_sentence_says_that_what_is_typed_beside_any_would_not_count(client: Client) -> None:
    data = policy_form(member(0, sender_entries="x@, no entry", recipient_match="any"))
    answer = client.post(reverse("policies:preview"), data | {"at": "0"}, headers=htmx()).content.decode()
    assert answer.strip() == f"From any sender to any recipient. {NO_SENDERS} {NO_RECIPIENTS}"


def test_a_list_that_is_not_used_is_emptied_by_one_press_and_nothing_is_submitted(user: User, client: Client) -> None:
    two = policy_form(member(0, sender_entries="x@"), member(1, sender_entries="y@", recipient_match="any"))
    for press, expected in (
        ({"empty-senders": "1"}, [("x@", "a@x.example"), ("", "a@x.example")]),
        ({"empty-recipients": "1"}, [("x@", "a@x.example"), ("y@", "")]),
        ({"empty-senders": "nobody"}, [("x@", "a@x.example"), ("y@", "a@x.example")]),
    ):
        response = client.post(reverse("policies:add"), two | {"opened": ["0", "1"]} | press)
        assert response.status_code == 200
        forms = response.context["members"].forms
        assert [(one["sender_entries"].value(), one["recipient_entries"].value()) for one in forms] == expected
    assert pending.pending_of(user) is None


def explained(client: Client, **query: str) -> Any:
    return client.post(reverse("policies:explain"), {"envelope_sender": "", "recipients": ""} | query)


def test_which_policy_wins_and_why_each_earlier_one_did_not(user: User, client: Client) -> None:
    response = explained(
        client,
        envelope_sender="x@a.partner.example",
        from_address="The Boss <ceo@corp.example>",
        recipients="joe@corp.example, cfo@corp.example",
    )
    joe, cfo = response.context["explained"]
    assert (joe.policy_name, joe.why) == (
        "Board",
        "From (priority P2) matches ceo@corp.example; any recipient will do.",
    )
    assert [(passed.policy_name, passed.sentences) for passed in joe.passed_by] == [
        (
            "Finance",
            (
                "The recipient matches none of Following Recipients.",
                "Envelope Sender matches @.partner.example, one of Following Senders are Not.",
            ),
        )
    ]
    assert (cfo.policy_name, cfo.passed_by) == ("Finance", ())
    assert "The message is split: it goes to 2 policies." in response.content.decode()


def test_the_explanation_is_of_what_is_pending(user: User, client: Client) -> None:
    client.post(reverse("policies:delete", args=[policy_uid(user, "Finance")]))
    response = explained(client, recipients="cfo@corp.example")
    assert response.context["explained"][0].policy_name == "Default Policy"
    assert "Asks your pending changes" in response.content.decode()


def test_a_message_that_cannot_be_is_refused_beside_its_field(client: Client) -> None:
    queries: list[dict[str, str]] = [
        *({"recipients": value} for value in ("", " \n,", "nobody", "a@", *HOSTILE)),
        {"recipients": ",".join(f"u{n}@x.example" for n in range(51))},
        {"recipients": "a@x.example", "envelope_sender": "no address"},
        {"recipients": "a@x.example", "from_address": "Name <broken"},
        *({"recipients": "a@x.example", "sender": value} for value in HOSTILE),
    ]
    for query in queries:
        response = explained(client, **query)
        assert response.status_code == 422, query
        content = response.content.decode()
        assert "field-error" in content
        assert "<script>alert" not in content


def test_fifty_long_recipients_are_answered_and_one_more_is_refused_in_a_sentence(user: User, client: Client) -> None:
    fifty = "\n".join(f"{'r' * 60}{n:02}@{'d' * 60}.{'e' * 60}.{'f' * 60}.example" for n in range(50))
    assert len(fifty) > 12_000
    response = explained(client, recipients=fifty)
    assert (response.status_code, len(response.context["explained"])) == (200, 50)
    response = explained(client, recipients=f"{fifty}\nx@y.example")
    assert response.status_code == 422
    assert response.context["form"].errors == {"recipients": ["Give at most 50 recipients."]}
    assert response.context["explained"] == []
    response = explained(client, recipients="a" * 100_000)
    assert response.status_code == 422
    assert pending.pending_of(user) is None


def test_the_answer_comes_as_a_region_and_as_a_page_alike(client: Client) -> None:
    asked = {"envelope_sender": "", "recipients": "cfo@corp.example"}
    url = reverse("policies:explain")
    page = client.post(url, asked).content.decode()
    region = client.post(url, asked, headers=htmx()).content.decode()
    assert "<!doctype html>" in page
    assert region.strip().startswith('<div id="ask">')
    answer = re.compile(r'<p role="status".*</section>', re.DOTALL)
    assert answer.findall(region) == [found.group().rstrip() for found in answer.finditer(page)] != []
    refused = client.post(url, {"recipients": "nobody"}, headers=htmx())
    assert refused.status_code == 422
    assert "<!doctype html>" not in refused.content.decode()
    assert "field-error" in refused.content.decode()


def test_opening_the_page_asks_nothing_whatever_stands_in_the_address(client: Client) -> None:
    response = client.get(reverse("policies:explain"), {"recipients": "cfo@corp.example"})
    assert (response.status_code, response.context["explained"], response.context["form"].is_bound) == (200, [], False)


@pytest.mark.parametrize("count", [1, 200])
def test_every_page_of_two_hundred_policies_is_quick_and_takes_as_many_queries_as_one_of_one(
    user: User, client: Client, count: int
) -> None:
    large = [policy(f"P{n}", *(f"user{e}@part{n}.corp.example" for e in range(50))) for n in range(count)]
    configured(incoming_mail_policies=large)
    last = policy_uid(user, f"P{count - 1}")
    asked = {"envelope_sender": "", "recipients": f"user1@part{count - 1}.corp.example\nx@y.example"}
    pages: list[tuple[str, dict[str, str], int]] = [
        (reverse("policies:list"), {}, 8),
        (reverse("policies:list"), {"address": "user1@part0.corp.example", "side": "recipient"}, 8),
        (reverse("policies:add"), {}, 5),
        (reverse("policies:edit", args=[last]), {}, 7),
        (reverse("policies:copy", args=[last]), {}, 5),
        (reverse("policies:order"), {}, 6),
        (reverse("policies:explain"), asked, 7),
        (reverse("tdc:change-policies"), {}, 6),
        (reverse("tdc:policy-choice", args=[last]), {}, 6),
        (reverse("address-lists:list"), {}, 6),
        (reverse("mail-policy-settings:view"), {}, 4),
    ]
    client.get(reverse("policies:list"))
    explain = reverse("policies:explain")
    found = {
        url + str(query): configuration_queries(client, url, posts=url == explain, **query)
        for url, query, _count in pages
    }
    assert found == {url + str(query): expected for url, query, expected in pages}


def test_two_hundred_policies_are_committed_and_decide_at_once(user: User, client: Client) -> None:
    large = [policy(f"P{n}", *(f"user{e}@part{n}.corp.example" for e in range(50))) for n in range(200)]
    pending.load_pending(user, full(incoming_mail_policies=large))
    pending.commit(user, "large")
    assert IncomingMailPolicy.objects.filter(configuration=pending.committed()).count() == 200
    assert running.current().number == pending.committed().number
