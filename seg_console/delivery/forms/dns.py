from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from seg_console.config.problems import problems_of
from seg_console.delivery.document import DnsServer

MOST_SERVERS = 10
STANDARD_PORT = 53
_SERVER = re.compile(r"(?:\[([^\]\s]+)\]|([^\s\[\]:]+))(?::(\d{1,5}))?|(\S+)", re.ASCII)


class DnsForm(forms.Form):
    """Network > DNS."""

    servers = forms.CharField(
        label=_("DNS servers"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false"}),
        help_text=_(
            "One IP address a line, up to 10, asked in this order; a port other than 53 after a colon: "
            "192.0.2.53:5353 or [2001:db8::53]:5353. Empty: the servers of the system."
        ),
    )
    timeout = forms.IntegerField(label=_("Time-out (seconds)"), min_value=1, max_value=60, help_text=_("1 to 60."))

    def clean_servers(self) -> list[dict[str, Any]]:
        lines = [line.strip() for line in str(self.cleaned_data["servers"]).splitlines()]
        given = [(number, line) for number, line in enumerate(lines, 1) if line]
        if len(given) > MOST_SERVERS:
            raise forms.ValidationError(_now("Give at most %(most)s servers.") % {"most": MOST_SERVERS})
        found, errors = [], []
        for number, line in given:
            try:
                found.append(_server(line).model_dump())
            except ValidationError as error:
                reason = problems_of(error, "server", DnsServer)[0].message
                errors.append(_now("Line %(line)s: %(reason)s") % {"line": number, "reason": reason})
        if errors:
            raise forms.ValidationError(errors)
        return found


def _server(line: str) -> DnsServer:
    """Raises pydantic's ValidationError."""
    match = _SERVER.fullmatch(line)
    bracketed, plain, port, bare = match.groups() if match else (None, None, None, line)
    values = {"host": bracketed or plain or bare, "port": int(port) if port else STANDARD_PORT}
    return DnsServer.model_validate(values)


def server_lines(servers: Sequence[dict[str, Any]]) -> list[str]:
    """As the form takes them."""
    return [_line(server["host"], server["port"]) for server in servers]


def _line(host: str, port: int) -> str:
    if port == STANDARD_PORT:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
