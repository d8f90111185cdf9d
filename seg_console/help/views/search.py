"""Help and Support: the search."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from seg_console.help.library import present_pages
from seg_console.help.search import LONGEST_QUERY, search, words_of
from seg_console.help.views.contents import chapters
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest


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
        "chapters": chapters(),
        "longest_query": LONGEST_QUERY,
    }
    return page_or_partial(cast(ConsoleRequest, request), "help/search.html", "found", context)
