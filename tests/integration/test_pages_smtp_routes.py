"""SMTP Routes: rows with their hosts, a long table, clearing it, and its files."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.audit.models import Act, Entry
from seg_console.config import pending
from seg_console.delivery.document import MOST_ROUTES
from seg_console.delivery.models import SmtpRoute
from seg_console.delivery.views import routes as route_views
from tests.support.configurations import FULL, route
from tests.support.forms import hosts
from tests.support.pages import configured, said, section
from tests.support.table_files import ROUTES, faults, give_table, import_table, refused

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

NO_HOST = "is no host as in host[:port][/priority]; an IPv6 address stands in [ ]."


def test_a_route_is_added_with_its_filled_rows(user: User, client: Client) -> None:
    data = {"domain": ".New.example"} | hosts(("5", "192.0.2.1", "2525"), ("", "", ""), ("", "mx.new.example", ""))
    assert client.post(reverse("smtp-routes:add"), data)["Location"] == reverse("smtp-routes:list")
    assert section(user, "smtp_routes")[0] == {
        "domain": ".new.example",
        "hosts": [
            {"host": "192.0.2.1", "port": 2525, "priority": 5},
            {"host": "mx.new.example", "port": 25, "priority": 0},
        ],
    }


def test_a_route_is_edited_and_deleted(user: User, client: Client) -> None:
    found = SmtpRoute.objects.get(configuration=pending.shown_to(user), domain="corp.example")
    edit = reverse("smtp-routes:edit", args=[found.uid])
    assert "mx.corp.example" in client.get(edit).content.decode()
    client.post(edit, {"domain": "corp.example"} | hosts(("0", "USEDNS", "25")))
    shown = client.get(reverse("smtp-routes:list")).context
    (row,) = shown["rows"]
    assert (row["domain"], row["is_pending"]) == ("corp.example", True)
    assert row["hosts"] == [{"host": "USEDNS", "port": 25, "priority": 0}]
    assert (shown["others"]["domain"], shown["others"]["is_pending"]) == ("All Other Domains", False)
    client.post(reverse("smtp-routes:delete", args=[found.uid]))
    assert [row["domain"] for row in section(user, "smtp_routes")] == ["ALL"]


@pytest.mark.parametrize(
    "data",
    [
        {"domain": "corp.example"} | hosts(("0", "192.0.2.1", "25")),
        {"domain": "bad domain"} | hosts(("0", "192.0.2.1", "25")),
        {"domain": "new.example"} | hosts(("", "", "")),
        {"domain": "new.example"} | hosts(("0", "two words", "25")),
        {"domain": "new.example"} | hosts(("0", "192.0.2.1", "0")),
        {"domain": "new.example"} | hosts(("0", "192.0.2.1", "25"), ("1", "192.0.2.1", "25")),
        {"domain": "new.example"} | hosts(("0", "USEDNS", "25"), ("0", "192.0.2.1", "25")),
    ],
)
def test_a_bad_route_is_refused_with_its_reason(user: User, client: Client, data: dict[str, str]) -> None:
    response = client.post(reverse("smtp-routes:add"), data)
    assert response.status_code == 422
    assert "Errors have occurred" in response.content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [("192.0.2.1", "192.0.2.1"), ("[192.0.2.1]", "192.0.2.1"), ("[2001:DB8::1]", "2001:db8::1"), ("::1", "::1")],
)
def test_a_route_to_an_address_is_taken_with_and_without_brackets(
    user: User, client: Client, given: str, kept: str
) -> None:
    data = {"domain": "a.example", "host-TOTAL_FORMS": "1", "host-INITIAL_FORMS": "0", "host-0-host": given}
    assert client.post(reverse("smtp-routes:add"), data).status_code == 302
    [added] = [row for row in section(user, "smtp_routes") if row["domain"] == "a.example"]
    assert [host["host"] for host in added["hosts"]] == [kept]


def test_a_name_in_brackets_is_no_host(user: User, client: Client) -> None:
    data = {"domain": "a.example", "host-TOTAL_FORMS": "1", "host-INITIAL_FORMS": "0", "host-0-host": "[mx.example]"}
    response = client.post(reverse("smtp-routes:add"), data)
    assert response.status_code == 422
    assert "is not a domain name" in response.content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize("given", ["999.1.1.1", "1.2.3", "[192.0.2.300]", "2001:db8:::1"])
def test_what_is_no_address_is_said_to_be_none(user: User, client: Client, given: str) -> None:
    data = {"domain": "a.example", "host-TOTAL_FORMS": "1", "host-INITIAL_FORMS": "0", "host-0-host": given}
    response = client.post(reverse("smtp-routes:add"), data)
    assert response.status_code == 422
    assert "&quot; is not an IP address." in response.content.decode()
    assert pending.pending_of(user) is None


def test_many_routes_are_paged_by_domain_in_a_fixed_number_of_queries(
    user: User, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(smtp_routes=[route(f"d{number:03}.example") for number in range(250)])
    url = reverse("smtp-routes:list")
    seen = []
    for _page in range(3):
        # Session, user, pending set for page and frame, committed set, routes, the last row; the session's renewal.
        with django_assert_num_queries(8):
            response = client.get(url)
        seen += [row["domain"] for row in response.context["rows"]]
        url = f"{reverse('smtp-routes:list')}{response.context['next_url']}"
    assert seen == [f"d{number:03}.example" for number in range(250)]
    found = client.get(reverse("smtp-routes:list"), {"find": "D24"}).context["rows"]
    assert [row["domain"] for row in found] == [f"d24{digit}.example" for digit in range(10)]


def test_last_row_and_next_pages_of_the_routes(user: User, client: Client) -> None:
    configured(smtp_routes=[route(f"d{number:03}.example") for number in range(120)])
    first = client.get(reverse("smtp-routes:list")).context
    assert (len(first["rows"]), first["others"]) == (100, None)
    assert "?domain=ALL" in said(client, reverse("smtp-routes:list"))
    assert client.get(reverse("smtp-routes:add"), {"domain": "ALL"}).context["form"]["domain"].value() == "ALL"
    assert SmtpRoute.objects.filter(configuration=pending.committed()).count() == 120


def test_all_routes_are_cleared_after_a_question(user: User, client: Client) -> None:
    assert "Delete all 2 routes?" in said(client, reverse("smtp-routes:clear"))
    assert pending.pending_of(user) is None
    after = client.post(reverse("smtp-routes:clear"), follow=True).content.decode()
    assert "2 routes were deleted." in after
    assert section(user, "smtp_routes") == []


def test_a_full_table_of_routes_takes_no_more(user: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_views, "MOST_ROUTES", 2)
    data = {
        "domain": "one.too.many.example",
        "host-TOTAL_FORMS": "1",
        "host-INITIAL_FORMS": "0",
        "host-0-host": "mx.example",
    }
    response = client.post(reverse("smtp-routes:add"), data)
    assert response.status_code == 422
    assert "The table is full: 2 routes" in response.content.decode()
    assert pending.pending_of(user) is None
    monkeypatch.undo()
    text = "".join(f"d{number}.example mx.example\n" for number in range(MOST_ROUTES + 1))
    assert faults(give_table(client, ROUTES, text)) == [
        (None, "The file has 40,001 routes; at most 40,000 can be imported.")
    ]


# --- Import and export


def test_an_import_replaces_the_routes_after_a_look_with_counts(user: User, client: Client) -> None:
    text = "# ours\n\ncorp.example mx1.new.example:26/5,[2001:db8::1]\r\n.New.example\tUSEDNS\nALL /dev/null\n"
    looked_at = give_table(client, ROUTES, text)
    found = looked_at.context["preview"].counts
    assert (found.total, found.added, found.changed, found.removed, found.same) == (3, 1, 2, 0, 0)
    assert pending.pending_of(user) is None
    after = import_table(client, ROUTES, text).content.decode()
    assert "3 rows were imported: 1 added, 2 changed, 0 removed." in after
    assert section(user, "smtp_routes") == [
        {"domain": ".new.example", "hosts": [{"host": "USEDNS", "port": 25, "priority": 0}]},
        {
            "domain": "corp.example",
            "hosts": [
                {"host": "mx1.new.example", "port": 26, "priority": 5},
                {"host": "2001:db8::1", "port": 25, "priority": 0},
            ],
        },
        {"domain": "ALL", "hosts": [{"host": "/dev/null", "port": 25, "priority": 0}]},
    ]
    entry = Entry.objects.filter(act=Act.SUBMIT).latest("pk")
    assert (entry.user, entry.size) == (user, 3)


def test_an_import_of_what_the_committed_set_says_leaves_nothing_pending(user: User, client: Client) -> None:
    before = client.get(reverse("smtp-routes:export")).content.decode()
    import_table(client, ROUTES, "a.example mx.a.example")
    assert pending.pending_of(user) is not None
    import_table(client, ROUTES, before)
    assert section(user, "smtp_routes") == FULL["smtp_routes"]


def test_an_import_takes_a_file_or_pasted_lines_and_not_both(user: User, client: Client) -> None:
    assert client.post(reverse(ROUTES), {"pasted": ""}).status_code == 422
    both = {"pasted": "a.example b.example", "upload": SimpleUploadedFile("x", b"a.example b.example")}
    assert client.post(reverse(ROUTES), both).status_code == 422
    assert client.post(reverse(ROUTES), {"pasted": "x" * 500_001}).status_code == 422
    assert client.post(reverse(ROUTES), {"pasted": "a.example b.example"}).status_code == 200


def test_faults_of_a_route_file_are_told_by_line_and_nothing_is_changed(user: User, client: Client) -> None:
    text = "a.example\nb.example mx:b:c\n# fine\nc.example mx.example/x\n"
    assert faults(give_table(client, ROUTES, text)) == [
        (1, "name at least one destination host."),
        (2, "“mx:b:c” is no host as in host[:port][/priority]; an IPv6 address stands in [ ]."),
        (4, "“mx.example/x” is no host as in host[:port][/priority]; an IPv6 address stands in [ ]."),
    ]
    text = "a.example mx.example:70000\n\nA.example mx.example\nbad_domain! mx.example\n"
    found = faults(give_table(client, ROUTES, text))
    assert [line for line, _message in found] == [1, 3, 4]
    assert found[0] == (1, "port: give 65535 or less.")
    assert pending.pending_of(user) is None


def test_all_faults_of_a_route_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = (
        "a.example mx.example:0\n"
        "b.example mx:b:c, mx.example/70000, x/y\n"
        "# fine\n"
        "c:d.example mx:b:c\n"
        "e.example\n"
        "A.example USEDNS\n"
        "f.example USEDNS, mx.example\n"
        "g.example one.example, two.example:65536/3\n"
        "bücher.example mx.example\n"
        "xn--bcher-kva.example mx.example\n"
    )
    assert refused(client, ROUTES, text) == [
        (1, "port: give 1 or more."),
        (2, f"“mx:b:c” {NO_HOST}"),
        (2, f"“x/y” {NO_HOST}"),
        (2, "priority: give 65535 or less."),
        (4, f"“mx:b:c” {NO_HOST}"),
        (
            4,
            'domain: "c:d.example" is not a domain name: '
            "only letters, digits, underscores, hyphens inside a part, and dots are allowed.",
        ),
        (5, "name at least one destination host."),
        (6, "A.example is in the list already, in line 1; give each only once."),
        (7, "give USEDNS or /dev/null alone, or hosts without them."),
        (8, "port of two.example: give 65535 or less."),
        (10, "xn--bcher-kva.example is in the list already, in line 9; give each only once."),
    ]


def test_too_many_routes_are_counted_and_their_faults_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"d{number}.example mx.example\n" for number in range(40_000)) + "last.example mx:b:c\n"
    assert refused(client, ROUTES, text) == [
        (None, "The file has 40,001 routes; at most 40,000 can be imported."),
        (40_001, f"“mx:b:c” {NO_HOST}"),
    ]
