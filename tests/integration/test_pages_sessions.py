"""Sessions: how long they last, what ends them, and what is kept of a form that came too late."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.forms import BaseForm, PasswordInput
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from policies.models import IncomingMailPolicy
from seg_console.accounts import carried, ended, sessions, users
from seg_console.accounts.models import ConsoleSession, End, NetworkAccess, User
from seg_console.accounts.roles import Role
from seg_console.accounts.views.sent_fields import shown_fields
from seg_console.audit.models import Act, Entry
from seg_console.audit.views.audit_log import ShownEntry
from seg_console.config import pending, running
from seg_console.delivery.tasks import housekeeping
from seg_console.gateway.models import RecipientAccess
from seg_console.ui.times import tracking_time
from tdc.models import Mode
from tests.support.pages import PASSPHRASE, configured, htmx, person, policy_uid, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

MINUTE = timedelta(minutes=1)
PAGE = "/monitor/overview/"
SIGN_IN = "/sign-in/"


@pytest.fixture(autouse=True)
def _no_throttling_left_over() -> None:
    cache.clear()


@pytest.fixture
def user() -> User:
    configured(network_access={"web_ui_inactivity_timeout": 30})
    return person(name="ada")


@pytest.fixture
def client(user: User) -> Client:
    """Signed in through the form, as a person does."""
    return _signed_in_by_form("ada")


def _signed_in_by_form(name: str, client: Client | None = None, **more: Any) -> Client:
    client = client or Client()
    response = client.post(SIGN_IN, {"username": name, "password": PASSPHRASE, **more})
    assert response.status_code == 302, response.content.decode()
    return client


def _rest(client: Client, span: timedelta) -> None:
    """Let the time since this client's last activity be `span`."""
    key = UUID(client.session[sessions.ROW_KEY])
    assert ConsoleSession.objects.filter(pk=key).update(last_seen_at=timezone.now() - span) == 1


def _row(client: Client) -> ConsoleSession:
    return ConsoleSession.objects.get(pk=client.session[sessions.ROW_KEY])


def _hidden(content: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', content)
    assert found, f"no hidden field {name}"
    return unescape(found[1])


def _page(client: Client) -> int:
    return client.get(PAGE).status_code


def test_a_sign_in_keeps_a_row_with_time_address_and_browser(user: User) -> None:
    client = Client(headers={"user-agent": "Browser 1\n" + "x" * 300})
    before = timezone.now()
    _signed_in_by_form("ada", client)
    row = ConsoleSession.objects.get()
    assert (row.user, row.address, row.ended_at, row.end_reason) == (user, "127.0.0.1", None, "")
    assert row.agent.startswith("Browser 1\\nxxx")
    assert len(row.agent) == 200
    assert before <= row.signed_in_at == row.last_seen_at <= timezone.now()
    assert Entry.objects.get(act=Act.SIGN_IN).user == user


def test_the_time_out_of_the_committed_configuration_ends_a_session_and_says_so(client: Client) -> None:
    _rest(client, 29 * MINUTE)
    assert _page(client) == 200
    _rest(client, 32 * MINUTE)
    response = client.get(PAGE)
    assert response["Location"] == f"{SIGN_IN}?next={PAGE}"
    content = client.get(response["Location"]).content.decode()
    assert "Your session ended after 30 minutes without activity." in content
    assert "Changes that you submitted are kept." in content
    response = client.post(SIGN_IN, {"username": "ada", "password": PASSPHRASE, "next": PAGE})
    assert response["Location"] == PAGE
    assert _page(client) == 200
    assert client.cookies[ended.COOKIE].value.startswith(f":{client.session['_auth_user_id']}:")
    row = ConsoleSession.objects.filter(ended_at__isnull=False).get()
    assert row.end_reason == End.INACTIVITY
    entry = Entry.objects.get(act=Act.SESSION_ENDED)
    assert (entry.username, entry.target) == ("", "ada")
    assert [(change[1], change[3]) for change in entry.changes][1:] == [("Remote Host", ""), ("Reason", "Inactivity")]
    assert entry.detail == ""
    with translation.override("zh-hans"), timezone.override("Asia/Shanghai"):
        shown = ShownEntry(entry).objects[0]
        assert [(field.label, field.old, field.new) for field in shown.fields] == [
            (gettext("Login Time"), tracking_time(row.signed_in_at), ""),
            (gettext("Remote Host"), "127.0.0.1", ""),
            (gettext("Reason"), "", gettext("Inactivity")),
        ]
        assert "(GMT +08:00)" in shown.fields[0].old
        assert shown.fields[2].new != "Inactivity"


def test_a_longer_time_out_holds_once_it_is_committed_for_admin_too(user: User) -> None:
    admin = person(name="admin")
    client = _signed_in_by_form("admin")
    url = reverse("accounts:edit-network-access")
    response = client.post(url, {"web_ui_inactivity_timeout": "1440"})
    assert response["Location"] == reverse("accounts:network-access")
    assert "1,440 minutes" in client.get(response["Location"]).content.decode()
    assert sessions.timeout_minutes() == 30
    pending.commit(admin, "")
    running.forget()
    assert sessions.timeout_minutes() == 1440
    _rest(client, 1439 * MINUTE)
    assert _page(client) == 200
    _rest(client, 1442 * MINUTE)
    assert _page(client) == 302


@pytest.mark.parametrize("minutes", ["4", "1441", "30.5", "", "soon"])
def test_a_time_out_outside_5_to_1440_whole_minutes_is_refused_and_nothing_is_pending(
    client: Client, user: User, minutes: str
) -> None:
    response = client.post(reverse("accounts:edit-network-access"), {"web_ui_inactivity_timeout": minutes})
    assert response.status_code == 422
    assert "field-error" in response.content.decode()
    assert pending.pending_of(user) is None
    assert NetworkAccess.objects.get(configuration=pending.committed()).web_ui_inactivity_timeout == 30


def test_a_page_that_refreshes_itself_keeps_no_session_alive(client: Client) -> None:
    shown = client.get("/monitor/delivery-status/?refresh=10").content.decode()
    poll = re.search(r'hx-get="([^"]+)" hx-trigger="every 10s"', shown)
    assert poll
    address = "/monitor/delivery-status/" + unescape(poll[1])
    assert unescape(re.search(r'content="10; url=([^"]+)"', shown)[1]) == unescape(poll[1])  # type: ignore[index]
    _rest(client, 20 * MINUTE)
    assert client.get(address, headers=htmx("/monitor/delivery-status/")).status_code == 200
    assert timezone.now() - _row(client).last_seen_at >= 20 * MINUTE
    assert _page(client) == 200
    assert timezone.now() - _row(client).last_seen_at < MINUTE
    _rest(client, 32 * MINUTE)
    response = client.get(address, headers=htmx("/monitor/delivery-status/?refresh=10"), follow=True)
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fmonitor%2Fdelivery-status%2F%3Frefresh%3D10"
    assert "without activity" in client.get(response["HX-Redirect"]).content.decode()


def test_the_links_of_a_page_that_refreshes_itself_are_activity(client: Client) -> None:
    content = client.get("/monitor/delivery-status/?refresh=10&unattended=1").content.decode()
    assert content.count("unattended") == 2


def test_activity_is_written_at_most_once_a_minute(client: Client) -> None:
    client.get(PAGE)
    with CaptureQueriesContext(connection) as captured:
        client.get(PAGE)
    assert [query["sql"] for query in captured if not query["sql"].startswith("SELECT")] == []
    _rest(client, 2 * MINUTE)
    with CaptureQueriesContext(connection) as captured:
        client.get(PAGE)
    written = [query["sql"] for query in captured if not query["sql"].startswith("SELECT")]
    assert len(written) == 1
    assert written[0].startswith('UPDATE "accounts_consolesession"')


def test_a_session_begun_before_there_were_rows_gets_one(user: User) -> None:
    client = Client()
    client.force_login(user)
    assert _page(client) == 200
    assert ConsoleSession.objects.get().user == user


def test_a_session_whose_row_is_gone_is_over(client: Client) -> None:
    ConsoleSession.objects.all().delete()
    assert _page(client) == 302


def test_the_key_changes_at_sign_in_and_nothing_planted_before_stays(user: User) -> None:
    planted = SessionStore()
    planted["planted"] = "yes"
    planted.create()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(planted.session_key)
    _signed_in_by_form("ada", client)
    assert client.session.session_key != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = str(planted.session_key)
    assert thief.get(PAGE).status_code == 302


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(user: User) -> None:
    client = Client()
    client.get(SIGN_IN)
    _signed_in_by_form("ada", client)
    client.post(reverse("accounts:set-language"), {"language": "en"})
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME):
        cookie = client.cookies[name]
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Lax", name
    # The browser forgets the session when it is closed.
    assert client.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == ""
    _rest(client, 40 * MINUTE)
    client.get(PAGE)
    assert client.cookies[ended.COOKIE]["httponly"]
    assert client.cookies[ended.COOKIE]["samesite"] == "Lax"


def test_a_deleted_and_a_locked_account_lose_their_sessions_at_the_next_request(client: Client, user: User) -> None:
    other = _signed_in_by_form("ada")
    users.lock(user, by=person(name="admin"))
    assert _page(client) == 302
    assert "Your session was ended" in client.get(SIGN_IN).content.decode()
    User.objects.filter(pk=user.pk).delete()
    assert _page(other) == 302


def test_a_session_outlives_the_lock_that_somebody_elses_failures_bring(client: Client, user: User) -> None:
    configured(account_settings={"lock_after": 3, "minimum_length": 8, "passphrase_expiry": 0})
    for number in range(3):
        Client(REMOTE_ADDR=f"10.0.0.{number}").post(SIGN_IN, {"username": "ada", "password": "wrong"})
    user.refresh_from_db()
    assert user.locked_at is not None
    assert _page(client) == 200
    assert client.post(reverse("smtp-routes:add"), {"domain": ""}).status_code == 422
    assert Client().post(SIGN_IN, {"username": "ada", "password": PASSPHRASE}).status_code == 200


def test_a_login_that_met_the_lock_has_no_session(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(locked_at=_row(client).signed_in_at)
    assert _page(client) == 302
    User.objects.filter(pk=user.pk).update(locked_at=None)
    assert _page(client) == 302


def test_all_sessions_of_an_account_can_be_ended_but_one(client: Client, user: User) -> None:
    other = _signed_in_by_form("ada")
    stranger = signed_in(person(name="bob"))
    _page(stranger)
    assert sessions.end_all(user, but=client.session) == 1
    assert (_page(client), _page(other), _page(stranger)) == (200, 302, 200)
    assert sessions.end_all(user) == 1
    assert _page(client) == 302
    assert sessions.end_all(user) == 0


def test_logging_out_ends_the_session_and_its_row(client: Client, user: User) -> None:
    response = client.post(reverse("accounts:sign-out"))
    assert response["Location"] == SIGN_IN
    row = ConsoleSession.objects.get()
    assert row.end_reason == End.SIGNED_OUT
    assert not get_user(client).is_authenticated
    assert Entry.objects.get(act=Act.SIGN_OUT).user == user
    assert "ended" not in client.get(SIGN_IN).content.decode()


def test_logging_out_of_a_session_that_has_ended_just_leads_to_sign_in(client: Client) -> None:
    _rest(client, 40 * MINUTE)
    assert client.post(reverse("accounts:sign-out"))["Location"] == SIGN_IN
    assert not Entry.objects.filter(act=Act.SIGN_OUT).exists()


# Active Sessions


def test_active_sessions_lists_everybody_and_marks_ones_own(client: Client, user: User) -> None:
    bob = _signed_in_by_form(person(Role.GUEST, "bob").username)
    old = _signed_in_by_form(person(Role.GUEST, "old").username)
    _rest(bob, 7 * MINUTE)
    _rest(old, 45 * MINUTE)
    content = client.get(reverse("accounts:active-sessions")).content.decode()
    rows = re.findall(r"<tr>\s*<td[^>]*>(.*?)</tr>", content, re.DOTALL)
    assert len(rows) == 2
    assert "ada" in rows[0]
    assert "this session" in rows[0]
    assert "Administrator" in rows[0]
    assert "127.0.0.1" in rows[0]
    assert "GUI" in rows[0]
    assert "bob" in rows[1]
    assert "this session" not in rows[1]
    assert "7 min" in rows[1]


def test_an_administrator_ends_anybodys_session_at_once_after_a_confirmation(client: Client, user: User) -> None:
    bob = _signed_in_by_form(person(Role.OPERATOR, "bob").username)
    url = reverse("accounts:end-session", args=[_row(bob).pk])
    assert "End the session of “bob” from 127.0.0.1?" in client.get(url).content.decode()
    assert _page(bob) == 200
    assert client.post(url)["Location"] == reverse("accounts:active-sessions")
    assert _page(bob) == 302
    assert "Your session was ended" in bob.get(SIGN_IN).content.decode()
    entry = Entry.objects.get(act=Act.SESSION_ENDED)
    assert (entry.user, entry.target) == (user, "bob")
    assert client.post(url).status_code == 404
    assert Entry.objects.filter(act=Act.SESSION_ENDED).count() == 1


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMINISTRATOR])
def test_other_roles_end_their_own_sessions_only(client: Client, role: Role) -> None:
    person(role, "bob")
    bob, elsewhere = _signed_in_by_form("bob"), _signed_in_by_form("bob")
    foreign = reverse("accounts:end-session", args=[_row(client).pk])
    assert bob.get(foreign).status_code == 403
    assert bob.post(foreign).status_code == 403
    assert _page(client) == 200
    bob.post(reverse("accounts:end-session", args=[_row(elsewhere).pk]))
    assert not ConsoleSession.objects.get(pk=_row(bob).pk).ended_at
    assert elsewhere.get(reverse("accounts:preferences")).status_code == 302


def test_ending_ones_own_session_leads_to_sign_in(client: Client) -> None:
    url = reverse("accounts:end-session", args=[_row(client).pk])
    assert "you will have to log in again" in client.get(url).content.decode()
    assert client.post(url)["Location"] == SIGN_IN
    assert _page(client) == 302


def test_active_sessions_takes_a_fixed_number_of_queries(client: Client) -> None:
    url = reverse("accounts:active-sessions")
    counts = []
    for name in ("bob", "eve"):
        _signed_in_by_form(person(name=name).username)
        running.current()
        client.get(url)
        with CaptureQueriesContext(connection) as captured:
            client.get(url)
        counts.append(len([query for query in captured if "config_configuration" not in query["sql"]]))
    assert counts[0] == counts[1] <= 5


def test_housekeeping_ends_idle_sessions_and_forgets_old_ones(client: Client, user: User) -> None:
    now = timezone.now()

    def session(*, seen: datetime, ended_at: datetime | None = None) -> ConsoleSession:
        reason = End.ENDED if ended_at else ""
        return ConsoleSession.objects.create(
            user=user, signed_in_at=seen, last_seen_at=seen, ended_at=ended_at, end_reason=reason
        )

    idle = session(seen=now - 40 * MINUTE)
    lately = session(seen=now - timedelta(days=3), ended_at=now - timedelta(days=2))
    long_ago = session(seen=now - timedelta(days=9), ended_at=now - timedelta(days=8))
    Session.objects.create(session_key="expired", session_data="", expire_date=now - MINUTE)
    housekeeping()
    assert ConsoleSession.objects.get(pk=idle.pk).end_reason == End.INACTIVITY
    assert ConsoleSession.objects.filter(pk=lately.pk).exists()
    assert not ConsoleSession.objects.filter(pk=long_ago.pk).exists()
    assert not Session.objects.filter(session_key="expired").exists()
    assert _page(client) == 200
    assert Entry.objects.filter(act=Act.SESSION_ENDED).count() == 1


# A form that came after the session had ended


def _late(client: Client, url: str, data: dict[str, Any], **options: Any) -> Any:
    _rest(client, 40 * MINUTE)
    return client.post(url, data, **options)


def test_a_late_form_is_kept_shown_and_submitted_again_by_a_click_alone(client: Client, user: User) -> None:
    url = reverse("recipient-access:add")
    data = {"order": "1", "recipient": "late.example", "action": "accept", "response_text": ""}
    response = _late(client, url, data, headers={"referer": f"http://testserver{url}"})
    content = response.content.decode()
    assert response.status_code == 422
    assert "Your session ended after 30 minutes without activity." in content
    assert "It is kept" in content
    assert 'value="ada"' in content
    assert "late.example" not in content
    assert pending.pending_of(user) is None

    kept = _hidden(content, "carried")
    wrong = client.post(SIGN_IN, {"username": "ada", "password": "wrong", "carried": kept, "next": url})
    assert _hidden(wrong.content.decode(), "carried") == kept
    response = client.post(SIGN_IN, {"username": "ada", "password": PASSPHRASE, "carried": kept, "next": url})
    assert response["Location"] == reverse("accounts:submit-again")
    for _look in range(2):
        content = client.get(response["Location"]).content.decode()
        assert "late.example" in content
        assert "Recipient Access Table (RAT)" in content
        assert pending.pending_of(user) is None

    again = content.split('class="buttons-end"')[1]
    sent = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', again)}
    assert sent.items() >= data.items()
    response = client.post(reverse("accounts:submit-again"), sent)
    assert (response.status_code, response["Location"]) == (307, url)
    assert client.post(url, sent)["Location"] == reverse("recipient-access:list")
    assert RecipientAccess.objects.filter(configuration=pending.pending_of(user), recipient="late.example").exists()
    # It is offered once.
    assert client.get(reverse("accounts:submit-again"))["Location"] == reverse("accounts:home")


def _kept_page(client: Client, url: str, data: dict[str, Any], language: str = "en") -> str:
    """Submit Again, after a late form and a new sign-in."""
    kept = _hidden(_late(client, url, data).content.decode(), "carried")
    User.objects.filter(username="ada").update(language=language)
    answer = {"username": "ada", "password": PASSPHRASE, "carried": kept}
    content = client.post(SIGN_IN, answer, follow=True).content.decode()
    shown = re.search(r'<section class="box" aria-labelledby="kept-title">(.*?)</section>', content, re.DOTALL)
    assert shown
    return unescape(re.sub(r"\s*<[^>]*>\s*", "|", shown[1]))


def test_what_was_kept_is_shown_as_its_form_says_it_in_the_readers_language(client: Client, user: User) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    shown = _kept_page(client, url, {"mode": "custom", "address": "late@intake.example"}, "zh-hans")
    with translation.override("zh-hans"):
        for words in ("Threat Defense Connector", "Custom Message Intake Address", "Incoming Mail Policies"):
            assert f"|{gettext(words)}|" in shown
        assert f"|{Mode.CUSTOM.label}|" in shown
    assert "|late@intake.example|" in shown
    for internal in ("Mode", "custom", "address", url):
        assert internal not in shown


def test_rows_of_a_kept_form_are_numbered_and_its_inner_workings_are_not_shown(client: Client) -> None:
    data = {
        "domain": "late.example",
        "host-TOTAL_FORMS": "3",
        "host-INITIAL_FORMS": "0",
        "host-0-host": "10.0.0.9",
        "host-0-port": "25",
        "host-1-host": "",
        "add_row": "1",
    }
    shown = _kept_page(client, reverse("smtp-routes:add"), data)
    for words in ("Receiving Domain", "late.example", "Destination (1)", "10.0.0.9", "Port (1)"):
        assert f"|{words}|" in shown
    assert "(2)" not in shown
    assert "otal" not in shown
    assert "1 value that is not shown here is kept" in shown


def test_a_choice_without_words_is_counted_and_not_shown(user: User) -> None:
    found = shown_fields(reverse("accounts:edit-preferences"), [("rows", "50"), ("time_zone", "Europe/Rome")])
    assert found == ([("Number of Rows Displayed", ["50"])], 1)
    assert shown_fields("/no/such/page/", [("a", "b")]) == ([], 1)


def test_what_was_kept_can_be_dropped(client: Client, user: User) -> None:
    response = _late(client, reverse("configuration:abandon"), {})
    kept = _hidden(response.content.decode(), "carried")
    client.post(SIGN_IN, {"username": "ada", "password": PASSPHRASE, "carried": kept})
    client.post(reverse("accounts:submit-again"), {"drop_what_was_kept": "1"})
    assert "Nothing was changed." in client.get(PAGE).content.decode()
    assert client.get(reverse("accounts:submit-again"))["Location"] == reverse("accounts:home")


def test_a_late_form_is_not_offered_to_another_user(client: Client) -> None:
    person(name="eve")
    response = _late(client, reverse("smtp-routes:add"), {"domain": "private.example"})
    kept = _hidden(response.content.decode(), "carried")
    response = client.post(SIGN_IN, {"username": "eve", "password": PASSPHRASE, "carried": kept}, follow=True)
    content = response.content.decode()
    assert "belongs to another account" in content
    assert "private.example" not in content
    assert client.get(reverse("accounts:submit-again"))["Location"] == reverse("accounts:home")


def test_a_carried_form_that_somebody_has_changed_counts_as_none(client: Client, user: User) -> None:
    forged = carried.seal(carried.Carried(str(user.pk), "/x/", (("a", "b"),), ()))[:-2] + "zz"
    response = Client().post(SIGN_IN, {"username": "ada", "password": PASSPHRASE, "carried": forged})
    assert response["Location"] != reverse("accounts:submit-again")


def test_passphrases_tokens_and_files_are_never_carried(client: Client, user: User) -> None:
    data = {
        "username": "new",
        "passphrase": "my secret words",
        "again": "my secret words",
        "new_password2": "other words",
        "csrfmiddlewaretoken": "token",
        "upload": SimpleUploadedFile("configuration.json", b"{}"),
    }
    response = _late(client, reverse("configuration:file"), data)
    content = response.content.decode()
    assert "choose or enter these again: Passphrase, Again, New password2, From Local Computer." in content
    kept = carried.unseal(_hidden(content, "carried"))
    assert kept
    assert "my secret words" not in str(kept)
    assert ("username", "new") in kept.fields
    assert kept.left_out == ("passphrase", "again", "new_password2", "upload")


def _forms(base: type[BaseForm]) -> Iterator[type[BaseForm]]:
    for form in base.__subclasses__():
        yield form
        yield from _forms(form)


def test_every_passphrase_field_of_the_console_is_known_as_one() -> None:
    assert get_resolver().url_patterns  # every view is imported now, and with it every form
    ours = [form for form in _forms(BaseForm) if form.__module__.startswith(("seg_console", "policies", "tdc"))]
    fields = {
        name
        for form in ours
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field.widget, PasswordInput)
    }
    assert {"passphrase", "again", "old", "password"} <= fields
    assert [name for name in fields if not carried.is_secret(name)] == []


def test_a_form_that_is_too_large_says_so_and_is_not_kept(client: Client) -> None:
    response = _late(client, reverse("configuration:file"), {"pasted": "x" * (carried.MOST_CHARACTERS + 1)})
    content = response.content.decode()
    assert "too large to be kept" in content
    assert 'name="carried"' not in content


def test_the_token_is_asked_for_even_when_the_session_has_ended(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get(PAGE)
    response = _late(client, reverse("smtp-routes:add"), {"domain": "evil.example"})
    assert response.status_code == 403
    assert b"carried" not in response.content


def test_a_form_of_a_visitor_who_never_signed_in_is_not_kept(user: User) -> None:
    response = Client().post(reverse("smtp-routes:add"), {"domain": "evil.example"})
    assert response.status_code == 302
    assert response["Location"] == SIGN_IN


def test_a_late_form_in_a_region_gets_the_whole_page(client: Client, user: User) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    data = {"mode": "custom", "address": "late@intake.example"}
    response = _late(client, url, data, headers=htmx("/mail-policies/incoming/"))
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("body", "innerHTML")
    content = response.content.decode()
    assert "<!doctype html>" in content
    assert _hidden(content, "next") == "/mail-policies/incoming/"
    kept = carried.unseal(_hidden(content, "carried"))
    assert kept
    assert kept.url == url
    assert kept.fields == (("mode", "custom"), ("address", "late@intake.example"))


def test_a_region_that_follows_typing_stays_as_it_is_and_the_form_is_kept_when_it_is_sent(client: Client) -> None:
    preview = f"{reverse('policies:preview')}?unattended=1"
    response = _late(client, preview, {"at": "0"}, headers=htmx(reverse("policies:add")))
    assert (response.status_code, response.content) == (204, b"")
    response = client.post(reverse("policies:add"), {"name": "Late"})
    kept = carried.unseal(_hidden(response.content.decode(), "carried"))
    assert kept
    assert kept.fields == (("name", "Late"),)


def test_a_second_tab_that_found_the_end_first_takes_nothing_from_the_form(client: Client) -> None:
    _rest(client, 40 * MINUTE)
    client.get(PAGE)
    response = client.post(reverse("smtp-routes:add"), {"domain": "late.example"})
    assert carried.unseal(_hidden(response.content.decode(), "carried"))


@pytest.mark.parametrize("how", ["cookie deleted", "logged out in another tab", "session removed"])
def test_a_form_is_kept_however_the_session_went(user: User, how: str) -> None:
    client = _signed_in_by_form("ada", Client(enforce_csrf_checks=False))
    client.handler.enforce_csrf_checks = True
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    token = _hidden(client.get(url).content.decode(), "csrfmiddlewaretoken")
    if how == "cookie deleted":
        del client.cookies[settings.SESSION_COOKIE_NAME]
    elif how == "session removed":
        Session.objects.all().delete()
    else:
        client.post(reverse("accounts:sign-out"), {"csrfmiddlewaretoken": token})
        assert "You have logged out" not in client.get(SIGN_IN).content.decode()
    data = {"mode": "custom", "address": "late@intake.example"}
    assert client.post(url, data).status_code == 403
    response = client.post(url, data | {"csrfmiddlewaretoken": token})
    content = response.content.decode()
    assert response.status_code == 422
    assert ("You have logged out." in content) == (how == "logged out in another tab")
    kept = _hidden(content, "carried")
    answer = {
        "username": "ada",
        "password": PASSPHRASE,
        "carried": kept,
        "csrfmiddlewaretoken": _hidden(content, "csrfmiddlewaretoken"),
    }
    response = client.post(SIGN_IN, answer, follow=True)
    assert response.redirect_chain[-1][0] == reverse("accounts:submit-again")
    assert "late@intake.example" in response.content.decode()
    assert pending.pending_of(user) is None


def test_a_browser_opened_anew_is_told_nothing_of_the_session_before(client: Client) -> None:
    del client.cookies[settings.SESSION_COOKIE_NAME]
    content = client.get(SIGN_IN).content.decode()
    assert "Your session" not in content
    assert "ada" not in content


def test_two_requests_at_the_moment_of_the_end_both_know_whose_session_it_was(client: Client, user: User) -> None:
    other = Client()
    other.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
    _rest(client, 40 * MINUTE)
    client.get(PAGE)
    response = other.post(reverse("smtp-routes:add"), {"domain": "late.example"})
    kept = carried.unseal(_hidden(response.content.decode(), "carried"))
    assert kept
    assert kept.user_pk == str(user.pk)


def test_an_unlocked_account_does_not_get_its_old_session_back(client: Client, user: User) -> None:
    admin = person(name="admin")
    users.lock(user, by=admin)
    assert _page(client) == 302
    users.unlock(user, by=admin)
    assert _page(client) == 302


# Signing in


def test_pending_changes_of_an_earlier_session_are_told_once(client: Client, user: User) -> None:
    policy = IncomingMailPolicy.objects.get(configuration=pending.committed(), name="Finance")
    pending.submit(user, remove=[policy])
    again = _signed_in_by_form("ada")
    assert "You have pending changes of " in again.get(PAGE).content.decode()
    assert "You have pending changes of " not in again.get(PAGE).content.decode()


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example", "/sign-in/", "/sign-in/?next=/x/"])
def test_the_page_after_sign_in_is_one_of_ours_and_never_sign_in_itself(user: User, next_page: str) -> None:
    client = Client()
    response = client.post(SIGN_IN, {"username": "ada", "password": PASSPHRASE, "next": next_page})
    assert response["Location"] == PAGE
    assert client.get(SIGN_IN, {"next": next_page})["Location"] == PAGE


def test_a_failed_sign_in_is_recorded_and_opens_no_session(user: User) -> None:
    client = Client()
    client.post(SIGN_IN, {"username": "ada", "password": "wrong"})
    client.post(SIGN_IN, {"username": "ada", "password": ""})
    assert not ConsoleSession.objects.exists()
    assert Entry.objects.filter(act=Act.SIGN_IN_FAILED, username="ada").count() == 1
    assert User.objects.get(pk=user.pk).failed_attempts == 1


def test_only_attempts_that_were_read_count_towards_the_lock(user: User) -> None:
    client = Client()
    for _attempt in range(8):
        client.post(SIGN_IN, {"username": "ada", "password": "wrong"})
    assert User.objects.get(pk=user.pk).failed_attempts == 5
    assert Entry.objects.filter(act=Act.SIGN_IN_FAILED).count() == 8


@pytest.mark.parametrize(
    ("accepts", "code"), [("zh-CN,zh;q=0.9", "zh-hans"), ("en-GB", "en"), ("fr", "en"), ("zh-Hans", "zh-hans")]
)
def test_the_sign_in_page_speaks_the_browsers_language(user: User, accepts: str, code: str) -> None:
    content = Client().get(SIGN_IN, headers={"accept-language": accepts}).content.decode()
    assert f'<html lang="{code}"' in content
    assert "gw1.corp.example" in content
    assert "SEG Console" in content


def test_the_language_chosen_at_sign_in_is_kept_for_this_page_the_next_and_errors(user: User) -> None:
    client = Client()
    asked = f"{SIGN_IN}?next=/network/smtp-routes/"
    content = client.get(asked).content.decode()
    assert _hidden(content, "next") == "/network/smtp-routes/"
    assert "简体中文" in content
    response = client.post(reverse("accounts:set-language"), {"language": "zh-hans", "next": asked})
    assert response["Location"] == asked
    assert '<html lang="zh-hans"' in client.get(asked).content.decode()
    _signed_in_by_form("ada", client)
    assert '<html lang="zh-hans"' in client.get(PAGE).content.decode()
    assert '<html lang="zh-hans"' in client.get("/no-such-page/").content.decode()


def test_an_accounts_own_language_is_kept_at_sign_in_for_the_next_sign_in_page(user: User) -> None:
    User.objects.filter(pk=user.pk).update(language="zh-hans")
    client = Client()
    client.post(reverse("accounts:set-language"), {"language": "en"})
    _signed_in_by_form("ada", client)
    client.post(reverse("accounts:sign-out"))
    assert '<html lang="zh-hans"' in client.get(SIGN_IN).content.decode()
    User.objects.filter(pk=user.pk).update(language="")
    client.post(reverse("accounts:set-language"), {"language": "en"})
    _signed_in_by_form("ada", client)
    client.post(reverse("accounts:sign-out"))
    assert '<html lang="en"' in client.get(SIGN_IN).content.decode()


def test_choosing_a_language_leads_nowhere_else() -> None:
    response = Client().post(reverse("accounts:set-language"), {"language": "en", "next": "https://evil.example/"})
    assert response["Location"] == "/"
