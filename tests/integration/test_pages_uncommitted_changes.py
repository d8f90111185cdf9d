"""Uncommitted Changes: what differs, commit with its comment and its collisions, abandoning, and others' changes."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from policies.matching import DEFAULT_POLICY_UID
from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.models import User
from seg_console.audit.models import Act, Entry
from seg_console.config import document, pending, registry
from seg_console.config.mending import NOWHERE_ELSE, mends
from seg_console.config.models import Configuration
from seg_console.config.problems import Problem
from tdc.document import CONNECTOR
from tdc.models import ConnectorSettings
from tests.support.configurations import full, route
from tests.support.pages import change_choice, person, policy_uid, signed_in
from tests.support.smtp_remote import authority

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def page(client: Client) -> str:
    return client.get(reverse("configuration:uncommitted-changes")).content.decode()


def test_pending_changes_are_listed_by_object_and_field(user: User, client: Client) -> None:
    change_choice(user, client, policy="Finance")
    content = page(client)
    assert "Incoming Mail Policy “Finance”<small>changed</small>" in content
    assert "<b>Threat Defense Connector</b>" in content
    assert "<del>Custom Message Intake Address</del>" in content
    assert "<del>id2@intake.example</del>" in content
    assert "<ins>No Scan</ins>" in content


def test_without_changes_the_page_says_so_and_the_button_is_idle(client: Client) -> None:
    content = page(client)
    assert "There are no pending changes." in content
    assert "No Changes Pending" in content


def test_a_choice_without_a_row_is_shown_as_what_holds(user: User, client: Client) -> None:
    change_choice(user, client, policy="Board", mode="no_scan")
    content = page(client)
    assert "Incoming Mail Policy “Board”<small>changed</small>" in content
    assert "<del>Use Default Policy settings</del>" in content
    assert "<ins>No Scan</ins>" in content


def test_lists_are_shown_by_what_came_and_went(user: User, client: Client) -> None:
    member = PolicyMember.objects.filter(configuration=pending.committed(), recipient_except=[]).first()
    assert member is not None
    member.sender_entries = ["@.partner.example", "@new.example"]
    member.sender_match = "following"
    pending.submit(user, member)
    content = page(client)
    assert "<ins>@new.example</ins>" in content
    assert "<ins>@.partner.example" not in content


def test_the_end_of_a_long_value_is_seen_where_only_that_differs(user: User, client: Client) -> None:
    pem = authority().pem * 3

    def give(to: User, more: str) -> None:
        row = ConnectorSettings(uid=CONNECTOR.fixed_uid, ca_certificates=pem + more)
        pending.submit(to, row)

    other = person(name="grace")
    give(user, "")
    pending.commit(user, "")
    give(user, "# mine\n")
    assert "# mine" in page(client)
    [entry] = Entry.objects.filter(username=user.username, act=Act.SUBMIT).order_by("-pk")[:1]
    assert "# mine" in str(entry.changes)
    give(other, "# theirs\n")
    pending.commit(other, "")
    content = client.post(reverse("configuration:commit"), {}).content.decode()
    assert f"{pem.strip().splitlines()[-1]}<br># mine" in content
    assert f"{pem.strip().splitlines()[-1]}<br># theirs" in content


def test_the_page_says_who_changed_and_when_it_began(user: User, client: Client) -> None:
    change_choice(user, client)
    assert "By administrator, from configuration 2; begun " in page(client)


def test_the_review_takes_the_same_number_of_queries_whatever_differs(user: User, client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(client)
        return len(captured)

    routes = [route(f"d{number}.example") for number in range(40)]
    pending.load_pending(user, full(smtp_routes=routes[:2]))
    few = queries()
    pending.load_pending(user, full(smtp_routes=routes))
    assert queries() == few


# --- Commit and abandon


def test_commit_makes_the_changes_live_with_comment_and_author_and_goes_back(user: User, client: Client) -> None:
    change_choice(user, client)
    back = f"http://testserver{reverse('policies:list')}"
    response = client.post(reverse("configuration:commit"), {"comment": "No copies for the board", "back": back})
    assert response["Location"] == back
    newest = pending.committed()
    assert (newest.number, newest.comment, newest.author) == (3, "No copies for the board", "administrator")
    assert pending.pending_of(user) is None
    assert document.dump(newest)["incoming_mail_policies"][1]["threat_defense_connector"]["mode"] == "no_scan"


def test_commit_goes_back_to_pages_of_our_own_only(user: User, client: Client) -> None:
    change_choice(user, client)
    response = client.post(reverse("configuration:commit"), {"back": "https://evil.example/"})
    assert response["Location"] == reverse("accounts:home")


def test_commit_with_nothing_pending_changes_nothing(client: Client) -> None:
    client.post(reverse("configuration:commit"), {})
    assert pending.committed().number == 2


def test_a_commit_page_asked_for_without_its_form_is_the_review(client: Client) -> None:
    assert client.get(reverse("configuration:commit"))["Location"] == reverse("configuration:uncommitted-changes")
    assert client.get(reverse("configuration:file-load"))["Location"] == reverse("configuration:file")


def test_abandon_asks_first_and_then_throws_all_away(user: User, client: Client) -> None:
    change_choice(user, client)
    url = reverse("configuration:abandon")
    assert "Abandon all your pending changes?" in client.get(url).content.decode()
    assert pending.pending_of(user) is not None
    client.post(url)
    assert pending.pending_of(user) is None
    assert pending.committed().number == 2


def test_abandoning_goes_back_to_the_page_one_came_from(user: User, client: Client) -> None:
    change_choice(user, client)
    came_from = "http://testserver" + reverse("smtp-routes:list")
    content = client.get(reverse("configuration:uncommitted-changes"), headers={"referer": came_from}).content.decode()
    abandon_url = re.findall(r'href="(/uncommitted-changes/abandon/\?back=[^"]+)"', content)[0]
    assert client.post(abandon_url)["Location"] == came_from


def test_abandoning_does_not_go_back_to_an_object_that_may_be_gone(user: User, client: Client) -> None:
    change_choice(user, client)
    back = reverse("policies:edit", args=[policy_uid(user, "Board")])
    response = client.post(reverse("configuration:abandon") + "?" + urlencode({"back": back}))
    assert response["Location"] == reverse("policies:list")


# --- The comment


def test_a_comment_that_is_required_is_asked_for_beside_its_field(user: User, client: Client) -> None:
    client.post(reverse("configuration:edit-general-settings"), {"comment_required": "on"})
    # The rule in force is the running configuration's: this commit may still go without.
    assert "Comment (optional)" in page(client)
    client.post(reverse("configuration:commit"), {})
    assert document.dump(pending.committed())["general_settings"] == {"comment_required": True}
    change_choice(user, client)
    assert "Comment (optional)" not in page(client)
    response = client.post(reverse("configuration:commit"), {"comment": "  "})
    assert response.status_code == 422
    assert "Say why: General Settings ask for a comment with every commit." in response.content.decode()
    assert pending.committed().number == 3
    assert pending.pending_of(user) is not None
    client.post(reverse("configuration:commit"), {"comment": "because"})
    assert (pending.committed().number, pending.committed().comment) == (4, "because")


@pytest.mark.parametrize(
    ("comment", "sentence"),
    [
        ("x" * 2_001, "Write at most 2000 characters; there are 2001."),
        ("opens \u202eno\u202c door", "Write text without control characters"),
        ("bell \x07", "Write text without control characters"),
    ],
)
def test_a_comment_that_cannot_be_kept_is_refused_beside_its_field(
    user: User, client: Client, comment: str, sentence: str
) -> None:
    change_choice(user, client)
    response = client.post(reverse("configuration:commit"), {"comment": comment})
    assert response.status_code == 422
    assert any(sentence in str(error) for error in response.context["form"].errors["comment"])
    assert sentence in response.content.decode()
    assert comment in response.content.decode()
    assert pending.committed().number == 2


def test_a_comment_is_kept_in_plain_lines_and_as_long_as_the_page_says(user: User, client: Client) -> None:
    change_choice(user, client)
    lines = "x" * 998 + "\r\n\t" + "é" * 1_000
    assert client.post(reverse("configuration:commit"), {"comment": f"{lines}\r\n"}).status_code == 302
    assert pending.committed().comment == "x" * 998 + "\n " + "é" * 1_000


# --- Several administrators


def test_another_administrators_pending_changes_are_announced(user: User, client: Client) -> None:
    other = person(name="grace")
    change_choice(other, signed_in(other))
    assert "grace has pending changes, last changed " in page(client)


def test_the_strip_is_on_configuration_pages_and_no_others(user: User, client: Client) -> None:
    other = person(name="grace")
    change_choice(other, signed_in(other))
    said = "grace has pending changes, last changed "
    assert said in client.get(reverse("smtp-routes:list")).content.decode()
    assert said not in client.get(reverse("monitor:delivery-status")).content.decode()


def test_what_others_committed_since_one_began_is_named_with_a_link_to_it(user: User, client: Client) -> None:
    change_choice(user, client, policy="Board")
    other = person(name="grace")
    change_choice(other, signed_in(other), policy="Finance")
    signed_in(other).post(reverse("configuration:commit"), {})
    content = client.get(reverse("smtp-routes:list")).content.decode()
    assert "Your pending changes began from configuration 2." in content
    assert "configuration 3 by grace, " in content
    assert reverse("configuration:history-changes", args=[3]) in content
    assert "configuration 3 by grace" not in signed_in(other).get(reverse("smtp-routes:list")).content.decode()


def test_disjoint_changes_of_two_administrators_merge(user: User, client: Client) -> None:
    other = person(name="grace")
    change_choice(other, signed_in(other), policy="Finance")
    change_choice(user, client, policy="Board")
    signed_in(other).post(reverse("configuration:commit"), {})
    client.post(reverse("configuration:commit"), {})
    modes = [
        each["threat_defense_connector"]["mode"]
        for each in document.dump(pending.committed())["incoming_mail_policies"]
    ]
    assert modes == ["no_scan", "no_scan"]


def test_colliding_changes_show_both_values_and_need_a_second_confirmation(user: User, client: Client) -> None:
    other = person(name="grace")
    change_choice(other, signed_in(other), mode="default")
    change_choice(user, client, mode="no_scan")
    signed_in(other).post(reverse("configuration:commit"), {})
    response = client.post(reverse("configuration:commit"), {"comment": "mine"})
    content = response.content.decode()
    assert response.status_code == 409
    assert "Default Message Intake Address" in content
    assert "No Scan" in content
    assert 'name="overwrite" value="3"' in content
    assert "\nmine</textarea>" in content
    assert pending.committed().number == 3
    client.post(reverse("configuration:commit"), {"comment": "mine", "overwrite": "3"})
    assert pending.committed().number == 4
    assert (
        document.dump(pending.committed())["incoming_mail_policies"][1]["threat_defense_connector"]["mode"] == "no_scan"
    )


def test_a_confirmation_of_collisions_that_have_changed_since_is_asked_again(user: User, client: Client) -> None:
    other = person(name="grace")
    change_choice(user, client, mode="no_scan")
    change_choice(other, signed_in(other), mode="default")
    signed_in(other).post(reverse("configuration:commit"), {})
    assert client.post(reverse("configuration:commit"), {"overwrite": "2"}).status_code == 409
    assert pending.committed().number == 3


def test_a_collision_is_listed_field_by_field_with_what_both_began_from(user: User, client: Client) -> None:
    other = person(name="grace")
    change_choice(user, client, policy="Finance", mode="no_scan")
    change_choice(other, signed_in(other), policy="Finance", mode="default")
    signed_in(other).post(reverse("configuration:commit"), {})
    response = client.post(reverse("configuration:commit"), {})
    (collision,) = response.context["refusal"].collisions
    assert collision.mine.within == collision.theirs.within == "Finance"
    assert [(field.label, field.base, field.mine, field.theirs) for field in collision.fields] == [
        ("Threat Defense Connector", "Custom Message Intake Address", "No Scan", "Default Message Intake Address"),
        ("Custom Message Intake Address", "id2@intake.example", "", ""),
    ]


def test_two_new_policies_of_one_name_are_shown_with_what_they_are_made_of(user: User, client: Client) -> None:
    other = person(name="grace")
    for owner, entry in ((user, "mine@"), (other, "hers@")):
        made = IncomingMailPolicy(name="Same", position=9)
        member = PolicyMember(policy_uid=made.uid, position=1, recipient_match="following", recipient_entries=[entry])
        pending.submit(owner, made, member)
    pending.commit(other, "")
    response = client.post(reverse("configuration:commit"), {})
    assert response.status_code == 409
    collisions = response.content.decode().partition("collisions-title")[2].partition("</section>")[0]
    assert "mine@" in collisions
    assert "hers@" in collisions


# --- Faults, and the pages that mend them


def test_a_set_that_two_merged_changes_broke_names_the_fault_and_its_page(user: User, client: Client) -> None:
    first, second = PolicyMember.objects.filter(
        configuration=pending.committed(), policy_uid=policy_uid(user, "Finance")
    ).order_by("position")
    other = person(name="grace")
    pending.submit(user, remove=[first])
    pending.submit(other, remove=[second])
    signed_in(other).post(reverse("configuration:commit"), {})
    response = client.post(reverse("configuration:commit"), {"comment": "mine"})
    content = response.content.decode()
    assert response.status_code == 422
    assert "<code>incoming_mail_policies[0].members</code>: give at least 1." in content
    assert f'<a href="{reverse("policies:edit", args=[policy_uid(user, "Finance")])}">Edit “Finance”</a>' in content
    assert "\nmine</textarea>" in content
    assert pending.committed().number == 3
    assert pending.pending_of(user) is not None


@pytest.mark.parametrize(
    ("path", "view"),
    [
        ("threat_defense_connector.message_intake_address", "tdc:edit-settings"),
        ("incoming_mail_policies[0].threat_defense_connector.address", "policies:list"),
        ("address_lists[2].entries[0]", "address-lists:list"),
        ("mail_policy_settings.header_priority", "mail-policy-settings:edit"),
        ("network_access.web_ui_inactivity_timeout", "accounts:edit-network-access"),
        ("smtp_routes[0].hosts[1].port", "smtp-routes:list"),
        ("nobody_knows_it", "configuration:file"),
        ("", "configuration:file"),
    ],
)
def test_a_fault_leads_to_the_page_of_its_section(path: str, view: str) -> None:
    [mend] = mends([Problem(path, "no")], Configuration())
    assert mend.url == reverse(view)


@pytest.mark.parametrize(
    ("path", "view"),
    [
        ("default_policy.threat_defense_connector.mode", "tdc:policy-choice"),
        ("incoming_mail_policies[0].threat_defense_connector.mode", "tdc:policy-choice"),
        ("incoming_mail_policies[0].name", "policies:edit"),
    ],
)
def test_a_fault_of_an_object_leads_to_its_own_page(user: User, path: str, view: str) -> None:
    uid = DEFAULT_POLICY_UID if path.startswith("default") else policy_uid(user, "Board")
    [mend] = mends([Problem(path, "no", uid=str(uid), name="Board")], pending.shown_to(user))
    assert (mend.url, mend.name) == (reverse(view, args=[uid]), "Board")


def test_every_place_where_faults_are_mended_exists() -> None:
    sections = registry.sections()
    extensions = [each for section in sections for each in registry.extensions(section.key)]

    assert len(sections) > 10
    assert extensions
    for page in [NOWHERE_ELSE, *(each.mended_at for each in sections), *(each.mended_at for each in extensions)]:
        assert reverse(page.view)
        assert not page.object_view or reverse(page.object_view, args=[DEFAULT_POLICY_UID])
