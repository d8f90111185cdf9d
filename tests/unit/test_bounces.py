from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.delivery.bounces import FailedRecipient, delivery_report
from seg_console.mail.headers import LONGEST_LOOK, header_block
from seg_console.mail.mime import boundary

ARRIVED = datetime(2024, 2, 16, 21, 19, 24, tzinfo=UTC)
GAVE_UP = datetime(2024, 2, 16, 21, 20, 0, tzinfo=UTC)
REFUSED = FailedRecipient("bob@corp.example", "5.1.1", "smtp; 550 5.1.1 no such user", "mx.corp.example")
EXPIRED = FailedRecipient("ann@corp.example", "5.4.7", "", "")
HEADERS = b"From: Alice <alice@remote.example>\r\nSubject: Hello\r\nMessage-ID: <1@remote.example>\r\n"
REPORT_ID = "<16.bounce@gateway.corp.example>"


def report(
    *recipients: FailedRecipient,
    headers: bytes = HEADERS,
    sender: str = "alice@remote.example",
    host: str = "gateway.corp.example",
) -> bytes:
    return delivery_report(
        mid=15,
        hostname=host,
        envelope_sender=sender,
        recipients=recipients or (REFUSED,),
        original_headers=headers,
        arrival=ARRIVED,
        date=GAVE_UP,
        message_id=REPORT_ID,
    )


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def returned(content: bytes) -> bytes:
    """The header block that a report gives back, decoded."""
    headers = list(parsed(content).iter_parts())[2].get_payload(decode=True)
    assert isinstance(headers, bytes)
    return headers


def cleaned(original: bytes) -> bytes:
    """What is to be given back of a message, as `delivery_report` says."""
    block = re.sub(rb"\r*\n", b"\n", header_block(original).replace(b"\0", b""))
    block = block.replace(b"\r", b" ").replace(b"\n", b"\r\n")
    return block if not block or block.endswith(b"\r\n") else block + b"\r\n"


def assert_fit_for_any_server(content: bytes) -> None:
    assert content.isascii()
    assert b"\0" not in content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    message = parsed(content)
    assert message["Content-Transfer-Encoding"] is None
    for part in message.iter_parts():
        if part["Content-Transfer-Encoding"] is not None:
            assert max(map(len, part.as_bytes().partition(b"\n\n")[2].splitlines())) <= 77


def test_a_whole_report() -> None:
    mark = boundary(REPORT_ID).encode()
    assert report(REFUSED, EXPIRED) == (
        b"From: Mail Delivery System <MAILER-DAEMON@gateway.corp.example>\r\n"
        b"To: alice@remote.example\r\n"
        b"Subject: Delivery Status Notification (Failure)\r\n"
        b"Date: Fri, 16 Feb 2024 21:20:00 +0000\r\n"
        b"Message-ID: <16.bounce@gateway.corp.example>\r\n"
        b"Auto-Submitted: auto-replied\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status;\r\n"
        b' boundary="' + mark + b'"\r\n'
        b"\r\n"
        b"--" + mark + b"\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"\r\n"
        b"This is the mail gateway at gateway.corp.example.\r\n"
        b"\r\n"
        b"Your message (reference 15 here) could not be delivered to:\r\n"
        b"\r\n"
        b"  bob@corp.example\r\n"
        b"    mx.corp.example said: 550 5.1.1 no such user\r\n"
        b"  ann@corp.example\r\n"
        b"    status 5.4.7\r\n"
        b"\r\n"
        b"It will not be tried again. The header of your message is attached.\r\n"
        b"\r\n"
        b"--" + mark + b"\r\n"
        b"Content-Type: message/delivery-status\r\n"
        b"\r\n"
        b"Reporting-MTA: dns; gateway.corp.example\r\n"
        b"Arrival-Date: Fri, 16 Feb 2024 21:19:24 +0000\r\n"
        b"\r\n"
        b"Final-Recipient: rfc822; bob@corp.example\r\n"
        b"Action: failed\r\n"
        b"Status: 5.1.1\r\n"
        b"Remote-MTA: dns; mx.corp.example\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        b"Last-Attempt-Date: Fri, 16 Feb 2024 21:20:00 +0000\r\n"
        b"\r\n"
        b"Final-Recipient: rfc822; ann@corp.example\r\n"
        b"Action: failed\r\n"
        b"Status: 5.4.7\r\n"
        b"Last-Attempt-Date: Fri, 16 Feb 2024 21:20:00 +0000\r\n"
        b"\r\n"
        b"--" + mark + b"\r\n"
        b"Content-Type: text/rfc822-headers\r\n"
        b"\r\n" + HEADERS + b"\r\n"
        b"--" + mark + b"--\r\n"
    )


def test_the_standard_library_reads_the_report() -> None:
    message = parsed(report(REFUSED, EXPIRED))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    text, status, headers = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    assert headers.get_content_type() == "text/rfc822-headers"
    groups = status.get_payload()
    assert isinstance(groups, list)
    assert [str(group["Status"]) for group in groups if isinstance(group, EmailMessage)] == ["None", "5.1.1", "5.4.7"]


def test_only_the_header_of_the_original_goes_back() -> None:
    content = report(headers=HEADERS + b"\r\nsecret body\r\n")
    assert b"secret" not in content
    assert content == report()


def test_eight_bit_headers_go_back_in_seven_bits() -> None:
    content = report(headers="Subject: Grüße\r\n".encode())
    assert content.count(b"Content-Transfer-Encoding: ") == 1
    assert b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: Gr=C3=BC=C3=9Fe\r\n\r\n--" in content
    assert returned(content) == "Subject: Grüße\r\n".encode()


def test_a_reply_that_is_not_ascii_is_read_whole_in_the_notice_and_escaped_in_the_status() -> None:
    content = report(FailedRecipient("bob@corp.example", "5.1.1", "smtp; 550 Empfänger unbekannt", "mx.corp.example"))
    text, status, _headers = parsed(content).iter_parts()
    assert "    mx.corp.example said: 550 Empfänger unbekannt\r\n" in text.get_content()
    assert text["Content-Transfer-Encoding"] == "quoted-printable"
    assert b"\r\nDiagnostic-Code: smtp; 550 Empf\\xe4nger unbekannt\r\n" in content
    assert status["Content-Transfer-Encoding"] is None


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("bob+x=y@corp.example", b"Final-Recipient: rfc822; bob+x=y@corp.example\r\n"),
        ("jürgen@corp.example", b"Final-Recipient: utf-8; j\\x{FC}rgen@corp.example\r\n"),
        ("管理@例子.example", b"Final-Recipient: utf-8; \\x{7BA1}\\x{7406}@\\x{4F8B}\\x{5B50}.example\r\n"),
        (
            '"a b\\\\"+=é@x.example',
            b'Final-Recipient: utf-8; "a\\x{20}b\\x{5C}\\x{5C}"\\x{2B}\\x{3D}\\x{E9}@x.example\r\n',
        ),
        ("\U0001f600" * 200, b"Final-Recipient: utf-8;\r\n " + b"\\x{1F600}" * 99 + b"\r\n"),
    ],
)
def test_a_recipient_that_is_not_ascii_is_named_with_its_own_type_of_address(address: str, field: bytes) -> None:
    assert field in report(FailedRecipient(address, "5.1.1", "", ""))


def test_a_sender_that_is_not_ascii_stands_as_the_name_of_an_empty_group() -> None:
    content = report(sender="jürgen@müller.example")
    assert b"\r\nTo: =?utf-8?b?asO8cmdlbkBtw7xsbGVyLmV4YW1wbGU=?= :;\r\n" in content
    (group,) = parsed(content)["To"].groups
    assert (group.display_name, group.addresses) == ("jürgen@müller.example", ())
    longest = "ö" * 32 + "@" + "ü" * 90 + ".example"
    raw = email.message_from_bytes(report(sender=longest))["To"]
    assert str(make_header(decode_header(raw))) == f"{longest} :;"


def test_odd_header_lines_go_back_as_they_were_but_for_line_ends_and_nul() -> None:
    content = report(headers=b"X: a\rb \nY: \0" + b"z" * 3000 + b"\nno end")
    assert returned(content) == b"X: a b \r\nY: " + b"z" * 3000 + b"\r\nno end\r\n"
    assert_fit_for_any_server(content)
    assert b"\0" not in content


@pytest.mark.parametrize("octet", [b"\xff", b"\xff\n", b"\n", b" ", b"z", b"\0", b".\r\n"])
def test_a_header_of_any_length_gives_a_report_of_bounded_size(octet: bytes) -> None:
    block = b"X:" + (octet * (2 * LONGEST_LOOK))[: 2 * LONGEST_LOOK]
    content = report(headers=block)
    assert_fit_for_any_server(content)
    assert len(content) < 3.2 * LONGEST_LOOK
    assert returned(content) == cleaned(block)


def test_no_value_can_add_a_header_or_a_line() -> None:
    evil = "x@y.example\r\nBcc: victim@corp.example\r\n\r\n\0\x85"
    content = report(FailedRecipient(evil, evil, evil, evil), sender=evil, host=evil)
    message = parsed(content)
    assert message["Bcc"] is None
    assert len(list(message.iter_parts())) == 3
    assert not any(line.startswith(b"Bcc") for line in content.split(b"\r\n"))
    assert b"MAILER-DAEMON@localhost" in content


def test_a_header_that_holds_the_boundary_gets_another() -> None:
    content = report(headers=b"X: --" + boundary(REPORT_ID).encode() + b"\r\n")
    assert len(list(parsed(content).iter_parts())) == 3


_pieces = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(["Grüße", "Ж", "测试"]).flatmap(
        lambda text: st.sampled_from(["utf-8", "utf-16", "gb18030"]).map(text.encode)
    ),
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"\0", b"\x1b[2J", b" ", b"\t", b".", b"=", b"--=_", b"From ", b"\r\n.\r\n"]
    ),
    st.tuples(st.binary(min_size=1, max_size=3), st.integers(1, 3000)).map(lambda pair: pair[0] * pair[1]),
)


@given(st.text(max_size=300), st.lists(_pieces, max_size=12).map(b"".join))
def test_any_value_makes_a_report_of_three_parts_that_any_server_takes(value: str, original: bytes) -> None:
    content = report(FailedRecipient(value, "5.0.0", f"smtp; {value * 9}", value), headers=original, sender=value)
    assert len(list(parsed(content).iter_parts())) == 3
    assert_fit_for_any_server(content)
    assert returned(content) == cleaned(original)
