"""Tables as spreadsheet programs write them: semicolons and tabs are understood, or named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from seg_console.config.table_text import Reading, in_words
from seg_console.delivery.views.control_files import read as read_controls
from seg_console.delivery.views.route_files import read as read_routes
from seg_console.gateway.tables_text import read_host_access, read_recipient_access
from tests.support.table_files import CONTROLS, HOSTS, refused

pytestmark = pytest.mark.django_db


TWO_CONTROLS = [{"domain": "a.example", "tls": "required", "max_connections": 20}, {"domain": "ALL"}]
TWO_RECIPIENTS = [
    {"recipient": "a.example", "action": "accept"},
    {"recipient": "b.example", "action": "reject", "response": {"code": 550, "text": "Gone; moved"}},
]
TWO_ROUTES = [
    {
        "domain": "a.example",
        "hosts": [
            {"host": "mx1.example", "port": 2525, "priority": 0},
            {"host": "mx2.example", "port": 25, "priority": 0},
        ],
    },
    {"domain": "b.example", "hosts": [{"host": "USEDNS", "port": 25, "priority": 0}]},
]
ONE_GROUP = [{"name": "A", "action": "reject", "response": "No; never", "entries": ["192.0.2.1", "192.0.2.2"]}]


@pytest.mark.parametrize(
    ("read", "text", "items"),
    [
        (read_controls, "domain,tls,max_connections\na.example,required,20\nALL,,\n", TWO_CONTROLS),
        (read_controls, "domain;tls;max_connections\r\na.example;required;20\r\nALL;;\r\n", TWO_CONTROLS),
        (read_controls, "domain\ttls\tmax_connections\na.example\trequired\t20\nALL\t\t\n", TWO_CONTROLS),
        (read_controls, ';;\n"domain";"tls";"max_connections"\n"a.example";"required";20\nALL;;\n', TWO_CONTROLS),
        (read_recipient_access, "a.example;ACCEPT;;\nb.example;REJECT;550;Gone; moved\nALL;REJECT\n", TWO_RECIPIENTS),
        (
            read_recipient_access,
            "a.example\tACCEPT\t\t\nb.example\tREJECT\t550\tGone; moved\nALL\tREJECT\n",
            TWO_RECIPIENTS,
        ),
        (read_routes, "a.example;mx1.example:2525/0;mx2.example\nb.example;USEDNS;\n", TWO_ROUTES),
        (read_routes, "a.example\tmx1.example:2525/0\tmx2.example\nb.example\tUSEDNS\t\n", TWO_ROUTES),
        (read_host_access, "group;A\naction;reject;\nresponse;No; never\n192.0.2.1;\n192.0.2.2;# why\n", ONE_GROUP),
        (read_host_access, "group\tA\naction\treject\nresponse\tNo; never\n192.0.2.1\n192.0.2.2\t# why\n", ONE_GROUP),
    ],
)
def test_semicolons_and_tabs_are_understood(
    read: Callable[[str], Reading], text: str, items: list[dict[str, object]]
) -> None:
    reading = read(text)
    assert reading.faults == []
    assert reading.items == items


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("corp.example ACCEPT; 1", "corp.example ACCEPT; 1"),
        ('"a;b"@corp.example ACCEPT', '"a;b"@corp.example ACCEPT'),
        ('"a;b"@corp.example;ACCEPT', '"a;b"@corp.example\tACCEPT'),
        ('"a;b;ACCEPT', '"a\tb\tACCEPT'),
        ("a;b;c;d;e", "a\tb\tc\td;e"),
        (";a", "\ta"),
    ],
)
def test_only_a_semicolon_behind_the_first_word_separates(line: str, words: str) -> None:
    assert in_words(line, 3) == words


@pytest.mark.parametrize("read", [read_recipient_access, read_routes, read_host_access])
def test_empty_rows_of_semicolons_say_nothing(read: Callable[[str], Reading]) -> None:
    assert read(";\n;;;\n; ;\t;\r\n").items == []
    assert read(";a").items or read(";a").faults


def test_rows_with_another_separator_than_the_heading_are_named(client: Client) -> None:
    assert refused(client, CONTROLS, "domain;tls\na.example,required\n")[0] == (
        2,
        "this line has 1 cells, and the heading has 2.",
    )
    assert refused(client, HOSTS, "group A\n192.0.2.1;192.0.2.2\n") == [
        (2, "“192.0.2.1 192.0.2.2” is neither an entry nor a value.")
    ]
