"""Destination Controls, Bounce Profiles, DNS, and SMTP Routes as files, in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry
from seg_console.config import document, pending
from seg_console.delivery.document import MOST_ROUTES
from seg_console.delivery.models import (
    DestinationControl,
    DestinationControlSettings,
    NamedBounceProfile,
    SmtpRoute,
)
from seg_console.delivery.views import routes as route_views
from tests.support.certificates import in_document, made
from tests.support.configurations import FULL, route
from tests.support.pages import configured, give_table, import_table, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

CONTROLS, ROUTES = "destination-controls:import", "smtp-routes:import"
CONTROL = {
    "domain": "new.example",
    "ip_preference": "default",
    "max_connections": "",
    "max_messages_per_connection": "",
    "max_recipients_per_transaction": "",
    "recipients": "default",
    "tls": "default",
    "conversion": "default",
    "bounce_profile": "",
}
PROFILE = {"name": "Quick", "max_retries": "3", "max_queue_time": "600", "initial_retry": "10", "max_retry": "20"}
HOSTILE = [
    "<script>alert(1)</script>",
    "a\tb\x07c.example",
    "a\u202eelpmaxe.example",
    "=HYPERLINK(1)",
    "'; DROP TABLE x",
    "x" * 1_000_000,
]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def section(user: User, key: str) -> Any:
    return document.dump(pending.shown_to(user))[key]


def said(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def control_uid(user: User, domain: str = "corp.example") -> Any:
    return DestinationControl.objects.get(configuration=pending.shown_to(user), domain=domain).uid


def profile_uid(user: User, name: str = "Patient") -> Any:
    return NamedBounceProfile.objects.get(configuration=pending.shown_to(user), name=name).uid


def faults(response: Any) -> list[tuple[int | None, str]]:
    assert response.status_code == 422
    return [(fault.line, fault.message) for fault in response.context["faults"]]


# --- Destination Controls


def test_the_table_shows_what_a_row_follows_and_the_default_row_last(user: User, client: Client) -> None:
    controls = [
        {"domain": "a.example", "max_recipients": 0},
        {
            "domain": "ALL",
            "max_messages_per_connection": 7,
            "max_recipients_per_transaction": 20,
            "max_recipients": 100,
            "recipients_minutes": 5,
        },
    ]
    configured(destination_controls=controls)
    shown = client.get(reverse("destination-controls:list")).context
    (row,) = shown["rows"]
    assert (row.name, row.ip_preference, row.connections, row.messages) == (
        "a.example",
        "Default (IPv4 Preferred)",
        "Default (500)",
        "Default (7)",
    )
    assert (row.per_transaction, row.recipients, row.tls, row.conversion, row.bounce_profile) == (
        "Default (20)",
        "No Limit",
        "Default (Preferred)",
        "Default (Send as it is)",
        "Default (Default profile)",
    )
    default = shown["default"]
    assert (default.name, default.connections, default.messages) == ("Default", "500", "7")
    assert (default.per_transaction, default.recipients) == ("20", "100 per 5 min")
    assert (default.tls, default.conversion, default.bounce_profile) == (
        "Preferred",
        "Send as it is",
        "Default profile",
    )


def test_a_destination_is_added_with_all_it_can_say(user: User, client: Client) -> None:
    data = CONTROL | {
        "domain": ".New.example",
        "ip_preference": "ipv6_required",
        "max_connections": "3",
        "max_messages_per_connection": "4",
        "max_recipients_per_transaction": "25",
        "recipients": "limited",
        "max_recipients": "200",
        "recipients_minutes": "15",
        "tls": "required_verify",
        "conversion": "bounce",
        "bounce_profile": "Patient",
    }
    answer = client.post(reverse("destination-controls:add"), data)
    assert answer["Location"] == reverse("destination-controls:list")
    assert section(user, "destination_controls")[0] == {
        "domain": ".new.example",
        "ip_preference": "ipv6_required",
        "max_connections": 3,
        "max_messages_per_connection": 4,
        "max_recipients_per_transaction": 25,
        "max_recipients": 200,
        "recipients_minutes": 15,
        "tls": "required_verify",
        "conversion": "bounce",
        "bounce_profile": "Patient",
    }
    rows = {row.name: row for row in client.get(reverse("destination-controls:list")).context["rows"]}
    assert {name: row.is_pending for name, row in rows.items()} == {".new.example": True, "corp.example": False}


def test_what_stands_beside_an_option_that_is_not_chosen_means_nothing(user: User, client: Client) -> None:
    data = CONTROL | {"recipients": "none", "max_recipients": "-5", "recipients_minutes": "x"}
    client.post(reverse("destination-controls:add"), data)
    added = section(user, "destination_controls")[1]
    assert (added["domain"], added["max_recipients"], added["recipients_minutes"]) == ("new.example", 0, 60)


def test_a_destination_is_edited_and_deleted_after_a_question(user: User, client: Client) -> None:
    edit = reverse("destination-controls:edit", args=[control_uid(user)])
    form = client.get(edit).context["form"]
    assert (form["recipients"].value(), form["max_recipients"].value()) == ("limited", 500)
    assert (form["max_recipients_per_transaction"].value(), form["conversion"].value()) == (100, "bounce")
    client.post(edit, CONTROL | {"domain": "corp.example", "max_connections": "9"})
    assert section(user, "destination_controls")[0]["max_connections"] == 9
    delete = reverse("destination-controls:delete", args=[control_uid(user)])
    client.get(delete)
    assert len(section(user, "destination_controls")) == 1
    client.post(delete)
    assert section(user, "destination_controls") == []


def test_the_default_row_is_made_by_its_first_change_and_cannot_be_deleted(user: User, client: Client) -> None:
    url = reverse("destination-controls:edit-default")
    form = client.get(url).context["form"]
    assert "domain" not in form.fields
    assert {value for value, _label in form.fields["tls"].choices} == {
        "none",
        "preferred",
        "required",
        "required_verify",
    }
    assert [value for value, _label in form.fields["conversion"].choices] == ["as_is", "bounce"]
    data = {
        "ip_preference": "ipv4_required",
        "recipients": "none",
        "tls": "required",
        "conversion": "bounce",
        "bounce_profile": "Patient",
        "max_connections": "40",
        "max_messages_per_connection": "50",
        "max_recipients_per_transaction": "1000",
    }
    client.post(url, data)
    (default,) = [row for row in section(user, "destination_controls") if row["domain"] == "ALL"]
    assert (default["tls"], default["max_connections"], default["max_recipients"]) == ("required", 40, 0)
    assert (default["max_recipients_per_transaction"], default["conversion"]) == (1000, "bounce")
    uid = control_uid(user, "ALL")
    assert client.get(reverse("destination-controls:delete", args=[uid])).status_code == 404
    assert client.get(reverse("destination-controls:edit", args=[uid]))["Location"] == url
    assert client.get(url).context["form"]["bounce_profile"].value() == "Patient"


def test_the_default_row_has_real_numbers_and_nothing_to_follow(user: User, client: Client) -> None:
    url = reverse("destination-controls:edit-default")
    shown = client.get(url)
    form = shown.context["form"]
    numbers = ("max_connections", "max_messages_per_connection", "max_recipients_per_transaction")
    assert [(form[name].value(), form[name].help_text) for name in numbers] == [
        (500, "1 to 1000."),
        (50, "1 to 1000."),
        (50, "1 to 1000."),
    ]
    assert form["conversion"].value() == "as_is"
    assert "Default (" not in shown.content.decode()
    assert "Default (500)" in said(client, reverse("destination-controls:add"))
    data = {"ip_preference": "ipv4_preferred", "recipients": "none", "tls": "preferred", "bounce_profile": "Default"}
    numbers_given = {"max_connections": "40", "max_messages_per_connection": "", "max_recipients_per_transaction": ""}
    refused = client.post(url, data | {"conversion": "as_is"} | numbers_given)
    assert refused.status_code == 422
    assert refused.context["form"].errors == {
        "max_messages_per_connection": ["This field is required."],
        "max_recipients_per_transaction": ["This field is required."],
    }
    assert pending.pending_of(user) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"domain": "CORP.example"}, "That destination is in the table already."),
        ({"domain": "ALL"}, "The default row is in the table already"),
        ({"domain": "the.tdc.queue"}, "the.tdc.queue is the name of a queue with rules of its own"),
        ({"domain": "Default"}, "The row of all other destinations has the domain ALL"),
        ({"domain": "a\u200bb.example"}, "holds characters that cannot be seen"),
        ({"domain": "not a domain"}, "is not a domain"),
        ({"max_connections": "0"}, "greater than or equal to 1"),
        ({"max_messages_per_connection": "1001"}, "less than or equal to 1000"),
        ({"max_recipients_per_transaction": "0"}, "greater than or equal to 1"),
        ({"max_recipients_per_transaction": "1001"}, "less than or equal to 1000"),
        ({"conversion": "convert"}, "is not one of the available choices"),
        ({"recipients": "limited", "max_recipients": "5", "recipients_minutes": "61"}, "less than or equal to 60"),
        ({"recipients": "limited", "max_recipients": "", "recipients_minutes": "5"}, "Enter a number."),
        ({"recipients": ""}, "This field is required."),
        ({"tls": "maybe"}, "is not one of the available choices"),
        ({"bounce_profile": "Nobody"}, "is not one of the available choices"),
    ],
)
def test_a_bad_destination_is_refused_beside_its_field(
    user: User, client: Client, change: dict[str, str], words: str
) -> None:
    response = client.post(reverse("destination-controls:add"), CONTROL | change)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert pending.pending_of(user) is None


def test_many_destinations_are_paged_in_a_fixed_number_of_queries(
    user: User, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(destination_controls=[{"domain": f"d{number:03}.example"} for number in range(150)])
    url, seen = reverse("destination-controls:list"), []
    for _page in range(2):
        # As for the routes, and the global settings.
        with django_assert_num_queries(9):
            response = client.get(url)
        seen += [row.name for row in response.context["rows"]]
        url = reverse("destination-controls:list") + response.context["next_url"]
    assert seen == [f"d{number:03}.example" for number in range(150)]


# --- Global Settings

GLOBAL = "destination-controls:edit-global-settings"
LISTED = [in_document("Outgoing", made("gw1.corp.example")), in_document("Another", made("gw2.corp.example"))]


def test_the_certificate_that_deliveries_show_is_chosen_and_shown(user: User, client: Client) -> None:
    configured(certificates=LISTED)
    page = client.get(reverse("destination-controls:list"))
    assert (page.context["certificate"], page.context["is_pending"]) == ("", False)
    assert "servers that ask for one are shown none" in page.content.decode()
    choices = client.get(reverse(GLOBAL)).context["form"].fields["certificate"].choices
    assert choices == [("", "None"), ("Another", "Another"), ("Outgoing", "Outgoing")]
    assert client.post(reverse(GLOBAL), {"certificate": "Outgoing"})["Location"] == reverse("destination-controls:list")
    assert section(user, "destination_control_settings") == {"certificate": "Outgoing"}
    page = client.get(reverse("destination-controls:list"))
    assert (page.context["certificate"], page.context["is_pending"]) == ("Outgoing", True)
    (change,) = pending.pending_changes(user)
    assert [(field.label, field.old, field.new) for field in change.fields] == [("Certificate", "", "Outgoing")]
    assert Entry.objects.latest("pk").act == Act.SUBMIT
    pending.commit(user, "for the bank")
    assert not client.get(reverse("destination-controls:list")).context["is_pending"]
    assert client.get(reverse(GLOBAL)).context["form"]["certificate"].value() == "Outgoing"


@pytest.mark.parametrize("name", ["Nobody", "outgoing", *HOSTILE])
def test_a_certificate_that_is_not_there_is_refused_and_nothing_is_pending(
    user: User, client: Client, name: str
) -> None:
    configured(certificates=LISTED)
    response = client.post(reverse(GLOBAL), {"certificate": name})
    assert response.status_code == 422
    assert "is not one of the available choices" in response.content.decode()
    assert "<script>alert" not in response.content.decode()
    assert pending.pending_of(user) is None


def test_a_name_in_another_spelling_is_the_same_certificate(user: User, client: Client) -> None:
    configured(certificates=LISTED, destination_control_settings={"certificate": "OUTGOING"})
    assert client.get(reverse(GLOBAL)).context["form"]["certificate"].value() == "Outgoing"


def test_a_set_that_is_older_than_the_global_settings_shows_no_certificate_and_no_change(
    user: User, client: Client
) -> None:
    DestinationControlSettings.objects.all().delete()
    client.post(reverse("dns:edit-settings"), {"servers": "", "timeout": "9"})
    page = client.get(reverse("destination-controls:list"))
    assert (page.context["certificate"], page.context["is_pending"]) == ("", False)
    assert [change.label for change in pending.pending_changes(user)] == ["DNS"]


# --- Bounce Profiles


def test_a_profile_is_added_and_edited_and_its_new_name_goes_to_its_destinations(user: User, client: Client) -> None:
    client.post(reverse("bounce-profiles:add"), PROFILE)
    assert [profile["name"] for profile in section(user, "bounce_profiles")] == ["Patient", "Quick"]
    client.post(reverse("bounce-profiles:edit", args=[profile_uid(user)]), PROFILE | {"name": "Very Patient"})
    assert section(user, "destination_controls")[0]["bounce_profile"] == "Very Patient"
    pending.commit(user, "renamed")


def test_a_profile_in_use_cannot_be_deleted_and_the_page_says_where(user: User, client: Client) -> None:
    delete = reverse("bounce-profiles:delete", args=[profile_uid(user)])
    for response in (client.get(delete), client.post(delete)):
        assert response.status_code == 409
        assert "corp.example" in response.content.decode()
    assert pending.pending_of(user) is None
    client.post(reverse("destination-controls:edit", args=[control_uid(user)]), CONTROL | {"domain": "corp.example"})
    assert client.get(delete).status_code == 200
    client.post(delete)
    assert section(user, "bounce_profiles") == []


def test_the_default_profile_is_edited(user: User, client: Client) -> None:
    data = {name: value for name, value in PROFILE.items() if name != "name"} | {"max_retries": "4"}
    client.post(reverse("bounce-profiles:edit-default"), data)
    assert section(user, "bounce_profile") == {
        "max_retries": 4,
        "max_queue_time": 600,
        "initial_retry": 10,
        "max_retry": 20,
    }
    assert client.get(reverse("bounce-profiles:list")).context["default"].is_pending


@pytest.mark.parametrize(
    "change",
    [
        {"name": "patient"},
        {"name": "Default"},
        {"name": ""},
        {"max_retries": "-1"},
        {"max_queue_time": "0"},
        {"initial_retry": "30", "max_retry": "29"},
        {"max_retry": "9" * 30},
    ],
)
def test_a_bad_profile_is_refused(user: User, client: Client, change: dict[str, str]) -> None:
    assert client.post(reverse("bounce-profiles:add"), PROFILE | change).status_code == 422
    assert pending.pending_of(user) is None


def test_the_profiles_take_a_fixed_number_of_queries(
    user: User, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(bounce_profiles=[{"name": f"P{number}"} for number in range(30)], destination_controls=[])
    # Session, user, pending set for page and frame, committed set, profiles, default, their users; renewal.
    with django_assert_num_queries(9):
        client.get(reverse("bounce-profiles:list"))


# --- DNS


def test_dns_settings_are_shown_and_edited(user: User, client: Client) -> None:
    assert "127.0.0.1:5353" in said(client, reverse("dns:settings"))
    data = {"servers": "192.0.2.53\r\n\r\n[2001:db8::53]:5353\r\n2001:db8::1", "timeout": "9"}
    assert client.post(reverse("dns:edit-settings"), data)["Location"] == reverse("dns:settings")
    assert section(user, "dns") == {
        "servers": [
            {"host": "192.0.2.53", "port": 53},
            {"host": "2001:db8::53", "port": 5353},
            {"host": "2001:db8::1", "port": 53},
        ],
        "timeout": 9,
    }
    client.post(reverse("dns:edit-settings"), {"servers": "", "timeout": "9"})
    assert "Those of the system" in said(client, reverse("dns:settings"))


def test_bad_servers_are_refused_by_line(user: User, client: Client) -> None:
    data = {"servers": "192.0.2.53\nns1.example\n192.0.2.1:0", "timeout": "9"}
    page = client.post(reverse("dns:edit-settings"), data).content.decode()
    assert "Line 2: give an IP address" in page
    assert "Line 3: give 1 or more." in page
    for address in ("0.0.0.0", "::", "224.0.0.1"):
        said_no = client.post(reverse("dns:edit-settings"), {"servers": address, "timeout": "9"}).content.decode()
        assert "Line 1: give the address of one name server." in said_no
    assert "ns1.example" in page
    many = "\n".join(f"192.0.2.{number}" for number in range(11))
    assert client.post(reverse("dns:edit-settings"), {"servers": many, "timeout": "9"}).status_code == 422
    assert pending.pending_of(user) is None


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


def test_faults_of_a_control_file_are_told_by_line_and_nothing_is_changed(user: User, client: Client) -> None:
    text = "domain,tls,max_connections,bounce_profile\na.example,sometimes,3,\nb.example,none,many,\nc.example,none\n"
    assert [line for line, _message in faults(give_table(client, CONTROLS, text))] == [2, 3, 4]
    text = 'domain,tls,bounce_profile\na.example,sometimes,\n"b.\nexample",none,\nd.example,none,\n'
    assert [line for line, _message in faults(give_table(client, CONTROLS, text))] == [2, 3]
    text = "domain,bounce_profile\n\nthe.tdc.queue,\nb.example,Nobody\n"
    assert faults(give_table(client, CONTROLS, text))[0][0] == 3
    assert faults(give_table(client, CONTROLS, "domain,bounce_profile\nb.example,Nobody\n")) == [
        (2, "bounce_profile: there is no bounce profile named Nobody.")
    ]
    assert faults(give_table(client, CONTROLS, "name\na\n"))[0][0] == 1
    assert faults(give_table(client, CONTROLS, "\ufeff\n")) == [
        (None, "The file is empty; its first line names the columns.")
    ]
    assert pending.pending_of(user) is None


def test_an_import_takes_a_file_or_pasted_lines_and_not_both(user: User, client: Client) -> None:
    assert client.post(reverse(ROUTES), {"pasted": ""}).status_code == 422
    both = {"pasted": "a.example b.example", "upload": SimpleUploadedFile("x", b"a.example b.example")}
    assert client.post(reverse(ROUTES), both).status_code == 422
    assert client.post(reverse(ROUTES), {"pasted": "x" * 500_001}).status_code == 422
    assert client.post(reverse(ROUTES), {"pasted": "a.example b.example"}).status_code == 200


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


def test_last_row_and_next_pages_of_the_routes(user: User, client: Client) -> None:
    configured(smtp_routes=[route(f"d{number:03}.example") for number in range(120)])
    first = client.get(reverse("smtp-routes:list")).context
    assert (len(first["rows"]), first["others"]) == (100, None)
    assert "?domain=ALL" in said(client, reverse("smtp-routes:list"))
    assert client.get(reverse("smtp-routes:add"), {"domain": "ALL"}).context["form"]["domain"].value() == "ALL"
    assert SmtpRoute.objects.filter(configuration=pending.committed()).count() == 120


# --- Hostile input, and who may do what


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    ("view", "data", "field"),
    [
        ("destination-controls:add", CONTROL, "domain"),
        ("destination-controls:add", CONTROL, "max_connections"),
        ("destination-controls:add", CONTROL, "max_recipients_per_transaction"),
        ("destination-controls:add", CONTROL, "tls"),
        ("destination-controls:add", CONTROL, "conversion"),
        ("destination-controls:add", CONTROL, "bounce_profile"),
        ("bounce-profiles:add", PROFILE, "max_retries"),
        ("dns:edit-settings", {"timeout": "5"}, "servers"),
        ("dns:edit-settings", {"servers": ""}, "timeout"),
        ("smtp-routes:import", {}, "pasted"),
        ("destination-controls:import", {}, "pasted"),
    ],
)
def test_hostile_input_is_refused_and_shown_as_text(
    user: User, client: Client, view: str, data: dict[str, str], field: str, text: str
) -> None:
    response = client.post(reverse(view), data | {field: text})
    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize("name", ["<b>x</b>", "=1+1", "@cmd", "'quoted"])
def test_a_profile_may_have_any_printable_name_and_no_table_runs_it(user: User, client: Client, name: str) -> None:
    client.post(reverse("bounce-profiles:add"), PROFILE | {"name": name})
    client.post(reverse("destination-controls:add"), CONTROL | {"bounce_profile": name})
    assert "<b>x</b>" not in said(client, reverse("destination-controls:list"))
    exported = client.get(reverse("destination-controls:export")).content.decode()
    assert not any(cell.startswith(("=", "@")) for line in exported.splitlines() for cell in line.split(","))
    assert give_table(client, CONTROLS, exported).context["preview"].counts.size == 0


@pytest.mark.parametrize("name", ["a\u202eb", "a\x07b", "x" * 1_000_000])
def test_names_that_hide_what_they_are_are_refused(user: User, client: Client, name: str) -> None:
    assert client.post(reverse("bounce-profiles:add"), PROFILE | {"name": name}).status_code == 422
    assert pending.pending_of(user) is None


def test_who_may_only_look_sees_the_tables_and_changes_nothing(user: User) -> None:
    client = signed_in(person(Role.GUEST))
    views = ["destination-controls:list", "bounce-profiles:list", "dns:settings", "destination-controls:export"]
    assert {client.get(reverse(view)).status_code for view in views} == {403}
    reader = signed_in(person(Role.TECHNICIAN))
    assert {reader.get(reverse(view)).status_code for view in views} <= {200, 403}
    for view in (
        CONTROLS,
        ROUTES,
        "smtp-routes:clear",
        "destination-controls:edit-default",
        GLOBAL,
        "dns:edit-settings",
    ):
        assert client.post(reverse(view)).status_code == 403
    reader = signed_in(person(Role.READ_ONLY_OPERATOR))
    assert reverse(GLOBAL) not in said(reader, reverse("destination-controls:list"))
    assert reader.get(reverse(GLOBAL)).status_code == 403
