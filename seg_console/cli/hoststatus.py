"""The screen of `hoststatus` (asyncos-cli 4.2) as text. Programs read it: not a blank may move."""

from __future__ import annotations

from datetime import datetime

from seg_console.delivery.status import DestinationDetails
from seg_console.ui.times import status_time

NUMBER_ENDS_AT = 49


def screen(found: DestinationDetails, *, status_as_of: datetime) -> str:
    """Counters and gauges, what is oldest and newest, and the last errors where there were any."""
    row = found.row
    deleted = found.total("deleted")
    lines = [
        "",
        f"Host mail status for: '{row.destination}'",
        f"Status as of:         {status_time(status_as_of)}",
        f"Host up/down:         {row.status}",
        "",
        "Counters:",
        "  Queue",
        _number(4, "Soft Bounced Events", row.soft_bounced_events),
        "  Completion",
        _number(4, "Completed Recipients", row.hard_bounced_recipients + row.delivered_recipients + deleted),
        _number(6, "Hard Bounced Recipients", row.hard_bounced_recipients),
        _number(8, "DNS Hard Bounces", found.total("dns_hard_bounced")),
        _number(8, "5XX Hard Bounces", found.total("reply_hard_bounced")),
        _number(8, "Filter Hard Bounces", found.total("filter_hard_bounced")),
        _number(8, "Expired Hard Bounces", found.total("expired_hard_bounced")),
        _number(8, "Other Hard Bounces", found.total("other_hard_bounced")),
        _number(6, "Delivered Recipients", row.delivered_recipients),
        _number(6, "Deleted Recipients", deleted),
        "",
        "Gauges:",
        "  Queue",
        _number(4, "Active Recipients", row.active_recipients),
        _number(6, "Unattempted Recipients", found.unattempted_recipients),
        _number(6, "Attempted Recipients", found.attempted_recipients),
        "  Connections",
        _number(4, "Current Outbound Connections", row.connections_out),
        "",
        f"Oldest Message        {status_time(found.oldest_at) if found.oldest_at else 'No Messages'}",
        f"Last Activity         {status_time(found.last_activity_at) if found.last_activity_at else 'None'}",
    ]
    return "\n".join([*lines, *_errors(found)]) + "\n"


def _number(indent: int, label: str, number: int) -> str:
    name = f"{' ' * indent}{label}"
    return f"{name}{f'{number:,}':>{max(NUMBER_ENDS_AT - len(name), 1)}}"


def _errors(found: DestinationDetails) -> list[str]:
    lines: list[str] = []
    reply, tls = found.last_5xx, found.last_tls
    if reply and reply.last_5xx_at:
        lines += _error("Last 5XX Error:", reply.last_5xx_text, reply.last_5xx_at)
    if tls and tls.last_tls_at:
        lines += _error("Last TLS Error:", tls.last_tls_text, tls.last_tls_at)
    return lines


def _error(title: str, text: str, at: datetime) -> list[str]:
    rule = "    ----------"
    return ["", f"    {title}", rule, f"    {text}", f"    (at {status_time(at)})", rule]
