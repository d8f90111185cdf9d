from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.mail.addresses import (
    AddressError,
    address_key,
    as_sent,
    check_address,
    check_domain,
    domain_of,
    least_quoted,
    readable,
    split_address,
)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("", ("", "")),
        ("Joe@Example.COM", ("Joe", "example.com")),
        ('"a@b"@example.com', ('"a@b"', "example.com")),
        ("postmaster", ("postmaster", "")),
        ("joe@[192.0.2.1]", ("joe", "[192.0.2.1]")),
    ],
)
def test_an_address_is_split_at_its_last_at_sign(address: str, parts: tuple[str, str]) -> None:
    assert split_address(address) == parts
    assert domain_of(address) == parts[1]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("user@example.com", "user@example.com"),
        ("  User.Name+tag@EXAMPLE.com ", "User.Name+tag@example.com"),
        ("user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@BÜCHER.example", "user@xn--bcher-kva.example"),
        ("user@xn--bcher-kva.example", "user@xn--bcher-kva.example"),
        ("user@localhost", "user@localhost"),
        ("!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com"),
        ('"a b@c\\"d"@example.com', '"a b@c\\"d"@example.com'),
        ("user@[192.0.2.1]", "user@[192.0.2.1]"),
        ("user@[ipv6:2001:DB8:0::1]", "user@[IPv6:2001:db8::1]"),
        ("a" * 242 + "@example.com", "a" * 242 + "@example.com"),
        ('"c\\eo"@example.com', "ceo@example.com"),
        ('"Taro..Y"@example.com', "Taro..Y@example.com"),
        (".user.@example.com", ".user.@example.com"),
        ('"a\\ b"@example.com', '"a b"@example.com'),
        ("user@exam_ple.com", "user@exam_ple.com"),
        ("user@_dmarc.bücher.example", "user@_dmarc.xn--bcher-kva.example"),
        ("user@bücher。example", "user@xn--bcher-kva.example"),
    ],
)
def test_a_mailbox_is_taken_with_its_domain_in_ascii(text: str, address: str) -> None:
    assert check_address(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "required"),
        ("   ", "required"),
        ("user", "has no @"),
        ("@example.com", "nothing before the @"),
        ("user@", "no domain after the @"),
        ("user name@example.com", "not allowed"),
        ("<user@example.com>", "not allowed"),
        ("a@b@example.com", "not allowed"),
        ("user@exam ple.com", "not a domain name"),
        ("user@ example.com", "blank around the domain"),
        ("user@example..com", "two dots"),
        ("user@.example.com", "begins or ends with a dot"),
        ("user@example.com.", "begins or ends with a dot"),
        ("user@-example.com", "not a domain name"),
        ("user@bü_cher.example", "not a valid internationalized"),
        ("user@*.example.com", "not a domain name"),
        ("user@192.0.2.1", "in brackets"),
        ("user@[192.0.2.300]", "not an IP address"),
        ("user@[example.com]", "not an IP address"),
        ("jürgen@example.com", "outside ASCII"),
        ("a" * 256 + "@example.com", "at most 255"),
        ("a" * 243 + "@example.com", "at most 254"),
        ("user@" + "a" * 64 + ".com", "more than 63"),
        ("user@" + "a." * 130 + "com", "at most 253"),
        ("a" * 64 + "@" + ("b" * 60 + ".") * 3 + "example", "at most 254"),
        ("user@exa\r\nmple.com", "\\r\\n"),
        ("user@example.com\r\nRCPT TO:<x@y.example>", "\\r\\n"),
        ('"a\r\nb"@example.com', "not allowed"),
        ("user@xn--\u00df\u2028.example", "cannot be seen"),
        ("user@b\u00fccher\u3000\u00df .example", "not a valid internationalized"),
        ("user@co\u200brp.example", '\\u200brp.example" holds characters that cannot be seen'),
        ("user@\ufeffcorp.example", "cannot be seen"),
        ("user@co\u00adrp.example", "cannot be seen"),
    ],
)
def test_what_is_no_mailbox_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError) as caught:
        check_address(text)
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "domain"),
    [("Example.COM", "example.com"), (" bücher.example ", "xn--bcher-kva.example"), ("a--b.example", "a--b.example")],
)
def test_a_domain_is_taken_in_ascii(text: str, domain: str) -> None:
    assert check_domain(text) == domain


@pytest.mark.parametrize("text", ["", ".", ".example.com", "a b.example", "x" * 300, "user@example.com", "192.0.2.1"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        check_domain(text)


@given(st.text(alphabet=st.characters()) | st.from_regex(r"[a-z.\"]{0,9}@[a-zü.\[\]0-9:-]{0,20}"))
def test_any_text_is_either_refused_or_becomes_a_stable_safe_address(text: str) -> None:
    try:
        address = check_address(text)
    except AddressError:
        return
    assert address.isascii()
    assert address.isprintable()
    assert len(address) <= 254
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("Ceo@Corp.example", "Ceo@Corp.example"),
        ('"Ceo"@Corp.example', "Ceo@Corp.example"),
        (r'"c\eo"@corp.example', "ceo@corp.example"),
        (r'"\c\e\o"@corp.example', "ceo@corp.example"),
        ('"taro..y"@corp.example', "taro..y@corp.example"),
        ('".taro."@corp.example', ".taro.@corp.example"),
        (r'"taro\..y"@corp.example', "taro..y@corp.example"),
        ('"a%b!c"@corp.example', "a%b!c@corp.example"),
        ('"a b"@corp.example', '"a b"@corp.example'),
        (r'"a\ b"@corp.example', '"a b"@corp.example'),
        (r'"\a\@b"@corp.example', '"a@b"@corp.example'),
        (r'"a\"b\\c"@corp.example', r'"a\"b\\c"@corp.example'),
        ('""@corp.example', '""@corp.example'),
        ('"ceo"@', "ceo@"),
        ('"ceo"', "ceo"),
        ('"a@b"', '"a@b"'),
        ('"a"b"@corp.example', '"a"b"@corp.example'),
        ('"ceo@corp.example', '"ceo@corp.example'),
        ('"', '"'),
        ("", ""),
    ],
)
def test_a_local_part_loses_the_quotes_that_it_does_not_need(given: str, plain: str) -> None:
    assert least_quoted(given) == plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r'"c\EO"@Corp.example', "ceo@corp.example"),
        ('"taro..y"@corp.example', "Taro..Y@corp.example"),
        (r'"a\ b"@corp.example', '"A b"@corp.example'),
        ("joe@[IPv6:2001:DB8:0::1]", "joe@[ipv6:2001:db8::1]"),
        ('"joe"@[192.0.2.1]', "joe@[192.0.2.1]"),
    ],
)
def test_two_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("taro..y@corp.example", "taro.y@corp.example"),
        ('"a b"@corp.example', "ab@corp.example"),
        ('"a@b"@corp.example', "b@corp.example"),
        ("joe@corp.example", "joe@sub.corp.example"),
        ("joe@[192.0.2.1]", "joe@192.0.2.1"),
        ('"[192.0.2.1]"', "[192.0.2.1]"),
    ],
)
def test_two_addresses_have_two_keys(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


LOCAL_MEANINGS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
ADDRESS_LIKE = st.text() | st.from_regex(r'\A"?[a-z."\\@ ]{0,9}"?@[a-z.\[\]:0-9]{0,9}\Z')


@st.composite
def quoted_spellings(draw: st.DrawFn, meaning: str) -> str:
    """A quoted local part that means `meaning`, with backslashes where they must stand and where they may."""
    return '"' + "".join("\\" * (c in '"\\' or draw(st.booleans())) + c for c in meaning) + '"'


@given(st.data(), LOCAL_MEANINGS)
def test_every_quoted_spelling_is_one_address_and_needs_no_more_quotes_than_the_others(
    data: st.DataObject, meaning: str
) -> None:
    spelled = data.draw(quoted_spellings(meaning)) + "@corp.example"
    plain = least_quoted(spelled)
    assert plain == least_quoted(data.draw(quoted_spellings(meaning)) + "@corp.example")
    assert len(plain) <= len(spelled)
    assert address_key(spelled.upper()) == address_key(plain)


@given(st.data(), LOCAL_MEANINGS, LOCAL_MEANINGS)
def test_spellings_of_two_local_parts_are_never_one_address(data: st.DataObject, one: str, other: str) -> None:
    keys = {address_key(data.draw(quoted_spellings(meaning)) + "@corp.example") for meaning in (one, other)}
    assert len(keys) == len({one.lower(), other.lower()})


@given(ADDRESS_LIKE)
def test_what_is_normalised_normalises_to_itself(text: str) -> None:
    assert least_quoted(least_quoted(text)) == least_quoted(text)
    assert address_key(address_key(text)) == address_key(text)
    assert address_key(least_quoted(text)) == address_key(text)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("ceo@corp.example", "ceo@corp.example"),
        ('"ceo"@corp.example', '"ceo"@corp.example'),
        ("taro..y@corp.example", '"taro..y"@corp.example'),
        (".taro@corp.example", '".taro"@corp.example'),
        ("taro.@corp.example", '"taro."@corp.example'),
        ('"taro..y"@corp.example', '"taro..y"@corp.example'),
        ("", ""),
    ],
)
def test_what_is_sent_is_an_address_by_the_standard(address: str, sent: str) -> None:
    assert as_sent(address) == sent
    assert address_key(sent) == address_key(address)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("id@intake.example", "id@intake.example"),
        ("id@xn--mnchen-3ya.example", "id@xn--mnchen-3ya.example (münchen.example)"),
        ("@.xn--fiqs8s", "@.xn--fiqs8s (中国)"),
        ("@xn--mnchen-3ya.example", "@xn--mnchen-3ya.example (münchen.example)"),
        (".xn--mnchen-3ya.example", ".xn--mnchen-3ya.example (münchen.example)"),
        ("xn--fiqs8s.xn--99999999999.example", "xn--fiqs8s.xn--99999999999.example (中国.xn--99999999999.example)"),
        ("xn--99999999999.example", "xn--99999999999.example"),
        ("xn--n3h.example", "xn--n3h.example"),  # a snowman, which no domain may hold
        ("xn--4dbrk0ce", "xn--4dbrk0ce (\u2068ישראל\u2069)"),
        ("xn--mnchen-3ya@plain.example", "xn--mnchen-3ya@plain.example"),
        ("xn--mnchen-3ya@", "xn--mnchen-3ya@"),
        ("list:xn--mnchen-3ya", "list:xn--mnchen-3ya"),
        ("xn--", "xn--"),
        ("ALL", "ALL"),
    ],
)
def test_a_domain_name_is_shown_with_its_letters_behind_its_stored_form(stored: str, shown: str) -> None:
    assert readable(stored) == shown


@given(st.text(max_size=20))
def test_whatever_is_shown_begins_as_it_is_stored_and_hides_nothing(text: str) -> None:
    shown = readable(f"id@xn--{text}.example")
    assert shown.startswith(f"id@xn--{text}.example")


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d", "\u2060"])
def test_a_label_with_a_mark_that_nobody_sees_stays_as_it_is_stored(joiner: str) -> None:
    label = "xn--" + f"नक्{joiner}ष".encode("punycode").decode()
    assert readable(f"id@{label}.example") == f"id@{label}.example"
