"""The sections `recipient_access` and `listener`."""

from __future__ import annotations

from typing import Annotated, Literal

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from seg_console.config import registry
from seg_console.config.checks import LONGEST_VALUE
from seg_console.config.models import ConfigurationObject
from seg_console.config.registry import ListSection, ObjectSection, Plain, Shape
from seg_console.gateway.models import LONGEST_RESPONSE, ListenerSettings, RecipientAccess
from seg_console.mail.addresses import check_address, check_domain, check_local_part


def check_recipient(text: str) -> str:
    """`example.com`, `.example.com`, `user@example.com` or `user@`, in lower case. Raises ValueError, a sentence."""
    if text.upper() == "ALL":
        # As a domain it would be taken, and match nothing.
        raise ValueError(_("there is no row ALL here: what no row matches is refused."))
    local, at, domain = text.rpartition("@")
    if not at:
        return "." + check_domain(text[1:]) if text.startswith(".") else check_domain(text)
    if not domain:
        return check_local_part(local, whole=text).lower() + "@"
    return check_address(text).lower()


def check_reply_text(text: str) -> str:
    """One line that an SMTP reply may carry (RFC 5321 section 4.2). Raises ValueError with a sentence."""
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(_("give one line of printable ASCII characters."))
    return text


class Response(Shape):
    code: Annotated[int, Field(ge=200, le=599)]
    text: Annotated[str, Field(max_length=LONGEST_RESPONSE), AfterValidator(check_reply_text)]


class Access(Shape):
    recipient: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(check_recipient)]
    action: Literal["accept", "reject"]
    response: Response | None = None

    @field_validator("response")
    @classmethod
    def _fits(cls, response: Response | None, info: ValidationInfo) -> Response | None:
        action = info.data.get("action")
        if response and action == "accept" and response.code > 299:
            raise ValueError(_("give a code from 200 to 299 with accept."))
        if response and action == "reject" and response.code < 400:
            raise ValueError(_("give a code from 400 to 599 with reject."))
        return response


class Listener(Shape):
    """Sizes in bytes."""

    max_message_size: Annotated[int, Field(ge=1_024, le=104_857_600)] = 10_485_760
    max_recipients: Annotated[int, Field(ge=1, le=50_000)] = 1_000
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    max_connections_per_client: Annotated[int, Field(ge=1, le=10_000)] = 100
    bare_line_ends: Literal["clean", "reject"] = "clean"


class RecipientAccessSection(ListSection[Access]):
    """The custom response is one object in the document and two columns in the row."""

    def to_plain(self, row: ConfigurationObject) -> Plain:
        assert isinstance(row, RecipientAccess)
        custom = {"code": row.response_code, "text": row.response_text} if row.response_code else None
        return {"recipient": row.recipient, "action": row.action, "response": custom}

    def to_fields(self, item: Shape) -> Plain:
        assert isinstance(item, Access)
        code, text = (item.response.code, item.response.text) if item.response else (None, "")
        return {"recipient": item.recipient, "action": item.action, "response_code": code, "response_text": text}


RECIPIENT_ACCESS = RecipientAccessSection(
    "recipient_access", Access, RecipientAccess, place=40, identity="recipient", ordered=True
)
LISTENER = ObjectSection("listener", Listener, ListenerSettings, place=70)


def register() -> None:
    """Make the sections known; called once, when the app is ready."""
    registry.register(RECIPIENT_ACCESS)
    registry.register(LISTENER)
