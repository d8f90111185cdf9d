"""What a browser sends from the forms of the console: all fields of one, to which a test gives what it is about."""

from __future__ import annotations

# A row of Destination Controls that follows the default row in everything, and a bounce profile.
CONTROL = {
    "domain": "new.example",
    "ip_preference": "default",
    "max_connections": "",
    "max_messages_per_connection": "",
    "max_recipients_per_transaction": "",
    "recipients": "default",
    "tls": "default",
    "conversion": "default",
    "bounce_profile": "",
}
PROFILE = {"name": "Quick", "max_retries": "3", "max_queue_time": "600", "initial_retry": "10", "max_retry": "20"}


def hosts(*rows: tuple[str, str, str]) -> dict[str, str]:
    """The rows of an SMTP route: priority, host and port of each, as typed."""
    data = {"host-TOTAL_FORMS": str(len(rows)), "host-INITIAL_FORMS": "0"}
    for number, (priority, host, port) in enumerate(rows):
        data |= {f"host-{number}-priority": priority, f"host-{number}-host": host, f"host-{number}-port": port}
    return data


def member(number: int = 0, **values: str) -> dict[str, str]:
    """A row of users of a policy: from any sender to a@x.example, or as given."""
    given = {"sender_match": "any", "recipient_match": "following", "join": "any", "recipient_entries": "a@x.example"}
    return {f"member-{number}-{name}": value for name, value in (given | values).items()}


def policy_form(*members: dict[str, str], name: str = "New", before: str = "") -> dict[str, str]:
    """A policy with these rows of users; `before`: uid of the one it is put in front of, none: the last."""
    counts = {"member-TOTAL_FORMS": str(len(members)), "member-INITIAL_FORMS": "0"}
    whole = {"name": name, "before": before} | counts
    for each in members:
        whole |= each
    return whole


LISTENER = {
    "max_message_size": "2048",
    "max_recipients": "7",
    "max_connections": "20",
    "max_connections_per_client": "3",
    "bare_line_ends": "clean",
    "address_parsing": "loose",
    "default_domain": "",
    "reject_characters": "%!@",
}
