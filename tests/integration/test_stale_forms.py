"""What was changed while a form was open is not put back by the form: told once, and then it is the user's choice."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import document, pending
from tdc.models import PolicyChoice
from tests.support import sample_system, walk
from tests.support.pages import htmx, person, policy_uid, signed_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]

TOLD = "This has changed since you opened the page"
SETTINGS_PAGE = "accounts:edit-account-settings"
# Their forms act at once.
NOT_ASKED = {"accounts:edit-user", "accounts:edit-preferences"}


class _Fields(HTMLParser):
    """What the form of a page would send as it stands."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sent: dict[str, str] = {}
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "textarea":
            self._area = name
            self.sent[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self.sent[self._select] = value
        elif tag == "input" and name and (given.get("type") not in {"radio", "checkbox"} or "checked" in given):
            self.sent[name] = value or ("on" if given.get("type") == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # The browser does not take the line end that begins a text area as its text.
            self.sent[self._area] = self.sent[self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.sent[self._area] += data


def fields_of(response: Any) -> dict[str, str]:
    reader = _Fields()
    reader.feed(response.content.decode())
    reader.close()
    return reader.sent


def shown(user: User) -> dict[str, Any]:
    return document.dump(pending.shown_to(user))


def change_settings(client: Client, **values: Any) -> Any:
    """In another tab, opened now."""
    url = reverse(SETTINGS_PAGE)
    return client.post(url, fields_of(client.get(url)) | values)


def test_another_administrators_commit_is_not_undone_by_a_form_opened_before(user: User, client: Client) -> None:
    form = fields_of(client.get(reverse(SETTINGS_PAGE)))
    other = person(name="other")
    assert change_settings(signed_in(other), lock_after="7").status_code == 302
    pending.commit(other, "")

    refused = client.post(reverse(SETTINGS_PAGE), form | {"minimum_length": "12"})

    assert (refused.status_code, TOLD in refused.content.decode()) == (422, True)
    assert pending.pending_of(user) is None
    assert fields_of(refused)["minimum_length"] == "12"
    # Sent again from the page that told it, it is meant.
    assert client.post(reverse(SETTINGS_PAGE), fields_of(refused)).status_code == 302
    assert shown(user)["account_settings"]["lock_after"] == int(form["lock_after"])


def test_what_another_tab_submitted_is_not_undone(user: User, client: Client) -> None:
    form = fields_of(client.get(reverse(SETTINGS_PAGE)))
    change_settings(client, lock_after="7")
    refused = client.post(reverse(SETTINGS_PAGE), form | {"minimum_length": "12"})
    assert (refused.status_code, TOLD in refused.content.decode()) == (422, True)
    assert shown(user)["account_settings"]["lock_after"] == 7


def test_a_change_of_something_else_is_nothing_to_the_form(user: User, client: Client) -> None:
    url = reverse("policies:edit", args=[policy_uid(user, "Finance")])
    form = fields_of(client.get(url))
    change_settings(client, lock_after="7")
    # Another policy is put before it: its place is another one, and it is the same.
    client.post(reverse("policies:add"), fields_of(client.get(reverse("policies:add"))) | _new_policy(user))
    assert client.post(url, form | {"name": "Finances"}).status_code == 302


def _new_policy(user: User) -> dict[str, str]:
    first = IncomingMailPolicy.objects.filter(configuration=pending.shown_to(user)).order_by("position")[0]
    entries = {"member-0-recipient_entries": "@new.example", "member-0-recipient_match": "following"}
    return {"name": "First", "before": str(first.uid), **entries}


def test_a_faulty_form_shown_again_keeps_the_state_it_was_opened_on(user: User, client: Client) -> None:
    url = reverse(SETTINGS_PAGE)
    form = fields_of(client.get(url))
    change_settings(client, lock_after="7")
    faulty = client.post(url, form | {"minimum_length": "x"})
    assert TOLD not in faulty.content.decode()
    refused = client.post(url, fields_of(faulty) | {"minimum_length": "12"})
    assert TOLD in refused.content.decode()
    assert shown(user)["account_settings"]["lock_after"] == 7


def _member(user: User) -> None:
    row = PolicyMember.objects.filter(
        configuration=pending.shown_to(user), policy_uid=policy_uid(user, "Finance")
    ).first()
    assert row is not None
    row.recipient_entries = ["@elsewhere.example"]
    pending.submit(user, row)


def _choice(user: User) -> None:
    pending.submit(user, PolicyChoice.build(policy_uid(user, "Finance"), mode="no_scan"))


def _order(user: User) -> None:
    first, second = IncomingMailPolicy.objects.filter(configuration=pending.shown_to(user)).order_by("position")[:2]
    first.position, second.position = second.position, first.position
    pending.submit(user, first, second)


@pytest.mark.parametrize(
    ("view", "change"), [("policies:edit", _member), ("tdc:policy-choice", _choice), ("policies:order", _order)]
)
def test_users_choice_and_order_of_policies_are_not_put_back(
    user: User, client: Client, view: str, change: Callable[[User], None]
) -> None:
    url = reverse(view, args=[] if view == "policies:order" else [policy_uid(user, "Finance")])
    form = fields_of(client.get(url))
    change(user)
    before = shown(user)
    refused = client.post(url, form)
    assert (refused.status_code, TOLD in refused.content.decode()) == (422, True)
    assert shown(user) == before


def test_the_choice_in_a_cell_tells_it_too(user: User, client: Client) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    form = fields_of(client.get(url, headers=htmx()))
    _choice(user)
    before = shown(user)
    refused = client.post(url, form, headers=htmx())
    content = unescape(refused.content.decode())
    assert (refused.status_code, TOLD in content, "<html" in content) == (422, True, False)
    assert shown(user) == before


def test_every_form_of_the_configuration_carries_the_state_it_was_opened_on() -> None:
    user = sample_system.fill()[Role.ADMINISTRATOR]
    client = signed_in(user)
    named = [name for name, _pattern in walk.views() if name.partition(":")[2].startswith(("edit", "order"))]
    named += ["tdc:policy-choice"]
    without = set()
    for name in set(named) - NOT_ASKED:
        response = client.get(walk.address(name, user))
        if response.status_code == 200 and "opened_on" not in fields_of(response):
            without.add(name)
    assert without == set()


def test_a_commit_takes_only_what_was_reviewed(user: User, client: Client) -> None:
    change_settings(client, lock_after="7")
    review = fields_of(client.get(reverse("configuration:uncommitted-changes")))
    change_settings(client, minimum_length="12")
    number = pending.committed().number

    again = client.post(reverse("configuration:commit"), review)

    assert (again.status_code, pending.committed().number) == (409, number)
    assert "Your pending changes are others than those you looked at" in again.content.decode()
    assert client.post(reverse("configuration:commit"), fields_of(again)).status_code == 302
    assert pending.committed().number != number
