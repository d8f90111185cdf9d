"""The report that tells a sender that mail could not be delivered: RFC 3464 inside RFC 6522, pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple

from seg_console.mail.headers import header_block
from seg_console.mail.lines import clean_line_ends
from seg_console.mail.mime import LONGEST_LINE, address_field, boundary, host_name, one_line, text_field


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
    """The whole message to send to `envelope_sender` from the null sender, with CRLF line ends.

    `mid` is that of the message that failed. `original_headers` may be the whole message: only its header block is
    returned, at most 256 KiB. `arrival` (when it was accepted) and `date` have zones. `message_id` is the report's
    own, angle brackets included. Must not be called for the null sender: bounces are never bounced.
    """
    host = host_name(hostname)
    notice = _notice(mid, host, recipients)
    status = _delivery_status(host, recipients, arrival=arrival, date=date)
    headers = _returned_headers(original_headers)
    mark = boundary(message_id, notice, status, headers)
    delimiter = f"--{mark}\r\n".encode("ascii")
    return b"".join(
        (
            address_field("From", f"Mail Delivery System <MAILER-DAEMON@{host}>"),
            address_field("To", envelope_sender),
            b"Subject: Delivery Status Notification (Failure)\r\n",
            f"Date: {format_datetime(date)}\r\n".encode("ascii"),
            address_field("Message-ID", message_id),
            b"Auto-Submitted: auto-replied\r\n",
            b"MIME-Version: 1.0\r\n",
            _transfer_encoding(notice + status + headers),
            b'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="'
            + mark.encode()
            + b'"\r\n\r\n',
            delimiter + b'Content-Type: text/plain; charset="utf-8"\r\n' + _transfer_encoding(notice) + b"\r\n",
            notice + b"\r\n",
            delimiter + b"Content-Type: message/delivery-status\r\n\r\n",
            status + b"\r\n",
            delimiter + b"Content-Type: text/rfc822-headers\r\n" + _transfer_encoding(headers) + b"\r\n",
            headers + b"\r\n",
            f"--{mark}--\r\n".encode("ascii"),
        )
    )


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
            text_field("Final-Recipient", f"rfc822; {_ascii(_shown_address(recipient.address))}"),
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
    """The header block with CRLF line ends and no NUL, each line short enough to be sent on."""
    block = clean_line_ends(header_block(content)).replace(b"\0", b" ")
    lines = block.split(b"\r\n")
    if not lines[-1]:
        lines.pop()
    return b"".join(line[:LONGEST_LINE] + b"\r\n" for line in lines)


def _shown_address(address: str) -> str:
    return one_line(address) or "<>"


def _ascii(text: str) -> str:
    # message/delivery-status is 7-bit and knows no encoded words in these fields (RFC 3464 section 2.1.1).
    return one_line(text).encode("ascii", "replace").decode("ascii")[: LONGEST_LINE - 100]


def _transfer_encoding(content: bytes) -> bytes:
    return b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
