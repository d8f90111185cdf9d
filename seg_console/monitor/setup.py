"""What an empty system still needs before mail and its copies flow: the checklist of the Overview page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from seg_console.config.document import Document

COPYING_MODES = {"default", "custom"}
EXAMPLE_DOMAIN = "example.com"


@dataclass(frozen=True, slots=True)
class Setup:
    """Which of the steps the running configuration has done. `test_recipient`: an address it would accept."""

    accepts_domain: bool
    has_route: bool
    connector_ready: bool
    some_policy_copies: bool
    test_recipient: str

    @property
    def is_complete(self) -> bool:
        return self.accepts_domain and self.has_route and self.connector_ready and self.some_policy_copies


def setup_of(document: Document) -> Setup:
    """Build with `Running.value`, so that it is worked out once for each committed set."""
    accepted = [row["recipient"] for row in _section(document, "recipient_access") if row["action"] == "accept"]
    connector = _section(document, "threat_defense_connector")
    policies = [*_section(document, "incoming_mail_policies"), _section(document, "default_policy")]
    return Setup(
        accepts_domain=bool(accepted),
        has_route=document.text("smtp_routes") != "[]",
        connector_ready=bool(connector["enabled"] and connector["message_intake_address"]),
        some_policy_copies=any(policy["threat_defense_connector"]["mode"] in COPYING_MODES for policy in policies),
        test_recipient=_address_for(accepted[0] if accepted else EXAMPLE_DOMAIN),
    )


def _section(document: Document, key: str) -> Any:
    return json.loads(document.text(key))


def _address_for(entry: str) -> str:
    """An address that a recipient access entry covers: `domain`, `.domain`, `user@domain` or `user@`."""
    local, at, domain = entry.rpartition("@")
    if not at:
        return f"test@mail{entry}" if entry.startswith(".") else f"test@{entry}"
    return f"{local}@{domain or EXAMPLE_DOMAIN}"
