"""The Audit Log page: who may read it, what a search finds, what an export holds."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit import search
from seg_console.audit.models import Act, Entry, Through
from seg_console.audit.record import Changed, record
from seg_console.audit.source import came_from, machine_user
from seg_console.audit.views import audit_log
from seg_console.config import pending
from tests.support.pages import htmx, person, signed_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]

PAGE = "audit-log:search"
EXPORT = "audit-log:export"


@pytest.fixture
def user() -> User:
    return person(name="ann")


@pytest.fixture
def client(user: User) -> Client:
    pending.ensure_initial()
    return signed_in(user)


def entry(target: str, *, act: Act = Act.SIGN_IN, age: timedelta = timedelta(minutes=5), **values: Any) -> None:
    with came_from(address=values.pop("address", "10.0.0.5"), through=Through.WEB):
        record(act, target=target, username=values.pop("username", "bob"), at=timezone.now() - age, **values)


def found(client: Client, **asked: Any) -> list[str]:
    response = client.get(reverse(PAGE), asked)
    assert response.status_code == 200
    return [shown.entry.target for shown in response.context["entries"]]


def exported(client: Client, **asked: Any) -> list[list[str]]:
    response = client.get(reverse(EXPORT), asked)
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.ADMINISTRATOR, 200),
        (Role.OPERATOR, 200),
        (Role.READ_ONLY_OPERATOR, 200),
        (Role.GUEST, 403),
        (Role.TECHNICIAN, 403),
        (Role.HELP_DESK_USER, 403),
    ],
)
def test_the_page_and_its_export_are_for_those_who_may_read_the_log(role: Role, status: int) -> None:
    pending.ensure_initial()
    client = signed_in(person(role))
    assert client.get(reverse(PAGE)).status_code == status
    assert client.get(reverse(EXPORT)).status_code == status
    assert Entry.objects.count() == (status == 200)
    assert client.post(reverse(PAGE)).status_code in {403, 405}


def test_the_page_opens_with_the_last_week_newest_first(client: Client) -> None:
    entry("older", age=timedelta(days=6))
    entry("newer", age=timedelta(days=1))
    entry("too old", age=timedelta(days=8))
    assert found(client) == ["newer", "older"]


def test_an_empty_log_and_an_empty_result_say_so(client: Client) -> None:
    assert "Nothing has been recorded in the last 7 days." in client.get(reverse(PAGE)).content.decode()
    entry("one")
    assert "No entries match." in client.get(reverse(PAGE), {"user": "nobody"}).content.decode()


@pytest.mark.parametrize(
    ("asked", "targets"),
    [
        ({"user": "eve"}, ["failed"]),
        ({"user": "ev"}, []),
        ({"act": "sign_in_failed"}, ["failed"]),
        ({"act": ["sign_in_failed", "user_added"]}, ["added", "failed"]),
        ({"address": "10.0.0.9"}, ["failed"]),
        ({"address": "2001:0db8::0:1"}, ["added"]),
        ({"text": "ADD"}, ["added"]),
        ({"text": "straße"}, ["added"]),
        ({"text": "guest"}, ["changed"]),
        ({"text": "because"}, ["failed"]),
        ({"text": "100%"}, []),
        ({"time": "day"}, ["changed", "failed"]),
        ({"time": "month"}, ["changed", "added", "failed", "old"]),
        ({"time": "month", "user": "bob", "act": "sign_in"}, ["old"]),
    ],
)
def test_each_field_finds_its_entries(client: Client, asked: dict[str, Any], targets: list[str]) -> None:
    entry("old", age=timedelta(days=20))
    entry("failed", act=Act.SIGN_IN_FAILED, username="eve", address="10.0.0.9", detail="because")
    entry("added", act=Act.USER_ADDED, address="2001:db8::1", detail="Straße", age=timedelta(days=2))
    changes = [Changed("user", "role", "Guest", "Operator", name="bob")]
    entry("changed", act=Act.USER_CHANGED, changes=changes, age=timedelta(minutes=1))
    assert sorted(found(client, **asked)) == sorted(targets)


def test_a_custom_range_is_in_whole_minutes_and_includes_the_last(client: Client) -> None:
    record(Act.SIGN_IN, target="then", at=datetime(2026, 3, 4, 16, 40, 31, tzinfo=UTC))
    span = {"time": "custom", "start": "2026-03-04T16:40", "end": "2026-03-04T16:40"}
    assert found(client, **span) == ["then"]
    assert found(client, **span | {"start": "2026-03-04T16:00", "end": "2026-03-04T16:39"}) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"time": "custom", "start": "2026-03-04T16:40", "end": "2026-03-04T16:39"}, "The end lies before the start."),
        ({"time": "custom"}, "A custom range needs a start."),
        ({"time": "custom", "start": "yesterday"}, "Enter a valid date/time."),
        ({"time": "ever"}, "Select a valid choice."),
        ({"address": "10.0.0"}, "Enter an IPv4 or IPv6 address, for example 192.0.2.10."),
        ({"act": "dance"}, "Select a valid choice."),
        ({"user": "x" * 151}, "Ensure this value has at most 150 characters"),
    ],
)
def test_a_search_that_cannot_be_is_refused_beside_its_field_and_keeps_what_was_typed(
    client: Client, asked: dict[str, str], sentence: str
) -> None:
    response = client.get(reverse(PAGE), asked | {"text": "what I typed"})
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert 'value="what I typed"' in response.content.decode()
    assert client.get(reverse(EXPORT), asked).status_code == 404
    assert not Entry.objects.exists()


def test_pages_are_turned_by_key_both_ways(client: Client) -> None:
    for number in range(25):
        entry(f"{number:02}", age=timedelta(minutes=number))
    first = client.get(reverse(PAGE), {"items": "10"})
    second = client.get(reverse(PAGE) + first.context["next_url"])
    third = client.get(reverse(PAGE) + second.context["next_url"])
    pages = [[shown.entry.target for shown in page.context["entries"]] for page in (first, second, third)]
    assert pages == [
        [f"{number:02}" for number in range(10)],
        [f"{number:02}" for number in range(10, 20)],
        [f"{number:02}" for number in range(20, 25)],
    ]
    assert third.context["next_url"] == ""
    back = client.get(reverse(PAGE) + third.context["previous_url"])
    assert [shown.entry.target for shown in back.context["entries"]] == pages[1]


def test_a_cursor_that_somebody_typed_is_the_first_page(client: Client) -> None:
    entry("one")
    for text in ("x", "1", "1-", "-1", "99999999999999999999-1", "²-1"):
        assert found(client, after=text) == ["one"]


def test_a_search_for_text_stops_after_so_many_entries_and_goes_on_from_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_THROUGH", 10)
    for number in range(25):
        entry("needle" if number in {3, 15} else "hay", age=timedelta(minutes=number))
    first = client.get(reverse(PAGE), {"text": "needle"})
    assert [shown.entry.target for shown in first.context["entries"]] == ["needle"]
    assert "The search has looked back to" in first.content.decode()
    assert "Search further back" in first.content.decode()
    second = client.get(reverse(PAGE) + first.context["next_url"])
    assert [shown.entry.target for shown in second.context["entries"]] == ["needle"]
    third = client.get(reverse(PAGE) + second.context["next_url"])
    assert third.context["entries"] == []
    assert third.context["next_url"] == ""


def test_entries_of_one_moment_are_neither_lost_nor_shown_twice(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_THROUGH", 2)
    at = timezone.now() - timedelta(hours=1)
    for number in range(4):
        record(Act.SIGN_IN, target=f"same {number}", at=at)
    record(Act.SIGN_IN, target="same before", at=at - timedelta(seconds=1))
    first = client.get(reverse(PAGE), {"text": "same"})
    second = client.get(reverse(PAGE) + first.context["next_url"])
    assert [shown.entry.target for shown in first.context["entries"]] == [f"same {number}" for number in (3, 2, 1, 0)]
    assert [shown.entry.target for shown in second.context["entries"]] == ["same before"]


def test_an_entry_opens_to_what_was_before_and_after_and_everything_is_escaped(client: Client, user: User) -> None:
    changes = [Changed("user", "full name", "<b>Bob</b>", "Robert", name="<i>bob</i>")]
    record(Act.USER_CHANGED, by=user, target="<u>bob</u>", detail="<s>why</s>", changes=changes)
    content = client.get(reverse(PAGE)).content.decode()
    assert "<summary>Before and after" in content
    assert "<del>&lt;b&gt;Bob&lt;/b&gt;</del>" in content
    assert "<ins>Robert</ins>" in content
    assert "User “&lt;i&gt;bob&lt;/i&gt;”" in content
    for tag in ("<b>Bob", "<i>bob", "<u>bob", "<s>why"):
        assert tag not in content


def test_marks_that_turn_the_direction_of_text_are_written_out_on_the_page_and_in_the_export(client: Client) -> None:
    turned = "eve\u202egnp.exe"
    changes = [Changed("user", "full name", turned, f"first\n{turned}", name=turned, within=turned)]
    entry(turned, act=Act.USER_CHANGED, username=turned, detail=turned, changes=changes)
    entry("4", act=Act.COMMIT, detail=turned, changes=[])
    content = client.get(reverse(PAGE)).content.decode()
    cells = [cell for row in exported(client) for cell in row]
    assert "\u202e" not in content
    assert content.count("eve\\u202egnp.exe") >= 7
    assert not any("\u202e" in cell for cell in cells)
    assert "eve\\u202egnp.exe" in cells


def test_words_of_the_console_follow_the_reader_and_what_was_typed_does_not(user: User) -> None:
    policy = "Yes"
    changes = [
        Changed("Incoming Mail Policy", "Policy Name", "No", policy, name=policy),
        Changed("Threat Defense Connector", "Enabled", "No", "Yes", is_worded=True),
    ]
    record(Act.SUBMIT, by=user, changes=changes, size=2)
    shown = audit_log.ShownEntry(Entry.objects.latest("pk"))
    with translation.override("zh-hans"):
        first, second = shown.objects
        assert first.fields[0][1:] == ("No", "Yes")
        assert first.title.endswith("“Yes”")
        assert first.title != "Incoming Mail Policy “Yes”"
        assert second.fields[0][1:] != ("No", "Yes")


def test_a_region_alone_answers_htmx(client: Client) -> None:
    entry("one")
    region = client.get(reverse(PAGE), {"text": "one"}, headers=htmx()).content.decode()
    assert region.lstrip().startswith('<div id="results"')
    assert "<html" not in region


def test_the_page_takes_a_fixed_number_of_queries(client: Client) -> None:
    def queries(**asked: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse(PAGE), asked)
        # Session, user, pending set and whatever else the frame of every page asks.
        assert len(captured) <= 12
        return sum("audit_entry" in query["sql"] for query in captured)

    entry("one")
    assert (queries(), queries(text="one")) == (1, 2)
    for number in range(30):
        changes = [Changed("route", "domain", "", str(number))] * 3
        entry(str(number), act=Act.SUBMIT, changes=changes, size=3)
    assert (queries(), queries(text="one")) == (1, 2)


def test_the_export_holds_the_search_and_no_formula_and_is_recorded(client: Client, user: User) -> None:
    changes = [Changed("user", "full name", "", "=cmd()", name="bob")]
    entry("=HYPERLINK(1)", act=Act.USER_CHANGED, username="+eve", changes=changes, detail="@why")
    entry("other", username="ada")
    heading, *rows = exported(client, user="+eve")
    assert heading == ["Time", "User", "Action", "Object", "Details", "Changes", "IP Address", "Through"]
    assert [row[1:] for row in rows] == [
        ["'+eve", "User changed", "'=HYPERLINK(1)", "'@why", "User “bob”: Full name: – → =cmd()", "10.0.0.5", "Web"]
    ]
    last = Entry.objects.latest("pk")
    assert (last.act, last.user, last.detail, last.size, last.address) == (
        Act.EXPORT,
        user,
        "user=%2Beve",
        1,
        "127.0.0.1",
    )


def test_an_export_that_was_cut_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MOST_EXPORTED", 2)
    for number in range(3):
        entry(str(number), age=timedelta(minutes=number))
    rows = exported(client)
    assert [row[3] for row in rows[1:-1]] == ["0", "1"]
    assert rows[-1] == ["These are the newest 2 entries of the search; older ones are not here."]


def test_a_commit_from_the_command_line_is_recorded_with_the_machines_user(tmp_path: Path, client: Client) -> None:
    file = tmp_path / "configuration.json"
    file.write_text(json.dumps({"format": 1, "bounce_profile": {"max_retries": 4}}))
    call_command("loadconfig", str(file), comment="tonight")
    last = Entry.objects.latest("pk")
    assert (last.act, last.username, last.through, last.detail) == (
        Act.COMMIT,
        machine_user(),
        Through.COMMAND_LINE,
        "tonight",
    )
    changes = reverse("configuration:history-changes", args=[2])
    assert f'<a href="{changes}">Configuration 2</a>' in client.get(reverse(PAGE)).content.decode()
    assert client.get(changes).status_code == 200


def test_retrying_deliveries_is_recorded(client: Client, user: User) -> None:
    client.post(reverse("monitor:delivery-status-retry-all"))
    client.post(reverse("monitor:delivery-status-retry", args=["the.tdc.queue"]))
    found = Entry.objects.order_by("pk").values_list("act", "user", "target", "size")
    assert list(found) == [
        (Act.RETRY_DELIVERY, user.pk, "", 0),
        (Act.RETRY_DELIVERY, user.pk, "the.tdc.queue", 0),
    ]
    assert "All destinations" in client.get(reverse(PAGE)).content.decode()
    client.post(reverse("monitor:delivery-status-retry", args=["unknown.example"]))
    assert Entry.objects.count() == 2
