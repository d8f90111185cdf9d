"""The running configuration of a test, as the JSON an administrator would load."""

from __future__ import annotations

from typing import Any

from seg_console.config import pending, running

INTAKE = "id@intake.example"
SECOND_INTAKE = "id2@intake.example"


def policy(name: str, *recipients: str, mode: str = "use_default", address: str = "", senders: Any = None) -> Any:
    """A policy for these recipients, any one of them; none: every recipient. `senders` as in the document."""
    following = {"match": "following", "join": "any", "entries": list(recipients)}
    return {
        "name": name,
        "members": [
            {
                "senders": senders or {"match": "any"},
                "recipients": following if recipients else {"match": "any"},
            }
        ],
        "threat_defense_connector": {"mode": mode, "address": address} if address else {"mode": mode},
    }


def document(**changes: Any) -> dict[str, Any]:
    """A small working configuration: corp.example accepted, the connector on, Finance with an intake of its own and
    Newsletters without copies; everything else is copied to the default intake."""
    return {
        "format": 1,
        "threat_defense_connector": {"enabled": True, "message_intake_address": INTAKE},
        "incoming_mail_policies": [
            policy("Finance", "@finance.corp.example", mode="custom", address=SECOND_INTAKE),
            policy("Newsletters", "news@", mode="no_scan"),
            policy("Staff", "staff@"),
        ],
        "default_policy": {"threat_defense_connector": {"mode": "default"}},
        "recipient_access": [
            {"recipient": "corp.example", "action": "accept"},
            {"recipient": ".corp.example", "action": "accept"},
        ],
        **changes,
    }


def commit(**changes: Any) -> None:
    """Make such a configuration the running one, at once."""
    pending.commit_document(document(**changes), "test")
    running.look_again()
