"""Checks that the shapes of several sections share; what they refuse, they answer with what would be right."""

from __future__ import annotations

import codecs
import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, TypeVar

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo

from seg_console.mail.addresses import AddressError, check_address, check_domain
from seg_console.mail.lines import visible

LONGEST_VALUE = 1000
LONGEST_COMMENT = 2000
_LIKE_AN_ADDRESS = re.compile(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_LINE_END = re.compile(rb"\r\n|\r|\n")


RUNNING = {"is_committed": True}
"""Pydantic's context where a committed set is read; see `only_new`."""
Value = TypeVar("Value")


class NotUtf8(ValueError):
    """Bytes that are no UTF-8 text. `line`, from 1, is the first that is none."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def utf8_text(content: bytes) -> str:
    """The text of a file, without its byte order mark. Raises NotUtf8, also for a NUL: no text has one, and a file of
    ASCII characters in UTF-16 is full of them."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text, good = content.decode(), len(content)
    except UnicodeDecodeError as error:
        text, good = "", error.start
    nul = content.find(b"\0", 0, good)
    if nul < 0 and good == len(content):
        return text
    before = content[: good if nul < 0 else nul]
    raise NotUtf8(len(_LINE_END.findall(before)) + 1)


def only_new(check: Callable[[Value], Value]) -> AfterValidator:
    """A rule that sets committed before it may break: they run on as they are, and are held to it when they are next
    submitted or committed. See `RUNNING`."""

    def checked(value: Value, info: ValidationInfo) -> Value:
        return value if info.context == RUNNING else check(value)

    return AfterValidator(checked)


def plain_lines(text: str) -> str:
    """Lines of text in one spelling: browsers send every line end as CR LF and drop those around the text, files have
    either. Without this, a form that nobody changed would change what it shows."""
    found = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return f"{found}\n" if found else ""


def check_comment(text: str) -> str:
    """What an administrator says of a commit, as it is kept: lines of any script. Raises ValueError with a sentence."""
    comment = plain_lines(text).rstrip("\n").replace("\t", " ")
    if any(visible(line) != line for line in comment.split("\n")):
        raise ValueError(_("Write text without control characters and without marks that turn its direction."))
    if len(comment) > LONGEST_COMMENT:
        raise ValueError(
            _("Write at most %(most)d characters; there are %(n)d.") % {"most": LONGEST_COMMENT, "n": len(comment)}
        )
    return comment


def _domain_pattern(text: str) -> str:
    if text.upper() == "ALL":
        return "ALL"
    if text.startswith("["):
        return check_address(f"user@{text}").removeprefix("user@")
    return "." + check_domain(text[1:]) if text.startswith(".") else check_domain(text)


@lru_cache(maxsize=4096)
def check_host(text: str) -> str:
    """A host name or an IP address, in its plain spelling and without the brackets that it may be given in. Raises
    AddressError."""
    if text.startswith("[") and text.endswith("]"):
        # A name in brackets is refused as it stands, below.
        text = text[1:-1] if _LIKE_AN_ADDRESS.fullmatch(text[1:-1]) else text
    # No name ends in a digit's label or holds a colon; the many names of a long table need not be tried as addresses.
    if ":" not in text and not text[-1:].isdigit():
        return check_domain(text)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if _LIKE_AN_ADDRESS.fullmatch(text):
            raise AddressError('"%(host)s" is not an IP address.', host=text[:80]) from None
        return check_domain(text)


DomainPattern = Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(_domain_pattern)]
"""`example.com`, `.example.com` (every sub-domain), an address literal, or `ALL`."""

Port = Annotated[int, Field(ge=1, le=65535)]
