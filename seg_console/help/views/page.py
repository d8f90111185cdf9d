"""Help and Support: one page for each screen.

Open to every signed-in role: whoever asks what a page does may read it, even where the page itself is closed to them.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from seg_console.help.library import present_pages
from seg_console.help.search import LONGEST_QUERY
from seg_console.help.views.contents import chapters


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    pages = present_pages()
    if slug not in pages:
        raise Http404
    order = list(pages.values())
    at = order.index(pages[slug])
    context = {
        "page": pages[slug],
        "chapters": chapters(),
        "previous": order[at - 1] if at else None,
        "next": order[at + 1] if at + 1 < len(order) else None,
        "longest_query": LONGEST_QUERY,
    }
    return render(request, "help/page.html", context)
