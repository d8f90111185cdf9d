"""The help pages of each language, read and rendered once for the life of the process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language

from seg_console.help.markdown import Rendered, Section, render
from seg_console.help.topics import TOPICS

FOLDER: Path = settings.BASE_DIR / "docs" / "help"
ENGLISH = "en"
IMAGES = "../../images/"
VIEW = "page:"


@dataclass(frozen=True, slots=True)
class HelpPage:
    slug: str
    rendered: Rendered

    @property
    def title(self) -> str:
        return self.rendered.title

    @property
    def url(self) -> str:
        return reverse("help:page", args=[self.slug])

    @property
    def summary(self) -> str:
        """The first sentence or two, which stand under the title."""
        return self.rendered.lead

    @property
    def contents(self) -> list[Section]:
        """What stands in the list at the top of the page."""
        return [section for section in self.rendered.sections if section.level == 2 and section.anchor]


@cache
def pages(language: str) -> dict[str, HelpPage]:
    """Every page by its slug, in reading order; in English where `language` has no text of it."""
    return {topic.slug: HelpPage(topic.slug, render(_source(language, topic.slug), resolve)) for topic in TOPICS}


def present_pages() -> dict[str, HelpPage]:
    """The pages in the language that the reader has now."""
    language = get_language() or ENGLISH
    return pages(language if language in dict(settings.LANGUAGES) else ENGLISH)


def resolve(target: str) -> str:
    """The address that a link of a help page leads to.

    `users.md#roles` another page, `#roles` this one, `page:policies:list` a page of the console by its view,
    `../../images/policies.png` a picture. Raises ValueError for any other, NoReverseMatch for a view that is not there.
    """
    if target.startswith("#"):
        return target
    if target.startswith(VIEW):
        return reverse(target.removeprefix(VIEW))
    if target.startswith(IMAGES):
        return static(f"docs/{target.removeprefix(IMAGES)}")
    name, mark, anchor = target.partition("#")
    if not name.endswith(".md") or "/" in name:
        raise ValueError(f"A help page links to {target!r}: write page.md, #anchor, page:view or {IMAGES}name.")
    return f"{reverse('help:page', args=[name.removesuffix('.md')])}{mark}{anchor}"


def _source(language: str, slug: str) -> str:
    return next(path for path in _places(language, slug) if path.exists()).read_text(encoding="utf-8")


def _places(language: str, slug: str) -> Iterator[Path]:
    yield FOLDER / language / f"{slug}.md"
    yield FOLDER / ENGLISH / f"{slug}.md"
