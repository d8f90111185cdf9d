"""What a help page may be written with, and what becomes of it."""

from __future__ import annotations

import pytest

from seg_console.help.markdown import Section, render


def _as_written(target: str) -> str:
    return target


def test_the_title_is_taken_out_and_the_rest_rendered() -> None:
    page = render("# Users\n\nThe accounts of\nthe people.\n\n## Lock {#lock}\n\nAt *once*.\n", _as_written)
    assert page.title == "Users"
    assert page.lead == "The accounts of the people."
    assert page.html == '<p>The accounts of\nthe people.</p>\n<h2 id="lock">Lock</h2>\n<p>At <em>once</em>.</p>\n'
    assert page.sections == (
        Section("Users", 1, "", "The accounts of the people."),
        Section("Lock", 2, "lock", "At once."),
    )


def test_a_page_without_a_title_is_refused() -> None:
    for source in ("", "Words\n", "## Second level\n"):
        with pytest.raises(ValueError, match="begins with its title"):
            render(source, _as_written)


def test_raw_html_is_shown_not_run() -> None:
    page = render("# T\n\n<script>alert(1)</script>\n\na <b onclick=x>bold</b> word\n", _as_written)
    assert "<script" not in page.html
    assert "<b " not in page.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.html


def test_a_script_as_target_of_a_link_stays_text() -> None:
    page = render("# T\n\n[x](javascript:alert(1)) ![y](data:text/html,x)\n", _as_written)
    assert "<a" not in page.html
    assert "<img" not in page.html


def test_tables_bear_the_frame_s_class_and_no_inline_style() -> None:
    page = render("# T\n\n| A | B |\n| --- | ---: |\n| 1 | 2 |\n| 3 | 4 |\n", _as_written)
    assert '<div class="scroll">\n<table class="table">' in page.html
    assert "</table>\n</div>" in page.html
    assert '<th scope="col">B</th>' in page.html
    assert "style" not in page.html
    assert page.sections[0].text == "A · B 1 · 2 3 · 4"


def test_an_anchor_after_marked_up_words_is_found_too() -> None:
    page = render("# T\n\n## The row `the.tdc.queue` {#tdc}\n", _as_written)
    assert page.sections[1] == Section("The row the.tdc.queue", 2, "tdc", "")
    assert '<h2 id="tdc">The row <code>the.tdc.queue</code></h2>' in page.html


def test_links_and_pictures_are_resolved_and_listed_as_written() -> None:
    page = render("# T\n\n[a](users.md#lock) ![p](../../images/p.png)\n", lambda target: f"/x/{target[-4:]}")
    assert page.links == ("users.md#lock", "../../images/p.png")
    assert '<a href="/x/lock">a</a>' in page.html
    assert '<img src="/x/.png" alt="p" />' in page.html
