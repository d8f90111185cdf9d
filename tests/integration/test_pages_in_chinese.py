"""The console in Simplified Chinese: no English left on a page, refusals in Chinese, English where it has to stay."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise

from policies.matching import check_entry
from seg_console.accounts import preferences
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Entry
from seg_console.config import pending
from seg_console.delivery import outcome
from seg_console.gateway.protocol import AbortReason
from seg_console.mail import sentences
from seg_console.mail.addresses import AddressError, check_address
from seg_console.mail.maillog_text import lines
from seg_console.ui.navigation import TABS
from tests.support import connection_tests, failing_urls, sample_system, walk
from tests.support.pages import configured, person, policy_uid, signed_in
from tests.unit import sample_events

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]

CHINESE = "zh-hans"
WANTED = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}
WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z-]+")
# An address, a domain, an IP address, a path, a variable, a URL: whatever holds these signs between letters. And the
# rest of a word whose beginning a shortened value leaves out.
TECHNICAL = re.compile(r"\S*[A-Za-z0-9][@._/:=][A-Za-z0-9]\S*|[@./]\S+|\S+@|<\S*>|…[A-Za-z]+")
# Names of products, and of what stands in files and protocols under these words.
PHRASES = re.compile(
    r"SEG Console|Cisco Secure Email Threat Defense|Cisco Systems|Threat Defense|Web UI"
    r"|MAIL FROM|RCPT TO|Reply-To|X-IronPort-\w+"
)
NAMES = set(
    WORD.findall(
        "ALL API ASCII CA CIDR CLI CR CSV Cookie DCID DNS Django EC EHLO English From GB GMT GUI HAT HTTP ICID ID IP "
        "IPv4 IPv6 JSON KB LF MB MID MIT MX NUL PEM PROXY Postfix PostgreSQL Python QUIT RAT RCPT RSA Received Redis "
        "SHA-256 SMTP SQLite STARTTLS TCP TDC TLS URL USEDNS UTC UTF-8 Unicode Web XCLIENT admin loadconfig"
    )
)
NOT_READ = {"code", "pre", "script", "style", "svg", "textarea"}
SPOKEN = {"alt", "aria-description", "aria-label", "placeholder", "title"}


class _Reader(HTMLParser):
    """What a person reads or hears of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in NOT_READ
        self.texts += [value for name, value in attrs if name in SPOKEN and value]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in NOT_READ and self._unread > 0

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.texts.append(data)


def english(page: str, data: set[str]) -> list[str]:
    """Texts of a page that hold a word which is no name and stands in none of the data."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    found = []
    for text in reader.texts:
        words = set(WORD.findall(PHRASES.sub(" ", TECHNICAL.sub(" ", text))))
        if words - NAMES - data:
            found.append(f"{' '.join(text.split())} {sorted(words - NAMES - data)}")
    return found


def stored_words() -> set[str]:
    """Words of everything that people and mail servers have put into the database; not those of the audit log, which
    keeps the console's own labels."""
    kinds = (models.CharField, models.TextField, models.JSONField)
    return {
        word
        for model in apps.get_models()
        if model._meta.app_label != "audit"
        for values in model._default_manager.values_list(
            *[field.name for field in model._meta.concrete_fields if isinstance(field, kinds)] or ["pk"]
        )
        for value in values
        for word in WORD.findall(value if isinstance(value, str) else json.dumps(value, default=str))
    }


def chinese_client(user: User) -> Client:
    client = signed_in(user)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = WANTED["accept-language"]
    return client


@pytest.fixture
def admin() -> User:
    configured()
    return person()


def test_every_page_is_chinese_for_the_administrator(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.failing_urls"
    user = sample_system.fill()[Role.ADMINISTRATOR]
    addresses = [address for address in walk.pages(user) if not address.startswith("/help/")]
    client = chinese_client(user)
    client.raise_request_exception = False
    said_by_servers = [step["text"] for step in connection_tests.STEPS]
    data = stored_words() | set(
        WORD.findall(" ".join([settings.SEG_HOSTNAME, *preferences.zones(), *map(str, said_by_servers)]))
    )
    faults = []
    for address in [*addresses, *failing_urls.ADDRESSES]:
        response = client.get(address)
        assert response["Content-Language"] == CHINESE, address
        faults += [f"{address}: {text}" for text in english(response.content.decode(), data)]
    assert not faults, "\n".join(faults)


def test_a_visitor_reads_chinese_where_the_browser_asks_for_it() -> None:
    page = Client(headers=WANTED).get(reverse("accounts:sign-in")).content.decode()
    assert '<html lang="zh-hans"' in page
    assert english(page, set()) == []


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("zh", CHINESE),
        ("zh-CN", CHINESE),
        ("zh-SG", CHINESE),
        ("zh-Hans", CHINESE),
        ("zh-Hans-CN,zh;q=0.9", CHINESE),
        # Written differently, but read; the reader may choose English in the preferences.
        ("zh-TW", CHINESE),
        ("zh-HK,en;q=0.5", CHINESE),
        ("zh-Hant", CHINESE),
        ("en-GB,zh;q=0.5", "en"),
        ("fr,zh;q=0.5", CHINESE),
        ("fr", "en"),
        ("", "en"),
    ],
)
def test_a_browsers_wish_leads_to_a_language_there_is(wanted: str, given: str) -> None:
    response = Client(headers={"accept-language": wanted}).get(reverse("accounts:sign-in"))
    assert response["Content-Language"] == given


@pytest.mark.parametrize(
    ("view", "typed", "message"),
    [
        (
            "smtp-routes:add",
            {"domain": "no domain"},
            '"no domain" 不是域名：仅允许字母、数字、下划线、各部分中间的连字符以及点。',
        ),
        ("smtp-routes:add", {"domain": ""}, "这个字段是必填项。"),
        (
            "smtp-routes:add",
            {"domain": "new.example", "host-0-host": "mx.example", "host-0-port": "99999"},
            "确保该值小于或等于65535。",
        ),
        ("recipient-access:add", {"order": 1, "recipient": "ALL", "action": "accept"}, "此处没有 ALL 行"),
        (
            "recipient-access:add",
            {"order": 1, "recipient": "a@b@example.com", "action": "accept"},
            "的 @ 之前含有不加引号便不允许使用的字符或空格。",
        ),
        ("tdc:edit-settings", {"enabled": "on", "messages_per_connection": 10}, "启用连接器需要邮件接收地址。"),
        (
            "tdc:edit-settings",
            {"message_intake_address": "nobody", "messages_per_connection": 10},
            "中没有 @：请写成 user@example.com 的形式。",
        ),
    ],
)
def test_a_refused_form_says_why_in_chinese(admin: User, view: str, typed: dict[str, Any], message: str) -> None:
    counts = {"host-TOTAL_FORMS": 1, "host-INITIAL_FORMS": 0} if view.startswith("smtp-routes") else {}
    response = chinese_client(admin).post(reverse(view), typed | counts)
    assert response.status_code == 422
    assert message in html.unescape(response.content.decode())
    assert pending.pending_of(admin) is None


def test_faults_of_a_configuration_file_are_told_in_chinese_with_the_paths_of_the_file(admin: User) -> None:
    document = {"format": 1, "tdc": {}, "default_policy": {"threat_defense_connector": {"mode": "some"}}}
    response = chinese_client(admin).post(reverse("configuration:file"), {"pasted": json.dumps(document)})
    page = html.unescape(response.content.decode())
    assert response.status_code == 422
    assert "<code>tdc</code>: 未知的键；此处已知的键有 format, " in page
    assert "请给出以下值之一：'no_scan', 'default' 或 'custom'。" in page


def test_the_details_of_a_message_are_told_in_chinese_dates_included() -> None:
    user = sample_system.fill()[Role.ADMINISTRATOR]
    address = reverse("monitor:message-tracking-details", args=[sample_system.TOLD_MID])
    page = chinese_client(user).get(address, {"events": "all"}).content.decode()
    assert "邮件 101 已排队等待传送。" in page
    assert re.search(r">\d{4}年\d{1,2}月\d{1,2}日 \d\d:\d\d:\d\d \(GMT \+00:00\)</time>", page)


def test_every_wording_of_the_gateway_is_known_to_the_page_that_translates_it() -> None:
    ours = (*outcome.WORDING.values(), outcome.TOO_MANY, outcome.UNKNOWN_ADDRESS, outcome.NOT_ACCEPTING)
    said = {wording for _status, wording in ours}
    said |= {*outcome.OWN_WORDING.values(), *outcome.SUBJECT_WORDING.values()}
    assert said | set(AbortReason) == sentences.REASONS


def test_every_sentence_of_message_tracking_is_chinese() -> None:
    data = set(WORD.findall(json.dumps([[str(event), lines] for event, lines in sample_events.SAMPLES])))
    with translation.override(CHINESE):
        told = [
            sentence.text
            for event, _lines in sample_events.SAMPLES
            if event.kind in sentences._WORDING
            for sentence in sentences.sentences(event)  # type: ignore[arg-type]  # only kinds that have sentences
        ]
    assert len(told) > 20
    faults = [
        text
        for text in told
        if not re.search("[\u4e00-\u9fff]", text)
        or set(WORD.findall(PHRASES.sub(" ", text))) - NAMES - data
        or any(wording in text for wording in sentences.REASONS)
    ]
    assert faults == []


@pytest.mark.parametrize(("event", "expected"), sample_events.SAMPLES, ids=lambda value: getattr(value, "kind", ""))
def test_the_mail_log_is_english_whatever_the_language(event: Any, expected: list[str]) -> None:
    with translation.override(CHINESE):
        assert lines(event, ZoneInfo("America/Chicago")) == expected


def test_an_address_error_is_english_unless_a_page_translates_it() -> None:
    with translation.override(CHINESE):
        for check in (check_address, check_entry):
            with pytest.raises(AddressError, match=r"is not|has no @"):
                check("nobody")


def test_the_command_line_is_english_whatever_the_language(tmp_path: Path) -> None:
    sample_system.fill()
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({"format": 1, "smtp_routes": [{"domain": "nobody at all", "hosts": []}]}))
    said = [_commands(file)]
    with translation.override(CHINESE):
        said.append(_commands(file))
    assert said[0] == said[1]
    assert "name at least one destination host." in said[0]
    assert "Host mail status" in said[0]


def _commands(file: Path) -> str:
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("loadconfig", str(file), comment="for the test", stdout=out, stderr=err)
    call_command("cli", "hoststatus", "corp.example", stdout=out, stderr=err)
    text = f"{refused.value}\n{out.getvalue()}\n{err.getvalue()}"
    return re.sub(r"\d\d:\d\d:\d\d", "", text)


def test_what_is_kept_does_not_depend_on_the_language_it_was_typed_in() -> None:
    configured()
    kept = []
    for language in ("en", CHINESE):
        user = person(name=language)
        client = signed_in(user)
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
        client.post(reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")]), {"mode": "no_scan"})
        client.post(reverse("configuration:abandon"))
        rows = Entry.objects.filter(user=user).order_by("pk")
        kept.append([(row.act, row.target, row.detail, row.changes) for row in rows])
    assert kept[0] == kept[1]
    assert kept[0]


def _titles() -> Iterator[str | Promise]:
    for tab in TABS:
        yield tab.title
        for group in tab.groups:
            yield group.title
            yield from (page.title for page in group.pages)


def test_every_title_of_the_menus_is_translated() -> None:
    titles = list(_titles())
    assert all(isinstance(title, Promise) for title in titles)
    with translation.override(CHINESE):
        assert [str(title) for title in titles if set(WORD.findall(str(title))) - NAMES] == []
