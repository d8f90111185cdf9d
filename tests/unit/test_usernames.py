"""What a new user may be called."""

from __future__ import annotations

import pytest

from seg_console.accounts.usernames import RESERVED, check_new_username


@pytest.mark.parametrize("name", ["ann", "ann-smith", "2nd-shift", "a", "a" * 16])
def test_lower_case_letters_digits_and_dashes_make_a_name(name: str) -> None:
    assert check_new_username(name) == name


@pytest.mark.parametrize("name", ["", "-ann", "Ann", "ann smith", "ann_smith", "ann.smith", "änn", "ann\n", "ann@corp"])
def test_anything_else_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ValueError, match="for example ann-smith"):
        check_new_username(name)


def test_a_name_of_seventeen_characters_is_too_long() -> None:
    with pytest.raises(ValueError, match="at most 16 characters"):
        check_new_username("a" * 17)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_words_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"“{name}” is a reserved word"):
        check_new_username(name)


def test_the_reference_names_operator_and_root_as_reserved() -> None:
    assert {"operator", "root"} <= RESERVED
