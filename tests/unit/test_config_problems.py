"""What a check refused: after a path as it is, on a page as a sentence that stands alone."""

from __future__ import annotations

import pytest
from django.utils import translation

from seg_console.certificates.pem import check_authorities
from seg_console.config.problems import as_sentence, in_words
from seg_console.mail.addresses import AddressError


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("give a whole number.", "Give a whole number."),
        ("this key is required.", "This key is required."),
        ("the.tdc.queue is the name of a queue.", "the.tdc.queue is the name of a queue."),
        ("a1 is in the list already.", "a1 is in the list already."),
        ("请提供整数。", "请提供整数。"),
        ("", ""),
    ],
)
def test_a_sentence_begins_with_a_capital_and_a_name_stays_as_it_is(message: str, sentence: str) -> None:
    assert as_sentence(message) == sentence


def test_a_value_in_a_refusal_is_never_changed() -> None:
    assert in_words(AddressError("%(address)s has no @.", address='"joe"')) == '"joe" has no @.'


def test_in_chinese_nothing_is_made_of_it() -> None:
    with translation.override("zh-hans"), pytest.raises(ValueError) as refused:
        check_authorities("nothing")
    assert in_words(refused.value) == str(refused.value) != ""
