"""Configuration documents for tests: a full one, and any one (hypothesis)."""

from __future__ import annotations

import copy
from typing import Any

from django.conf import settings
from hypothesis import strategies as st

FULL: dict[str, Any] = {
    "format": 1,
    "threat_defense_connector": {
        "enabled": True,
        "message_intake_address": "id@intake.example",
        "verify_certificate": False,
        "ca_certificates": "",
        "messages_per_connection": 7,
        "add_sender_ip_header": False,
    },
    "address_lists": [{"name": "Partners", "description": "Who we buy from", "entries": ["@.partner.example"]}],
    "incoming_mail_policies": [
        {
            "name": "Finance",
            "members": [
                {
                    "senders": {"match": "any", "entries": []},
                    "recipients": {
                        "match": "following",
                        "join": "any",
                        "entries": ["@finance.corp.example", "cfo@"],
                        "except": ["intern@finance.corp.example"],
                    },
                },
                {
                    "senders": {"match": "not", "entries": ["@.partner.example"]},
                    "recipients": {"match": "any", "join": "all", "entries": [], "except": []},
                },
            ],
            "threat_defense_connector": {"mode": "custom", "address": "id2@intake.example"},
        },
        {
            "name": "Board",
            "members": [
                {
                    "senders": {"match": "following", "entries": ["ceo@corp.example"]},
                    "recipients": {"match": "any", "join": "all", "entries": [], "except": []},
                }
            ],
            "threat_defense_connector": {"mode": "use_default", "address": ""},
        },
    ],
    "default_policy": {"threat_defense_connector": {"mode": "default", "address": ""}},
    "mail_policy_settings": {"sender_headers": [["envelope_sender"], ["from", "sender"]]},
    "certificates": [],
    "host_access": [
        {
            "name": "BLOCKED_LIST",
            "comment": "Seen in March <b>",
            "entries": ["203.0.113.0/24", ".bad.example"],
            "action": "reject",
            "response": "Not from there",
            "max_connections_per_client": None,
            "max_messages_per_connection": None,
            "max_recipients": None,
            "max_recipients_per_hour": None,
            "tls": "preferred",
        },
        {
            "name": "ALL",
            "comment": "",
            "entries": [],
            "action": "accept",
            "response": "",
            "max_connections_per_client": 20,
            "max_messages_per_connection": 50,
            "max_recipients": 100,
            "max_recipients_per_hour": 1000,
            "tls": "preferred",
        },
    ],
    "recipient_access": [
        {"recipient": "old@corp.example", "action": "reject", "response": {"code": 550, "text": "gone"}},
        {"recipient": "corp.example", "action": "accept", "response": None},
    ],
    "smtp_routes": [
        {
            "domain": "corp.example",
            "hosts": [
                {"host": "127.0.0.1", "port": 2526, "priority": 0},
                {"host": "mx.corp.example", "port": 25, "priority": 5},
            ],
        },
        {"domain": "ALL", "hosts": [{"host": "USEDNS", "port": 25, "priority": 0}]},
    ],
    "destination_controls": [
        {
            "domain": "corp.example",
            "ip_preference": "ipv6_preferred",
            "max_connections": 20,
            "max_messages_per_connection": None,
            "max_recipients_per_transaction": 100,
            "max_recipients": 500,
            "recipients_minutes": 30,
            "tls": "none",
            "conversion": "bounce",
            "bounce_profile": "Patient",
        }
    ],
    "destination_control_settings": {"certificate": ""},
    "listener": {
        "address": "127.0.0.2",
        "port": 2626,
        "max_message_size": 20_000_000,
        "max_recipients": 50,
        "max_connections": 200,
        "max_connections_per_client": 10,
        "bare_line_ends": "reject",
        "address_parsing": "strict",
        "default_domain": "corp.example",
        "reject_characters": "@!",
        "certificate": "",
        "proxies": ["10.0.0.1", "2001:db8::/32"],
        "proxy_protocol": True,
        "xclient": True,
        "health_checks": ["10.0.0.8-9"],
    },
    "incoming_relay_settings": {"enabled": True},
    "incoming_relays": [
        {"name": "EDGE", "address": "192.0.2.20", "client_in": "received", "header": "", "hop": 2},
        {"name": "FILTER", "address": "2001:db8::/32", "client_in": "header", "header": "X-Client-IP", "hop": 1},
    ],
    "bounce_profile": {"max_retries": 3, "initial_retry": 10, "max_retry": 20, "max_queue_time": 600},
    "bounce_profiles": [
        {"name": "Patient", "max_retries": 1000, "initial_retry": 300, "max_retry": 7200, "max_queue_time": 604_800}
    ],
    "dns": {"servers": [{"host": "127.0.0.1", "port": 5353}], "timeout": 2},
    "account_settings": {"lock_after": 6, "minimum_length": 9, "passphrase_expiry": 90},
    "network_access": {"web_ui_inactivity_timeout": 45},
    "general_settings": {"comment_required": False},
}


def full(**sections: Any) -> dict[str, Any]:
    """A copy of FULL with some sections replaced."""
    return copy.deepcopy(FULL) | sections


def policy(name: str, *entries: str, mode: str = "use_default", address: str = "") -> dict[str, Any]:
    """A policy for recipients, as the document has it."""
    recipients = {"match": "following", "join": "any", "entries": list(entries), "except": []}
    members = [{"senders": {"match": "any", "entries": []}, "recipients": recipients}]
    return {"name": name, "members": members, "threat_defense_connector": {"mode": mode, "address": address}}


def route(domain: str, host: str = "127.0.0.1") -> dict[str, Any]:
    return {"domain": domain, "hosts": [{"host": host, "port": 25, "priority": 0}]}


_labels = st.from_regex(r"[a-z]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True).filter(lambda label: label[2:4] != "--")
_domains = st.lists(_labels, min_size=2, max_size=4).map(".".join)
_locals = st.from_regex(r"[a-z0-9+_-]{1,12}", fullmatch=True)
_addresses = st.builds("{}@{}".format, _locals, _domains)
_entry = st.one_of(_addresses, _locals.map("{}@".format), _domains.map("@{}".format), _domains.map("@.{}".format))
_some_entries = st.lists(_entry, min_size=1, max_size=4, unique=True)
_patterns = st.one_of(_domains, _domains.map(".{}".format), st.just("ALL"))
_ports = st.integers(1, 65535)


def _by_domain(shape: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists that a document shows sorted, ALL last."""
    lists = st.lists(shape, max_size=6, unique_by=lambda item: str(item["domain"]).casefold())
    return lists.map(lambda items: sorted(items, key=lambda item: (item["domain"] == "ALL", item["domain"])))


def _condition(matches: list[str], **others: Any) -> st.SearchStrategy[dict[str, Any]]:
    unused = st.fixed_dictionaries({"match": st.just("any"), "entries": st.just([]), **others})
    used = st.fixed_dictionaries({"match": st.sampled_from(matches), "entries": _some_entries, **others})
    return st.one_of(unused, used)


def _choice(*modes: str) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.fixed_dictionaries({"mode": st.sampled_from(modes), "address": st.just("")})
    return st.one_of(plain, st.fixed_dictionaries({"mode": st.just("custom"), "address": _addresses}))


_names = st.from_regex(r"[A-Za-z0-9_-]{1,8}( [A-Za-z0-9_-]{1,8}){0,2}", fullmatch=True)
_address_lists = st.lists(
    st.fixed_dictionaries(
        {"name": _names, "description": st.sampled_from(["", "Ünser <b>"]), "entries": _some_entries}
    ),
    max_size=3,
    unique_by=lambda item: str(item["name"]).casefold(),
).map(lambda items: sorted(items, key=lambda item: (item["name"] == "ALL", item["name"])))
_sender_headers = st.sampled_from(
    [
        [["envelope_sender"], ["from"], ["reply_to"]],
        [["envelope_sender", "from", "reply_to", "sender"]],
        [["sender"], ["from", "envelope_sender"]],
    ]
)
_members = st.fixed_dictionaries(
    {
        "senders": _condition(["following", "not"]),
        "recipients": _condition(
            ["following"],
            join=st.sampled_from(["all", "any"]),
            **{"except": st.lists(_entry, max_size=3, unique=True)},
        ),
    }
)
_relays = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True).filter(lambda name: name != "ALL"),
            "address": st.ip_addresses(v=4).map(str),
            "client_in": st.just("received"),
            "header": st.just(""),
            "hop": st.integers(1, 50),
        }
    ),
    max_size=3,
    unique_by=(lambda item: str(item["name"]).casefold(), lambda item: str(item["address"])),
).map(lambda items: sorted(items, key=lambda item: str(item["name"])))
_policies = st.lists(
    st.fixed_dictionaries(
        {
            "name": _names.filter(lambda name: name.casefold() not in {"default", "default policy"}),
            "members": st.lists(_members, min_size=1, max_size=3),
            "threat_defense_connector": _choice("use_default", "no_scan", "default"),
        }
    ),
    max_size=5,
    unique_by=lambda item: str(item["name"]).casefold(),
)
_hosts = st.fixed_dictionaries(
    {
        "host": st.one_of(_domains, st.ip_addresses(v=4).map(str)),
        "port": _ports,
        "priority": st.integers(0, 65535),
    }
)
_special = st.sampled_from(["USEDNS", "/dev/null"]).map(lambda host: [{"host": host, "port": 25, "priority": 0}])
_routes = st.fixed_dictionaries(
    {
        "domain": _patterns,
        "hosts": st.one_of(
            _special, st.lists(_hosts, min_size=1, max_size=3, unique_by=lambda host: (host["host"], host["port"]))
        ),
    }
)
_limit = st.one_of(st.none(), st.integers(1, 1000))
_controls = st.fixed_dictionaries(
    {
        "domain": _patterns,
        "max_connections": _limit,
        "max_messages_per_connection": _limit,
        "max_recipients_per_transaction": _limit,
        "tls": st.sampled_from(["default", "none", "preferred", "required", "required_verify"]),
        "conversion": st.sampled_from(["default", "as_is", "bounce"]),
        "ip_preference": st.sampled_from(["default", "ipv4_preferred", "ipv4_required", "ipv6_required"]),
        "max_recipients": st.one_of(st.none(), st.integers(0, 1_000_000)),
        "recipients_minutes": st.integers(1, 60),
        "bounce_profile": st.sampled_from(["", "Default"]),
    }
)
_bounces: dict[str, st.SearchStrategy[Any]] = {
    "max_retries": st.integers(0, 10_000),
    "initial_retry": st.integers(1, 1000),
    "max_retry": st.integers(1000, 86_400),
    "max_queue_time": st.integers(1, 3_000_000),
}
_profiles = st.lists(
    st.fixed_dictionaries({**_bounces, "name": _names.filter(lambda name: name.casefold() != "default")}),
    max_size=3,
    unique_by=lambda item: str(item["name"]).casefold(),
).map(lambda items: sorted(items, key=lambda item: (item["name"] == "ALL", item["name"])))
_servers = st.ip_addresses().filter(lambda address: not (address.is_unspecified or address.is_multicast))
_replies = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


def _answer(action: str, least: int, most: int) -> st.SearchStrategy[dict[str, Any]]:
    codes = st.integers(least, most).filter(lambda code: code != 421)
    response = st.fixed_dictionaries({"code": codes, "text": _replies})
    return st.fixed_dictionaries(
        {
            "recipient": st.one_of(_domains, _domains.map(".{}".format), _addresses, _locals.map("{}@".format)),
            "action": st.just(action),
            "response": st.one_of(st.none(), response),
        }
    )


_hosts_of_groups = st.one_of(
    st.ip_addresses().map(str), _domains, _domains.map(".{}".format), st.sampled_from(["192.0.2.0/24", "192.0.2.3-9"])
)
_most = st.one_of(st.none(), st.integers(1, 10_000))


def _group(name: st.SearchStrategy[str], entries: st.SearchStrategy[list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    limits = ("connections_per_client", "messages_per_connection", "recipients", "recipients_per_hour")
    numbers: dict[str, st.SearchStrategy[Any]] = {f"max_{name}": _most for name in limits}
    return st.fixed_dictionaries(
        {
            "name": name,
            "comment": st.sampled_from(["", "Ünser <b>"]),
            "entries": entries,
            "action": st.sampled_from(["accept", "reject", "refuse"]),
            "response": st.just(""),
            **numbers,
            "tls": st.sampled_from(["none", "preferred", "required"]),
        }
    )


_groups = st.lists(
    _group(
        st.from_regex(r"[A-Z]{2}[A-Za-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name != "ALL"),
        st.lists(_hosts_of_groups, max_size=4, unique=True),
    ).filter(lambda group: str(group["name"]).casefold() not in {"all", "none"}),
    max_size=4,
    unique_by=lambda group: str(group["name"]).casefold(),
)
_host_access = st.builds(lambda groups, last: [*groups, last], _groups, _group(st.just("ALL"), st.just([])))
_access = st.lists(
    st.one_of(_answer("accept", 200, 299), _answer("reject", 400, 599)),
    max_size=6,
    unique_by=lambda row: str(row["recipient"]),
)

documents: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "format": st.just(1),
        "threat_defense_connector": st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "message_intake_address": _addresses,
                "verify_certificate": st.booleans(),
                "ca_certificates": st.just(""),
                "messages_per_connection": st.integers(1, 1000),
                "add_sender_ip_header": st.booleans(),
            }
        ),
        "address_lists": _address_lists,
        "incoming_mail_policies": _policies,
        "default_policy": st.fixed_dictionaries({"threat_defense_connector": _choice("no_scan", "default")}),
        "mail_policy_settings": st.fixed_dictionaries({"sender_headers": _sender_headers}),
        "certificates": st.just([]),
        "host_access": _host_access,
        "recipient_access": _access,
        "smtp_routes": _by_domain(_routes),
        "destination_controls": _by_domain(_controls),
        "destination_control_settings": st.just({"certificate": ""}),
        "listener": st.fixed_dictionaries(
            {
                "address": st.just("") | st.sampled_from(["127.0.0.1", "0.0.0.0", "::", "2001:db8::1"]),
                "port": st.none() | st.integers(1, 65_535).filter(lambda port: port != settings.SEG_HTTP_PORT),
                "max_message_size": st.integers(1024, 104_857_600),
                "max_recipients": st.integers(1, 50_000),
                "max_connections": st.integers(1, 10_000),
                "max_connections_per_client": st.integers(1, 10_000),
                "bare_line_ends": st.sampled_from(["clean", "reject"]),
                "address_parsing": st.sampled_from(["loose", "strict"]),
                "default_domain": st.just("") | _domains,
                "reject_characters": st.sampled_from(["", "%!@", "#"]),
                "certificate": st.just(""),
                "proxies": st.just(["10.0.0.1"]),
                "proxy_protocol": st.booleans(),
                "xclient": st.booleans(),
                "health_checks": st.sampled_from([[], ["10.0.0.8-9"]]),
            }
        ),
        "incoming_relay_settings": st.fixed_dictionaries({"enabled": st.booleans()}),
        "incoming_relays": _relays,
        "bounce_profile": st.fixed_dictionaries(_bounces),
        "bounce_profiles": _profiles,
        "dns": st.fixed_dictionaries(
            {
                "servers": st.lists(st.fixed_dictionaries({"host": _servers.map(str), "port": _ports}), max_size=3),
                "timeout": st.integers(1, 60),
            }
        ),
        "account_settings": st.fixed_dictionaries(
            {
                "lock_after": st.integers(0, 100),
                "minimum_length": st.integers(8, 128),
                "passphrase_expiry": st.integers(0, 3650),
            }
        ),
        "network_access": st.fixed_dictionaries({"web_ui_inactivity_timeout": st.integers(5, 1440)}),
        "general_settings": st.fixed_dictionaries({"comment_required": st.booleans()}),
    }
)
"""Whole documents in the spelling that a dump has."""
