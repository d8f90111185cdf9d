"""What is found in the help, in which order, and what is shown of it."""

from __future__ import annotations

import pytest

from seg_console.help.library import HelpPage
from seg_console.help.markdown import render
from seg_console.help.search import LONGEST_QUERY, MOST_WORDS, Piece, search, words_of


def _page(slug: str, source: str) -> HelpPage:
    return HelpPage(slug, render(source, lambda target: target))


PAGES = [
    _page("text", "# Delivery\n\nA route is an order.\n"),
    _page("heading", "# Hosts\n\nWords.\n\n## The route in force {#force}\n\nMore words.\n"),
    _page("title", "# SMTP Routes\n\nWhich hosts take the mail.\n"),
    _page("chinese", "# 传入邮件策略\n\n每个收件人从上到下与策略比较，由首个匹配的策略接管。\n"),
]


def _found(query: str) -> list[str]:
    return [hit.page.slug for hit in search(PAGES, words_of(query))]


def test_words_in_the_title_go_before_headings_and_these_before_text() -> None:
    assert _found("route") == ["title", "heading", "text"]


def test_every_word_must_be_found_whatever_its_case_and_place() -> None:
    assert _found("HOSTS mail") == ["title"]
    assert _found("route nowhere") == []


def test_chinese_is_found_within_a_sentence() -> None:
    assert _found("匹配") == ["chinese"]
    assert _found("邮件策略 收件人") == ["chinese"]
    assert _found("邮件策略\u3000收件人") == ["chinese"]


def test_full_width_letters_are_the_usual_ones() -> None:
    assert _found("ＳＭＴＰ") == ["title"]


def test_nothing_asked_finds_nothing() -> None:
    assert words_of("  \t ") == ()
    assert search(PAGES, ()) == []


def test_a_hit_leads_to_the_section_and_marks_the_words() -> None:
    hit = search(PAGES, words_of("force"))[0]
    assert hit.url == "/help/heading/#force"
    assert hit.heading == (Piece("The route in ", found=False), Piece("force", found=True))
    assert hit.excerpt == (Piece("More words.", found=False),)


def test_an_excerpt_is_cut_between_words_around_the_first_one_found() -> None:
    long = _page("long", f"# Long\n\n{'before ' * 40}needle {'after ' * 60}\n")
    text = "".join(piece.text for piece in search([long], ("needle",))[0].excerpt)
    assert text.startswith("…before ")
    assert text.endswith(" after…")
    assert " needle " in text
    assert len(text) < 260


@pytest.mark.parametrize("query", ["(", "[a-", "\\", "*+?", ".*", "^$", "a{9999999}"])
def test_signs_of_a_pattern_are_only_signs(query: str) -> None:
    assert _found(query) == []


def test_a_very_long_question_is_cut() -> None:
    assert len(words_of("w" * 10_000)[0]) == LONGEST_QUERY
    assert len(words_of(" ".join(str(number) for number in range(1000)))) == MOST_WORDS
    assert words_of("same Same SAME") == ("same",)
