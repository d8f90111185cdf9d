"""Online Help as a reader meets it: both languages, every role, and whatever is typed into its search."""

from __future__ import annotations

import platform

import django
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

import seg_console
from seg_console.accounts.roles import Role
from seg_console.help.topics import TOPICS
from tests.support.pages import configured, htmx, person, signed_in

pytestmark = pytest.mark.django_db
CHINESE = {"Accept-Language": "zh-hans"}


def _content(client: Client, url: str, **headers: str) -> str:
    response = client.get(url, headers=headers)
    assert response.status_code == 200, url
    return response.content.decode()


def _page(slug: str) -> str:
    return reverse("help:page", args=[slug])


def test_every_page_is_shown_in_both_languages() -> None:
    configured()
    client = signed_in(person())
    for topic in TOPICS:
        english = _content(client, _page(topic.slug))
        chinese = _content(client, _page(topic.slug), **CHINESE)
        assert '<html lang="en"' in english
        assert '<html lang="zh-hans"' in chinese
        for content in (english, chinese):
            assert " style=" not in content
            assert "<script>" not in content
    assert "<h1>传入邮件策略</h1>" in _content(client, _page("incoming-mail-policies"), **CHINESE)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_about_every_page_its_own_or_not(role: Role) -> None:
    client = signed_in(person(role))
    for url in (_page("users"), _page("audit-log"), reverse("help:contents"), reverse("help:about")):
        assert client.get(url).status_code == 200


def test_nobody_reads_who_is_not_signed_in() -> None:
    for url in (reverse("help:contents"), _page("roles"), reverse("help:search"), reverse("help:about")):
        response = Client().get(url)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("accounts:sign-in"))


def test_the_contents_list_every_page_with_what_it_is_about() -> None:
    content = _content(signed_in(person()), reverse("help:contents"))
    assert all(f'href="{_page(topic.slug)}"' in content for topic in TOPICS)
    assert "Finds messages and says what happened to them." in content


def test_a_page_leads_to_its_sections_and_to_its_neighbours() -> None:
    content = _content(signed_in(person()), _page("delivery-status"))
    assert '<a href="#tdc">' in content
    assert '<h2 id="tdc">' in content
    assert f'rel="prev" href="{_page("overview")}"' in content
    assert f'rel="next" href="{_page("delivery-status-details")}"' in content
    assert f'<a href="{_page("delivery-status")}" aria-current="page">' in content


def test_a_page_that_is_not_there_is_not_found() -> None:
    client = signed_in(person())
    for slug in ("no-such-page", "..", "README"):
        assert client.get(f"/help/{slug}/").status_code == 404


def test_help_offers_the_page_of_the_screen_that_is_shown() -> None:
    configured()
    client = signed_in(person())
    shown = {
        reverse("policies:list"): _page("incoming-mail-policies"),
        reverse("policies:add"): _page("edit-policy"),
        reverse("monitor:message-tracking"): _page("message-tracking"),
        reverse("configuration:uncommitted-changes"): _page("uncommitted-changes"),
        reverse("help:contents"): reverse("help:contents"),
    }
    for url, help_url in shown.items():
        assert client.get(url).context["online_help"]().url == help_url


def test_search_shows_what_it_found_and_marks_it() -> None:
    content = _content(signed_in(person()), f"{reverse('help:search')}?q=sub-domain")
    assert "<mark>sub-domain</mark>" in content
    assert f'href="{_page("edit-policy")}#entries"' in content
    assert 'value="sub-domain"' in content


def test_search_in_chinese() -> None:
    content = _content(signed_in(person()), f"{reverse('help:search')}?q=子域", **CHINESE)
    assert "<mark>子域</mark>" in content
    assert f'href="{_page("edit-policy")}' in content


def test_search_without_words_or_without_hits_says_so() -> None:
    client = signed_in(person())
    assert "Type one or more words" in _content(client, reverse("help:search"))
    assert "No page has all of “zebra”." in _content(client, f"{reverse('help:search')}?q=zebra")


def test_htmx_gets_the_results_alone() -> None:
    content = _content(signed_in(person()), f"{reverse('help:search')}?q=retry", **htmx("/help/search/"))
    assert content.lstrip().startswith('<section class="box" id="found"')
    assert "<html" not in content


@pytest.mark.parametrize(
    "query",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ request.user }}",
        "' OR 1=1 --",
        "\u202eevil",
        "(((((((((a+)+)+)+)+$",
        "x" * 100_000,
    ],
)
def test_whatever_is_searched_for_is_shown_as_text(query: str) -> None:
    response = signed_in(person()).get(reverse("help:search"), {"q": query})
    content = response.content.decode()
    assert response.status_code == 200
    assert "<script>" not in content
    assert "<img src=x" not in content
    assert len(content) < 60_000


def test_a_picture_of_a_page_is_served_with_the_static_files() -> None:
    content = _content(signed_in(person()), _page("incoming-mail-policies"))
    assert '<img src="/static/docs/policies.png"' in content
    assert finders.find("docs/policies.png")


def test_about_says_what_this_is() -> None:
    content = _content(signed_in(person()), reverse("help:about"))
    assert seg_console.VERSION in content
    assert settings.SEG_SERIAL in content
    assert f"<dt>Python</dt><dd>{platform.python_version()}</dd>" in content
    assert f"<dt>Django</dt><dd>{django.get_version()}</dd>" in content
    assert "MIT License" in content


def test_help_asks_the_database_for_the_session_and_the_frame_alone(
    django_assert_max_num_queries: pytest.FixtureRequest,
) -> None:
    configured()
    client = signed_in(person(Role.GUEST))
    client.get(_page("roles"))
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        client.get(_page("users"))
