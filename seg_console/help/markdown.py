"""Help pages as HTML: Markdown without raw HTML, so that nothing in a page can break the Content-Security-Policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

# `## Retry table {#retries}`: written out, so that a link holds in every language and survives another wording.
_ANCHOR = re.compile(r"\s*\{#([a-z0-9-]+)\}$")
_READER = MarkdownIt("commonmark", {"html": False}).enable("table")

Resolve = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the plain words under it, up to the next heading. The page's own has level 1 and no anchor."""

    title: str
    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page. `html` leaves out the level 1 heading, which the frame shows; `lead` is the first paragraph as plain
    words; `links` are as written, unresolved."""

    title: str
    lead: str
    html: str
    sections: tuple[Section, ...]
    links: tuple[str, ...]


def render(source: str, resolve: Resolve) -> Rendered:
    """`resolve` turns the target of a link or an image into an address of the console.

    Raises ValueError where the page does not begin with its title, or `resolve` does.
    """
    tokens = _READER.parse(source)
    if not tokens or tokens[0].type != "heading_open" or tokens[0].tag != "h1":
        raise ValueError("A help page begins with its title, as a level 1 heading.")
    anchors = _take_anchors(tokens)
    sections = _sections(tokens, anchors)
    links = tuple(_resolve_links(tokens, resolve))
    html = _READER.renderer.render(list(_framed(tokens[3:])), _READER.options, {})
    lead = next((_plain(token) for token in tokens[3:] if token.type == "inline"), "")
    return Rendered(sections[0].title, lead, html, sections, links)


def _take_anchors(tokens: Sequence[Token]) -> dict[int, str]:
    """Make `{#name}` at the end of a heading its id; by the heading's place among the tokens."""
    anchors = {}
    for at, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        words = (tokens[at + 1].children or [])[-1:]
        found = _ANCHOR.search(words[0].content) if words else None
        if found:
            words[0].content = words[0].content[: found.start()]
            token.attrSet("id", found[1])
            anchors[at] = found[1]
    return anchors


def _sections(tokens: Sequence[Token], anchors: dict[int, str]) -> tuple[Section, ...]:
    starts = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    ends = [*starts[1:], len(tokens)]
    return tuple(
        Section(
            title=_plain(tokens[start + 1]),
            level=int(tokens[start].tag[1:]),
            anchor=anchors.get(start, ""),
            text=_text(tokens[start + 3 : end]),
        )
        for start, end in zip(starts, ends, strict=True)
    )


def _text(tokens: Sequence[Token]) -> str:
    """Blocks joined by spaces, the cells of a table's row by dots."""
    parts: list[str] = []
    for token in tokens:
        if token.type in {"td_open", "th_open"} and parts and parts[-1] != "\n":
            parts.append("·")
        elif token.type == "tr_close":
            parts.append("\n")
        elif token.type == "inline":
            parts.append(_plain(token))
        elif token.type in {"fence", "code_block"}:
            parts.append(token.content)
    return " ".join(" ".join(parts).split())


def _plain(inline: Token) -> str:
    words = (" " if child.type in {"softbreak", "hardbreak"} else child.content for child in inline.children or [])
    return "".join(words).strip()


def _resolve_links(tokens: Sequence[Token], resolve: Resolve) -> Iterator[str]:
    for token in tokens:
        for child in token.children or []:
            attribute = {"link_open": "href", "image": "src"}.get(child.type)
            if attribute:
                target = str(child.attrGet(attribute) or "")
                child.attrSet(attribute, resolve(target))
                yield target


def _framed(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with the console's classes, each table in a scroller of its own; and without the style attributes
    that the reader writes for aligned columns, which the Content-Security-Policy forbids."""
    for token in tokens:
        token.attrs.pop("style", None)
        if token.type == "table_open":
            token.attrSet("class", "table")
            yield Token("scroll_open", "div", 1, attrs={"class": "scroll"}, block=True)
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        yield token
        if token.type == "table_close":
            yield Token("scroll_close", "div", -1, block=True)
