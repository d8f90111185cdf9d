"""What submit, commit and the other acts on the configuration leave in the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from policies.models import IncomingMailPolicy
from seg_console.accounts.models import User
from seg_console.audit.models import Act, Entry, Through
from seg_console.audit.record import MOST_CHANGES
from seg_console.audit.source import came_from
from seg_console.config import pending, running
from seg_console.config.models import Configuration
from seg_console.config.problems import InvalidConfiguration
from seg_console.delivery.models import SmtpRoute
from tests.support.configurations import FULL, full

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    running.forget()
    pending.commit_document(FULL, "for the test")
    return User.objects.create_user("ann")


def last() -> Entry:
    return Entry.objects.latest("pk")


def acts() -> list[str]:
    """All but the commit of the fixture, oldest first."""
    return list(Entry.objects.order_by("pk").values_list("act", flat=True))[1:]


def policy(user: User, name: str = "Finance") -> IncomingMailPolicy:
    return IncomingMailPolicy.objects.get(configuration=pending.shown_to(user), name=name)


def rename(user: User, new: str, *, old: str = "Finance") -> None:
    row = policy(user, old)
    row.name = new
    pending.submit(user, row)


def routes(count: int) -> dict[str, Any]:
    hosts = [{"host": "127.0.0.1", "port": 25, "priority": 0}]
    return full(smtp_routes=[{"domain": f"d{number:05}.example", "hosts": hosts} for number in range(count)])


def test_a_submit_says_who_from_where_and_each_field_before_and_after(ann: User) -> None:
    with came_from(address="10.0.0.5", through=Through.WEB):
        rename(ann, "Accounting")
    entry = last()
    assert (entry.act, entry.username, entry.user, entry.address) == (Act.SUBMIT, "ann", ann, "10.0.0.5")
    assert entry.changes == [["Incoming Mail Policy", "Policy Name", "Finance", "Accounting", "Accounting", "", False]]
    assert (entry.size, entry.more_changes) == (1, 0)


def test_a_second_submit_tells_the_difference_to_the_first(ann: User) -> None:
    rename(ann, "Accounting")
    rename(ann, "Books", old="Accounting")
    assert last().changes[0][2:4] == ["Accounting", "Books"]


def test_a_submit_of_a_new_object_has_nothing_before(ann: User) -> None:
    hosts = [{"host": "10.0.0.9", "port": 25, "priority": 0}]
    pending.submit(ann, SmtpRoute(domain="new.example", hosts=hosts))
    assert [change[1:5] for change in last().changes] == [
        ["Receiving Domain", "", "new.example", "new.example"],
        ["Destination Hosts", "", "10.0.0.9 port 25, priority 0", "new.example"],
    ]


def test_removing_a_policy_tells_of_its_members_and_its_choice_too(ann: User) -> None:
    pending.submit(ann, remove=[policy(ann)])
    entry = last()
    assert entry.size == 4
    assert {(change[0], change[5]) for change in entry.changes} == {
        ("Incoming Mail Policy", ""),
        ("User", "Finance"),
        ("Threat Defense Connector", "Finance"),
    }
    assert all(change[3] == "" for change in entry.changes)


def test_words_of_the_console_are_kept_in_english_whatever_the_persons_language(ann: User) -> None:
    with translation.override("zh-hans"):
        pending.submit(ann, remove=[policy(ann)])
        assert translation.get_language() == "zh-hans"
    worded = [change[:4] for change in last().changes if change[6] and change[0] == "User"]
    assert ["User", "Recipient conditions", "If one or more conditions match", ""] in worded


def test_a_refused_submit_is_not_recorded(ann: User) -> None:
    with pytest.raises(ValidationError):
        rename(ann, "Board")
    assert acts() == []


def test_writing_the_same_values_again_is_not_recorded(ann: User) -> None:
    pending.submit(ann, policy(ann))
    assert acts() == []


def test_a_commit_has_its_number_its_comment_and_every_change(ann: User) -> None:
    rename(ann, "Accounting")
    pending.commit(ann, "the new name")
    entry = last()
    assert (entry.act, entry.target, entry.detail, entry.size) == (Act.COMMIT, "3", "the new name", 1)
    assert entry.changes[0][2:4] == ["Finance", "Accounting"]
    assert acts() == [Act.SUBMIT, Act.COMMIT]


def test_commits_that_are_refused_or_change_nothing_are_not_recorded(ann: User) -> None:
    with pytest.raises(pending.NothingPending):
        pending.commit(ann, "")
    with pytest.raises(InvalidConfiguration):
        pending.commit_document(full(dns={"time": 1}), "bad")
    pending.commit_document(FULL, "the same")
    assert acts() == []


def test_a_document_committed_by_a_command_names_the_machines_user_or_the_account(ann: User) -> None:
    with came_from(through=Through.COMMAND_LINE, username="root"):
        pending.commit_document(routes(1), "one")
        pending.commit_document(routes(2), "two", author=ann)
    found = list(Entry.objects.order_by("-pk").values_list("username", "user", "through", "target")[:2])
    assert found == [("ann", ann.pk, Through.COMMAND_LINE, "4"), ("root", None, Through.COMMAND_LINE, "3")]
    history = Configuration.objects.filter(number__gte=3).order_by("-number")
    assert list(history.values_list("author", "committed_by")) == [("ann", ann.pk), ("root", None)]


def test_abandoning_tells_what_was_pending_and_what_holds_instead(ann: User) -> None:
    rename(ann, "Accounting")
    pending.abandon(ann)
    assert last().act == Act.ABANDON
    assert last().changes[0][2:4] == ["Accounting", "Finance"]
    pending.abandon(ann)
    assert acts() == [Act.SUBMIT, Act.ABANDON]


def test_rolling_back_tells_the_number_and_what_differs_from_the_running_set(ann: User) -> None:
    rename(ann, "Accounting")
    pending.commit(ann, "")
    pending.roll_back(ann, 2)
    entry = last()
    assert (entry.act, entry.target, entry.changes[0][2:4]) == (Act.ROLL_BACK, "2", ["Accounting", "Finance"])
    assert acts() == [Act.SUBMIT, Act.COMMIT, Act.ROLL_BACK]


def test_loading_a_file_and_resetting_are_told_apart(ann: User) -> None:
    pending.load_pending(ann, routes(1))
    assert (last().act, [change[2:4] for change in last().changes if change[1] == "Receiving Domain"]) == (
        Act.LOAD,
        [["ALL", ""], ["corp.example", ""], ["", "d00000.example"]],
    )
    pending.reset(ann)
    assert last().act == Act.RESET
    assert acts() == [Act.LOAD, Act.RESET]


def test_a_refused_file_is_not_recorded(ann: User) -> None:
    with pytest.raises(InvalidConfiguration):
        pending.load_pending(ann, full(dns={"time": 1}))
    assert acts() == []


def test_of_a_large_change_the_beginning_is_kept_and_the_rest_counted(ann: User) -> None:
    pending.commit_document(routes(1000), "many")
    entry = last()
    assert len(entry.changes) == MOST_CHANGES
    assert entry.size == 1000 + len(FULL["smtp_routes"])
    # Two fields of each of the 200 objects that were looked at, and the objects that were not.
    assert entry.more_changes == 400 - MOST_CHANGES + entry.size - 200


def test_a_long_list_is_told_by_what_went_and_came(ann: User) -> None:
    hosts = [{"host": f"10.0.0.{number}", "port": 25, "priority": 0} for number in range(1, 40)]
    pending.submit(ann, SmtpRoute(domain="new.example", hosts=hosts[1:]))
    route = SmtpRoute.objects.get(configuration=pending.shown_to(ann), domain="new.example")
    route.hosts = hosts[:-1]
    pending.submit(ann, route)
    assert [change[1:4] for change in last().changes] == [
        ["Destination Hosts", "10.0.0.39 port 25, priority 0", "10.0.0.1 port 25, priority 0"]
    ]


def test_the_queries_of_a_submit_do_not_depend_on_the_size_of_the_set(ann: User) -> None:
    def queries(count: int) -> int:
        pending.commit_document(routes(count), "routes")
        route = SmtpRoute.objects.get(configuration=pending.shown_to(ann), domain="d00001.example")
        route.hosts = [{"host": "10.0.0.9", "port": 25, "priority": 0}]
        with CaptureQueriesContext(connection) as captured:
            pending.submit(ann, route)
        pending.abandon(ann)
        return len(captured)

    assert queries(2) == queries(300)
