from __future__ import annotations

import base64
import email
import email.policy
import re
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from seg_console.mail.headers import read_headers
from seg_console.mail.mime import boundary
from tdc.journal import JournalReport, is_eight_bit, journal_copy, outer_message_id

WHEN = datetime(2024, 2, 16, 21, 19, 24, tzinfo=UTC)
OUTER_ID = "<15.0.journal@gateway.corp.example>"
ORIGINAL = (
    b"Received: from mx.remote.example by gateway.corp.example; Fri, 16 Feb 2024 21:19:23 +0000\r\n"
    b"From: Alice <alice@remote.example>\r\n"
    b"To: Bob <bob@corp.example>\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@remote.example>\r\n"
    b"\r\n"
    b"Hello\r\n"
    b".\r\n"
    b"--\r\n"
)


def report_of(
    original: bytes, *, sender: str = "alice@remote.example", recipients: tuple[str, ...] = ("bob@x.example",)
) -> JournalReport:
    headers = read_headers(original)
    return JournalReport(
        envelope_sender=sender,
        subject=headers.subject or "",
        message_id=headers.message_id or "",
        recipients=recipients,
        from_header=headers.from_header,
        to_header=headers.to_header,
        subject_header=headers.raw_subject,
    )


def copy_of(original: bytes, report: JournalReport | None = None) -> bytes:
    return journal_copy(
        report or report_of(original),
        original,
        outer_id=OUTER_ID,
        date=WHEN,
        intake="id@intake.example",
        hostname="gateway.corp.example",
    )


def parts_by_bytes(copy: bytes) -> tuple[bytes, bytes, bytes]:
    """Outer header, report part and original, found as a reader of RFC 2046 would, with nothing but bytes."""
    outer, _, body = copy.partition(b"\r\n\r\n")
    found = re.search(rb'boundary="([^"]+)"', outer)
    assert found
    pieces = (b"\r\n" + body).split(b"\r\n--" + found[1])
    assert len(pieces) == 4
    assert pieces[0] == b""
    assert pieces[3] == b"--\r\n"
    return outer + b"\r\n", pieces[1].removeprefix(b"\r\n"), pieces[2].partition(b"\r\n\r\n")[2]


def outer_field(copy: bytes, name: str) -> str:
    value = email.message_from_bytes(copy, policy=email.policy.default)[name]
    assert value is not None
    return str(value)


def report_lines(copy: bytes) -> list[str]:
    fields, _, text = parts_by_bytes(copy)[1].partition(b"\r\n\r\n")
    assert b"Content-Transfer-Encoding" not in fields
    return text.decode("ascii").removesuffix("\r\n").split("\r\n")


def test_a_whole_copy() -> None:
    copy = copy_of(ORIGINAL, report_of(ORIGINAL, recipients=("user1@corp.example", "user2@corp.example")))
    mark = boundary(OUTER_ID, b"").encode()
    assert copy == (
        b"From: Alice <alice@remote.example>\r\n"
        b"To: Bob <bob@corp.example>\r\n"
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"Date: Fri, 16 Feb 2024 21:19:24 +0000\r\n"
        b"Message-ID: <15.0.journal@gateway.corp.example>\r\n"
        b"Auto-Submitted: auto-generated\r\n"
        b"X-MS-Journal-Report:\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="' + mark + b'"\r\n'
        b"\r\n"
        b"--" + mark + b"\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"\r\n"
        b"Sender: alice@remote.example\r\n"
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"Message-Id: <1@remote.example>\r\n"
        b"Recipient: user1@corp.example\r\n"
        b"Recipient: user2@corp.example\r\n"
        b"\r\n"
        b"--" + mark + b"\r\n"
        b"Content-Type: message/rfc822\r\n"
        b'Content-Disposition: attachment; filename="original.eml"\r\n'
        b"\r\n" + ORIGINAL + b"\r\n"
        b"--" + mark + b"--\r\n"
    )


def test_a_plain_copy_names_no_transfer_encoding() -> None:
    copy = copy_of(ORIGINAL.replace(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"Hello"))
    assert not is_eight_bit(copy)
    assert b"Content-Transfer-Encoding" not in copy


def test_an_eight_bit_original_makes_the_copy_eight_bit_where_it_is() -> None:
    original = ORIGINAL.replace(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"Hello") + "Grüße\r\n".encode("latin-1")
    copy = copy_of(original)
    outer, report, _ = parts_by_bytes(copy)
    assert is_eight_bit(copy)
    assert b"\r\nContent-Transfer-Encoding: 8bit\r\n" in outer
    assert b"Content-Transfer-Encoding" not in report
    assert (
        b'\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename="original.eml"\r\n'
        b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    ) in copy


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"--", b"\r\n--"])
def test_the_original_comes_back_byte_for_byte_however_it_ends(end: bytes) -> None:
    original = ORIGINAL + b"last line" + end
    assert parts_by_bytes(copy_of(original))[2] == original


@given(st.binary(max_size=300))
def test_any_original_comes_back_byte_for_byte(original: bytes) -> None:
    assert parts_by_bytes(copy_of(original))[2] == original


def test_the_standard_library_reads_the_same_original_back() -> None:
    parsed = email.message_from_bytes(copy_of(ORIGINAL))
    assert parsed.get_content_type() == "multipart/mixed"
    assert parsed["X-MS-Journal-Report"] == ""
    text, wrapped, inner = list(parsed.walk())[1:]
    assert [text.get_content_type(), wrapped.get_content_type()] == ["text/plain", "message/rfc822"]
    report = text.get_payload(decode=True)
    assert isinstance(report, bytes)
    assert report.decode().splitlines()[1] == "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="
    assert (wrapped.get_content_disposition(), wrapped.get_filename()) == ("attachment", "original.eml")
    as_it_came = email.policy.compat32.clone(linesep="\r\n", max_line_length=None)
    assert inner.as_bytes(policy=as_it_came) == ORIGINAL


def test_a_copy_inside_a_copy_is_taken_apart_one_layer_at_a_time() -> None:
    first = copy_of(ORIGINAL)
    assert boundary(OUTER_ID, b"").encode() in first
    second = copy_of(first)
    assert parts_by_bytes(second)[2] == first


def test_the_boundary_avoids_what_the_original_holds() -> None:
    taken = boundary(OUTER_ID).encode()
    original = ORIGINAL + b"--" + taken + b"--\r\n"
    copy = copy_of(original)
    assert b'boundary="' + taken not in copy
    assert parts_by_bytes(copy)[2] == original


def test_every_attempt_builds_the_same_copy() -> None:
    assert copy_of(ORIGINAL) == copy_of(ORIGINAL)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("canonical", [(b"simple", b"simple"), (b"relaxed", b"relaxed")])
def test_a_dkim_signature_still_verifies_inside_the_copy(
    key: rsa.RSAPrivateKey, canonical: tuple[bytes, bytes]
) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    message = ORIGINAL + b"trailing blanks  \r\n\tand  tabs\r\n\r\n\r\n"
    signed = dkim.sign(message, b"s1", b"remote.example", private, canonicalize=canonical) + message

    extracted = parts_by_bytes(copy_of(signed))[2]

    assert dkim.verify(extracted, dnsfunc=lambda name, timeout=5: record)
    assert not dkim.verify(extracted.replace(b"Hello", b"Hallo"), dnsfunc=lambda name, timeout=5: record)


SIGNED_SENDER = "prvs=4711abcdef=" + "a" * 230 + "@remote.example"
SRS_RECIPIENT = "SRS0=x1Yz=AB=remote.example=" + "b" * 200 + "@corp.example"


@pytest.mark.parametrize(
    ("subject", "in_report"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
        (b"=?gb2312?B?1tDOxA==?=\r\n =?gb2312?B?1tDOxA==?=", "=?gb2312?B?1tDOxA==?= =?gb2312?B?1tDOxA==?="),
        ("Grüße".encode(), "=?utf-8?b?R3LDvMOfZQ==?="),
        ("Grüße".encode("cp1252"), "=?utf-8?b?R3LDvMOfZQ==?="),
        (b"plain", "plain"),
    ],
)
@pytest.mark.parametrize("body", [b"Hello\r\n", "Grüße\r\n".encode()])
def test_no_subject_makes_the_report_other_than_literal(subject: bytes, in_report: str, body: bytes) -> None:
    original = ORIGINAL.replace(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", subject).replace(b"Hello\r\n", body)
    copy = copy_of(original, report_of(original, sender=SIGNED_SENDER, recipients=(SRS_RECIPIENT, "b@corp.example")))
    assert report_lines(copy) == [
        f"Sender: {SIGNED_SENDER}",
        f"Subject: {in_report}",
        "Message-Id: <1@remote.example>",
        f"Recipient: {SRS_RECIPIENT}",
        "Recipient: b@corp.example",
    ]
    assert parts_by_bytes(copy)[2] == original


def test_a_very_long_subject_of_encoded_words_ends_with_a_whole_one_in_the_report() -> None:
    report = JournalReport("a@x.example", "ü" * 3000, "<1@x>", ("b@x.example",), None, None)
    line = report_lines(copy_of(ORIGINAL, report))[1]
    assert 900 < len(line) <= 998
    assert set(read_headers(f"{line}\r\n".encode()).subject or "") == {"ü"}


def test_the_null_sender_is_written_as_empty_brackets() -> None:
    assert report_lines(copy_of(ORIGINAL, report_of(ORIGINAL, sender="")))[0] == "Sender: <>"


def test_an_original_without_header_fields_still_makes_a_whole_copy() -> None:
    original = b"\r\njust text\r\n"
    copy = copy_of(original)
    assert copy.startswith(b"From: MAILER-DAEMON@gateway.corp.example\r\nTo: id@intake.example\r\nDate: ")
    assert report_lines(copy) == [
        "Sender: alice@remote.example",
        "Subject: ",
        "Message-Id: ",
        "Recipient: bob@x.example",
    ]
    assert parts_by_bytes(copy)[2] == original


def test_recipients_come_from_the_envelope_one_line_each() -> None:
    recipients = tuple(f"user{n}@corp.example" for n in range(1000))
    lines = report_lines(copy_of(ORIGINAL, report_of(ORIGINAL, recipients=recipients)))
    assert lines[3:] == [f"Recipient: {recipient}" for recipient in recipients]


def test_the_outer_subject_is_encoded_when_only_the_decoded_one_is_known() -> None:
    report = JournalReport("a@x.example", "Grüße " * 40, "<1@x>", ("b@x.example",), None, None)
    copy = copy_of(ORIGINAL, report)
    assert parts_by_bytes(copy)[0].isascii()
    assert read_headers(copy).subject == ("Grüße " * 40).strip()


def test_raw_eight_bit_names_are_encoded_in_the_outer_header() -> None:
    original = (
        'From: Jürgen Groß <j@remote.example>\r\nTo: "Böb, B." <bob@corp.example>, Ann <ann@corp.example>\r\n'
        "Subject: Grüße\r\n\r\n"
    ).encode()
    copy = copy_of(original)
    assert parts_by_bytes(copy)[0].isascii()
    assert outer_field(copy, "From") == "Jürgen Groß <j@remote.example>"
    assert outer_field(copy, "To") == '"Böb, B." <bob@corp.example>, Ann <ann@corp.example>'
    assert outer_field(copy, "Subject") == "Grüße"


EVIL = "x\r\nBcc: victim@corp.example\r\n\r\nbody\0\x1b\x85\u2028end"


def test_no_value_can_add_a_header_or_a_line() -> None:
    report = JournalReport(EVIL, EVIL, EVIL, (EVIL, EVIL), EVIL, EVIL, EVIL)
    copy = journal_copy(report, ORIGINAL, outer_id=f"<{EVIL}>", date=WHEN, intake=EVIL, hostname=EVIL)
    outer, _, original = parts_by_bytes(copy)
    assert original == ORIGINAL
    names = [name.lower() for name in email.message_from_bytes(outer).keys()]  # noqa: SIM118
    assert names == [
        "from", "to", "subject", "date", "message-id", "auto-submitted", "x-ms-journal-report", "mime-version",
        "content-type",
    ]  # fmt: skip
    lines = report_lines(copy)
    assert [line.partition(":")[0] for line in lines] == ["Sender", "Subject", "Message-Id", "Recipient", "Recipient"]
    assert not re.search("[\0-\x1f\x7f-\x9f\u2028]", "".join(lines))
    assert outer_message_id(mid=1, serial=2, hostname=EVIL) == "<1.2.journal@localhost>"


@pytest.mark.parametrize(
    "value",
    [
        "word " * 2000,
        "x" * 5000,
        "ü" * 3000,
        "a@b.example," * 500,
        '"' + "q" * 3000 + '" <a@b.example>',
        " " * 3000 + "x",
        "a" + " " * 3000 + "b",
        "=?utf-8?q?" + "a" * 3000 + "?=",
    ],
    ids=lambda value: value[:12],
)
def test_lines_around_the_original_are_at_most_998_octets(value: str) -> None:
    report = JournalReport(value, value, value, (value,), value, value, value)
    copy = copy_of(ORIGINAL, report)
    outer, text, original = parts_by_bytes(copy)
    assert original == ORIGINAL
    assert max(map(len, (outer + text).split(b"\r\n"))) <= 998
    assert all(line.strip() for line in outer.removesuffix(b"\r\n").split(b"\r\n"))
    text.decode()


def test_a_long_subject_survives_whole_in_the_outer_header() -> None:
    for subject in ("x" * 5000, "several words " * 300 + "end", "ü" * 3000):
        report = JournalReport("", subject, "", ("b@x.example",), None, None)
        assert read_headers(copy_of(ORIGINAL, report)).subject == subject


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_header_text_makes_a_copy_that_reads_back(subject: str, name: str) -> None:
    report = JournalReport(name, subject, name, (name,), f"{name} <a@b.example>", name, None)
    copy = copy_of(ORIGINAL, report)
    outer, _, original = parts_by_bytes(copy)
    assert original == ORIGINAL
    assert outer.isascii()
    assert len(report_lines(copy)) == 4


def test_the_outer_message_id_depends_on_the_copy_alone() -> None:
    assert outer_message_id(mid=15, serial=0, hostname="gateway.corp.example") == OUTER_ID
