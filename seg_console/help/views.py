"""Help and Support: contents, one page for each screen, search, and what this console is.

Open to every signed-in role: whoever asks what a page does may read it, even where the page itself is closed to them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import django
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

import seg_console
from seg_console.help.library import HelpPage, present_pages
from seg_console.help.search import LONGEST_QUERY, search, words_of
from seg_console.help.topics import CHAPTERS
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest

LICENCE: Path = settings.BASE_DIR / "LICENSE"


@dataclass(frozen=True, slots=True)
class ShownChapter:
    title: str | Promise
    pages: tuple[HelpPage, ...]


@require_safe
def contents(request: HttpRequest) -> HttpResponse:
    return render(request, "help/contents.html", {"chapters": _chapters(), "longest_query": LONGEST_QUERY})


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    pages = present_pages()
    if slug not in pages:
        raise Http404
    order = list(pages.values())
    at = order.index(pages[slug])
    context = {
        "page": pages[slug],
        "chapters": _chapters(),
        "previous": order[at - 1] if at else None,
        "next": order[at + 1] if at + 1 < len(order) else None,
        "longest_query": LONGEST_QUERY,
    }
    return render(request, "help/page.html", context)


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """What was found for the words of `q`; a page, or its list for htmx."""
    query = request.GET.get("q", "")[:LONGEST_QUERY]
    words = words_of(query)
    hits = search(present_pages().values(), words)
    context = {
        "query": query,
        "asked": bool(words),
        "hits": hits,
        "chapters": _chapters(),
        "longest_query": LONGEST_QUERY,
    }
    return page_or_partial(cast(ConsoleRequest, request), "help/search.html", "found", context)


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    context = {
        "version": seg_console.VERSION,
        "python_version": platform.python_version(),
        "django_version": django.get_version(),
        "serial_number": settings.SEG_SERIAL,
        "licence": LICENCE.read_text(encoding="utf-8") if LICENCE.exists() else "",
    }
    return render(request, "help/about.html", context)


def _chapters() -> list[ShownChapter]:
    pages = present_pages()
    return [ShownChapter(chapter.title, tuple(pages[topic.slug] for topic in chapter.topics)) for chapter in CHAPTERS]
