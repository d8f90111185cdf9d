"""Search in the help pages: every word must be found, as it is typed and anywhere in a word, so that Chinese needs no
word boundaries."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seg_console.help.library import HelpPage
from seg_console.help.markdown import Section

LONGEST_QUERY = 200
MOST_WORDS = 8
# Characters shown before and after the first word found.
BEFORE, AFTER = 60, 180
ELLIPSIS = "…"
# What joins the cells of a table in plain text; no excerpt begins or ends with it.
JOINTS = " ·"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text, and whether it is what was searched for."""

    text: str
    found: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that has every word, with the section that has the most of them."""

    page: HelpPage
    title: tuple[Piece, ...]
    heading: tuple[Piece, ...]  # empty where the words stand under the page's title itself
    excerpt: tuple[Piece, ...]
    url: str


def words_of(query: str) -> tuple[str, ...]:
    """The words to search for, in the usual width, none twice; what is longer than a question is cut off."""
    usual = unicodedata.normalize("NFKC", query[:LONGEST_QUERY])
    return tuple(dict.fromkeys(usual.lower().split()))[:MOST_WORDS]


def search(pages: Iterable[HelpPage], words: Sequence[str]) -> list[Hit]:
    """Pages that have every word: those with the words in their title first, then in headings, then in the text."""
    if not words:
        return []
    patterns = [re.compile(re.escape(word), re.IGNORECASE) for word in words]
    ranked = [(_rank(page, patterns), page) for page in pages if _has_all(page, patterns)]
    # Sorting is stable: pages of one rank stay in reading order.
    ranked.sort(key=lambda entry: entry[0], reverse=True)
    return [_hit(page, patterns) for _rank_of, page in ranked]


def _has_all(page: HelpPage, patterns: Sequence[re.Pattern[str]]) -> bool:
    return all(_count(pattern, page.rendered.sections) for pattern in patterns)


def _count(pattern: re.Pattern[str], sections: Iterable[Section]) -> int:
    return sum(len(pattern.findall(f"{section.title}\n{section.text}")) for section in sections)


def _rank(page: HelpPage, patterns: Sequence[re.Pattern[str]]) -> tuple[int, int, int]:
    headings = [section.title for section in page.rendered.sections[1:]]
    return (
        sum(bool(pattern.search(page.title)) for pattern in patterns),
        sum(any(pattern.search(heading) for heading in headings) for pattern in patterns),
        sum(_count(pattern, page.rendered.sections) for pattern in patterns),
    )


def _hit(page: HelpPage, patterns: Sequence[re.Pattern[str]]) -> Hit:
    best = max(page.rendered.sections, key=lambda section: _weight(section, patterns))
    anywhere = re.compile("|".join(pattern.pattern for pattern in patterns), re.IGNORECASE)
    return Hit(
        page=page,
        title=_pieces(page.title, anywhere),
        heading=_pieces(best.title, anywhere) if best.level > 1 else (),
        excerpt=_pieces(_around(best.text, anywhere), anywhere),
        url=f"{page.url}#{best.anchor}" if best.anchor else page.url,
    )


def _weight(section: Section, patterns: Sequence[re.Pattern[str]]) -> tuple[int, int]:
    in_text = sum(bool(pattern.search(section.text)) for pattern in patterns)
    in_title = sum(bool(pattern.search(section.title)) for pattern in patterns) if section.level > 1 else 0
    return max(in_text, in_title), in_title


def _around(text: str, anywhere: re.Pattern[str]) -> str:
    """The text around the first word found, cut between words where it has any."""
    found = anywhere.search(text)
    start = max(0, found.start() - BEFORE) if found else 0
    end = min(len(text), (found.end() if found else 0) + AFTER)
    cut = text[start:end]
    if start:
        cut = ELLIPSIS + _from_word(cut).lstrip(JOINTS)
    if end < len(text):
        cut = _to_word(cut).rstrip(JOINTS) + ELLIPSIS
    return cut


def _from_word(cut: str) -> str:
    space = cut.find(" ", 0, BEFORE)
    return cut[space + 1 :] if space >= 0 else cut


def _to_word(cut: str) -> str:
    space = cut.rfind(" ", len(cut) - AFTER // 2)
    return cut[:space] if space >= 0 else cut


def _pieces(text: str, anywhere: re.Pattern[str]) -> tuple[Piece, ...]:
    pieces = []
    at = 0
    for found in anywhere.finditer(text):
        pieces += [Piece(text[at : found.start()], found=False), Piece(found[0], found=True)]
        at = found.end()
    pieces.append(Piece(text[at:], found=False))
    return tuple(piece for piece in pieces if piece.text)
