"""The report that tells a sender that mail could not be delivered: RFC 3464 inside RFC 6522, pure.

Whatever the message and the replies held, a report has seven bits and no line over 998 octets: a server that offers no
extension takes it, and no report is lost for the bytes that it returns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple

from seg_console.mail.addresses import as_sent
from seg_console.mail.headers import header_block
from seg_console.mail.lines import clean_line_ends
from seg_console.mail.mime import (
    LONGEST_LINE,
    address_field,
    boundary,
    encoded_words,
    host_name,
    one_line,
    quoted_printable,
    text_field,
)

# Room for the name of the field and the type in front.
_LONGEST_VALUE = LONGEST_LINE - 100
# What stands for itself in utf-8-addr-xtext (RFC 6533 section 3) is printable ASCII but "+", "=" and "\".
_ESCAPED = re.compile(r"[^!-*,-<>-\[\]-~]")
_CUT_ESCAPE = re.compile(r"\\[^}]*\Z")


class FailedRecipient(NamedTuple):
    """One recipient that the message did not reach."""

    address: str
    status: str
    """Enhanced status code, RFC 3463: "5.1.1"."""
    diagnostic: str
    """Type and text as RFC 3464 section 2.3.6 has it: "smtp; 550 5.1.1 no such user". "" when there was no reply."""
    remote_mta: str
    """Host that refused; "" when none was reached."""


def delivery_report(
    *,
    mid: int,
    hostname: str,
    envelope_sender: str,
    recipients: Sequence[FailedRecipient],
    original_headers: bytes,
    arrival: datetime,
    date: datetime,
    message_id: str,
) -> bytes:
    """The whole message to send to `envelope_sender` from the null sender: 7-bit, with CRLF line ends.

    `mid` is that of the message that failed. `original_headers` may be the whole message: only its header block is
    returned, at most 256 KiB, with CRLF for every line end and a blank for NUL. `arrival` (when it was accepted) and
    `date` have zones. `message_id` is the report's own, angle brackets included. Must not be called for the null
    sender: bounces are never bounced.
    """
    host = host_name(hostname)
    notice, notice_encoding = _seven_bit(_notice(mid, host, recipients))
    status = _delivery_status(host, recipients, arrival=arrival, date=date)
    headers, headers_encoding = _seven_bit(_returned_headers(original_headers))
    mark = boundary(message_id, notice, status, headers)
    delimiter = f"--{mark}\r\n".encode("ascii")
    return b"".join(
        (
            address_field("From", f"Mail Delivery System <MAILER-DAEMON@{host}>"),
            _to_field(envelope_sender),
            b"Subject: Delivery Status Notification (Failure)\r\n",
            f"Date: {format_datetime(date)}\r\n".encode("ascii"),
            address_field("Message-ID", message_id),
            b"Auto-Submitted: auto-replied\r\n",
            b"MIME-Version: 1.0\r\n",
            b'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="'
            + mark.encode()
            + b'"\r\n\r\n',
            delimiter + b'Content-Type: text/plain; charset="utf-8"\r\n' + notice_encoding + b"\r\n",
            notice + b"\r\n",
            delimiter + b"Content-Type: message/delivery-status\r\n\r\n",
            status + b"\r\n",
            delimiter + b"Content-Type: text/rfc822-headers\r\n" + headers_encoding + b"\r\n",
            headers + b"\r\n",
            f"--{mark}--\r\n".encode("ascii"),
        )
    )


def _to_field(address: str) -> bytes:
    """An address that is not ASCII stands as the name of an empty group, as in a downgraded message (RFC 6857)."""
    address = as_sent(one_line(address))
    return address_field("To", address) if address.isascii() else text_field("To", f"{encoded_words(address)} :;")


def _notice(mid: int, host: str, recipients: Sequence[FailedRecipient]) -> bytes:
    """The part that people read."""
    lines = [
        f"This is the mail gateway at {host}.",
        "",
        f"Your message (reference {mid} here) could not be delivered to:",
        "",
    ]
    for recipient in recipients:
        lines.append(f"  {_shown_address(recipient.address)}")
        lines.append(f"    {_reason(recipient)}")
    lines += ["", "It will not be tried again. The header of your message is attached."]
    return b"".join(line.encode()[:LONGEST_LINE].decode("utf-8", "ignore").encode() + b"\r\n" for line in lines)


def _reason(recipient: FailedRecipient) -> str:
    said = recipient.diagnostic.partition(";")[2].strip() or f"status {recipient.status}"
    return one_line(f"{recipient.remote_mta} said: {said}" if recipient.remote_mta else said)


def _delivery_status(host: str, recipients: Sequence[FailedRecipient], *, arrival: datetime, date: datetime) -> bytes:
    """Fields about the message, then about each recipient, groups apart by an empty line (RFC 3464 section 2.1)."""
    groups = [text_field("Reporting-MTA", f"dns; {host}") + text_field("Arrival-Date", format_datetime(arrival))]
    for recipient in recipients:
        fields = [
            text_field("Final-Recipient", _typed_address(_shown_address(recipient.address))),
            b"Action: failed\r\n",
            text_field("Status", recipient.status),
        ]
        if recipient.remote_mta:
            fields.append(text_field("Remote-MTA", f"dns; {_ascii(recipient.remote_mta)}"))
        if recipient.diagnostic:
            fields.append(text_field("Diagnostic-Code", _ascii(recipient.diagnostic)))
        fields.append(text_field("Last-Attempt-Date", format_datetime(date)))
        groups.append(b"".join(fields))
    return b"\r\n".join(groups)


def _returned_headers(content: bytes) -> bytes:
    """The header block with CRLF line ends, one at its end too, and no NUL."""
    block = clean_line_ends(header_block(content))
    return block if not block or block.endswith(b"\r\n") else block + b"\r\n"


def _shown_address(address: str) -> str:
    return one_line(address) or "<>"


def _typed_address(address: str) -> str:
    """Address type and address; one that is not ASCII as RFC 6533 section 3 has it where there are seven bits."""
    if address.isascii():
        return f"rfc822; {address[:_LONGEST_VALUE]}"
    escaped = _ESCAPED.sub(lambda character: f"\\x{{{ord(character[0]):X}}}", address)
    return f"utf-8; {_CUT_ESCAPE.sub('', escaped[:_LONGEST_VALUE])}"


def _ascii(text: str) -> str:
    # message/delivery-status is 7-bit and knows no encoded words in these fields (RFC 3464 section 2.1.1).
    return one_line(text).encode("ascii", "backslashreplace").decode("ascii")[:_LONGEST_VALUE]


def _seven_bit(lines: bytes) -> tuple[bytes, bytes]:
    """CRLF lines fit for any server, and the field that says how: headers that need it are returned in quoted-printable
    (RFC 6522 section 4)."""
    if lines.isascii() and all(len(line) <= LONGEST_LINE for line in lines.split(b"\r\n")):
        return lines, b""
    return quoted_printable(lines), b"Content-Transfer-Encoding: quoted-printable\r\n"
