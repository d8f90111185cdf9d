"""The servers whose neighbours are measured: each misbehaves in one way, all the time."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.odd_replies import ODDITIES
from tests.support.smtp_remote import Action, Later, Pieces, Script, Step, Then

_CODES = {"CONNECT": 220, "MAIL": 250, "RCPT": 250, "DATA": 354, "CONTENT": 250, "RSET": 250, "QUIT": 221}


def _always(name: str) -> dict[str, Step]:
    return {step: ODDITIES[name].reply(code) for step, code in _CODES.items()}


# As good as the one that is measured: what the others are held against.
GOOD = "as good"
KINDS: Mapping[str, Script] = {
    GOOD: {},
    "replies in Latin-1": _always("latin-1"),
    "replies of 64 KB": _always("long-line"),
    "single octets, 1 ms apart": _always("pieces"),
    "a slow word, 0.2 s an octet": {"CONNECT": Pieces(b"220 tarpit.example\r\n", 0.2)},
    "closes behind each message": {"CONTENT": Then("250 Ok")},
    "421 behind each message": {"CONTENT": Then(b"250 Ok\r\n421 4.7.0 enough\r\n")},
    "421 at RCPT": {"RCPT": Then("421 4.7.0 too many errors")},
    "refuses every recipient": {"RCPT": "550 5.1.1 nobody"},
    "452 at RCPT": {"RCPT": "452 4.5.3 too many recipients"},
    "resets at once": {"CONNECT": Action.RESET},
    "never greets": {"CONNECT": Action.HANG},
    "greets after 3 s": {"CONNECT": Later(3.0, "220 at last")},
    "never answers to RCPT": {"RCPT": Action.HANG},
    "never answers the final dot": {"CONTENT": Action.HANG},
    "never reads again behind DATA": {"DATA": Then("354 go on", Action.STALL)},
}
