"""The audit log itself: what an entry holds, that nobody changes one, and when it goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import RequestFactory

from seg_console.accounts.models import User
from seg_console.audit import record as audit_record
from seg_console.audit import retention, source
from seg_console.audit.middleware import SourceMiddleware
from seg_console.audit.models import Act, EntriesAreFinal, Entry, Through
from seg_console.audit.record import LAST_FAILURE, MOST_CHANGES, Changed, record
from seg_console.audit.source import Source, came_from
from seg_console.delivery import tasks

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_an_entry_says_who_when_from_where_and_what_changed() -> None:
    ada = User.objects.create_user("ada")
    with came_from(address="10.0.0.5", through=Through.WEB):
        record(Act.USER_CHANGED, by=ada, target="bob", changes=[Changed("user", "role", "Guest", "Operator")], at=AT)
    entry = Entry.objects.get()
    assert (entry.at, entry.username, entry.user, entry.act) == (AT, "ada", ada, Act.USER_CHANGED)
    assert (entry.target, entry.detail, entry.address, entry.through) == ("bob", "", "10.0.0.5", Through.WEB)
    assert (entry.changes, entry.more_changes) == ([["user", "role", "Guest", "Operator", "", "", False]], 0)


def test_recording_is_one_insert(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    ada = User.objects.create_user("ada")
    with django_assert_num_queries(1):
        record(Act.SIGN_IN, by=ada)


def test_without_a_source_the_system_itself_has_acted() -> None:
    record(Act.LOAD)
    entry = Entry.objects.get()
    assert (entry.username, entry.user, entry.address, entry.through) == ("", None, "", Through.SYSTEM)


def test_a_command_speaks_for_the_machines_user_unless_an_account_is_named() -> None:
    with came_from(through=Through.COMMAND_LINE, username="root"):
        record(Act.LOAD)
        record(Act.LOAD, by=User.objects.create_user("ada"))
    assert list(Entry.objects.order_by("pk").values_list("username", flat=True)) == ["root", "ada"]


def test_a_source_ends_with_its_block_even_when_that_fails() -> None:
    with pytest.raises(ValueError, match="inner"), came_from(address="10.0.0.5", through=Through.WEB):
        raise ValueError("inner")
    assert source.current() == Source()


def test_a_request_comes_from_the_address_that_connected_whatever_its_headers_claim() -> None:
    seen: list[Source] = []
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.5", headers={"X-Forwarded-For": "192.0.2.1"})

    def view(request: object) -> None:
        seen.append(source.current())

    SourceMiddleware(view)(request)  # type: ignore[arg-type]
    assert seen == [Source("10.0.0.5", Through.WEB)]
    assert source.current() == Source()


def test_a_long_name_is_cut_and_control_characters_are_written_out() -> None:
    record(Act.SIGN_IN_FAILED, username="eve\r\n\x00" + "x" * 1000)
    entry = Entry.objects.get()
    assert entry.username.startswith("eve\\r\\n\\x00xxx")
    assert len(entry.username) == 150
    assert entry.username.endswith("…")


def failed(address: str, times: int, *, at: datetime = AT) -> int:
    """How many of so many failed sign-ins were recorded."""
    before = Entry.objects.count()
    with came_from(address=address, through=Through.WEB):
        for _attempt in range(times):
            record(Act.SIGN_IN_FAILED, username="admin", detail="because", at=at)
    return Entry.objects.count() - before


def test_failed_sign_ins_of_one_address_are_recorded_up_to_a_limit_in_an_hour_and_the_last_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_record, "MOST_FAILURES_OF_ONE_ADDRESS", 3)
    assert failed("10.0.0.5", 5) == 3
    assert list(Entry.objects.order_by("pk").values_list("detail", flat=True)) == ["because", "because", LAST_FAILURE]
    assert failed("10.0.0.6", 1) == 1
    assert failed("10.0.0.5", 1, at=AT + timedelta(minutes=59)) == 0
    assert failed("10.0.0.5", 1, at=AT + timedelta(minutes=61)) == 1


def test_failed_sign_ins_of_many_addresses_are_recorded_up_to_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_record, "MOST_FAILURES", 3)
    assert [failed(f"10.0.0.{number}", 1) for number in range(5)] == [1, 1, 1, 0, 0]


def test_other_acts_have_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_record, "MOST_FAILURES", 0)
    record(Act.SIGN_IN, username="ada")
    assert Entry.objects.count() == 1


def test_entries_go_after_a_year_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for days in (retention.AUDIT_DAYS + 2, retention.AUDIT_DAYS + 1, retention.AUDIT_DAYS + 1, retention.AUDIT_DAYS, 0):
        record(Act.SIGN_IN, username=str(days), at=AT - timedelta(days=days))
    assert retention.drop_old(AT, batches=1) == 2
    assert retention.drop_old(AT) == 1
    assert list(Entry.objects.order_by("at").values_list("username", flat=True)) == [str(retention.AUDIT_DAYS), "0"]


def test_housekeeping_drops_old_entries() -> None:
    record(Act.SIGN_IN, at=AT - timedelta(days=10_000))
    tasks.housekeeping()
    assert not Entry.objects.exists()


def test_long_values_are_cut_and_keep_their_lines() -> None:
    record(Act.SUBMIT, changes=[Changed("policy", "members", "a\nb\x00", "y" * 5000)])
    ((_thing, _field, old, new, *_rest),) = Entry.objects.get().changes
    assert old == "a\nb\\x00"
    assert (len(new), new[-1]) == (1000, "…")


def test_changes_beyond_the_most_are_counted() -> None:
    record(
        Act.SUBMIT, changes=(Changed("route", "domain", "", str(n)) for n in range(MOST_CHANGES + 5)), more_changes=10
    )
    entry = Entry.objects.get()
    assert len(entry.changes) == MOST_CHANGES
    assert entry.more_changes == 15


def test_nothing_in_the_program_changes_or_deletes_an_entry() -> None:
    record(Act.SIGN_IN, username="ada")
    entry = Entry.objects.get()
    entry.username = "eve"
    with pytest.raises(EntriesAreFinal):
        entry.save()
    with pytest.raises(EntriesAreFinal):
        entry.delete()
    with pytest.raises(EntriesAreFinal):
        Entry.objects.update(username="eve")
    with pytest.raises(EntriesAreFinal):
        Entry.objects.all().delete()
    with pytest.raises(EntriesAreFinal), transaction.atomic():
        Entry.objects.bulk_update([entry], ["username"])
    assert Entry.objects.get().username == "ada"


@pytest.mark.parametrize("column", [field.column for field in Entry._meta.concrete_fields if field.column != "user_id"])
def test_the_database_refuses_to_change_any_column_of_an_entry(column: str) -> None:
    record(Act.SIGN_IN, username="ada")
    with pytest.raises(DatabaseError, match="final"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'UPDATE audit_entry SET "{column}" = "{column}"')


def test_the_database_refuses_to_give_an_entry_to_another_account() -> None:
    eve = User.objects.create_user("eve")
    record(Act.SIGN_IN, by=User.objects.create_user("ada"))
    with pytest.raises(DatabaseError, match="final"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_entry SET user_id = %s", [eve.pk])


def test_an_account_that_goes_leaves_its_name_in_the_log() -> None:
    ada = User.objects.create_user("ada")
    record(Act.SIGN_IN, by=ada)
    ada.delete()
    entry = Entry.objects.get()
    assert (entry.username, entry.user) == ("ada", None)
