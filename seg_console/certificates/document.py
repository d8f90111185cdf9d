"""The section `certificates`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from seg_console.certificates import pem
from seg_console.certificates.models import (
    CERTIFICATE_NAME_PATTERN,
    CERTIFICATE_NAME_RULE,
    LONGEST_CERTIFICATE_NAME,
    Certificate,
)
from seg_console.config import registry
from seg_console.config.registry import ListSection, MendedAt, Plain, Shape
from seg_console.config.secrets import check_no_mask

MOST_CERTIFICATES = 100


def check_certificate_name(text: str) -> str:
    """Raises ValueError with a sentence."""
    if not re.fullmatch(CERTIFICATE_NAME_PATTERN, text):
        raise ValueError(str(CERTIFICATE_NAME_RULE))
    return text


def _check_chain(text: str) -> str:
    pem.described(text)
    return text


class NamedCertificate(Shape):
    """PEM texts. The key is a secret: no page, diff, audit entry or log shows it."""

    name: Annotated[str, Field(max_length=LONGEST_CERTIFICATE_NAME), AfterValidator(check_certificate_name)]
    certificate: Annotated[str, Field(max_length=pem.LONGEST_PEM), AfterValidator(_check_chain)]
    private_key: Annotated[str, Field(max_length=pem.LONGEST_PEM), AfterValidator(check_no_mask)]

    @field_validator("private_key")
    @classmethod
    def _belongs(cls, key: str, info: ValidationInfo) -> str:
        chain = info.data.get("certificate")
        if chain is not None:
            pem.check_pair(chain, key)
        return key


CERTIFICATES = ListSection(
    "certificates",
    NamedCertificate,
    Certificate,
    place=36,
    identity="name",
    mended_at=MendedAt("certificates:list", "certificates:replace"),
    most=MOST_CERTIFICATES,
)


def of_name(name: str, known: Iterable[Plain]) -> Plain | None:
    """The one of some certificates, as JSON has them, that a section means by this name, whatever its case."""
    return next((each for each in known if str(each["name"]).casefold() == name.casefold()), None)


def register() -> None:
    """Make the section known; called once, when the app is ready."""
    registry.register(CERTIFICATES)
