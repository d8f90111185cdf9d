"""The demo's mail: who writes to whom, what it looks like, and what the sample configuration must make of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

from seg_console.lab.places import CORP_DOMAIN
from seg_console.lab.sample_configuration import BLOCKED_RECIPIENT

Copy = Literal["default", "custom"]

ANNA = f"anna@{CORP_DOMAIN}"
BORIS = f"boris@{CORP_DOMAIN}"
CEO = f"ceo@{CORP_DOMAIN}"
BOARD = f"board@{CORP_DOMAIN}"
SUPPORT = f"support@{CORP_DOMAIN}"
HELP = f"help@branch.{CORP_DOMAIN}"
LEDGER = f"ledger@finance.{CORP_DOMAIN}"
PAYROLL = f"payroll@finance.{CORP_DOMAIN}"
LUNCH = f"lunch@finance.{CORP_DOMAIN}"
BRANCH = f"front.desk@branch.{CORP_DOMAIN}"
STRANGER = "somebody@elsewhere.example"

_DATA = Path(__file__).parent / "data"
SIGNED_MESSAGE = _DATA / "signed.eml"
# The TXT record under which the signer's key would stand in the DNS.
SIGNER_RECORD = _DATA / "signer.txt"

LARGE_SIZE = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message as it is sent.

    `refused`: those of `recipients` that the listener must turn away. `copies`: the intakes that must get a copy, one
    each. `content` has CRLF line ends.
    """

    title: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    copies: tuple[Copy, ...]
    refused: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return set(self.recipients) != set(self.refused)


def samples(*, now: datetime) -> list[Sample]:
    """All of them; `now` (aware) dates the ones that are not signed."""
    writer = _Writer(now)
    return [
        *_everyday(writer),
        *_policies(writer),
        *_splits(writer),
        *_contents(writer),
        *_refusals(writer),
    ]


class _Writer:
    """Writes ordinary messages, a minute apart, each with a Message-ID of its own."""

    def __init__(self, now: datetime) -> None:
        self._at = now - timedelta(hours=1)
        self._count = 0

    def headers(self, sender: str, recipients: Sequence[str], subject: str) -> EmailMessage:
        self._count += 1
        self._at += timedelta(minutes=1)
        message = EmailMessage(policy=SMTP)
        message["From"] = sender or "Mail Delivery System <mailer-daemon@mail.partner.example>"
        message["To"] = ", ".join(recipients)
        message["Subject"] = subject
        message["Date"] = format_datetime(self._at)
        message["Message-ID"] = f"<sample-{self._count:02d}.{self._at:%Y%m%d%H%M%S}@sender.example>"
        return message

    def sample(
        self,
        subject: str,
        sender: str,
        recipients: Sequence[str],
        copies: Sequence[Copy],
        *,
        text: str = "",
        refused: Sequence[str] = (),
    ) -> Sample:
        message = self.headers(sender, recipients, subject)
        message.set_content(text or f"{subject}.\n\nThis is sample mail: nobody has to do anything about it.\n")
        return _sample(subject, sender, recipients, message, copies, refused=refused)


def _sample(
    title: str,
    sender: str,
    recipients: Sequence[str],
    message: EmailMessage | bytes,
    copies: Sequence[Copy],
    *,
    refused: Sequence[str] = (),
) -> Sample:
    return Sample(
        title=title,
        sender=sender,
        recipients=tuple(recipients),
        content=message if isinstance(message, bytes) else message.as_bytes(),
        copies=tuple(copies),
        refused=tuple(refused),
    )


def _everyday(writer: _Writer) -> list[Sample]:
    """Ordinary mail for nobody's policy but the Default Policy's."""
    subjects = [
        ("Minutes of Tuesday's meeting", "carla@supplier.example", ANNA),
        ("Your parcel is on its way", "parcels@courier.example", BORIS),
        ("Question about invoice 4711", "dora@customer.example", ANNA),
        ("Reservation for two, Friday at eight", "table@restaurant.example", BORIS),
        ("Draft of the contract", "emil@lawyers.example", ANNA),
        ("Holiday greetings from the coast", "frida@friends.example", BORIS),
        ("Spare keys for the branch office", "gustav@locksmith.example", BRANCH),
        ("Water supply off on Thursday", "office@utility.example", BRANCH),
        ("Lunch menu for next week", "kitchen@canteen.example", LUNCH),
        ("A colleague writes from home", f"hanna@{CORP_DOMAIN}", ANNA),
        ("Internal request to the help desk", f"hanna@{CORP_DOMAIN}", SUPPORT),
    ]
    return [writer.sample(subject, sender, [to], ["default"]) for subject, sender, to in subjects]


def _policies(writer: _Writer) -> list[Sample]:
    """Mail that one policy takes as a whole."""
    return [
        writer.sample("Quarterly figures, confidential", "ivan@bank.example", [CEO], ["custom"]),
        writer.sample("Agenda for the board", "jana@auditor.example", [BOARD], ["custom"]),
        writer.sample("Board papers, part two", "jana@auditor.example", [CEO, BOARD], ["custom"]),
        writer.sample("A newsletter the board subscribed to", "editor@news.example", [BOARD], ["custom"]),
        writer.sample("Ten tips for your garden", "editor@news.example", [ANNA], []),
        writer.sample("This week in short", "weekly@news.example", [ANNA, BORIS], []),
        writer.sample("Offers of the day", "offers@news.example", [BRANCH, SUPPORT], []),
        writer.sample("Newsletter to the ledger", "editor@news.example", [LEDGER], []),
        writer.sample("Shared project plan", "karl@partner.example", [ANNA], ["default"]),
        writer.sample("Test results from the lab next door", "lena@lab.partner.example", [BORIS], ["default"]),
        writer.sample("A partner's invoice", "billing@partner.example", [LEDGER], ["default"]),
        writer.sample("Payment reminder", "mario@vendor.example", [LEDGER], ["custom"]),
        writer.sample("Bank statement", "statements@bank.example", [LEDGER, PAYROLL], ["custom"]),
        writer.sample("Tax form for next year", "forms@authority.example", [PAYROLL], ["custom"]),
        writer.sample("My screen stays dark", "nina@customer.example", [SUPPORT], ["default"]),
        writer.sample("Cannot sign in since Monday", "otto@customer.example", [HELP], ["default"]),
    ]


def _splits(writer: _Writer) -> list[Sample]:
    """Mail whose recipients fall to different policies: each part goes its own way."""
    return [
        writer.sample("Fire drill on Monday", "paula@landlord.example", [ANNA, CEO], ["default", "custom"]),
        writer.sample(
            "New prices", "quentin@vendor.example", [ANNA, BORIS, LEDGER, PAYROLL, CEO], ["default", "custom", "custom"]
        ),
        writer.sample("Press review", "press@news.example", [ANNA, CEO], ["custom"]),
        # "Following Recipients are Not" asks about the whole message: with LUNCH among them, Finance takes nobody.
        writer.sample("Delivery note and invoice", "rosa@vendor.example", [LUNCH, LEDGER], ["default"]),
        writer.sample(
            "Everything at once",
            "sven@customer.example",
            [SUPPORT, LEDGER, ANNA, BOARD],
            ["default", "default", "custom", "custom"],
        ),
    ]


def _contents(writer: _Writer) -> list[Sample]:
    """Mail that is out of the ordinary in what it holds."""
    return [
        _with_attachment(writer),
        _as_html(writer),
        writer.sample("Grüße aus Köln – ein Überblick", "tilda@partner.example", [ANNA], ["default"]),
        writer.sample("会议纪要：第三季度计划", "umi@supplier.example", [BORIS], ["default"]),
        _eight_bit(writer),
        _raw_subject(writer),
        _forwarded(writer),
        _dots(writer),
        _long_line(writer),
        writer.sample("Undelivered Mail Returned to Sender", "", [ANNA], ["default"]),
        _many_recipients(writer),
        _sample("A signed letter", "letters@signed.example", [ANNA], SIGNED_MESSAGE.read_bytes(), ["default"]),
        _large(writer),
    ]


def _refusals(writer: _Writer) -> list[Sample]:
    return [
        writer.sample("For somebody else's domain", "vera@customer.example", [STRANGER], [], refused=[STRANGER]),
        writer.sample(
            "For one of ours and a stranger", "vera@customer.example", [ANNA, STRANGER], ["default"], refused=[STRANGER]
        ),
        writer.sample(
            "For somebody who has left", "walter@customer.example", [BLOCKED_RECIPIENT], [], refused=[BLOCKED_RECIPIENT]
        ),
    ]


def _with_attachment(writer: _Writer) -> Sample:
    subject, sender = "Signed order form attached", "xenia@customer.example"
    message = writer.headers(sender, [ANNA], subject)
    message.set_content("The form is attached, with a table for your records.\n")
    message.add_attachment(
        random.Random(1).randbytes(20_000), maintype="application", subtype="octet-stream", filename="order.bin"
    )
    message.add_attachment("part;quantity\nscrew;200\nnut;200\n", subtype="csv", filename="übersicht.csv")
    return _sample(subject, sender, [ANNA], message, ["default"])


def _as_html(writer: _Writer) -> Sample:
    subject, sender = "Our new catalogue", "sales@vendor.example"
    message = writer.headers(sender, [BORIS], subject)
    message.set_content("The catalogue is out.\n")
    message.add_alternative("<p>The <b>catalogue</b> is out.</p>\n", subtype="html")
    return _sample(subject, sender, [BORIS], message, ["default"])


def _eight_bit(writer: _Writer) -> Sample:
    subject, sender = "Eight-bit text", "yves@customer.example"
    message = writer.headers(sender, [ANNA], subject)
    message.set_content("Crème brûlée, Ærøskøbing, naïve – as plain eight-bit text.\n", cte="8bit")
    return _sample(subject, sender, [ANNA], message, ["default"])


def _raw_subject(writer: _Writer) -> Sample:
    """A sender that puts UTF-8 into the header without encoding it, as many programs do."""
    sender = "zoe@old-program.example"
    message = writer.headers(sender, [BORIS], "SUBJECT")
    message.set_content("The subject of this message is written in bare UTF-8.\n")
    content = message.as_bytes().replace(b"SUBJECT", "Bestätigung Ihrer Anfrage".encode())
    return _sample("Subject in bare UTF-8", sender, [BORIS], content, ["default"])


def _forwarded(writer: _Writer) -> Sample:
    subject, sender = "Fwd: have you seen this?", "anton@friends.example"
    inner = writer.headers("unknown@strange.example", [sender], "You have won")
    inner.set_content("Send us your account number to receive your prize.\n")
    message = writer.headers(sender, [SUPPORT], subject)
    message.set_content("Is this real?\n")
    message.add_attachment(inner)
    return _sample(subject, sender, [SUPPORT], message, ["default"])


def _dots(writer: _Writer) -> Sample:
    text = "A line with one dot follows.\n.\n..\n.hidden\nAnd this line still belongs to the message.\n"
    return writer.sample("Lines that begin with dots", "bert@customer.example", [BORIS], ["default"], text=text)


def _long_line(writer: _Writer) -> Sample:
    """A line far over the 1,000 octets that RFC 5321 4.5.3.1.6 allows: real mail has them."""
    sender = "cecil@old-program.example"
    message = writer.headers(sender, [ANNA], "One very long line")
    content = message.as_bytes() + b"\r\n" + b"long " * 4_000 + b"\r\n"
    return _sample("One very long line", sender, [ANNA], content, ["default"])


def _many_recipients(writer: _Writer) -> Sample:
    recipients = [f"person{number:02d}@{CORP_DOMAIN}" for number in range(1, 31)]
    return writer.sample("To all thirty of you", "dieter@supplier.example", recipients, ["default"])


def _large(writer: _Writer) -> Sample:
    subject, sender = "Five megabytes of plans", "edith@architect.example"
    message = writer.headers(sender, [BORIS], subject)
    message.set_content("The plans are attached.\n")
    # Base64 makes four octets of three, and a line end after every 76 of them.
    raw = random.Random(2).randbytes(LARGE_SIZE * 3 * 76 // (4 * 78))
    message.add_attachment(raw, maintype="application", subtype="pdf", filename="plans.pdf")
    return _sample(subject, sender, [BORIS], message, ["default"])
