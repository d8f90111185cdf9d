"""Add, edit and copy a policy: its place, its rows of users and their entries, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from policies.models import PolicyMember
from seg_console.accounts.models import User
from seg_console.config import pending
from tdc.models import PolicyChoice
from tests.support.configurations import policy
from tests.support.forms import member, policy_form
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.pages import configured, htmx, members_of, policy_names, policy_uid

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

NO_SENDERS = "Any Sender is chosen, so the senders given would not count: choose Following Senders, or empty the field."
NO_RECIPIENTS = (
    "Any Recipient is chosen, so the recipients given would not count: choose Following Recipients, or empty the field."
)


def test_a_policy_is_added_where_it_was_asked_for_with_its_users(user: User, client: Client) -> None:
    first = policy_uid(user, "Board")
    users = member(0, sender_match="not", sender_entries="@bulk.example", except_entries="c@x.example, d@")
    response = client.post(reverse("policies:add"), policy_form(users, before=str(first)))
    assert response["Location"] == reverse("policies:list")
    assert policy_names(user) == ["Finance", "New", "Board"]
    row = PolicyMember.objects.get(configuration=pending.shown_to(user), policy_uid=policy_uid(user, "New"))
    assert row.values() == {
        "senders": {"match": "not", "entries": ["@bulk.example"]},
        "recipients": {
            "match": "following",
            "join": "any",
            "entries": ["a@x.example"],
            "except": ["c@x.example", "d@"],
        },
    }


def test_editing_keeps_the_identity_of_policy_and_users(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    shown = pending.shown_to(user)
    before = set(PolicyMember.objects.filter(configuration=shown, policy_uid=uid).values_list("uid", flat=True))
    data = policy_form(
        member(0), member(1, recipient_entries="b@"), name="Treasury", before=str(policy_uid(user, "Board"))
    )
    assert client.post(reverse("policies:edit", args=[uid]), data).status_code == 302
    shown = pending.shown_to(user)
    after = set(PolicyMember.objects.filter(configuration=shown, policy_uid=uid).values_list("uid", flat=True))
    assert after == before
    assert policy_names(user) == ["Treasury", "Board"]


def test_a_row_of_users_taken_away_is_gone(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    client.post(reverse("policies:edit", args=[uid]), policy_form(member(0), name="Finance"))
    assert PolicyMember.objects.filter(configuration=pending.shown_to(user), policy_uid=uid).count() == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "finance"}, "A policy of this name exists already."),
        ({"name": "Default Policy"}, "Default Policy"),
        ({"name": "<script>"}, "Use letters, digits"),
        ({"name": ""}, "required"),
        ({"member-0-recipient_entries": "a@x.example, *@x.example"}, "*@x.example"),
        ({"member-0-recipient_entries": ""}, "Give at least one recipient"),
        ({"member-0-sender_match": "following"}, "Give at least one sender"),
        ({"member-TOTAL_FORMS": "0"}, "at least one row of users"),
    ],
)
def test_a_bad_policy_is_refused_with_its_reason(
    user: User, client: Client, change: dict[str, str], sentence: str
) -> None:
    response = client.post(reverse("policies:add"), policy_form(member(0)) | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert pending.pending_of(user) is None


def test_add_user_shows_one_more_row_and_keeps_what_was_typed(user: User, client: Client) -> None:
    data = policy_form(member(0, recipient_entries="typed@"), name="Half") | {"add-member": "1"}
    content = client.post(reverse("policies:add"), data).content.decode()
    assert "typed@" in content
    assert 'value="Half"' in content
    assert 'name="member-1-sender_match"' in content
    assert "field-error" not in content
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


def warnings(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"] if message.level_tag == "warning"]


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
    numbers = {str(policy_uid(user, name)): place for place, name in enumerate(policy_names(user), start=1)}
    numbers[str(policy_uid(user, "New"))] = 1
    response = client.post(reverse("policies:order"), numbers, follow=True)
    assert warnings(response) == ["Policy “A” is never reached: “New” takes its mail first."]


# --- Copying


def test_a_copy_has_the_users_and_the_choice_and_stands_where_asked(user: User, client: Client) -> None:
    url = reverse("policies:copy", args=[policy_uid(user, "Finance")])
    form = client.get(url).context["form"]
    assert form.initial == {"name": "Finance 2", "before": str(policy_uid(user, "Board"))}
    assert client.post(url, {"name": "Treasury", "before": str(policy_uid(user, "Finance"))}).status_code == 302
    assert policy_names(user) == ["Treasury", "Finance", "Board"]
    assert members_of(user, "Treasury") == members_of(user, "Finance")
    choice = PolicyChoice.objects.get(configuration=pending.shown_to(user), policy_uid=policy_uid(user, "Treasury"))
    assert (choice.mode, choice.address) == ("custom", "id2@intake.example")


def test_a_copy_without_a_good_name_is_refused(user: User, client: Client) -> None:
    url = reverse("policies:copy", args=[policy_uid(user, "Finance")])
    for name in ("finance", "Default Policy", "", *HOSTILE_TEXTS):
        response = client.post(url, {"name": name, "before": ""})
        assert response.status_code == 422, name
        assert "field-error" in response.content.decode()
    assert pending.pending_of(user) is None


# --- Entries


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


def test_markup_in_an_entry_is_shown_as_text(client: Client) -> None:
    users = member(0, recipient_entries="<b>x</b>@corp.example")
    content = client.post(reverse("policies:add"), policy_form(users)).content.decode()
    assert "<b>x</b>" not in content


@pytest.mark.parametrize(
    "field", ["name", "member-0-sender_entries", "member-0-sender_match", "member-0-join", "before"]
)
def test_hostile_input_is_refused_and_shown_as_text(user: User, client: Client, field: str) -> None:
    data = policy_form(member(0, sender_match="following", sender_entries="x@"))
    for value in HOSTILE_TEXTS:
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


# --- What is typed beside Any Sender and Any Recipient


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
