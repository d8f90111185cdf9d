"""One event of every kind with the lines it must leave in the mail log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from seg_console.mail import events

AT = datetime(2024, 2, 17, 3, 19, 22, tzinfo=UTC)
MID, ICID, DCID = 14501404, 5012, 4566149
MESSAGE_ID = "<O7afv777xxreILg2OQ@gostrt-sstp-0>"
INTAKE = "33c48e-27xp9-05ecb4@intake.example"

AnyEvent = TypeVar("AnyEvent", bound=events.Event)


def with_changes(event: AnyEvent, **changes: Any) -> AnyEvent:
    return replace(event, **changes)


RECEIVED = events.Received(
    mid=MID,
    at=AT,
    icid=ICID,
    envelope_sender="alice@example.net",
    recipients=("bob@example.com",),
    refused=("nobody@example.com",),
    invalid=("no address",),
    message_id=MESSAGE_ID,
    subject="Quarterly figures",
    size=4096,
    interface="Data 1",
    interface_ip="10.13.0.99",
    remote_ip="192.0.2.10",
    reverse_dns="mail.example.net",
    verified=True,
)
DELIVERED = events.Delivered(
    mid=MID,
    at=AT,
    dcid=DCID,
    connector=False,
    started=True,
    rids=(0,),
    recipients=("bob@example.com",),
    response="2.0.0 Ok: queued as 3jjSKk4fyqz1Vvjv",
    local_ip="10.13.0.99",
    remote_ip="198.51.100.7",
    port=25,
    tls_protocol="TLSv1.3",
    tls_cipher="TLS_AES_256_GCM_SHA384",
)
COPY_DELIVERED = replace(DELIVERED, dcid=4566150, connector=True, recipients=(INTAKE,))
DELAYED = events.Delayed(
    mid=MID,
    at=AT,
    dcid=DCID,
    connector=False,
    started=True,
    rids=(0,),
    recipients=("bob@example.com",),
    status="4.1.0",
    reason="Unknown address error",
    code="466",
    reply=("Mailbox temporarily full.",),
    retry_at="2024-02-17T03:20:24+00:00",
)
BOUNCED = events.Bounced(
    mid=MID,
    at=AT,
    dcid=DCID,
    connector=False,
    started=True,
    rids=(0,),
    recipients=("bob@example.com",),
    status="5.1.0",
    reason="Unknown address error",
    code="550",
    reply=("5.1.1 <x@y>: Recipient address rejected",),
    tls=False,
    expired=False,
)
COPY_UNCONFIRMED = replace(
    BOUNCED,
    connector=True,
    recipients=(INTAKE,),
    status="5.4.2",
    reason="Bad connection",
    code="000",
    reply=("timeout",),
    unconfirmed=True,
)
DELETED = events.Deleted(mid=MID, at=AT, rids=(0,), recipients=("bob@example.com",), connector=False)

RELAYED = replace(
    RECEIVED,
    refused=(),
    invalid=(),
    relay="edge",
    relay_header="Received",
    client_ip="203.0.113.9",
    client_access="ACCEPT",
    client_group="PARTNERS",
    client_matched=".partner.example",
)
ABORTED = events.Aborted(
    mid=MID,
    at=AT,
    icid=ICID,
    envelope_sender="alice@example.net",
    recipients=("bob@example.com",),
    refused=(),
    reason="Rejected by Host Access Table",
    relay="edge",
    relay_header="X-Client-IP",
    client_ip="203.0.113.66",
    client_access="REJECT",
    client_matched="ALL",
)

SAMPLES: list[tuple[events.Event, list[str]]] = [
    (
        events.ConnectionOpened(
            at=AT,
            icid=ICID,
            interface="Data 1",
            interface_ip="10.13.0.99",
            remote_ip="192.0.2.10",
            reverse_dns="mail.example.net",
            verified=True,
        ),
        [
            "New SMTP ICID 5012 interface Data 1 (10.13.0.99) address 192.0.2.10 reverse dns host mail.example.net "
            "verified yes",
            "ICID 5012 ACCEPT SG None match ALL SBRS not enabled",
        ],
    ),
    (
        events.ConnectionOpened(
            at=AT,
            icid=ICID,
            interface="Data 1",
            interface_ip="10.13.0.99",
            remote_ip="192.0.2.10",
            reverse_dns="",
            verified=False,
            proxy_ip="10.13.0.5",
        ),
        [
            "New SMTP ICID 5012 interface Data 1 (10.13.0.99) address 192.0.2.10 reverse dns host unknown verified no",
            "ICID 5012 PROXY header from 10.13.0.5",
            "ICID 5012 ACCEPT SG None match ALL SBRS not enabled",
        ],
    ),
    (
        events.ConnectionNamed(
            at=AT,
            icid=ICID,
            remote_ip="192.0.2.10",
            reverse_dns="mail.example.net",
            verified=True,
            access="ACCEPT",
            sender_group="PARTNERS",
            matched=".example.net",
        ),
        [
            "ICID 5012 XCLIENT address 192.0.2.10 reverse dns host mail.example.net verified yes",
            "ICID 5012 ACCEPT SG PARTNERS match .example.net SBRS not enabled",
        ],
    ),
    (
        events.ConnectionTls(at=AT, icid=ICID, protocol="TLSv1.2", cipher="ECDHE-RSA-AES256-GCM-SHA384"),
        ["ICID 5012 TLS success protocol TLSv1.2 cipher ECDHE-RSA-AES256-GCM-SHA384"],
    ),
    (
        events.ConnectionTlsFailed(at=AT, icid=ICID, detail="(1, 'no shared cipher')"),
        ["ICID 5012 TLS failed: (1, 'no shared cipher')"],
    ),
    (
        events.ConnectionOpened(
            at=AT,
            icid=5014,
            interface="Data 1",
            interface_ip="10.13.0.99",
            remote_ip="203.0.113.66",
            reverse_dns="",
            verified=False,
            access="REJECT",
            sender_group="BLOCKED_LIST",
            matched="203.0.113.0/24",
        ),
        [
            "New SMTP ICID 5014 interface Data 1 (10.13.0.99) address 203.0.113.66 reverse dns host unknown "
            "verified no",
            "ICID 5014 REJECT SG BLOCKED_LIST match 203.0.113.0/24 SBRS not enabled",
        ],
    ),
    (
        events.ConnectionTlsMissing(at=AT, icid=ICID),
        ["ICID 5012 TLS was required but remote host did not initiate it"],
    ),
    (events.ConnectionLost(at=AT, icid=ICID), ["ICID 5012 lost"]),
    (
        events.ConnectionTimedOut(at=AT, icid=ICID, remote_ip="192.0.2.10"),
        ["ICID 5012 disconnected address 192.0.2.10, no messages injected within timeout period"],
    ),
    (
        events.InvalidSender(at=AT, icid=ICID, text="no address"),
        ["ICID 5012 Invalid sender address: 'no address'"],
    ),
    (
        events.ConnectionRefused(at=AT, icid=ICID, reason="Connection limit exceeded"),
        ["ICID 5012 Receiving Failed: Connection limit exceeded"],
    ),
    (events.ConnectionClosed(at=AT, icid=ICID), ["ICID 5012 close"]),
    (
        RECEIVED,
        [
            "Start MID 14501404 ICID 5012",
            "MID 14501404 ICID 5012 From: <alice@example.net>",
            "MID 14501404 ICID 5012 RID 0 To: <bob@example.com>",
            "MID 14501404 ICID 5012 To: <nobody@example.com> Rejected by RAT",
            "ICID 5012 MID 14501404 Invalid recipient address: 'no address'",
            "MID 14501404 Message-ID '<O7afv777xxreILg2OQ@gostrt-sstp-0>'",
            "MID 14501404 Subject 'Quarterly figures'",
            "MID 14501404 ready 4096 bytes from <alice@example.net>",
        ],
    ),
    (
        events.Aborted(
            mid=MID,
            at=AT,
            icid=ICID,
            envelope_sender="alice@example.net",
            recipients=("bob@example.com",),
            refused=(),
            reason="Receiving aborted by sender",
        ),
        [
            "Start MID 14501404 ICID 5012",
            "MID 14501404 ICID 5012 From: <alice@example.net>",
            "MID 14501404 ICID 5012 RID 0 To: <bob@example.com>",
            "Message aborted MID 14501404 Receiving aborted by sender",
            "Message finished MID 14501404 done",
        ],
    ),
    (
        events.Splintered(
            mid=14501405,
            at=AT,
            parent_mid=MID,
            policy="sales",
            envelope_sender="alice@example.net",
            recipients=("carol@example.com",),
            size=4096,
        ),
        [
            "MID 14501404 was split creating MID 14501405 due to a per-recipient policy sales in the inbound table",
            "Start MID 14501405 ICID 0",
            "MID 14501405 ICID 0 From: <alice@example.net>",
            "MID 14501405 ICID 0 RID 0 To: <carol@example.com>",
            "MID 14501405 ready 4096 bytes from <alice@example.net>",
        ],
    ),
    (
        events.Processed(mid=MID, at=AT, policy="DEFAULT", message_id=MESSAGE_ID, intake_address=INTAKE),
        [
            "MID 14501404 matched all recipients for per-recipient policy DEFAULT in the inbound table",
            "TDC: MID 14501404 with Message-ID '<O7afv777xxreILg2OQ@gostrt-sstp-0>' enqueued for forwarding to "
            "Cisco Secure Email Threat Defense to the message intake address 33c48e-27xp9-05ecb4@intake.example",
            "MID 14501404 queued for delivery",
        ],
    ),
    (
        events.BounceGenerated(mid=14501406, at=AT, of_mid=MID, recipient="alice@example.net", size=2048),
        [
            "MID 14501406 was generated for bounce of MID 14501404",
            "Start MID 14501406 ICID 0",
            "MID 14501406 ICID 0 From: <>",
            "MID 14501406 ICID 0 RID 0 To: <alice@example.net>",
            "MID 14501406 ready 2048 bytes from <>",
            "MID 14501406 queued for delivery",
        ],
    ),
    (events.Finished(mid=MID, at=AT), ["Message finished MID 14501404 done"]),
    (
        events.DeliveryConnectionOpened(
            at=AT, dcid=4566150, connector=True, local_ip="10.13.0.99", remote_ip="10.10.55.171", port=25
        ),
        ["TDC: New SMTP DCID 4566150 interface 10.13.0.99 address 10.10.55.171 port 25"],
    ),
    (
        events.DeliveryTls(at=AT, dcid=4566150, protocol="TLSv1.2", cipher="ECDHE-RSA-AES128-GCM-SHA256"),
        ["DCID 4566150 TLS success protocol TLSv1.2 cipher ECDHE-RSA-AES128-GCM-SHA256"],
    ),
    (
        events.DeliveryTlsFailed(at=AT, dcid=8, detail="TLS failed: STARTTLS unexpected response"),
        ["DCID 8 TLS failed: STARTTLS unexpected response"],
    ),
    (
        events.DeliveryConnectionFailed(
            at=AT,
            dcid=36,
            connector=True,
            destination="the.tdc.queue",
            remote_ip="10.10.0.3",
            port=25,
            detail="timeout",
            local_ip="10.10.11.63",
            reason="connection timed out",
        ),
        [
            "TDC: Connection Error: DCID 36 domain: the.tdc.queue IP: 10.10.0.3 port: 25 details: timeout "
            "interface: 10.10.11.63 reason: connection timed out"
        ],
    ),
    (events.DeliveryConnectionClosed(at=AT, dcid=DCID), ["DCID 4566149 close"]),
    (
        events.DnsFailed(at=AT, domain="esa.example.com", record="MX", answer="NXDomain", temporary=False),
        ["DNS Error esa.example.com MX - NXDomain"],
    ),
    (
        DELIVERED,
        [
            "Delivery start DCID 4566149 MID 14501404 to RID [0]",
            "Message done DCID 4566149 MID 14501404 to RID [0] ",
            "MID 14501404 RID [0] Response '2.0.0 Ok: queued as 3jjSKk4fyqz1Vvjv'",
        ],
    ),
    (
        DELAYED,
        [
            "Delivery start DCID 4566149 MID 14501404 to RID [0]",
            "Delayed: DCID 4566149 MID 14501404 to RID 0 - 4.1.0 - Unknown address error "
            "('466', ['Mailbox temporarily full.']) []",
            "MID 14501404 to RID [0] pending till Fri Feb 16 21:20:24 2024",
        ],
    ),
    (
        BOUNCED,
        [
            "Delivery start DCID 4566149 MID 14501404 to RID [0]",
            "Bounced: DCID 4566149 MID 14501404 to RID 0 - Bounced by destination server with response: "
            "5.1.0 - Unknown address error ('550', ['5.1.1 <x@y>: Recipient address rejected']) []",
        ],
    ),
    (
        replace(BOUNCED, transaction=(0, 1, 4)),
        [
            "Delivery start DCID 4566149 MID 14501404 to RID [0, 1, 4]",
            "Bounced: DCID 4566149 MID 14501404 to RID 0 - Bounced by destination server with response: "
            "5.1.0 - Unknown address error ('550', ['5.1.1 <x@y>: Recipient address rejected']) []",
        ],
    ),
    (
        events.DoubleBounced(
            mid=MID,
            at=AT,
            dcid=DCID,
            connector=False,
            started=False,
            rids=(0,),
            recipients=("alice@example.net",),
            status="5.1.0",
            reason="Unknown address error",
            code="550",
            reply=("no such user",),
        ),
        ["Double bounce: MID 14501404 to RID 0 - 5.1.0 - Unknown address error ('550', ['no such user'])"],
    ),
    (
        COPY_UNCONFIRMED,
        [
            "TDC: Delivery start DCID 4566149 MID 14501404",
            "TDC: MID 14501404 delivery to Cisco Secure Email Threat Defense unconfirmed: "
            "no reply after the end of the message, it may have arrived.",
            "Bounced: DCID 4566149 MID 14501404 to RID 0 - Bounced by destination server with response: "
            "5.4.2 - Bad connection ('000', ['timeout'])",
        ],
    ),
    (
        events.Held(mid=MID, at=AT, destination="example.com", connector=False),
        ["MID 14501404 held: its outcome at example.com could not be stored"],
    ),
    (
        events.Held(mid=MID, at=AT, destination="the.tdc.queue", connector=True),
        ["TDC: MID 14501404 held: its outcome at the.tdc.queue could not be stored"],
    ),
    (DELETED, ["Deleted: MID 14501404 to [0]"]),
    (replace(DELETED, connector=True, unconfirmed=True), ["TDC: Deleted: MID 14501404 to [0]"]),
]
