"""Destination Controls: rows, the default row, the certificate that deliveries show, and faults of its files."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.audit.models import Act, Entry
from seg_console.config import pending
from seg_console.delivery.document import DESTINATION_CONTROLS
from seg_console.delivery.models import DestinationControlSettings
from tests.support.certificates import in_document, made
from tests.support.forms import CONTROL
from tests.support.hostile import HOSTILE_VALUES
from tests.support.pages import configured, control_uid, said, section
from tests.support.table_files import CONTROLS, faults, give_table, refused

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

GLOBAL = "destination-controls:edit-global-settings"
LISTED = [in_document("Outgoing", made("gw1.corp.example")), in_document("Another", made("gw2.corp.example"))]


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


@pytest.mark.parametrize("name", ["Nobody", "outgoing", *HOSTILE_VALUES])
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


# --- Faults of a file


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


def test_all_faults_of_a_control_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = (
        "domain,max_connections,recipients_minutes,tls,bounce_profile\n"
        "a.example,-1,,sometimes,\n"
        "b.example,many,0,,Nobody\n"
        "c.example,1\n"
        "d.example,,,,Nobody\n"
        "A.example,99999999999,,,\n"
        "the.tdc.queue,1.5,x,,\n"
        "c:d.example,0\n"
        "b.example,,,never,,more,cells\n"
    )
    assert refused(client, CONTROLS, text) == [
        (2, "max_connections: give 1 or more."),
        (2, "tls: give one of 'default', 'none', 'preferred', 'required' or 'required_verify'."),
        (3, "max_connections: give a whole number, or nothing for the default."),
        (3, "recipients_minutes: give 1 or more."),
        (4, "this line has 2 cells, and the heading has 5."),
        (5, "bounce_profile: there is no bounce profile named Nobody."),
        (6, "A.example is in the list already, in line 2; give each only once."),
        (6, "max_connections: give 1000 or less."),
        (7, "max_connections: give a whole number, or nothing for the default."),
        (7, "recipients_minutes: give a whole number, or nothing for the default."),
        (
            7,
            "domain: the.tdc.queue is the name of a queue with rules of its own; "
            "give the domain of the message intake.",
        ),
        (8, "this line has 2 cells, and the heading has 5."),
        (
            8,
            'domain: "c:d.example" is not a domain name: '
            "only letters, digits, underscores, hyphens inside a part, and dots are allowed.",
        ),
        (8, "max_connections: give 1 or more."),
        (9, "this line has 7 cells, and the heading has 5."),
        (9, "b.example is in the list already, in line 3; give each only once."),
        (9, "tls: give one of 'default', 'none', 'preferred', 'required' or 'required_verify'."),
    ]


def test_transactions_and_conversion_in_a_control_file_are_checked_like_the_rest(client: Client) -> None:
    text = "domain,max_recipients_per_transaction,conversion\na.example,1001,7bit\nb.example,some,\n"
    assert refused(client, CONTROLS, text) == [
        (2, "max_recipients_per_transaction: give 1000 or less."),
        (2, "conversion: give one of 'default', 'as_is' or 'bounce'."),
        (3, "max_recipients_per_transaction: give a whole number, or nothing for the default."),
    ]


def test_a_control_file_that_is_no_csv_from_some_line_on_has_its_faults_up_to_there_told(client: Client) -> None:
    text = 'domain,tls\na.example,sometimes\nb.example\n"c.example,none\nd.example,sometimes\n'
    assert refused(client, CONTROLS, text) == [
        (2, "tls: give one of 'default', 'none', 'preferred', 'required' or 'required_verify'."),
        (3, "this line has 1 cells, and the heading has 2."),
        (5, "this line is not CSV, or a cell of it is too long: nothing behind it was read."),
    ]


def test_too_many_rows_of_controls_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DESTINATION_CONTROLS, "most", 1_000)
    text = "domain\n" + "".join(f"d{number}.example\n" for number in range(1_001))
    assert refused(client, CONTROLS, text) == [(None, "The file has 1,001 rows; at most 1,000 can be imported.")]
