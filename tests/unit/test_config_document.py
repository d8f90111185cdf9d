"""The document: what it accepts, what it refuses and where. No database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis

from seg_console.config import document, registry
from seg_console.config.problems import InvalidConfiguration
from seg_console.config.rows import Rows
from tests.support.configurations import FULL, documents, full, policy, route


def loaded(content: object) -> Rows:
    return document.rows_of(document.values_of(content), known=Rows())


@hypothesis(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_a_document_comes_back_from_its_rows_as_it_was(content: dict[str, Any]) -> None:
    assert document.plain_of(loaded(content)) == content


@hypothesis(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_loading_a_document_again_keeps_every_uid_and_value(content: dict[str, Any]) -> None:
    first = loaded(content)
    second = document.rows_of(document.values_of(content), known=first)

    def all_of(rows: Rows) -> list[dict[str, object]]:
        keys = ("uid", "position")
        found = [{"model": row._meta.label} | {k: getattr(row, k, None) for k in keys} for row in rows]
        return sorted(found, key=lambda values: (str(values["model"]), str(values["uid"])))

    assert all_of(second) == all_of(first)


def test_the_full_document_comes_back_as_it_was() -> None:
    assert document.plain_of(loaded(FULL)) == FULL


def test_what_is_left_out_has_its_initial_value() -> None:
    assert document.plain_of(loaded({"format": 1})) == document.initial()
    assert document.validate(document.initial()) == []


def test_addresses_and_domains_come_back_in_lower_case_and_ascii() -> None:
    content = {
        "format": 1,
        "incoming_mail_policies": [policy("Rh", "Cfo@BÜCHER.example")],
        "smtp_routes": [route("Corp.EXAMPLE", "MX.Bücher.example")],
    }
    plain = document.plain_of(loaded(content))
    entries = plain["incoming_mail_policies"][0]["members"][0]["recipients"]["entries"]
    assert entries == ["cfo@xn--bcher-kva.example"]
    assert plain["smtp_routes"] == [route("corp.example", "mx.xn--bcher-kva.example")]


def test_routes_are_shown_by_domain_with_all_last() -> None:
    plain = document.plain_of(
        loaded({"format": 1, "smtp_routes": [route("ALL"), route("b.example"), route("a.example")]})
    )
    assert [item["domain"] for item in plain["smtp_routes"]] == ["a.example", "b.example", "ALL"]


def member(**sides: Any) -> dict[str, Any]:
    return {"name": "P", "members": [sides]}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"format": 2}, "format", "give 1"),
    ({"format": True}, "format", "give 1"),
    ({"smtp_route": []}, "smtp_route", "the keys known here are format, threat_defense_connector,"),
    ({"smtp_routes": {}}, "smtp_routes", "give a list in [ ]."),
    ({"smtp_routes": [5]}, "smtp_routes[0]", "give an object in { }."),
    ({"smtp_routes": [{"hosts": []}]}, "smtp_routes[0].domain", "this key is required."),
    (
        {"smtp_routes": [{"domain": "a.example", "hosts": []}]},
        "smtp_routes[0].hosts",
        "name at least one destination host.",
    ),
    ({"smtp_routes": [route("a b.example")]}, "smtp_routes[0].domain", "is not a domain name"),
    ({"smtp_routes": [route("a.example", "no-name-")]}, "smtp_routes[0].hosts[0].host", "is not a domain name"),
    (
        {"smtp_routes": [{"domain": "a.example", "hosts": [{"host": "mx.example", "port": 0}]}]},
        "smtp_routes[0].hosts[0].port",
        "give 1 or more.",
    ),
    (
        {"smtp_routes": [{"domain": "a.example", "hosts": [{"host": "mx.example", "port": "25"}]}]},
        "smtp_routes[0].hosts[0].port",
        "give a whole number.",
    ),
    (
        {"smtp_routes": [{"domain": "a.example", "hosts": [{"host": "mx.example", "prio": 1}]}]},
        "smtp_routes[0].hosts[0].prio",
        "the keys known here are host, port, priority.",
    ),
    (
        {"smtp_routes": [{"domain": "a.example", "hosts": [{"host": "USEDNS"}, {"host": "mx.example"}]}]},
        "smtp_routes[0].hosts",
        "give USEDNS or /dev/null alone",
    ),
    (
        {"smtp_routes": [{"domain": "a.example", "hosts": [{"host": "mx.example"}, {"host": "MX.example"}]}]},
        "smtp_routes[0].hosts",
        "only once",
    ),
    ({"smtp_routes": [route("a.example"), route("A.example")]}, "smtp_routes[1].domain", "at smtp_routes[0]"),
    (
        {"smtp_routes": [route("bücher.example"), route("xn--bcher-kva.example")]},
        "smtp_routes[1].domain",
        "is in the list already",
    ),
    (
        {"threat_defense_connector": {"enabled": True}},
        "threat_defense_connector.message_intake_address",
        "give the message intake address",
    ),
    (
        {"threat_defense_connector": {"enabled": True, "message_intake_address": "no address"}},
        "threat_defense_connector.message_intake_address",
        "has no @",
    ),
    (
        {"threat_defense_connector": {"message_intake_address": "a@b@intake.example"}},
        "threat_defense_connector.message_intake_address",
        "before the @",
    ),
    ({"threat_defense_connector": {"enabled": "yes"}}, "threat_defense_connector.enabled", "give true or false."),
    ({"threat_defense_connector": None}, "threat_defense_connector", "give an object in { }."),
    (
        {"threat_defense_connector": {"ca_certificates": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}},
        "threat_defense_connector.ca_certificates",
        "give certificates as PEM text",
    ),
    (
        {"threat_defense_connector": {"messages_per_connection": 1001}},
        "threat_defense_connector.messages_per_connection",
        "give 1000 or less.",
    ),
    ({"incoming_mail_policies": [{"members": [{}]}]}, "incoming_mail_policies[0].name", "this key is required."),
    ({"incoming_mail_policies": [{"name": "P"}]}, "incoming_mail_policies[0].members", "this key is required."),
    # As many as the page takes: what can be loaded can be edited.
    (
        {"incoming_mail_policies": [{"name": "P", "members": [{}] * 101}]},
        "incoming_mail_policies[0].members",
        "give at most 100.",
    ),
    ({"incoming_mail_policies": [policy("default", "a@")]}, "incoming_mail_policies[0].name", "the Default Policy's"),
    (
        {"incoming_mail_policies": [policy("Default Policy", "a@")]},
        "incoming_mail_policies[0].name",
        "the Default Policy's",
    ),
    ({"incoming_mail_policies": [policy("<b>", "a@")]}, "incoming_mail_policies[0].name", "Use letters"),
    ({"incoming_mail_policies": [policy("P ", "a@")]}, "incoming_mail_policies[0].name", "Use letters"),
    (
        {"incoming_mail_policies": [policy("One", "a@"), policy("oNE", "b@")]},
        "incoming_mail_policies[1].name",
        "oNE is in the list already, at incoming_mail_policies[0]",
    ),
    (
        {"incoming_mail_policies": [policy("P", "a@", "bob")]},
        "incoming_mail_policies[0].members[0].recipients.entries[1]",
        '"bob" is not an entry',
    ),
    (
        {"incoming_mail_policies": [policy("P", "a@", "A@")]},
        "incoming_mail_policies[0].members[0].recipients.entries[1]",
        "only once",
    ),
    (
        {"incoming_mail_policies": [member(senders={"match": "not"})]},
        "incoming_mail_policies[0].members[0].senders.entries",
        "give at least one entry",
    ),
    (
        {"incoming_mail_policies": [member(senders={"entries": ["a@"]})]},
        "incoming_mail_policies[0].members[0].senders.entries",
        "leave the entries out",
    ),
    (
        {"incoming_mail_policies": [member(recipients={"match": "not"})]},
        "incoming_mail_policies[0].members[0].recipients.match",
        "give one of 'any' or 'following'.",
    ),
    (
        {"incoming_mail_policies": [member(recipients={"exclude": []})]},
        "incoming_mail_policies[0].members[0].recipients.exclude",
        "the keys known here are match, join, entries, except.",
    ),
    (
        {"incoming_mail_policies": [policy("P", "a@", mode="custom")]},
        "incoming_mail_policies[0].threat_defense_connector.address",
        "An address is required",
    ),
    (
        {"incoming_mail_policies": [policy("P", "a@", mode="default", address="id@intake.example")]},
        "incoming_mail_policies[0].threat_defense_connector.address",
        "leave the address out",
    ),
    (
        {"incoming_mail_policies": [policy("P", "a@") | {"anti_spam": {}}]},
        "incoming_mail_policies[0].anti_spam",
        "the keys known here are name, members, threat_defense_connector.",
    ),
    (
        {"default_policy": {"threat_defense_connector": {"mode": "use_default"}}},
        "default_policy.threat_defense_connector.mode",
        "give one of 'no_scan', 'default' or 'custom'.",
    ),
    ({"recipient_access": [{"recipient": "ALL"}]}, "recipient_access[0].recipient", "there is no row ALL here"),
    ({"recipient_access": [{"recipient": "ALL"}]}, "recipient_access[0].action", "required"),
    (
        {"recipient_access": [{"recipient": "a.example", "action": "accept", "response": {"code": 550, "text": "x"}}]},
        "recipient_access[0].response",
        "give a code from 200 to 299",
    ),
    (
        {"recipient_access": [{"recipient": "a.example", "action": "reject", "response": {"code": 250, "text": "x"}}]},
        "recipient_access[0].response",
        "give a code from 400 to 599",
    ),
    (
        {
            "recipient_access": [
                {"recipient": "a.example", "action": "reject", "response": {"code": 550, "text": "x\r\n"}}
            ]
        },
        "recipient_access[0].response.text",
        "printable ASCII",
    ),
    (
        {"destination_controls": [{"domain": "ALL", "tls": "on"}]},
        "destination_controls[0].tls",
        "give one of 'default',",
    ),
    (
        {"destination_controls": [{"domain": "ALL", "conversion": "7bit"}]},
        "destination_controls[0].conversion",
        "give one of 'default', 'as_is' or 'bounce'.",
    ),
    (
        {"destination_controls": [{"domain": "ALL", "max_recipients_per_transaction": 0}]},
        "destination_controls[0].max_recipients_per_transaction",
        "give 1 or more.",
    ),
    (
        {"destination_controls": [{"domain": "ALL", "max_recipients_per_transaction": 1001}]},
        "destination_controls[0].max_recipients_per_transaction",
        "give 1000 or less.",
    ),
    ({"listener": {"max_message_size": 12.5}}, "listener.max_message_size", "give a whole number."),
    ({"listener": {"port": "25"}}, "listener.port", "give a whole number."),
    ({"listener": {"port": 65_536}}, "listener.port", "give 65535 or less."),
    ({"listener": {"address": 1}}, "listener.address", "give text in quotation marks."),
    ({"listener": {"max_recipients": True}}, "listener.max_recipients", "give a whole number."),
    ({"bounce_profile": {"initial_retry": 9000}}, "bounce_profile.max_retry", "at least the value of initial_retry"),
    ({"dns": {"servers": [{"host": "ns.example"}]}}, "dns.servers[0].host", "give an IP address"),
    ({"dns": {"timeout": 10**30}}, "dns.timeout", "give"),
]


@pytest.mark.parametrize(
    ("part", "path", "sentence"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_bad_value_is_refused_at_its_path(part: dict[str, Any], path: str, sentence: str) -> None:
    problems = document.validate({"format": 1} | part)
    assert [sentence in problem.message for problem in problems if problem.path == path] == [True], problems


def test_all_problems_are_reported_at_once() -> None:
    content = full(
        listener={"max_recipients": 0, "speed": 1},
        smtp_routes=[route("a.example"), route("a.example"), {"domain": "b.example", "hosts": [{"host": ""}]}],
        threat_defense_connector={"enabled": True, "ca_certificates": "x"},
    )
    assert sorted(problem.path for problem in document.validate(content)) == [
        "listener.max_recipients",
        "listener.speed",
        "smtp_routes[1].domain",
        "smtp_routes[2].hosts[0].host",
        "threat_defense_connector.ca_certificates",
        "threat_defense_connector.message_intake_address",
    ]


@pytest.mark.parametrize("content", [None, 1, [], "text"])
def test_a_document_that_is_no_object_is_refused(content: object) -> None:
    assert [str(problem) for problem in document.validate(content)] == ["give a JSON object in { }."]


def test_a_format_that_is_missing_is_refused() -> None:
    assert [problem.path for problem in document.validate({})] == ["format"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "this is not a JSON document"),
        ('{"format": 1, "format": 1}', 'the key "format" is given twice'),
        ('{"dns": {"timeout": NaN}}', "NaN is not a value of JSON"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff", "this is not a JSON document"),
        ('{"format":1' + "0" * 5_000 + "}", "a number in the document has too many digits."),
    ],
)
def test_text_that_json_readers_would_not_agree_on_is_refused(text: str | bytes, sentence: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        document.read(text)
    assert sentence in str(refused.value)


def test_text_that_is_not_unicode_is_refused() -> None:
    content = document.read(r'{"format": 1, "smtp_routes": [{"domain": "\ud800", "hosts": []}]}')
    assert [str(problem) for problem in document.validate(content)] == ["smtp_routes: give text that is valid Unicode."]


def test_what_was_committed_before_a_rule_is_read_on_and_held_to_it_when_it_comes_again() -> None:
    recipients = [{"recipient": "a@", "action": "reject", "response": {"code": 421, "text": "bye"}}]
    older: dict[str, Any] = {
        "recipient_access": recipients,
        "host_access": [{"name": "G", "comment": "co\u200bmment", "action": "reject", "response": "550 no"}],
        "destination_controls": [{"domain": "default", "max_connections": 3}],
        "dns": {"servers": [{"host": "0.0.0.0"}]},
        "incoming_mail_policies": [{"name": "P", "members": [{}] * 101}],
    }
    for key, plain in older.items():
        running = document.Document({key: json.dumps(plain)}, {})
        assert running[registry.section(key)]
        with pytest.raises(InvalidConfiguration):
            loaded({"format": 1, key: plain})
