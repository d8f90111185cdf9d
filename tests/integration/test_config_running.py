"""The running configuration: live within a second, frozen, and not lost with the database."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from policies.matching import DEFAULT_POLICY_UID
from policies.models import IncomingMailPolicy
from policies.running import policy_table
from seg_console.accounts.models import User
from seg_console.config import document, pending, running
from seg_console.config.running import Keeper, NothingRead
from seg_console.delivery.document import SMTP_ROUTES
from seg_console.delivery.kinds import Conversion
from seg_console.delivery.models import SmtpRoute
from seg_console.delivery.nexthop import RouteHost
from seg_console.delivery.running import Control, bounce_profiles, controls, dns, routes
from seg_console.delivery.tls import TlsMode
from seg_console.gateway.document import Access as Row
from seg_console.gateway.protocol import Access
from seg_console.gateway.running import RecipientAccessTable, listener, recipient_access
from tdc.running import connector
from tests.support.configurations import FULL, full, policy, route

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def commit(**sections: object) -> int:
    return pending.commit_document({"format": 1, **sections}, "").number


# --- Keeping up


def test_a_commit_is_seen_within_half_a_second_and_not_looked_for_before(clock: Clock) -> None:
    looks = []

    def newest() -> running.Identity:
        looks.append(clock.now)
        return running.newest()

    keeper = Keeper(clock=clock, newest=newest)
    assert keeper.current().number == 1
    commit(smtp_routes=[route("a.example")])
    clock.now += 0.25
    assert keeper.current().number == 1
    clock.now += 0.25
    assert keeper.current().number == 2
    assert keeper.current().number == 2
    assert looks == [100.0, 100.5]


def test_a_set_that_did_not_change_stays_the_same_object(clock: Clock) -> None:
    keeper = Keeper(clock=clock)
    first = keeper.current()
    clock.now += 5
    assert keeper.current() is first


def test_the_process_that_commits_sees_it_at_once() -> None:
    assert running.current().number == 1
    commit(smtp_routes=[route("a.example")])
    assert running.current().number == 2


def test_a_pending_change_is_not_running() -> None:
    user = User.objects.create_user("ann")
    pending.submit(user, SmtpRoute(domain="a.example", hosts=route("x")["hosts"]))
    running.look_again()
    assert len(running.current().value(routes)) == 0


def test_the_last_configuration_goes_on_while_the_database_does_not_answer(clock: Clock) -> None:
    broken = False

    def newest() -> running.Identity:
        if broken:
            raise OperationalError("the disk is gone")
        return running.newest()

    keeper = Keeper(clock=clock, newest=newest)
    first = keeper.current()
    broken = True
    clock.now += 1
    assert keeper.current() is first
    broken = False
    commit(smtp_routes=[route("a.example")])
    clock.now += 1
    assert keeper.current().number == 2


def test_without_a_database_from_the_start_there_is_no_configuration(clock: Clock) -> None:
    def newest() -> running.Identity:
        raise OperationalError("no such host")

    keeper = Keeper(clock=clock, newest=newest)
    with pytest.raises(OperationalError):
        keeper.current()
    with pytest.raises(NothingRead):
        keeper.held()


def test_a_thread_that_finds_another_one_looking_goes_on_with_what_is_held(clock: Clock) -> None:
    looking, go_on = threading.Event(), threading.Event()
    identity = running.newest()

    def newest() -> running.Identity:
        if keeper_ready:
            looking.set()
            assert go_on.wait(10)
        return identity

    keeper_ready = False
    keeper = Keeper(clock=clock, newest=newest)
    first = keeper.current()
    keeper_ready = True
    clock.now += 1
    slow = threading.Thread(target=keeper.current)
    slow.start()
    assert looking.wait(10)
    assert keeper.current() is first
    go_on.set()
    slow.join()


def test_a_value_is_built_once_for_each_set(clock: Clock) -> None:
    built = []

    def builder(found: document.Document) -> int:
        built.append(found)
        return len(built)

    keeper = Keeper(clock=clock)
    assert [keeper.current().value(builder), keeper.current().value(builder)] == [1, 1]
    commit(smtp_routes=[route("a.example")])
    keeper.look_again()
    assert keeper.current().value(builder) == 2


_OTHER_PROCESS = """
import sys, time, django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from seg_console.config import running
print(running.current().number, flush=True)
while running.current().number < 3:
    time.sleep(0.01)
print(time.time(), flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_a_commit_of_one_process_is_live_in_another_within_a_second() -> None:
    commit(smtp_routes=[route("a.example")])
    other = subprocess.Popen(
        [sys.executable, "-c", _OTHER_PROCESS, str(connection.settings_dict["NAME"])],
        stdout=subprocess.PIPE,
        text=True,
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "seg_console.settings"},
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "2\n"
        commit(smtp_routes=[route(f"d{i}.example") for i in range(5_000)])
        committed_at = time.time()
        assert float(other.stdout.readline()) - committed_at < 1
    finally:
        other.kill()
        other.communicate()


# --- What the mail path reads


def test_the_policy_table_has_the_policies_in_order_with_the_uids_of_their_rows() -> None:
    commit(incoming_mail_policies=FULL["incoming_mail_policies"])
    table = running.current().value(policy_table)
    rows = IncomingMailPolicy.objects.filter(configuration=pending.committed()).order_by("position")
    assert [(found.uid, found.name) for found in table.policies] == [(str(row.uid), row.name) for row in rows]
    found = table.match(("a@x.partner.example", "", ""), ["x@finance.corp.example", "y@else.example"])
    assert [policy.name for policy in found] == ["Finance", "DEFAULT"]


MODES = [
    policy("Inherits", "a@"),
    policy("None", "b@", mode="no_scan"),
    policy("Primary", "c@", mode="default"),
    policy("Custom", "d@", mode="custom", address="own@intake.example"),
]


def addresses(*, enabled: bool = True, default: dict[str, str]) -> list[str | None]:
    """Where each of MODES and the Default Policy sends its copies."""
    commit(
        threat_defense_connector={"enabled": enabled, "message_intake_address": "id@intake.example"},
        incoming_mail_policies=MODES,
        default_policy={"threat_defense_connector": default},
    )
    now = running.current()
    uids = [found.uid for found in now.value(policy_table).policies]
    return [now.value(connector).choice_for(uid) for uid in [*uids, DEFAULT_POLICY_UID]]


def test_a_policy_that_inherits_follows_the_default_policys_address() -> None:
    assert addresses(default={"mode": "default"}) == [
        "id@intake.example",
        None,
        "id@intake.example",
        "own@intake.example",
        "id@intake.example",
    ]


def test_a_custom_address_is_inherited_too() -> None:
    found = addresses(default={"mode": "custom", "address": "all@intake.example"})
    assert found == ["all@intake.example", None, "id@intake.example", "own@intake.example", "all@intake.example"]


def test_a_policy_that_inherits_no_scan_copies_nothing() -> None:
    found = addresses(default={"mode": "no_scan"})
    assert found == [None, None, "id@intake.example", "own@intake.example", None]


def test_while_the_service_is_off_no_policy_copies_anything() -> None:
    assert addresses(enabled=False, default={"mode": "default"}) == [None] * 5


def test_the_connectors_settings_are_those_of_the_document() -> None:
    pending.commit_document(FULL, "")
    found = running.current().value(connector)
    assert (found.enabled, found.default_address, found.verify, found.ca) == (True, "id@intake.example", False, "")
    assert (found.messages_per_connection, found.add_sender_ip_header) == (7, False)


def test_a_route_is_the_domains_own_then_its_longest_parents_then_all() -> None:
    several = {"domain": "c.example", "hosts": [{"host": "second.example", "priority": 9}, {"host": "first.example"}]}
    commit(
        smtp_routes=[
            route("corp.example", "1.1.1.1"),
            route(".corp.example", "2.2.2.2"),
            route(".eu.corp.example", "3.3.3.3"),
            route("ALL", "4.4.4.4"),
            several,
        ]
    )
    table = running.current().value(routes)

    def hosts(domain: str) -> list[str]:
        return [host.host for host in table.lookup(domain) or ()]

    assert hosts("CORP.example") == ["1.1.1.1"]
    assert hosts("a.corp.example") == ["2.2.2.2"]
    assert hosts("a.b.eu.corp.example") == ["3.3.3.3"]
    assert hosts("other.example") == ["4.4.4.4"]
    assert table.lookup("c.example") == (RouteHost("first.example", 25, 0), RouteHost("second.example", 25, 9))


def test_without_a_route_there_is_none() -> None:
    assert running.current().value(routes).lookup("corp.example") is None


def test_destination_controls_fall_back_to_all_and_then_to_the_built_in_values() -> None:
    assert running.current().value(controls).for_domain("a.example") == Control(500, 50, TlsMode.PREFERRED)
    commit(
        destination_controls=[
            {"domain": "ALL", "max_connections": 9, "tls": "required", "conversion": "bounce"},
            {"domain": "corp.example", "max_messages_per_connection": 3, "max_recipients_per_transaction": 1000},
            {"domain": ".corp.example", "tls": "none", "max_connections": 2, "conversion": "as_is"},
        ]
    )
    table = running.current().value(controls)
    bounce = Conversion.BOUNCE
    assert table.for_domain("Corp.example") == Control(
        9, 3, TlsMode.REQUIRED, max_recipients_per_transaction=1000, conversion=bounce
    )
    assert table.for_domain("a.b.corp.example") == Control(2, 50, TlsMode.NONE)
    assert table.for_domain("else.example") == Control(9, 50, TlsMode.REQUIRED, conversion=bounce)


def test_recipient_access_takes_the_first_row_that_matches_and_else_refuses() -> None:
    custom = {"code": 550, "text": "5.1.1 gone"}
    commit(
        recipient_access=[
            {"recipient": "gone@corp.example", "action": "reject", "response": custom},
            {"recipient": "corp.example", "action": "accept"},
            {"recipient": "spam@", "action": "reject"},
            {"recipient": ".corp.example", "action": "accept"},
        ]
    )
    table = running.current().value(recipient_access)
    assert table.decide("Gone@CORP.example") == Access(accepted=False, code=550, text="5.1.1 gone")
    assert table.decide("spam@corp.example") == Access(accepted=True)
    assert table.decide("spam@a.corp.example") == Access(accepted=False)
    assert table.decide("bob@a.b.corp.example") == Access(accepted=True)
    assert table.decide("bob@else.example") == Access(accepted=False)
    # RFC 5321 4.5.1: a server that takes mail takes the postmaster's, of its own first domain.
    assert (table.decide("postmaster"), table.own_domain) == (Access(accepted=True), "corp.example")


SPELLINGS = {
    "ceo@corp.example": ("ceo@corp.example", '"ceo"@Corp.example', r'"c\eo"@corp.example', "CEO@corp.example"),
    "taro..y@corp.example": ("taro..y@corp.example", '"taro..y"@corp.example', r'"taro.\.y"@corp.example'),
    '"a b"@corp.example': ('"a b"@corp.example', r'"a\ b"@corp.example', r'"\A\ \b"@corp.example'),
}


@pytest.mark.parametrize("row", [spelling for spellings in SPELLINGS.values() for spelling in spellings])
def test_every_spelling_of_a_row_is_the_row_of_every_spelling_of_the_address(row: str) -> None:
    commit(recipient_access=[{"recipient": row, "action": "reject"}, {"recipient": "corp.example", "action": "accept"}])
    table = running.current().value(recipient_access)
    [stored] = [key for key, spellings in SPELLINGS.items() if row in spellings]
    every = [spelling for spellings in SPELLINGS.values() for spelling in spellings]
    assert [each for each in every if not table.decide(each).accepted] == list(SPELLINGS[stored])
    assert document.dump(pending.committed())["recipient_access"][0]["recipient"] == stored


def test_of_rows_that_were_two_before_the_first_decides() -> None:
    rows = (Row(recipient="ceo@corp.example", action="reject"), Row(recipient='"ceo"@corp.example', action="accept"))
    assert not RecipientAccessTable(rows).decide("ceo@corp.example").accepted


def test_a_domain_with_underscores_is_configured_everywhere() -> None:
    commit(
        recipient_access=[{"recipient": "host_a.example", "action": "accept"}],
        smtp_routes=[{"domain": ".host_a.example", "hosts": [{"host": "_mx.host_a.example"}]}],
        destination_controls=[{"domain": "host_a.example", "max_connections": 3}],
    )
    now = running.current()
    assert now.value(recipient_access).decide("bob@Host_A.example").accepted
    assert now.value(controls).for_domain("host_a.example").max_connections == 3
    assert now.document[SMTP_ROUTES][0].hosts[0].host == "_mx.host_a.example"


def test_the_rest_is_as_the_document_says() -> None:
    pending.commit_document(FULL, "")
    now = running.current()
    assert now.value(listener).model_dump(mode="json") == FULL["listener"]
    profiles = now.value(bounce_profiles)
    assert profiles.named("Default").model_dump() == FULL["bounce_profile"]
    assert profiles.named("PATIENT").model_dump() == FULL["bounce_profiles"][0]
    assert [(server.host, server.port) for server in now.value(dns).servers] == [("127.0.0.1", 5353)]
    assert now.value(dns).timeout_s == 2


def test_a_pending_set_can_be_read_as_frozen_values_too() -> None:
    user = User.objects.create_user("ann")
    pending.load_pending(user, full())
    found = document.document_of(pending.shown_to(user))
    assert [entry.name for entry in policy_table(found).policies] == ["Finance", "Board"]
    assert connector(found).choice_for(policy_table(found).policies[0].uid) == "id2@intake.example"
