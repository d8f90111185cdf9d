"""Help and Support > Contents, and the chapters that stand beside every help page."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

from seg_console.help.library import HelpPage, present_pages
from seg_console.help.search import LONGEST_QUERY
from seg_console.help.topics import CHAPTERS


@dataclass(frozen=True, slots=True)
class ShownChapter:
    title: str | Promise
    pages: tuple[HelpPage, ...]


@require_safe
def contents(request: HttpRequest) -> HttpResponse:
    return render(request, "help/contents.html", {"chapters": chapters(), "longest_query": LONGEST_QUERY})


def chapters() -> list[ShownChapter]:
    pages = present_pages()
    return [ShownChapter(chapter.title, tuple(pages[topic.slug] for topic in chapter.topics)) for chapter in CHAPTERS]
