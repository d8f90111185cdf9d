"""SMTP Routes as text: one route a line, `domain host[:port][/priority], host ...`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config.table_text import Reading, in_words, stated_lines
from seg_console.delivery.document import DISCARD, SMTP_ROUTES, USE_DNS
from seg_console.mail.lines import visible
from seg_console.tables.files import TableFile

STANDARD_PORT = 25
_HOST = re.compile(r"(/dev/null|\[[^\]\s]*\]|[^\s,:/\[\]]+)(?::(\d{1,9}))?(?:/(\d{1,9}))?", re.ASCII)
_PART_OF_HOST = re.compile(r"hosts\[(\d+)\]\.(\w+)")
_PARTS = {"domain": _("domain"), "host": _("host"), "port": _("port"), "priority": _("priority")}


def read(text: str) -> Reading:
    reading = Reading(SMTP_ROUTES.key)
    for number, line in stated_lines(text):
        _read_line(line, number, reading)
    return reading


def _read_line(words: str, number: int, reading: Reading) -> None:
    domain, rest = (*in_words(words, 1).split(maxsplit=1), "")[:2]
    hosts = [host.strip() for host in re.split(r"[,;\t]", rest) if host.strip()]
    found = [_HOST.fullmatch(host) for host in hosts]
    unread = [host for host, match in zip(hosts, found, strict=True) if match is None]
    message = _now("“%(host)s” is no host as in host[:port][/priority]; an IPv6 address stands in [ ].")
    for host in unread:
        reading.fault(number, message % {"host": visible(host[:100])})
    items = [_host(match) for match in found if match]
    # With no host left the line names hosts all the same.
    stand_in = [{"host": USE_DNS}] if unread and not items else []
    reading.add({"domain": domain, "hosts": items or stand_in}, number)


def _host(match: re.Match[str]) -> dict[str, Any]:
    name, port, priority = match.groups()
    return {
        "host": name.strip("[]"),
        "port": int(port) if port else STANDARD_PORT,
        "priority": int(priority) if priority else 0,
    }


def _field_name(path: str, item: dict[str, Any]) -> str:
    """The message on hosts as a whole speaks of hosts itself; the name of one among several tells which is meant."""
    place = _PART_OF_HOST.fullmatch(path)
    if place is None:
        return "" if path == "hosts" else str(_PARTS.get(path, path))
    name = str(_PARTS.get(place[2], place[2]))
    hosts = item["hosts"]
    if len(hosts) == 1 or place[2] == "host":
        return name
    return _now("%(field)s of %(host)s") % {"field": name, "host": visible(hosts[int(place[1])]["host"])}


def write(items: Sequence[dict[str, Any]]) -> bytes:
    lines = [f"{item['domain']} {', '.join(_text(host) for host in item['hosts'])}\n" for item in items]
    return "".join(lines).encode()


def _text(host: dict[str, Any]) -> str:
    name = host["host"]
    text = f"[{name}]" if ":" in name and name != DISCARD else name
    if host["port"] != STANDARD_PORT or host["priority"]:
        text += f":{host['port']}"
    return f"{text}/{host['priority']}" if host["priority"] else text


FILE = TableFile(
    section=SMTP_ROUTES,
    read=read,
    write=write,
    filename="smtp-routes.txt",
    content_type="text/plain; charset=utf-8",
    title=_("Import SMTP Routes"),
    list_view="smtp-routes:list",
    import_view="smtp-routes:import",
    form_help=_(
        "One route a line: the domain, a space, its hosts with commas between them. A port after a colon and a "
        "priority after a slash may follow a host. The domain ALL stands for all other domains; lines that begin "
        "with # are passed by."
    ),
    example="corp.example mx1.corp.example:25/0, mx2.corp.example:25/10\n"
    ".corp.example 192.0.2.1:2525\n"
    "partner.example USEDNS\n"
    "ALL [2001:db8::1]",
    too_many=_("The file has %(given)s routes; at most %(most)s can be imported."),
    when_empty=_("The hosts of every domain are then looked up in DNS."),
    field_name=_field_name,
)
