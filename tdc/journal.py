"""The journaled copy of a message: TDC reference 4.3, design of this project's "The copy".

Pure: built from the stored body whenever it is sent, and byte for byte the same on every attempt but for the date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from seg_console.mail.mime import (
    LONGEST_LINE,
    address_field,
    boundary,
    encoded_words,
    host_name,
    one_line,
    text_field,
)

# Parsers that hand out only what is called an attachment look for it.
_ATTACHED = b'Content-Disposition: attachment; filename="original.eml"\r\n'


@dataclass(frozen=True, slots=True)
class JournalReport:
    """What the report part and the outer headers say about one copied message."""

    envelope_sender: str
    """"" for the null sender."""
    subject: str
    """Decoded; "" when there is none."""
    message_id: str
    """The id alone, as `Headers.message_id`; "" when there is none."""
    recipients: tuple[str, ...]
    """Envelope recipients of this splinter: they, not the To header, are the truth."""
    from_header: str | None
    """Raw and unfolded, as `Headers.from_header`."""
    to_header: str | None
    subject_header: str | None = None
    """Raw and unfolded, as `Headers.raw_subject`; None has the outer Subject written from `subject`."""


def outer_message_id(*, mid: int, serial: int, hostname: str) -> str:
    """The copy's own Message-ID, the same on every attempt, so that an intake can tell a repeat from a new copy.

    `serial` tells copies of one MID apart.
    """
    return f"<{mid}.{serial}.journal@{host_name(hostname)}>"


def is_eight_bit(content: bytes) -> bool:
    """Whether content has octets over 127: a server that offers 8BITMIME is told so (RFC 6152)."""
    return not content.isascii()


def journal_copy(
    report: JournalReport, original: bytes, *, outer_id: str, date: datetime, intake: str, hostname: str
) -> bytes:
    """The whole message to send: CRLF line ends, `original` in it byte for byte.

    `original` is embedded as it is: re-writing it would break its DKIM signature, and `message/rfc822` may not be
    encoded (RFC 2046 section 5.2.1). `date` is the time of journaling and has a zone. The intake address is named
    in To only when the original names nobody there; `hostname` gives the From of an original without one.
    """
    text = _report_text(report)
    mark = boundary(outer_id, original, text)
    delimiter = b"--" + mark.encode("ascii")
    bits = b"Content-Transfer-Encoding: 8bit\r\n" if is_eight_bit(original) else b""
    return b"".join(
        (
            _outer_fields(report, outer_id=outer_id, date=date, intake=intake, hostname=hostname),
            b"MIME-Version: 1.0\r\n",
            bits,
            b'Content-Type: multipart/mixed; boundary="' + mark.encode("ascii") + b'"\r\n\r\n',
            delimiter + b'\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\n',
            text,
            b"\r\n" + delimiter + b"\r\nContent-Type: message/rfc822\r\n" + _ATTACHED,
            bits,
            b"\r\n",
            original,
            # This CRLF belongs to the delimiter, so the original may end with or without one of its own.
            b"\r\n" + delimiter + b"--\r\n",
        )
    )


def _outer_fields(report: JournalReport, *, outer_id: str, date: datetime, intake: str, hostname: str) -> bytes:
    subject = _subject(report)
    fields = [
        address_field("From", report.from_header or f"MAILER-DAEMON@{host_name(hostname)}"),
        address_field("To", report.to_header or intake),
        text_field("Subject", subject) if one_line(subject) else b"",
        f"Date: {format_datetime(date)}\r\n".encode("ascii"),
        address_field("Message-ID", outer_id),
        b"Auto-Submitted: auto-generated\r\n",
        b"X-MS-Journal-Report:\r\n",
    ]
    return b"".join(fields)


def _subject(report: JournalReport) -> str:
    """As it stood where that is fit for a header."""
    raw = report.subject_header
    return report.subject if raw is None or not raw.isascii() else raw


def _report_text(report: JournalReport) -> bytes:
    """The report part: one value per line, so that it parses line by line (TDC reference 4.2).

    Seven bits, so that it needs no transfer encoding, in which the `=` of many addresses would not be literal
    (docs/decisions.md#report-part-literal).
    """
    lines = [
        _report_line("Sender", report.envelope_sender or "<>"),
        _report_line("Subject", _subject(report)),
        _report_line("Message-Id", report.message_id),
        *(_report_line("Recipient", recipient) for recipient in report.recipients),
    ]
    return b"".join(lines)


def _report_line(label: str, value: str) -> bytes:
    value = one_line(value)
    if not value.isascii():
        value = encoded_words(value)
    line = f"{label}: {value}".encode("ascii")
    if len(line) > LONGEST_LINE:
        # Of encoded words, whole ones.
        end = line.rfind(b"?= ", 0, LONGEST_LINE)
        line = line[: LONGEST_LINE if end < 0 else end + 2]
    return line + b"\r\n"
