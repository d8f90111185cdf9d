from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from seg_console.delivery.bounces import FailedRecipient, delivery_report
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


def test_eight_bit_headers_are_declared() -> None:
    content = report(headers="Subject: Grüße\r\n".encode())
    assert content.count(b"Content-Transfer-Encoding: 8bit\r\n") == 2
    assert parsed(content)["Content-Transfer-Encoding"] == "8bit"


def test_odd_header_lines_are_made_safe_to_send() -> None:
    content = report(headers=b"X: a\rb\nY: \0" + b"z" * 3000 + b"\nno end")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\0" not in content
    assert b"X: a\r\nb\r\nY:  z" in content
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")


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


@given(st.text(max_size=300), st.binary(max_size=300))
def test_any_value_makes_a_report_of_three_parts(value: str, headers: bytes) -> None:
    content = report(FailedRecipient(value, "5.0.0", f"smtp; {value * 9}", value), headers=headers, sender=value)
    assert len(list(parsed(content).iter_parts())) == 3
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
