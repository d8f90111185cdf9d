"""Mail addresses: taking them apart, telling which are one, and checking those that people type in."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

import idna

from seg_console.mail.lines import visible

# RFC 5321 section 4.5.3.1 asks for 64 octets of local part at least; forwarding, SRS and VERP exceed them daily. A path
# has 256 including the angle brackets.
LONGEST_LOCAL_PART = 255
LONGEST_ADDRESS = 254
LONGEST_DOMAIN = 253
LONGEST_LABEL = 63

# Dots may stand anywhere: large providers have given out such addresses (docs/decisions.md#addresses).
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_QUOTED_LOCAL_PART = re.compile(r'"((?:[^"\\]|\\.)*)"(?=@[^@]*\Z|\Z)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TO_QUOTE = re.compile(r'["\\]')
# Of any script: addresses in header fields need not be ASCII.
_NEEDS_NO_QUOTES = re.compile(r'[^\s"()<>,:;@\\\[\]]+')
# An underscore is no part of a host name, and yet the world has domains with one.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_SHOWN_LENGTH = 80
_ENCODED = "xn--"
_RIGHT_TO_LEFT = {"R", "AL", "AN"}


class AddressError(ValueError):
    """What is wrong with an address, as a sentence that names it and says what to do.

    As a string it is English. Pages show it in the reader's language (`config.problems.in_words`): they look `sentence`
    up in the catalogue and fill its placeholders with `values`.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence % values)
        self.sentence = sentence
        self.values = values


def split_address(address: str) -> tuple[str, str]:
    """Local part as it stands and lower-cased domain; ("", "") for the null sender.

    The last @ separates: an earlier one can only be inside a quoted local part. Without any @ all is local part.
    """
    local, at, domain = address.rpartition("@")
    return (local, domain.lower()) if at else (address, "")


def domain_of(address: str) -> str:
    """The lower-cased domain; "" for the null sender and for an address without a domain."""
    return split_address(address)[1]


def least_quoted(address: str) -> str:
    """The address with its local part in the least quoted of the spellings that mean the same (RFC 5321 section 4.1.2).

    `"c\\eo"@corp.example` is `ceo@corp.example`, `"a b"@` stays. Letter case and domain stay as they are, and so does
    what is malformed. Without any @ all is local part.
    """
    found = _QUOTED_LOCAL_PART.match(address) if address.startswith('"') else None
    if found is None:
        return address
    meaning = _QUOTED_PAIR.sub(r"\1", found[1])
    if not _NEEDS_NO_QUOTES.fullmatch(meaning):
        meaning = '"' + _TO_QUOTE.sub(r"\\\g<0>", meaning) + '"'
    return meaning + address[found.end() :]


def address_key(address: str) -> str:
    """What the spellings of one address have in common: two addresses are one where their keys are equal.

    In lower case, least quoted, an address literal in its shortest spelling. A key is its own key.
    """
    key = least_quoted(address.lower())
    if not key.endswith("]"):
        return key
    local, at, domain = key.rpartition("@")
    try:
        return f"{local}{at}{_check_literal(domain).lower()}"
    except AddressError:
        return key


def as_sent(address: str) -> str:
    """The address as MAIL and RCPT may name it: as it stands, but for a local part whose dots only quotes allow
    (RFC 5321 section 4.1.2, docs/decisions.md#odd-dots)."""
    local, at, domain = address.rpartition("@")
    if at and not local.startswith('"') and "" in local.split("."):
        return f'"{local}"@{domain}'
    return address


def check_address(text: str) -> str:
    """One mailbox by RFC 5321 section 4.1.2, blanks around it dropped.

    Returns it with the local part least quoted and the domain lower-cased and in ASCII (IDNA) form. Address literals
    (`user@[192.0.2.1]`, `user@[IPv6:2001:db8::1]`) are mailboxes too. Raises AddressError.
    """
    text = text.strip()
    if not text:
        raise AddressError("An address is required, for example user@example.com.")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("%(address)s has no @: write it as user@example.com.", address=_shown(text))
    address = f"{check_local_part(local, whole=text)}@{_check_host(domain)}"
    if len(address) > LONGEST_ADDRESS:
        raise AddressError(
            "%(address)s is too long: an address has at most %(most)s characters.",
            address=_shown(text),
            most=LONGEST_ADDRESS,
        )
    return address


def check_local_part(local: str, *, whole: str) -> str:
    """The part before the @ (`whole` is what the sentence names), least quoted. Raises AddressError."""
    if not local:
        raise AddressError("%(address)s has nothing before the @.", address=_shown(whole))
    if not local.isascii():
        raise AddressError(
            "%(address)s has a letter outside ASCII before the @, which this gateway cannot send.",
            address=_shown(whole),
        )
    if len(local) > LONGEST_LOCAL_PART:
        raise AddressError(
            "%(address)s is too long before the @: at most %(most)s characters are allowed there.",
            address=_shown(whole),
            most=LONGEST_LOCAL_PART,
        )
    if not (_PLAIN.fullmatch(local) or _QUOTED_STRING.fullmatch(local)):
        raise AddressError(
            "%(address)s has a character or a blank before the @ that is not allowed there without quotes.",
            address=_shown(whole),
        )
    return least_quoted(local)


def check_domain(text: str) -> str:
    """A domain name by RFC 5321 section 4.1.2, and one with underscores, lower-cased and in ASCII (IDNA) form. Raises
    AddressError."""
    domain = text.strip()
    if not domain:
        raise AddressError("A domain is required, for example example.com.")
    if len(domain) > LONGEST_DOMAIN:
        raise _too_long(domain)
    name = _in_ascii(domain).lower()
    if len(name) > LONGEST_DOMAIN:
        raise _too_long(domain)
    labels = name.split(".")
    for label in labels:
        _check_label(label, domain)
    if labels[-1].isdigit():
        raise AddressError(
            "%(domain)s is not a domain name: an IP address is written in brackets, [192.0.2.1].", domain=_shown(domain)
        )
    return name


def _too_long(domain: str) -> AddressError:
    return AddressError(
        "%(domain)s is too long: a domain has at most %(most)s characters.", domain=_shown(domain), most=LONGEST_DOMAIN
    )


def _check_host(text: str) -> str:
    if text.startswith("[") or text.endswith("]"):
        return _check_literal(text)
    if text != text.strip():
        raise AddressError("%(domain)s has a blank around the domain.", domain=_shown(text))
    if not text:
        raise AddressError("The address has no domain after the @: write it as user@example.com.")
    return check_domain(text)


def _check_literal(text: str) -> str:
    """An address literal, RFC 5321 section 4.1.3, in its shortest spelling."""
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else ""
    try:
        if inside[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inside[5:].partition('%')[0])}]"
        return f"[{ipaddress.IPv4Address(inside)}]"
    except ValueError:
        raise AddressError(
            "%(address)s is not an IP address in brackets such as [192.0.2.1].", address=_shown(text)
        ) from None


def readable(text: str) -> str:
    """An address, an entry or a domain for a person to read: `id@xn--mnchen-3ya.example (münchen.example)`.

    The stored form always stands first, so a name that only looks like another one misleads nobody. A label that does
    not decode, or holds what cannot be seen, stays in its stored form; where that leaves nothing, only that is shown.
    """
    if _ENCODED not in text:
        return text
    domain = text.rpartition("@")[2]
    labels = domain.split(".")
    decoded = [_decoded(label) for label in labels]
    if decoded == labels:
        return text
    shown = ".".join(decoded).removeprefix(".")
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in shown):
        # It would turn round the brackets and what follows them.
        shown = f"\u2068{shown}\u2069"
    return f"{text} ({shown})"


def _decoded(label: str) -> str:
    """The label as its owner writes it; as it is if it has no such form that can be shown."""
    if not label.startswith(_ENCODED):
        return label
    try:
        name = idna.decode(label)
    except UnicodeError:  # idna.IDNAError is one
        return label
    return name if name.isprintable() and visible(name) == name else label


def _in_ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    if visible(domain) != domain:
        # The mapping drops them, and the name would be another one than the one that was given.
        raise AddressError("%(domain)s holds characters that cannot be seen.", domain=_shown(domain))
    try:
        # Label by label: one with an underscore is no label of IDNA, and may stand beside one that is.
        labels = idna.uts46_remap(domain, std3_rules=False).split(".")
        return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)
    except UnicodeError:  # idna.IDNAError is one
        raise AddressError("%(domain)s is not a valid internationalized domain name.", domain=_shown(domain)) from None


def _check_label(label: str, domain: str) -> None:
    if not label:
        raise AddressError("%(domain)s begins or ends with a dot, or has two dots in a row.", domain=_shown(domain))
    if len(label) > LONGEST_LABEL:
        raise AddressError(
            "%(domain)s has a part of more than %(most)s characters between dots.",
            domain=_shown(domain),
            most=LONGEST_LABEL,
        )
    if not _LABEL.fullmatch(label):
        raise AddressError(
            "%(domain)s is not a domain name: only letters, digits, underscores, hyphens inside a part, and dots are "
            "allowed.",
            domain=_shown(domain),
        )


def _shown(text: str) -> str:
    """The value in a sentence: on one line and of a bearable length."""
    shown = visible(text)
    return f'"{shown}"' if len(shown) <= _SHOWN_LENGTH else f'"{shown[:_SHOWN_LENGTH]}..."'
