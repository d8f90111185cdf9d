"""What the pages that take a file say of a faulty one: all of it at once, by line, in the words of the file."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.config.models import LoadedFile
from seg_console.delivery.document import DESTINATION_CONTROLS
from seg_console.gateway.document import RECIPIENT_ACCESS
from tests.support.pages import configured, give_table, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

CONTROLS, ROUTES = "destination-controls:import", "smtp-routes:import"
HOSTS, RECIPIENTS = "host-access:import", "recipient-access:import"
NO_HOST = "is no host as in host[:port][/priority]; an IPv6 address stands in [ ]."


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def refused(client: Client, view: str, text: str) -> list[tuple[int | None, str]]:
    """The faults as line and message; nothing is pending, nothing is kept."""
    response = give_table(client, view, text)
    assert response.status_code == 422
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(User.objects.get()) is None
    return [(fault.line, fault.message) for fault in response.context["faults"]]


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


# --- SMTP Routes


def test_all_faults_of_a_route_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = (
        "a.example mx.example:0\n"
        "b.example mx:b:c, mx.example/70000, x/y\n"
        "# fine\n"
        "c_d.example mx:b:c\n"
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
            'domain: "c_d.example" is not a domain name: '
            "only letters, digits, hyphens inside a part, and dots are allowed.",
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


# --- Destination Controls


def test_all_faults_of_a_control_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = (
        "domain,max_connections,recipients_minutes,tls,bounce_profile\n"
        "a.example,-1,,sometimes,\n"
        "b.example,many,0,,Nobody\n"
        "c.example,1\n"
        "d.example,,,,Nobody\n"
        "A.example,99999999999,,,\n"
        "the.tdc.queue,1.5,x,,\n"
        "c_d.example,0\n"
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
            'domain: "c_d.example" is not a domain name: '
            "only letters, digits, hyphens inside a part, and dots are allowed.",
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


# --- Host Access Table and Recipient Access Table


def test_all_faults_of_a_host_access_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = (
        "group A\n  max_recipients -1\n  192.0.2.300\n  192.0.2.1 192.0.2.2\ngroup B\n  max_recipients many\ngroup a\n"
    )
    found = refused(client, HOSTS, text)
    assert [line for line, _message in found] == [2, 3, 4, 6, 7]
    assert [found[index][1] for index in (0, 2, 3, 4)] == [
        "give 1 or more.",
        "“192.0.2.1 192.0.2.2” is neither an entry nor a value.",
        "give a whole number after max_recipients.",
        "a is in the list already, in line 1; give each only once.",
    ]


def test_all_faults_of_a_recipient_access_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = "not/a/domain ACCEPT\na.example REJECT gone\nb.example REJECT 250 No\n\nc.example ACCEPT\nC.example REJECT\n"
    found = refused(client, RECIPIENTS, text)
    assert [line for line, _message in found] == [1, 2, 3, 6]
    assert [message for _line, message in found[1:]] == [
        "give a code and a text after the action, for example: REJECT 550 Gone",
        "give a code from 400 to 599 with reject.",
        "C.example is in the list already, in line 5; give each only once.",
    ]


def test_too_many_rows_of_recipients_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RECIPIENT_ACCESS, "most", 2)
    text = "a.example ACCEPT\nb.example ACCEPT\nc.example REJECT gone\nd.example ACCEPT\n"
    assert refused(client, RECIPIENTS, text) == [
        (None, "The file has 4 rows; at most 2 can be imported."),
        (3, "give a code and a text after the action, for example: REJECT 550 Gone"),
    ]
