"""Whatever a search page lets a browser send fits into the request line that the web server takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode

import pytest
from django.conf import settings
from django.http import QueryDict
from django.urls import reverse

from seg_console import web_server
from seg_console.accounts.roles import Role
from seg_console.ui.searches import LONGEST_ADDRESS, LONGEST_TEXT, with_trail
from tests.support import sample_system, walk
from tests.support.pages import configured, person, signed_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]

TYPED = {"text", "search", "email", None}
MOMENT = "2026-01-01T00:00"


@dataclass
class Fields:
    """What a form can send: the longest value of each field, several where each of several boxes may be ticked."""

    action: str
    longest: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unlimited: list[str] = field(default_factory=list)

    def request_line(self, page: str) -> str:
        query = urlencode([(name, value) for name, values in self.longest.items() for value in values])
        return f"GET {self.action or page.partition('?')[0]}?{query} HTTP/1.1\r\n"


class SearchForms(HTMLParser):
    """The forms of a page that send by GET."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Fields] = []
        self._select = ""
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = dict(attrs)
        name = have.get("name") or ""
        if tag == "form":
            self._inside = have.get("method") == "get"
            if self._inside:
                self.forms.append(Fields(have.get("action") or ""))
        elif self._inside and name and tag == "select":
            self._select = name
        elif self._inside and self._select and tag == "option":
            self._keep_longest(self._select, have.get("value") or "")
        elif self._inside and name and tag in {"input", "button", "textarea"}:
            self._field(name, tag, have)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"
        self._select = "" if tag == "select" else self._select

    def _field(self, name: str, tag: str, have: dict[str, str | None]) -> None:
        kind = have.get("type")
        if kind == "datetime-local":
            self._keep_longest(name, MOMENT)
        elif kind == "checkbox":
            self.forms[-1].longest[name].append(have.get("value") or "on")
        elif tag == "textarea" or (kind in TYPED and tag == "input"):
            if not have.get("maxlength"):
                self.forms[-1].unlimited.append(name)
            self._keep_longest(name, "\u4e2d" * int(have.get("maxlength") or 0))
        else:
            self._keep_longest(name, have.get("value") or "")

    def _keep_longest(self, name: str, value: str) -> None:
        present = self.forms[-1].longest[name]
        present[:] = [max([value, *present], key=len)]


def test_the_web_server_takes_the_line_that_the_forms_are_made_for() -> None:
    # gunicorn knows no longer one than 8,190 octets.
    assert web_server.limit_request_line == settings.LONGEST_REQUEST_LINE <= 8190


def test_the_longest_search_of_every_page_fits_in_chinese() -> None:
    people = sample_system.fill()
    user = people[Role.ADMINISTRATOR]
    client = signed_in(user)
    forms = 0
    for address in walk.pages(user):
        for form in SearchForms(client.get(address).content.decode()).forms:
            forms += 1
            assert form.unlimited == [], address
            line = form.request_line(address)
            assert len(line) <= settings.LONGEST_REQUEST_LINE, (address, len(line))
    assert forms > 10


@pytest.mark.parametrize("name", ["recipient-access:list", "smtp-routes:list", "destination-controls:list"])
@pytest.mark.parametrize("text", ["\u4e2d" * (LONGEST_TEXT + 1)])
def test_a_text_too_long_for_a_table_is_refused_on_its_page(name: str, text: str) -> None:
    configured()
    response = signed_in(person()).get(reverse(name), {"find": text})
    assert response.status_code == 422
    content = response.content.decode()
    assert 'class="field-error"' in content
    assert 'id="find"' in content


@pytest.mark.parametrize("name", ["recipient-access:list", "smtp-routes:list", "destination-controls:list"])
def test_a_search_of_a_table_keeps_what_was_asked(name: str) -> None:
    configured()
    response = signed_in(person()).get(reverse(name), {"find": " corp"})
    assert (response.status_code, response.context["searched"]) == (200, "corp")


@pytest.mark.parametrize(
    ("name", "field_name", "longest"),
    [
        ("monitor:message-tracking", "sender", LONGEST_ADDRESS),
        ("monitor:message-tracking", "recipient", LONGEST_ADDRESS),
        ("monitor:message-tracking", "subject", LONGEST_TEXT),
        ("monitor:message-tracking", "message_id", LONGEST_TEXT),
        ("audit-log:search", "text", LONGEST_TEXT),
    ],
)
def test_a_longer_text_is_refused_beside_its_field(name: str, field_name: str, longest: int) -> None:
    configured()
    client = signed_in(person())
    assert client.get(reverse(name), {"search": "1", field_name: "a" * longest}).status_code == 200
    response = client.get(reverse(name), {"search": "1", field_name: "a" * (longest + 1)})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field_name]


def pages_turned(link: str) -> list[str]:
    return [value for name, value in parse_qsl(link.removeprefix("?")) if name == "after"]


def test_a_link_has_as_many_of_the_last_pages_turned_as_the_line_has_room_for() -> None:
    query = QueryDict(mutable=True)
    query["subject"] = "\u4e2d" * LONGEST_TEXT
    trail = [f"1790000000000000-{n}" for n in range(1_000)]
    link = with_trail("/somewhere/", query, trail)
    kept = pages_turned(link)
    assert kept == trail[-len(kept) :]
    line = f"GET /somewhere/{link} HTTP/1.1\r\n"
    assert len(line) <= settings.LONGEST_REQUEST_LINE < len(line) + len(f"&after={trail[0]}") + 3
    assert pages_turned(with_trail("/somewhere/", query, trail[:3])) == trail[:3]
    assert query.urlencode().count("after") == 0
