"""The same policy wins everywhere: on the page that explains, in Trace, in the shell, and for real mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.matching import SENDER_HEADERS
from seg_console.config import pending, running
from seg_console.gateway.accept import store
from seg_console.gateway.arrival import Arrival, Peer
from seg_console.gateway.planning import Rulebook
from seg_console.gateway.protocol import Envelope, ReceivedMessage
from seg_console.gateway.spool import Spool
from seg_console.mail.models import Message, Recipient
from tests.support.pages import person, signed_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
    pytest.mark.timeout(600),
]

NOW = datetime(2026, 11, 23, 16, 40, 12, tzinfo=UTC)
DEFAULT = "Default Policy"
EVERYBODY: dict[str, Any] = {"match": "any", "entries": []}


class Letter(NamedTuple):
    """The envelope and the headers that say who a message is from; "" for none."""

    envelope_sender: str
    recipients: tuple[str, ...]
    from_address: str = ""
    reply_to: str = ""
    sender: str = ""

    @property
    def content(self) -> bytes:
        named = {"From": self.from_address, "Reply-To": self.reply_to, "Sender": self.sender}
        headers = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
        return f"{headers}Subject: x\r\n\r\nHi\r\n".encode()


def commit(policies: list[dict[str, Any]], domains: list[str], priorities: list[list[str]] | None = None) -> None:
    """These policies, mail for these domains accepted, and no look-up in the DNS."""
    settings = {"mail_policy_settings": {"sender_headers": priorities}} if priorities else {}
    document = {
        "format": 1,
        "incoming_mail_policies": policies,
        "recipient_access": [{"recipient": domain, "action": "accept"} for domain in domains],
        "smtp_routes": [{"domain": "ALL", "hosts": [{"host": "127.0.0.1", "port": 2526, "priority": 0}]}],
        **settings,
    }
    pending.commit_document(document, "for the test")
    running.look_again()


def on_the_page(client: Client, letter: Letter) -> dict[str, str]:
    query = letter._asdict() | {"recipients": "\n".join(letter.recipients)}
    explained = client.post(reverse("policies:explain"), query).context["explained"]
    return {one.recipient: one.policy_name for one in explained}


def in_trace(client: Client, letter: Letter) -> dict[str, str]:
    fields = {
        "source_ip": "192.0.2.10",
        "source_name": "mail.example.net",
        "sender": letter.envelope_sender,
        "recipients": "\n".join(letter.recipients),
        "text": letter.content.decode(),
    }
    parts = client.post(reverse("trace:run"), fields).context["parts"]
    return {one.address: part.policy_name for part in parts for one in part.recipients}


def in_the_shell(folder: Path, letter: Letter) -> dict[str, str]:
    (folder / "letter.eml").write_bytes(letter.content)
    out = StringIO()
    call_command(
        "trace",
        *("--source-ip", "192.0.2.10", "--source-name", "mail.example.net"),
        *("--sender", letter.envelope_sender, "--recipients", ",".join(letter.recipients)),
        *("--message", str(folder / "letter.eml")),
        stdout=out,
    )
    found: dict[str, str] = {}
    name = ""
    for line in out.getvalue().splitlines():
        if part := re.fullmatch(r"  MID \d+: Per recipient policy: (.*)", line):
            name = DEFAULT if part[1] == "DEFAULT" else part[1]
        elif recipient := re.fullmatch(r"    RID \d+: (.*)", line):
            found[recipient[1]] = name
    return found


def in_the_mail_path(letter: Letter) -> dict[str, str]:
    message = ReceivedMessage(
        envelope=Envelope(mid=1_000_001, sender=letter.envelope_sender, recipients=letter.recipients),
        spool=Spool.of(letter.content),
        helo="mail.example.net",
        esmtp=True,
        tls=False,
        body_8bitmime=False,
        declared_size=0,
    )
    peer = Peer(1, "Data 1", "10.0.0.1", "192.0.2.10", "mail.example.net", verified=True)
    rules = Rulebook.of(running.current(), hostname="gw1.corp.example", zone=UTC)
    store([Arrival(peer, NOW, message)], rules, now=NOW)
    names = dict(Message.objects.values_list("pk", "policy_name"))
    rows = Recipient.objects.values_list("address", "message_id")
    return {address: DEFAULT if names[mid] == "DEFAULT" else names[mid] for address, mid in rows}


def winners(client: Client, folder: Path, letter: Letter) -> dict[str, str]:
    """The policy of each recipient, the same from every side; asserts that it is."""
    page = on_the_page(client, letter)
    assert in_trace(client, letter) == page
    assert in_the_shell(folder, letter) == page
    assert in_the_mail_path(letter) == page
    assert set(page) == set(letter.recipients)
    return page


# --- the guide's worked example (seg-webui 3.6); its LDAP group as the addresses it would hold


def _row(name: str, *recipients: str, senders: list[str] | None = None) -> dict[str, Any]:
    following = {"match": "following", "join": "any", "entries": list(recipients), "except": []}
    member = {
        "senders": {"match": "following", "entries": senders} if senders else EVERYBODY,
        "recipients": following if recipients else {"match": "any", "join": "all", "entries": [], "except": []},
    }
    return {"name": name, "members": [member]}


GUIDE = [
    _row("special_people", "joe@example.com", "ann@example.com"),
    _row("from_lawyers", senders=["@lawfirm.com"]),
    _row("acquired_domains", "@newdomain.com", "@anotherexample.com"),
    _row("engineering", "engineer1@example.com", "engineer2@example.com"),
    _row("sales_team", "jim@", "john@", "larry@"),
]


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        (Letter("bill@lawfirm.com", ("jim@example.com",)), ["from_lawyers"]),
        (
            Letter("joe@yahoo.com", ("john@example.com", "jane@newdomain.com", "bill@example.com")),
            ["sales_team", "acquired_domains", DEFAULT],
        ),
        (Letter("bill@lawfirm.com", ("ann@example.com", "larry@example.com")), ["special_people", "from_lawyers"]),
    ],
)
def test_the_guides_examples(tmp_path: Path, letter: Letter, expected: list[str]) -> None:
    commit(GUIDE, ["example.com", "newdomain.com", "anotherexample.com"])
    found = winners(signed_in(person()), tmp_path, letter)
    assert [found[recipient] for recipient in letter.recipients] == expected


# --- any table

DOMAINS = ["a.example", "b.example", "sub.a.example"]
_locals = st.sampled_from(["joe", "ann", "x"])
_domains = st.sampled_from(DOMAINS)
_addresses = st.builds("{}@{}".format, _locals, _domains)
_entries = st.lists(
    _addresses | _locals.map("{}@".format) | _domains.map("@{}".format) | st.sampled_from(["@.a.example", "@.example"]),
    min_size=1,
    max_size=3,
    unique=True,
)
_members = st.fixed_dictionaries(
    {
        "senders": st.just(EVERYBODY)
        | st.fixed_dictionaries({"match": st.sampled_from(["following", "not"]), "entries": _entries}),
        "recipients": st.fixed_dictionaries(
            {
                "match": st.just("following"),
                "join": st.sampled_from(["all", "any"]),
                "entries": _entries,
                "except": st.just([]) | _entries,
            }
        )
        | st.fixed_dictionaries(
            {"match": st.just("any"), "join": st.just("all"), "entries": st.just([]), "except": st.just([]) | _entries}
        ),
    }
)
_policies = st.lists(st.lists(_members, min_size=1, max_size=2), min_size=1, max_size=5).map(
    lambda tables: [{"name": f"p{number}", "members": members} for number, members in enumerate(tables)]
)
_priorities = st.permutations(SENDER_HEADERS).flatmap(
    lambda headers: st.sampled_from([[[each] for each in headers], [headers], [headers[:1], headers[1:3]]])
)
_letters = st.builds(
    Letter,
    _addresses | st.just(""),
    st.lists(_addresses, min_size=1, max_size=4, unique=True).map(tuple),
    *[_addresses | st.just("")] * 3,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policies=_policies, priorities=_priorities, letter=_letters)
def test_any_table_has_one_winner(
    tmp_path: Path, policies: list[dict[str, Any]], priorities: list[list[str]], letter: Letter
) -> None:
    with transaction.atomic():
        commit(policies, DOMAINS, priorities)
        winners(signed_in(person()), tmp_path, letter)
        transaction.set_rollback(True)
    running.forget()
