"""Files of tables, for each that has them: how one is read, what an import shows before anything changes, and that it
then does exactly that."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Entry
from seg_console.config import pending
from seg_console.config.changes import Change
from seg_console.config.models import LoadedFile
from seg_console.delivery.models import SmtpRoute
from seg_console.gateway.models import RecipientAccess
from tests.support.configurations import FULL, route
from tests.support.pages import configured, person, section, signed_in
from tests.support.table_files import CONTROLS, HOSTS, RECIPIENTS, ROUTES, give_table, import_table, seen_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

KEYS = {
    CONTROLS: "destination_controls",
    ROUTES: "smtp_routes",
    HOSTS: "host_access",
    RECIPIENTS: "recipient_access",
}
# For each a file that changes one row, and removes one.
OTHER_FILES = {
    CONTROLS: "domain,tls\nother.example,none\n",
    ROUTES: "corp.example mx.corp.example\n",
    HOSTS: "group OTHER\n  192.0.2.1\n",
    RECIPIENTS: "corp.example REJECT\n",
}
NOTHING = "The file says what the table says already. There is nothing to import."
GONE = "That file is not here any more. Import it again."
AGAIN = "The configuration has changed since you looked at this file, and nothing was imported."
Told = dict[str, list[tuple[str, str, str]]]
HOSTILE = {
    "markup": "<script>alert(1)</script>",
    "bidi marks": "a\u202eb.example",
    "garbage": "x" * 1_000_000,
    "a formula": "=HYPERLINK(1)",
    "a separator of lines": "a\u2028b.example",
    "a control character": "a\x07b.example",
    "a format": "%(line)s%s",
}
WITH = {
    CONTROLS: "domain,tls\nfine.example,none\n{0},{0}\n",
    ROUTES: "fine.example mx.example\n{0} {0}\n",
    HOSTS: "group FINE\n  {0}\ngroup {0}\n  action {0}\n  comment {0}\n",
    RECIPIENTS: "fine.example ACCEPT\n{0} {0}\n",
}


def exported(client: Client, view: str) -> str:
    return client.get(reverse(view.replace("import", "export"))).content.decode()


def table(user: User, view: str) -> Any:
    return section(user, KEYS[view])


def told(changes: tuple[Change, ...] | list[Change]) -> Told:
    """By the name of the object: label, old and new of each field; lists are joined."""
    return {
        change.name: [(field.label, _text(field.old), _text(field.new)) for field in change.fields if _says(field)]
        for change in changes
    }


def _says(field: Any) -> bool:
    return bool(field.old or field.new)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def parts(response: Any) -> dict[str, Told]:
    """What a preview names, by kind."""
    assert response.status_code == 200
    return {part.key: told(part.comparison.shown) for part in response.context["parts"]}


def counts(response: Any) -> tuple[int, ...]:
    """Added, changed, moved, removed, the same."""
    found = response.context["preview"].counts
    return (found.added, found.changed, found.moved, found.removed, found.same)


# --- Text


@pytest.mark.parametrize("view", [ROUTES, CONTROLS, HOSTS, RECIPIENTS, "configuration:file"])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("bücher.example mx.example\n".encode("latin-1"), 1),
        ("# ours\r\n\r\na.example x\r\nbücher.example mx.example\r\n".encode("latin-1"), 4),
        ("# ours\ra.example x\rb\xfccher.example".encode("latin-1"), 3),
        ("a.example mx.example\n".encode("utf-16"), 1),
        ("a.example mx.example\n".encode("utf-16-le"), 1),
        (b"\xef\xbb\xbf# ours\nb\xc3", 2),
        (b"a.example x\nb.example \0\nc\xff", 2),
        (b"a.example x\nb\xff\n\0", 2),
    ],
)
def test_a_file_that_is_not_utf_8_has_this_one_fault(
    user: User, client: Client, view: str, content: bytes, line: int
) -> None:
    response = give_table(client, view, content)
    assert response.status_code == 422
    assert response.context["form"].errors == {"upload": [f"The file is not UTF-8 text (line {line})."]}
    assert not response.context["faults"]
    assert "\ufffd" not in response.content.decode()
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(user) is None


def test_a_file_with_a_byte_order_mark_and_names_of_any_script_is_read(client: Client) -> None:
    response = give_table(client, ROUTES, "\ufeffbücher.example mx.example\n".encode())
    assert response.status_code == 200
    assert response.context["preview"].counts.added == 1


@pytest.mark.parametrize("view", KEYS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ends_and_a_byte_order_mark_are_read(user: User, client: Client, view: str, end: str) -> None:
    text = "\ufeff" + exported(client, view).removeprefix("\ufeff").replace("\r\n", "\n").replace("\n", end)
    assert NOTHING in give_table(client, view, text).content.decode()
    found = give_table(client, view, WITH[view].format("?").replace("\n", end)).context["faults"]
    assert found[-1].line == WITH[view].count("\n") - (view == HOSTS)


@pytest.mark.parametrize("view", [ROUTES, CONTROLS, HOSTS, RECIPIENTS, "configuration:file"])
def test_a_file_or_its_text_and_not_both(user: User, client: Client, view: str) -> None:
    for data in ({"pasted": " "}, {"pasted": "a", "upload": SimpleUploadedFile("x", b"a")}):
        response = client.post(reverse(view), data)
        assert response.status_code == 422
        assert response.context["form"].errors == {"__all__": ["Choose a file or paste its text, one of the two."]}
    response = client.post(reverse(view), {"pasted": "x" * 500_001})
    said = "The text is longer than 500,000 characters; give it as a file."
    assert response.context["form"].errors == {"pasted": [said]}
    assert pending.pending_of(user) is None


# --- Round trips


@pytest.mark.parametrize(
    ("view", "before", "after", "name", "fields"),
    [
        (
            ROUTES,
            "mx.corp.example:25/5",
            "mx2.corp.example:26/5",
            "corp.example",
            [
                (
                    "Destination Hosts",
                    "127.0.0.1 port 2526, priority 0; mx.corp.example port 25, priority 5",
                    "127.0.0.1 port 2526, priority 0; mx2.corp.example port 26, priority 5",
                )
            ],
        ),
        (
            CONTROLS,
            "corp.example,ipv6_preferred,20,,100,500,30,none,bounce",
            "corp.example,,20,7,1000,500,30,required,as_is",
            "corp.example",
            [
                ("IP Address Preference", "IPv6 Preferred", "Default"),
                ("Maximum Messages Per Connection", "", "7"),
                ("Recipients Per Transaction", "100", "1000"),
                ("TLS Support", "None", "Required"),
                ("Conversion", "Bounce", "Send as it is"),
            ],
        ),
        (
            HOSTS,
            "  203.0.113.0/24\n",
            "  203.0.113.0/25\n",
            "BLOCKED_LIST",
            [("Senders", "203.0.113.0/24; .bad.example", "203.0.113.0/25; .bad.example")],
        ),
        (
            RECIPIENTS,
            "550 gone",
            "450 Come again later",
            "old@corp.example",
            [("Response code", "550", "450"), ("Response text", "gone", "Come again later")],
        ),
    ],
)
def test_a_line_edited_in_an_export_is_the_one_change_that_is_told_and_made(
    user: User, client: Client, view: str, before: str, after: str, name: str, fields: list[tuple[str, str, str]]
) -> None:
    text = exported(client, view)
    edited = text.replace(before, after)
    assert edited != text
    looked_at = give_table(client, view, edited)
    assert parts(looked_at) == {"changed": {name: fields}}
    assert counts(looked_at)[:4] == (0, 1, 0, 0)
    assert pending.pending_of(user) is None
    assert table(user, view) == FULL[KEYS[view]]

    done = client.post(reverse(view), seen_in(looked_at), follow=True)
    assert "0 added, 1 changed," in done.content.decode()
    assert told(pending.pending_changes(user)) == {name: fields}
    assert exported(client, view) == edited
    assert not LoadedFile.objects.exists()
    # And back: what the committed set says leaves nothing pending.
    import_table(client, view, text)
    assert pending.pending_of(user) is None
    assert exported(client, view) == text


@pytest.mark.parametrize("view", KEYS)
def test_a_file_that_says_what_the_table_says_has_nothing_to_import(user: User, client: Client, view: str) -> None:
    response = give_table(client, view, exported(client, view))
    content = response.content.decode()
    assert NOTHING in content
    assert 'name="key"' not in content
    assert ">Import</button>" not in content
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize("view", KEYS)
def test_what_comes_and_goes_is_named_and_nothing_changes_on_cancel(user: User, client: Client, view: str) -> None:
    entries = Entry.objects.count()
    response = give_table(client, view, OTHER_FILES[view])
    content = response.content.decode()
    list_url = reverse(view.replace("import", "list"))
    assert f'<a class="button" href="{list_url}">Cancel</a>' in content
    client.get(list_url)
    assert table(user, view) == FULL[KEYS[view]]
    assert pending.pending_of(user) is None
    assert Entry.objects.count() == entries


def test_removed_changed_and_added_rows_are_told_by_name_what_is_lost_first(client: Client) -> None:
    response = give_table(client, ROUTES, "new.example mx.new.example\nALL /dev/null\n")
    assert list(parts(response)) == ["removed", "changed", "added"]
    assert parts(response) == {
        "removed": {
            "corp.example": [
                ("Receiving Domain", "corp.example", ""),
                (
                    "Destination Hosts",
                    "127.0.0.1 port 2526, priority 0; mx.corp.example port 25, priority 5",
                    "",
                ),
            ]
        },
        "changed": {
            "All Other Domains": [
                ("Destination Hosts", "USEDNS port 25, priority 0", "/dev/null port 25, priority 0"),
            ]
        },
        "added": {
            "new.example": [
                ("Receiving Domain", "", "new.example"),
                ("Destination Hosts", "", "mx.new.example port 25, priority 0"),
            ]
        },
    }
    content = response.content.decode()
    assert "<title>Import SMTP Routes: Preview · SEG Console</title>" in content
    for part in response.context["parts"]:
        assert f'<section class="box" aria-labelledby="{part.key}-title">' in content
        assert f'<h2 id="{part.key}-title">{part.title}</h2>' in content
    assert [part.title for part in response.context["parts"]] == [
        "1 row is removed",
        "1 row is changed",
        "1 row is added",
    ]


def test_hosts_of_one_priority_in_another_order_are_no_change(client: Client) -> None:
    configured(
        smtp_routes=[
            {"domain": "a.example", "hosts": [*route("", "mx1.example")["hosts"], *route("", "mx2.example")["hosts"]]}
        ]
    )
    assert NOTHING in give_table(client, ROUTES, "a.example mx2.example, mx1.example\n").content.decode()
    assert counts(give_table(client, ROUTES, "a.example mx2.example:25/1, mx1.example\n")) == (0, 1, 0, 0, 0)


# --- Order


def in_order(*names: str) -> None:
    configured(recipient_access=[{"recipient": f"{name}.example", "action": "accept"} for name in names])


def recipients(*names: str) -> str:
    return "".join(f"{name}.example ACCEPT\n" for name in names)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ("abc", "cab", {"c": ("3, behind b.example", "1")}),
        ("abc", "bca", {"a": ("1", "3, behind c.example")}),
        ("abc", "cba", {"c": ("3, behind b.example", "1"), "b": ("2, behind a.example", "2, behind c.example")}),
        # A row that is added pushes the others: they are not moved.
        ("abc", "nabc", {}),
        ("abc", "bc", {}),
        # It keeps its number, but not its place among the others.
        ("ab", "nba", {"b": ("2, behind a.example", "2, behind n.example")}),
    ],
)
def test_a_change_of_order_is_told_by_the_rows_that_move(
    client: Client, user: User, before: str, after: str, moved: dict[str, tuple[str, str]]
) -> None:
    in_order(*before)
    response = give_table(client, RECIPIENTS, recipients(*after))
    said = {f"{name}.example": [("Order", *places)] for name, places in moved.items()}
    assert parts(response).get("moved", {}) == said
    assert counts(response)[2] == len(moved)
    client.post(reverse(RECIPIENTS), seen_in(response))
    assert [row["recipient"][0] for row in table(user, RECIPIENTS)] == list(after)
    entry = Entry.objects.latest("pk")
    assert entry.size == counts(response)[0] + counts(response)[2] + counts(response)[3]


def test_an_order_alone_that_changes_is_told_and_made_pending(client: Client, user: User) -> None:
    in_order("a", "b")
    response = give_table(client, RECIPIENTS, recipients("b", "a"))
    assert [part.title for part in response.context["parts"]] == ["The order changes: 1 row is moved"]
    after = client.post(reverse(RECIPIENTS), seen_in(response), follow=True).content.decode()
    assert "2 rows were imported: 0 added, 0 changed, 1 moved, 0 removed. They take effect when you commit." in after
    assert len(pending.pending_changes(user)) == 1


def test_a_row_that_moves_and_changes_is_told_once_with_both(client: Client) -> None:
    in_order("a", "b", "c")
    response = give_table(client, RECIPIENTS, "c.example REJECT\na.example ACCEPT\nb.example ACCEPT\n")
    assert parts(response) == {
        "changed": {"c.example": [("Order", "3, behind b.example", "1"), ("Action", "Accept", "Reject")]}
    }
    assert counts(response) == (0, 1, 0, 0, 2)


def test_rows_whose_positions_are_given_anew_for_want_of_room_are_not_told(client: Client, user: User) -> None:
    in_order("a", "b", "c")
    client.post(reverse("recipient-access:add"), {"order": 2, "recipient": "x.example", "action": "accept"})
    own = pending.pending_of(user)
    for place, name in enumerate("axbc"):
        RecipientAccess.objects.filter(configuration=own, recipient=f"{name}.example").update(position=place)
    response = give_table(client, RECIPIENTS, recipients("a", "n", "x", "b", "c"))
    assert counts(response) == (1, 0, 0, 0, 4)
    assert parts(response) == {
        "added": {"n.example": [("Recipient Address", "", "n.example"), ("Order", "", "2"), ("Action", "", "Accept")]}
    }
    client.post(reverse(RECIPIENTS), seen_in(response))
    assert [row["recipient"][0] for row in table(user, RECIPIENTS)] == list("anxbc")
    assert Entry.objects.latest("pk").size == 1


# --- Warnings


@pytest.mark.parametrize(
    ("view", "text", "meaning"),
    [
        (ROUTES, "# none\n", "The hosts of every domain are then looked up in DNS."),
        (CONTROLS, "domain\n", "Mail to every destination then follows the built-in values."),
        (HOSTS, "# none\n", "The row ALL stays, and then takes every host."),
        (HOSTS, "group ALL\n  action reject\n", "The row ALL stays, and then takes every host."),
        (RECIPIENTS, "ALL REJECT\n", "Mail for every recipient is then refused."),
    ],
)
def test_an_import_that_empties_a_table_says_so_and_what_it_means(
    client: Client, user: User, view: str, text: str, meaning: str
) -> None:
    content = give_table(client, view, text).content.decode()
    said = f"<span>The import empties the table. {meaning}</span></div>"
    assert f'<div class="message warning"><b>Attention —</b>{said}' in content
    assert "more than half" not in content
    import_table(client, view, text)
    assert [row for row in table(user, view) if row.get("name") != "ALL"] == []


def test_an_import_that_removes_more_than_half_of_a_table_says_so(client: Client) -> None:
    in_order("a", "b", "c", "d")
    content = give_table(client, RECIPIENTS, recipients("d", "x", "y", "z")).content.decode()
    said = "The import removes more than half of the table: 3 of 4 rows."
    assert f'<div class="message warning"><b>Attention —</b><span>{said}</span></div>' in content
    assert "message warning" not in give_table(client, RECIPIENTS, recipients("c", "d")).content.decode()
    # The row ALL cannot go, and does not count.
    configured(host_access=[{"name": name, "entries": [f"{name}.example"]} for name in ("A", "B", "C")])
    content = give_table(client, HOSTS, "group A\n  a.example\n").content.decode()
    assert "2 of 3 rows" in content


def test_the_row_all_of_the_host_access_table_stays_and_its_change_is_told(client: Client, user: User) -> None:
    text = exported(client, HOSTS).replace("  .bad.example\n", "")
    response = give_table(client, HOSTS, text)
    assert "<dt>Row ALL</dt><dd>stays as it is</dd>" in response.content.decode()
    assert counts(response) == (0, 1, 0, 0, 1)
    response = give_table(client, HOSTS, text.partition("group ALL")[0])
    assert "<dt>Row ALL</dt><dd>stays, with other values: see below</dd>" in response.content.decode()
    assert parts(response)["changed"]["ALL"] == [
        ("Maximum concurrent connections from one client", "20", ""),
        ("Maximum messages per connection", "50", ""),
        ("Maximum recipients per message", "100", ""),
        ("Maximum recipients per hour from one client", "1000", ""),
    ]
    client.post(reverse(HOSTS), seen_in(response))
    assert table(user, HOSTS)[-1]["max_recipients"] is None
    assert set(told(pending.pending_changes(user))) == {"BLOCKED_LIST", "ALL"}
    # Now without a row of its own, and back.
    response = give_table(client, HOSTS, text)
    assert counts(response) == (0, 1, 0, 0, 1)


# --- Size


def test_tens_of_thousands_of_routes_are_looked_at_in_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    few, many = 3, 20_000
    for number in (few, many):
        configured(smtp_routes=[route(f"d{each}.example") for each in range(number)])
        old = "".join(f"d{each}.example 127.0.0.1\n" for each in range(number // 2, number))
        changed = "".join(f"d{each}.example 127.0.0.2\n" for each in range(number // 4, number // 2))
        new = "".join(f"n{each}.example 127.0.0.1\n" for each in range(number))
        # Session, user, the session's record; pending and committed set, routes; the file found, kept, and two
        # save points around it; the frame's pending set.
        with django_assert_num_queries(13):
            response = give_table(client, ROUTES, old + changed + new)
        LoadedFile.objects.all().delete()
    assert counts(response) == (20_000, 5_000, 0, 5_000, 10_000)
    assert [(part.key, len(part.comparison.shown), part.comparison.left_out) for part in response.context["parts"]] == [
        ("removed", 50, 4_950),
        ("changed", 50, 4_950),
        ("added", 50, 19_950),
    ]
    content = response.content.decode()
    assert "4,950 more objects differ." in content
    assert "19,950 more objects differ." in content
    assert '<h2 id="added-title">20,000 rows are added</h2>' in content


# --- The file that was looked at


@pytest.mark.parametrize("view", KEYS)
def test_an_import_needs_the_file_that_was_looked_at(user: User, client: Client, view: str) -> None:
    seen = seen_in(give_table(client, view, OTHER_FILES[view]))
    other = next(each for each in KEYS if each != view)
    for where, key in ((view, "00000000-0000-0000-0000-000000000000"), (view, "x"), (view, ""), (other, seen["key"])):
        response = client.post(reverse(where), seen | {"key": key}, follow=True)
        assert response.redirect_chain == [(reverse(where), 302)]
        assert GONE in response.content.decode()
    assert pending.pending_of(user) is None
    assert "imported" in client.post(reverse(view), seen, follow=True).content.decode()
    assert GONE in client.post(reverse(view), seen, follow=True).content.decode()


@pytest.mark.parametrize("view", KEYS)
def test_of_two_tabs_the_later_file_wins(user: User, client: Client, view: str) -> None:
    first = seen_in(give_table(client, view, OTHER_FILES[view]))
    later = "# later\n" if view != CONTROLS else "domain\n"
    second = seen_in(give_table(client, view, later))
    assert GONE in client.post(reverse(view), first, follow=True).content.decode()
    assert pending.pending_of(user) is None
    client.post(reverse(view), second)
    assert [row for row in table(user, view) if row.get("name") != "ALL"] == []


def test_what_others_committed_after_the_look_is_not_removed_unseen(user: User, client: Client) -> None:
    looked_at = give_table(client, ROUTES, OTHER_FILES[ROUTES])
    assert parts(looked_at).keys() == {"removed", "changed"}
    configured(smtp_routes=[*FULL["smtp_routes"], route("theirs.example")])
    again = client.post(reverse(ROUTES), seen_in(looked_at))
    assert again.status_code == 409
    assert AGAIN in again.content.decode()
    removed = next(part for part in again.context["parts"] if part.key == "removed")
    assert set(told(removed.comparison.shown)) == {"All Other Domains", "theirs.example"}
    assert pending.pending_of(user) is None
    client.post(reverse(ROUTES), seen_in(again))
    assert [row["domain"] for row in table(user, ROUTES)] == ["corp.example"]


def test_what_was_submitted_in_another_tab_after_the_look_is_not_removed_unseen(user: User, client: Client) -> None:
    looked_at = give_table(client, ROUTES, OTHER_FILES[ROUTES])
    pending.submit(user, SmtpRoute(domain="mine.example", hosts=route("mine.example")["hosts"]))
    again = client.post(reverse(ROUTES), seen_in(looked_at))
    assert again.status_code == 409
    assert "mine.example" in [row["domain"] for row in table(user, ROUTES)]
    assert "mine.example" in again.content.decode()


def test_a_file_that_says_what_the_table_says_by_now_has_nothing_to_import(user: User, client: Client) -> None:
    looked_at = give_table(client, ROUTES, "a.example 127.0.0.1\n")
    configured(smtp_routes=[route("a.example")])
    again = client.post(reverse(ROUTES), seen_in(looked_at)).content.decode()
    assert AGAIN in again
    assert NOTHING in again
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(user) is None


def test_a_file_that_became_wrong_after_the_look_is_refused_and_dropped(user: User, client: Client) -> None:
    seen = seen_in(give_table(client, CONTROLS, "domain,bounce_profile\na.example,Patient\n"))
    configured(bounce_profiles=[], destination_controls=[])
    response = client.post(reverse(CONTROLS), seen)
    assert response.status_code == 422
    assert [(fault.line, fault.message) for fault in response.context["faults"]] == [
        (2, "bounce_profile: there is no bounce profile named Patient.")
    ]
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize("view", KEYS)
@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.ADMINISTRATOR, Role.OPERATOR}])
def test_who_may_not_change_the_configuration_cannot_import(user: User, role: Role, view: str) -> None:
    seen = seen_in(give_table(signed_in(user), view, OTHER_FILES[view]))
    other = person(role, name="other")
    client = signed_in(other)
    assert client.get(reverse(view)).status_code == 403
    assert give_table(client, view, OTHER_FILES[view]).status_code == 403
    assert client.post(reverse(view), seen).status_code == 403
    assert LoadedFile.objects.get().owner == user
    assert pending.pending_of(other) is None


# --- Hostile files


@pytest.mark.parametrize("view", KEYS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_words_that_show_what_it_is(
    user: User, client: Client, view: str, kind: str
) -> None:
    response = give_table(client, view, WITH[view].format(HOSTILE[kind]))
    content = response.content.decode()
    assert response.status_code == 422
    assert "The file cannot be imported. Nothing was changed." in content
    assert all(fault.line for fault in response.context["faults"])
    assert "<script>alert" not in content
    assert not {"\u202e", "\u2028", "\x07"} & set(content)
    assert len(content) < 60_000
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(user) is None


def test_a_value_with_markup_is_shown_in_the_preview_as_it_was_typed(client: Client) -> None:
    content = give_table(client, HOSTS, "group NEW\n  comment <b>=1+1</b> &amp;\n").content.decode()
    assert "<ins>&lt;b&gt;=1+1&lt;/b&gt; &amp;amp;</ins>" in content
    assert "<b>=1+1" not in content
