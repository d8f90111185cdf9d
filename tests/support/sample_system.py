"""A gateway in use, as rows: what pictures and walks over every page look at. Long names and texts are part of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import pending, running
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.mail.events import MessageEvent
from seg_console.mail.models import MailCounter, Message, Recipient, TrackingEvent
from tests.support.certificates import made
from tests.support.configurations import policy, route
from tests.support.pages import PASSPHRASE
from tests.unit import sample_events

NAMES = {
    Role.ADMINISTRATOR: ("admin", ""),
    Role.OPERATOR: ("olga.petrova", "Olga Petrova"),
    Role.READ_ONLY_OPERATOR: ("rene", "René Descombes-Vandenberghe, Internal Audit"),
    Role.GUEST: ("guest", "Guest"),
    Role.TECHNICIAN: ("tess", "Tess Okonkwo"),
    Role.HELP_DESK_USER: ("helpdesk", "Help Desk, second line"),
}
LONG_ADDRESS = "a.very.long.local.part.of.an.address.that.somebody.really.has@department.of.everything.corp.example"
LONG_SUBJECT = (
    "Re: Fwd: Re: Minutes of the quarterly meeting of the working group on the renewal of the maintenance contract, "
    "with all annexes and the table of who brings what to the garden party in the second week of September"
)
CUSTOM = "77ab02-19kq4-0c2f71@eu.intake.example"
# The message whose details are worth a look: delivered, delayed, copied.
TOLD_MID = 101


def documented() -> dict[str, Any]:
    """The configuration of this gateway, as its document."""
    everybody: dict[str, Any] = {"match": "any", "entries": []}
    newsletters = policy("Newsletters", mode="no_scan")
    newsletters["members"] = [
        {
            "senders": {"match": "following", "entries": ["@bulk.example", "@.news.example"]},
            "recipients": {"match": "any", "join": "all", "entries": [], "except": []},
        }
    ]
    branches = policy("Branch offices of the northern region without Reykjavík", mode="default")
    branches["members"] = [
        {
            "senders": everybody,
            "recipients": {
                "match": "following",
                "join": "any",
                "entries": [f"@branch{number:02d}.north.corp.example" for number in range(1, 13)],
                "except": ["@reykjavik.north.corp.example"],
            },
        }
    ]
    return {
        "format": 1,
        "threat_defense_connector": {"enabled": True, "message_intake_address": sample_events.INTAKE},
        "address_lists": [
            {
                "name": "Partners",
                "description": "Whoever we exchange orders with; kept by Purchasing, looked through every quarter",
                "entries": ["@.partner.example", "@supplier.example", LONG_ADDRESS],
            },
            {"name": "VIP", "description": "", "entries": ["ceo@corp.example"]},
        ],
        "incoming_mail_policies": [
            policy("Executives", "ceo@corp.example", "cfo@corp.example", mode="default"),
            policy("Finance", "@finance.corp.example", LONG_ADDRESS, mode="custom", address=CUSTOM),
            newsletters,
            branches,
            policy("采购与供应商", "@purchasing.corp.example", mode="use_default"),
        ],
        "certificates": [
            {"name": name, "certificate": one.certificate, "private_key": one.key}
            for name, one in (("Mail 2026", made("mx.corp.example")), ("Renewed", made("mx.corp.example", days=20)))
        ],
        "listener": {
            "certificate": "Mail 2026",
            "proxies": ["192.0.2.7", "2001:db8:10:5::/64"],
            "xclient": True,
            "health_checks": ["192.0.2.8-9"],
        },
        "incoming_relay_settings": {"enabled": True},
        "incoming_relays": [
            {"name": "EDGE", "address": "192.0.2.20", "hop": 2},
            {
                "name": "FILTER_OF_THE_OTHER_DATA_CENTRE",
                "address": "2001:db8:10:6::/64",
                "client_in": "header",
                "header": "X-Client-IP",
            },
        ],
        "destination_control_settings": {"certificate": "Mail 2026"},
        "host_access": [
            {
                "name": "ALLOWED_LIST",
                "comment": "Whoever relays for us, and the monitoring of the other data centre in the second basement",
                "entries": [
                    "192.0.2.0/24",
                    "2001:db8:10::/48",
                    "relay.of.the.other.data.centre.corp.example",
                    ".p.example",
                ],
                "tls": "required",
            },
            {"name": "BLOCKED_LIST", "entries": ["203.0.113.66"], "action": "reject", "response": "Not from there"},
            {"name": "ALL", "max_connections_per_client": 20, "max_recipients_per_hour": 1000},
        ],
        "default_policy": {"threat_defense_connector": {"mode": "default"}},
        "recipient_access": [
            {
                "recipient": "former.employee@corp.example",
                "action": "reject",
                "response": {"code": 550, "text": "5.1.1 This person has left the company"},
            },
            {"recipient": "corp.example", "action": "accept"},
            {"recipient": ".corp.example", "action": "accept"},
        ],
        "smtp_routes": [
            {
                "domain": "corp.example",
                "hosts": [
                    {"host": "mail1.corp.example", "port": 25, "priority": 0},
                    {"host": "mail2.corp.example", "port": 25, "priority": 0},
                    {"host": "2001:db8:12:5::25", "port": 2525, "priority": 10},
                ],
            },
            route(".north.corp.example", "relay.north.corp.example"),
            route("ALL", "smarthost.of.the.other.data.centre.corp.example"),
        ],
        "bounce_profiles": [{"name": "Partners, patient", "max_retries": 500, "max_queue_time": 604_800}],
        "destination_controls": [
            {
                "domain": "partner.example",
                "ip_preference": "ipv6_preferred",
                "max_connections": 5,
                "max_recipients_per_transaction": 100,
                "max_recipients": 600,
                "recipients_minutes": 30,
                "tls": "required_verify",
                "bounce_profile": "Partners, patient",
            },
            {
                "domain": ".newsletter.example",
                "max_messages_per_connection": 10,
                "max_recipients": 0,
                "conversion": "bounce",
            },
        ],
    }


def fill() -> dict[Role, User]:
    """Write all of it into an empty database; returns an account of each role, all with `pages.PASSPHRASE`."""
    running.forget()
    people = {
        role: User.objects.create_user(name, password=PASSPHRASE, role=role, full_name=full_name)
        for role, (name, full_name) in NAMES.items()
    }
    _history(people[Role.ADMINISTRATOR], people[Role.OPERATOR])
    _pending(people[Role.ADMINISTRATOR], people[Role.OPERATOR])
    _mail(timezone.now())
    _hosts(timezone.now())
    return people


def _history(admin: User, operator: User) -> None:
    content = documented()
    first = copy.deepcopy(content)
    first["incoming_mail_policies"] = first["incoming_mail_policies"][:2]
    pending.commit_document(first, "First policies, as agreed with the security team", author=admin)
    second = copy.deepcopy(content)
    second["smtp_routes"] = second["smtp_routes"][:1]
    pending.commit_document(second, "", author=operator)
    pending.commit_document(
        content,
        "Change request 20417: mail of the northern region goes through its own relay from Monday on; "
        "reviewed by the network team and by Internal Audit, valid until the move of the data centre is over",
        author=operator,
    )


def _pending(admin: User, operator: User) -> None:
    mine = documented()
    mine["incoming_mail_policies"][0]["threat_defense_connector"] = {"mode": "custom", "address": CUSTOM}
    mine["incoming_mail_policies"].insert(2, policy("Sales", "@sales.corp.example", mode="no_scan"))
    mine["smtp_routes"][0]["hosts"].pop()
    pending.load_pending(admin, mine)
    theirs = documented()
    theirs["recipient_access"].pop()
    pending.load_pending(operator, theirs)


def _mail(now: datetime) -> None:
    done = Message.State.DELIVERED
    mails: list[tuple[str, list[str], str | None, Message.State, str]] = [
        (
            "alice@partner.example",
            ["bob@finance.corp.example"],
            "Quarterly figures",
            Message.State.DELIVERED,
            "Finance",
        ),
        ("offers@bulk.example", ["anna@corp.example"], "Offers of the day", done, "Newsletters"),
        (LONG_ADDRESS, ["ceo@corp.example", LONG_ADDRESS], LONG_SUBJECT, done, "Executives"),
        ("umi@supplier.example", ["boris@corp.example"], "会议纪要：第三季度计划", Message.State.QUEUED, "DEFAULT"),
        ("", ["anna@corp.example"], "Undelivered Mail Returned to Sender", done, "DEFAULT"),
        ("vera@customer.example", ["gone@corp.example"], None, Message.State.BOUNCED, "DEFAULT"),
        (
            "dieter@supplier.example",
            [f"person{number:02d}@branch01.north.corp.example" for number in range(1, 31)],
            "To all thirty of you",
            done,
            "Branch offices of the northern region without Reykjavík",
        ),
    ]
    for place, mail in enumerate(mails):
        _message(TOLD_MID + place, now - timedelta(minutes=3 * place + 2), *mail)
    _story(Message.objects.get(mid=TOLD_MID))
    MailCounter.objects.create(
        hour=now.replace(minute=0, second=0, microsecond=0),
        shard=0,
        received_messages=48_213,
        received_recipients=61_540,
        received_bytes=4_812_340_117,
        refused_recipients=1_204,
        delivered_recipients=60_311,
        soft_bounced_events=77,
        hard_bounced_recipients=13,
        copies_queued=44_871,
        copies_delivered=44_860,
        copies_delayed=9,
        copies_failed=2,
        copies_unconfirmed=1,
    )


def _message(
    mid: int,
    at: datetime,
    sender: str,
    recipients: list[str],
    subject: str | None,
    state: Message.State,
    policy_name: str,
) -> None:
    row = Message.objects.create(
        mid=mid,
        root_mid=mid,
        icid=55,
        direction=Message.Direction.INCOMING,
        received_at=at,
        interface="IncomingMail",
        interface_ip="192.0.2.25",
        remote_ip="198.51.100.10",
        reverse_dns="mx.partner.example",
        reverse_dns_verified=True,
        envelope_sender=sender,
        subject=subject,
        message_id_header=f"<{mid}.0c2f71@mx.partner.example>",
        size=8313 * mid,
        policy_name=policy_name,
        state=state,
    )
    Recipient.objects.bulk_create(
        Recipient(message=row, rid=rid, address=address, state=state.value) for rid, address in enumerate(recipients)
    )


def _story(row: Message) -> None:
    """Received, delayed once, delivered; its copy delivered."""
    changes: dict[str, Any] = {"mid": row.mid, "recipients": ("bob@finance.corp.example",)}
    processed = next(event for event, _lines in sample_events.SAMPLES if event.kind == "processed")
    assert isinstance(processed, MessageEvent)
    happened = [
        replace(sample_events.RECEIVED, **changes, refused=(), invalid=()),
        replace(processed, mid=row.mid),
        replace(sample_events.DELAYED, **changes),
        replace(sample_events.COPY_DELIVERED, mid=row.mid),
        replace(sample_events.DELIVERED, **changes),
    ]
    TrackingEvent.objects.bulk_create(
        TrackingEvent(message=row, at=row.received_at + timedelta(seconds=place), kind=event.kind, data=event.data())
        for place, event in enumerate(happened)
    )


def _hosts(now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {
            "kind": "tdc",
            "domain": "intake.example",
            "destination": "the.tdc.queue",
            "status": "up",
            "delivered": 4560,
            "other_hard_bounced": 3,
            "unconfirmed": 1,
        },
        {
            "kind": "tdc",
            "domain": "eu.intake.example",
            "destination": "the.tdc.queue",
            "status": "up",
            "delivered": 311,
        },
        {"domain": "corp.example", "status": "up", "delivered": 61_204},
        {
            "domain": "partner.example",
            "status": "down",
            "delivered": 182,
            "soft_bounced": 38,
            "reply_hard_bounced": 13,
            "last_5xx_at": now - timedelta(minutes=4),
            "last_5xx_text": "550 5.7.1 <bounces@corp.example>: Sender address rejected: Access denied",
            "last_tls_at": now - timedelta(hours=2),
            "last_tls_text": "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            "next_probe_at": now + timedelta(minutes=2),
        },
        {"domain": "new.example"},
        {"domain": "a-domain-of-sixty-three-letters-as-the-dns-allows-them-to-be-long.example", "delivered": 1},
    ]
    for row in rows:
        given = {"kind": "ordinary", "destination": row["domain"], "active_at": now, "last_attempt_at": now}
        HostStatus.objects.create(**given | row)
    waiting = Message.objects.get(state=Message.State.QUEUED)
    stands: list[dict[str, Any]] = [
        {"recipient_count": 7},
        {"recipient_count": 1, "state": "held", "last_text": "outcome could not be stored: DataError"},
    ]
    for stand in stands:
        Delivery.objects.create(
            message=waiting,
            kind="ordinary",
            destination="partner.example",
            domain="partner.example",
            recipients=[[0, "boris@partner.example"]],
            size=waiting.size,
            attempt=3,
            enqueued_at=now - timedelta(minutes=9),
            due_at=now + timedelta(minutes=2),
            expires_at=now + timedelta(days=3),
            **stand,
        )
