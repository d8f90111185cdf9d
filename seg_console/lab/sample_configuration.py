"""The configuration that the demo loads: every choice a policy has, and every way to say whose mail it is."""

from __future__ import annotations

from typing import Any

from seg_console.lab.places import CORP_DOMAIN, CUSTOM_ADDRESS, DEFAULT_ADDRESS, PLACES

BLOCKED_RECIPIENT = f"former.employee@{CORP_DOMAIN}"


def sample_configuration(*, host: str, authority: str) -> dict[str, Any]:
    """The document for `loadconfig`. `host` is where the lab listens, `authority` its authority as PEM text."""
    return {
        "format": 1,
        "threat_defense_connector": {
            "enabled": True,
            "message_intake_address": DEFAULT_ADDRESS,
            "verify_certificate": True,
            "ca_certificates": authority,
        },
        "incoming_mail_policies": [
            _policy("Executives", _to(f"ceo@{CORP_DOMAIN}", "board@"), mode="custom", address=CUSTOM_ADDRESS),
            _policy("Newsletters", _from("following", "@news.example"), mode="no_scan"),
            _policy("Partners", _from("following", "@partner.example", "@.partner.example"), mode="default"),
            _policy(
                "Finance",
                _to(f"@finance.{CORP_DOMAIN}", except_=[f"lunch@finance.{CORP_DOMAIN}"]),
                mode="custom",
                address=CUSTOM_ADDRESS,
            ),
            _policy(
                "Help Desk",
                {**_from("not", f"@{CORP_DOMAIN}"), **_to(f"support@{CORP_DOMAIN}", "help@")},
                mode="use_default",
            ),
        ],
        "default_policy": {"threat_defense_connector": {"mode": "default"}},
        "recipient_access": [
            {
                "recipient": BLOCKED_RECIPIENT,
                "action": "reject",
                "response": {"code": 550, "text": "5.1.1 This person has left the company"},
            },
            {"recipient": CORP_DOMAIN, "action": "accept"},
            {"recipient": f".{CORP_DOMAIN}", "action": "accept"},
        ],
        "smtp_routes": [
            {"domain": domain, "hosts": [{"host": host, "port": place.port(), "priority": 0}]}
            for place in PLACES
            for domain in place.domains
        ],
    }


def _policy(name: str, member: dict[str, Any], *, mode: str, address: str = "") -> dict[str, Any]:
    choice = {"mode": mode, "address": address} if address else {"mode": mode}
    return {"name": name, "members": [_EVERYBODY | member], "threat_defense_connector": choice}


_EVERYBODY: dict[str, Any] = {
    "senders": {"match": "any", "entries": []},
    "recipients": {"match": "any", "join": "any", "entries": [], "except": []},
}


def _from(match: str, *entries: str) -> dict[str, Any]:
    return {"senders": {"match": match, "entries": list(entries)}}


def _to(*entries: str, except_: list[str] | None = None) -> dict[str, Any]:
    return {"recipients": {"match": "following", "join": "any", "entries": list(entries), "except": except_ or []}}
