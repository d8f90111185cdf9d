"""The Chinese catalogue is complete, in step with the source, and written as its own style says."""

from __future__ import annotations

import re
from functools import cache

import pytest
from babel.messages.catalog import Catalog, Message

from tests.catalogue import (
    PACKAGE,
    PROGRAMS,
    ROOT,
    SOURCE,
    catalogue,
    entries,
    extracted,
    forms,
    read_compiled,
    translations,
)
from tests.support.programs import require_program

GLOSSARY = SOURCE.parents[2] / "glossary.md"
HAN = r"[\u4e00-\u9fff]"
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%[sd%]|\{[a-z_]*\}")
# With a capital the heading of a column of times or an act, without it a state or a time.
OF_TWO_MEANINGS = {"None|committed", "None|passphrase changed"}
# Values for Django's filters, with its separators.
NO_SENTENCES = {"Yes,No"}


@cache
def _text() -> str:
    return SOURCE.read_text(encoding="utf-8")


@cache
def _catalogue() -> Catalog:
    return catalogue(_text())


def _pairs(message: Message) -> list[tuple[str, str]]:
    """Each form of the original with each of its translations; a plural is compared with every form."""
    return [(msgid, msgstr) for msgid in forms(message.id) for msgstr in forms(message.string)]


def _all_pairs() -> list[tuple[str, str]]:
    return [pair for message in entries(_catalogue()) for pair in _pairs(message)]


def test_every_sentence_of_the_source_stands_in_the_catalogue_and_nothing_else_does() -> None:
    for program in PROGRAMS:
        require_program(program, PACKAGE)
    fresh = {(message.context or "", forms(message.id)) for message in entries(catalogue(extracted(_text())))}
    here = {(message.context or "", forms(message.id)) for message in entries(_catalogue())}
    new, gone = sorted(fresh - here), sorted(here - fresh)
    assert not new, "`make messages` takes these in; translate them then"
    assert not gone, "no longer in the source; `make messages` leaves them out"


def test_every_sentence_has_a_translation() -> None:
    assert [msgid for msgid, msgstr in _all_pairs() if not msgstr.strip()] == []


def test_no_entry_is_a_guess_or_left_over() -> None:
    assert [message.id for message in entries(_catalogue()) if message.fuzzy] == []
    assert list(_catalogue().obsolete) == []


def test_a_translation_has_the_placeholders_of_its_original() -> None:
    """Of a plural those of its last form: "One more" has no number, and Chinese has one form for all numbers."""

    def placeholders(text: str) -> list[str]:
        return sorted(set(PLACEHOLDER.findall(text)))

    wrong = [
        (message.id, msgstr)
        for message in entries(_catalogue())
        for msgstr in forms(message.string)
        if placeholders(msgstr) != placeholders(forms(message.id)[-1])
    ]
    assert wrong == []


def test_the_compiled_catalogue_is_the_one_that_is_read() -> None:
    assert translations(read_compiled()) == translations(_catalogue()), "run `make messages`"


def test_the_catalogue_says_nothing_that_changes_without_the_source() -> None:
    head, body = _text().split("\n\n", 1)
    assert "Date" not in head
    assert not re.search(r"^#: .*:\d", body, re.MULTILINE)
    assert str(ROOT) not in _text()


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("full-width punctuation between Chinese characters", rf"{HAN}[,;:?!]|[,;:?!]{HAN}"),
        ("no full stop of English after a Chinese sentence", rf"{HAN}\.(?:\s|$)"),
        ("no blank beside full-width punctuation", r"\s[，。；：？！、（）“”]|[，。；：？！、（）“”]\s"),
        ("a blank between Chinese and Latin letters or digits", rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}"),
        ("no blank between Chinese characters", rf"{HAN} {HAN}"),
    ],
)
def test_chinese_is_set_as_chinese(rule: str, wrong: str) -> None:
    def set_apart(text: str) -> str:
        # A placeholder is whatever it stands for; what a date format spells is no word.
        return re.sub(PLACEHOLDER, "\0", text)

    faults = [
        msgstr
        for message in entries(_catalogue())
        for _msgid, msgstr in _pairs(message)
        if message.id not in NO_SENTENCES and not message.context and re.search(wrong, set_apart(msgstr))
    ]
    assert faults == [], rule


def test_sentences_that_differ_in_case_only_are_translated_alike() -> None:
    found: dict[str, set[str]] = {}
    for message in entries(_catalogue()):
        for msgid, msgstr in _pairs(message):
            found.setdefault(f"{message.context}|{msgid.casefold()}", set()).add(msgstr)
    assert {msgid for msgid, strings in found.items() if len(strings) > 1} <= OF_TWO_MEANINGS


def _glossary() -> dict[str, set[str]]:
    """The terms of the glossary's tables, each with the translations that it allows."""
    terms: dict[str, set[str]] = {}
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 2 or cells[0] in {"English", "---"}:
            continue
        english, chinese = cells[0].split(" / "), cells[1].split(" / ")
        if len(english) == len(chinese):
            for term, translation in zip(english, chinese, strict=True):
                terms.setdefault(term, set()).add(translation)
    return terms


def test_a_label_of_the_glossary_is_translated_as_it_says() -> None:
    terms = _glossary()
    assert len(terms) > 100
    wrong = [
        (msgid, msgstr, terms[msgid])
        for message in entries(_catalogue())
        # What has a context is told apart from the term of that spelling.
        if not message.context
        for msgid, msgstr in _pairs(message)
        if msgid in terms and msgstr not in terms[msgid]
    ]
    assert wrong == []


FIRM = (
    "message intake address",
    "Threat Defense Connector",
    "Default Policy",
    "Recipient Access Table",
    "SMTP Route",
    "Message Tracking",
    "Delivery Status",
    "Destination Control",
    "Hard Bounced",
    "Soft Bounced",
    "pending change",
    "audit log",
    "running configuration",
    "sub-domain",
    "certificate",
    "passphrase",
    "recipient",
    "role",
)
"""Terms that have one Chinese word wherever they stand in a sentence."""


@pytest.mark.parametrize("term", FIRM)
def test_a_term_within_a_sentence_is_the_glossarys_too(term: str) -> None:
    terms = {english.casefold(): chinese for english, chinese in _glossary().items()}
    key = next(
        key
        for key in (term.casefold(), f"{term.casefold()}s", f"{term.casefold()} (rat)")
        if key in terms or key in TERMS_IN_ROWS
    )
    chinese = {re.sub(r" \(RAT\)$", "", word) for word in terms.get(key, TERMS_IN_ROWS.get(key, set()))}
    spoken = re.compile(rf"\b{re.escape(term)}s?\b", re.IGNORECASE)
    wrong = [
        (msgid, msgstr)
        for msgid, msgstr in _all_pairs()
        if spoken.search(PLACEHOLDER.sub("", msgid)) and not any(word in msgstr for word in chinese)
    ]
    assert wrong == []


# Rows of the glossary that name several forms of one term.
TERMS_IN_ROWS = {
    "pending change": {"待提交的更改"},
    "sub-domain": {"子域"},
    "role": {"角色"},
}
