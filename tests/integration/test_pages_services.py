"""Services Overview: what is on by the running configuration, and what is known of its state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from seg_console.accounts.roles import Role
from seg_console.config import pending, running
from seg_console.delivery import heartbeat, slots, tasks
from seg_console.delivery.broker import Breaker
from seg_console.mail.models import MailCounter
from seg_console.monitor.views.services import MOST_NAMES, redis_and_workers
from tdc import tasks as tdc_tasks
from tests.support import sample_system
from tests.support.certificates import made
from tests.support.configurations import full, policy
from tests.support.pages import configured, person, policy_uid, signed_in
from tests.support.records import host

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]
NOW = datetime(2026, 3, 2, 14, 20, tzinfo=UTC)
PAGE = "/security-services/overview/"
WORKERS = ("delivery", "tdc")


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where Redis should be."""
    monkeypatch.setattr(settings, "SEG_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(slots, "_reading", Breaker())


def asked(**sections: Any) -> Any:
    configured(**sections)
    return signed_in(person()).get(PAGE)


def with_certificate(*, days: int) -> dict[str, Any]:
    one = made("mx.corp.example", days=days)
    listed = {"name": "Mail 2026", "certificate": one.certificate, "private_key": one.key}
    return {"certificates": [listed], "listener": {"certificate": "Mail 2026"}}


def test_it_is_the_first_page_of_the_security_services_menu() -> None:
    content = asked().content.decode()
    menu = content[content.index("Security Services") :]
    assert menu.index(f'href="{PAGE}"') < menu.index(f'href="{reverse("tdc:settings")}"')


def test_the_connector_that_is_on_says_its_address_its_policies_and_its_queue() -> None:
    host("intake.example", kind="tdc", destination="the.tdc.queue", status="up", delivered=3)
    MailCounter.objects.create(
        hour=timezone.now().replace(minute=0, second=0, microsecond=0),
        shard=0,
        copies_delivered=41,
        copies_failed=2,
        copies_unconfirmed=3,
    )
    policies = [
        policy("Own", "a@", mode="custom", address="id2@intake.example"),
        policy("Off", "b@", mode="no_scan"),
        policy("Same", "c@"),
    ]
    response = asked(incoming_mail_policies=policies)
    assert response.context["policies"] == {"default": 2, "custom": 1, "none": 1}
    content = response.content.decode()
    assert '<span class="state good">Enabled</span>' in content
    assert '<span class="mono">id@intake.example</span>' in content
    assert "Policies that copy to the default address: 2; to a custom address: 1; that do not copy: 1." in content
    assert '<span class="state good">Up</span>' in content
    assert "Last attempt: " in content
    assert "Delivered: 41; failed: 2; unconfirmed: 3" in content
    assert f'href="{reverse("tdc:settings")}"' in content
    assert f'href="{reverse("monitor:delivery-status-details", args=["the.tdc.queue"])}"' in content


def test_of_the_connector_that_is_off_no_policy_copies() -> None:
    response = asked(threat_defense_connector={"enabled": False, "message_intake_address": ""})
    assert response.context["policies"] == {"none": 3}
    content = response.content.decode()
    assert '<dd><span class="state idle">Disabled</span></dd>' in content
    assert '<span class="state idle">Unknown</span>' in content
    assert "Last attempt: " not in content


def test_pending_changes_do_not_count() -> None:
    configured()
    user = person()
    pending.load_pending(user, full(threat_defense_connector={"enabled": False, "message_intake_address": ""}))
    assert '<span class="state good">Enabled</span>' in signed_in(user).get(PAGE).content.decode()


def test_the_listener_says_its_address_and_what_came_in() -> None:
    client = signed_in(sample_system.fill()[Role.READ_ONLY_OPERATOR])
    response = client.get(PAGE)
    newest = timezone.now() - response.context["last_message_at"]
    assert timedelta(minutes=2) <= newest < timedelta(minutes=3)
    content = response.content.decode()
    assert f'<dd class="mono">{settings.SEG_SMTP_HOST}:{settings.SEG_SMTP_PORT}</dd>' in content
    assert "Messages received: 48,213; recipients refused: 1,204" in content


def test_a_gateway_without_mail_says_so() -> None:
    content = asked().content.decode()
    assert '<dt>Last Message</dt>\n        <dd><span class="muted">none</span></dd>' in content
    assert "Messages received: 0; recipients refused: 0" in content


def test_a_certificate_that_holds_is_named_without_a_warning() -> None:
    response = asked(**with_certificate(days=31))
    content = response.content.decode()
    assert "<dd>Mail 2026" in content
    assert "valid until " in content
    assert "Attention —" not in content
    assert "ends soon" not in content


def test_a_certificate_that_ends_within_30_days_is_warned_of() -> None:
    content = asked(**with_certificate(days=29)).content.decode()
    assert "The listener's certificate “Mail 2026” is valid until " in content
    assert '<div class="message warning">' in content
    assert "ends soon" in content


def test_a_certificate_that_is_over_is_an_error() -> None:
    content = asked(**with_certificate(days=-1)).content.decode()
    assert '<div class="message error">' in content
    assert '<span class="state bad">expired</span>' in content


def test_destinations_that_are_down_are_named_up_to_five_and_the_queue_of_copies_is_none_of_them() -> None:
    host("intake.example", kind="tdc", destination="the.tdc.queue", status="down")
    host("up.example", status="up")
    for number in range(MOST_NAMES + 2):
        host(f"down{number}.example", status="down")
    response = asked()
    found = response.context["destinations"]
    assert (found.number, found.down_number, found.more) == (MOST_NAMES + 3, MOST_NAMES + 2, 2)
    content = response.content.decode()
    assert f'<span class="state bad">{MOST_NAMES + 2}</span>' in content
    assert reverse("monitor:delivery-status-details", args=["down4.example"]) in content
    assert reverse("monitor:delivery-status-details", args=["down5.example"]) not in content
    assert "and 2 others" in content


def test_the_database_is_named_with_its_version() -> None:
    assert f"<dd>{connection.display_name} " in asked().content.decode()


def test_the_sweep_and_the_connectors_task_leave_the_signs_of_life_that_the_page_shows() -> None:
    before = timezone.now()
    configured()
    client = signed_in(person())
    assert heartbeat.last_seen(WORKERS) == [None, None]
    tasks.sweep()
    assert heartbeat.last_seen(WORKERS)[1] is None
    content = client.get(PAGE).content.decode()
    assert content.count('<span class="state good">Running</span>') == 1
    tdc_tasks.sign_of_life()
    for seen_at in heartbeat.last_seen(WORKERS):
        assert seen_at is not None
        assert before - timedelta(seconds=1) < seen_at <= timezone.now()
    content = client.get(PAGE).content.decode()
    assert '<span class="state good">Answers</span>' in content
    assert content.count('<span class="state good">Running</span>') == 2
    assert content.count("Last seen ") == 2
    assert content.index("Delivery Workers") < content.index("Connector Worker")


@pytest.mark.parametrize(
    ("ago", "css_class", "detail"),
    [
        (-1, "good", "Last seen 0 seconds ago"),
        (1, "good", "Last seen 1 second ago"),
        (60, "good", "Last seen 60 seconds ago"),
        (61, "bad", "Last seen: Mon Mar"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_workers_that_gave_no_sign_for_a_minute_are_missed(place: int, ago: int, css_class: str, detail: str) -> None:
    heartbeat.seen((*WORKERS, heartbeat.STAND_IN)[place], NOW - timedelta(seconds=ago))
    _redis, *workers = redis_and_workers(NOW)
    assert workers[place].css_class == css_class
    assert workers[place].detail.startswith(detail)
    assert [each.word for each in workers if each != workers[place]] == ["Unknown"] * 2


def test_workers_that_were_never_seen_are_unknown(redis: Redis) -> None:
    redis.flushall()
    _redis, *workers = redis_and_workers(NOW)
    assert [(each.css_class, each.detail) for each in workers] == [("idle", "Not seen since Redis started.")] * 3


@pytest.mark.usefixtures("no_redis")
def test_without_redis_the_page_says_so_and_what_it_cannot_know() -> None:
    response = asked()
    assert response.status_code == 200
    content = response.content.decode()
    assert '<span class="state bad">Does not answer</span>' in content
    assert "the stand-in worker delivers from the database" in content
    assert '<span class="state idle">Unknown</span><div class="muted">Redis holds the workers' in content


@pytest.mark.usefixtures("no_redis")
def test_a_sweep_without_redis_is_done_all_the_same() -> None:
    tasks.sweep()
    with pytest.raises(heartbeat.Unanswered):
        heartbeat.last_seen(WORKERS)


def test_the_number_of_queries_grows_with_nothing() -> None:
    configured()
    client = signed_in(person())

    def queries() -> int:
        running.current()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(PAGE).status_code == 200
        return len(captured.captured_queries)

    client.get(PAGE)
    few = queries()
    configured(incoming_mail_policies=[policy(f"P{number}", f"u{number}@") for number in range(60)])
    for number in range(30):
        host(f"down{number}.example", status="down")
    assert queries() == few


@pytest.mark.parametrize("role", [Role.GUEST, Role.TECHNICIAN, Role.HELP_DESK_USER])
def test_who_may_not_see_the_configuration_does_not_get_it(role: Role) -> None:
    configured()
    assert signed_in(person(role)).get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302


def test_a_policys_connector_page_leads_to_a_test_of_where_its_copies_go() -> None:
    configured()
    user = person()
    client = signed_in(user)
    test = reverse("tdc:test-connection")
    for name, address in (("Finance", "id2%40intake.example"), ("Board", "id%40intake.example")):
        content = client.get(reverse("tdc:policy-choice", args=[policy_uid(user, name)])).content.decode()
        assert f'<a class="button small" href="{test}?address={address}">Test Connection…</a>' in content
    pending.load_pending(user, full(threat_defense_connector={"enabled": False, "message_intake_address": ""}))
    content = client.get(reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])).content.decode()
    assert test not in content
