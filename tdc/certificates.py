"""What certificates say of themselves, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from seg_console.mail.lines import visible

LONGEST_NAME = 300


@dataclass(frozen=True, slots=True)
class Described:
    """One certificate; times with their zone. `is_authority`: it may sign others (RFC 5280 4.2.1.9).

    `names_issuer_key`: it has an Authority Key Identifier or, signed by itself, needs none (RFC 5280 4.2.1.1).
    """

    subject: str
    issuer: str
    valid_from: datetime
    valid_until: datetime
    is_authority: bool
    names_issuer_key: bool

    def is_valid(self, now: datetime) -> bool:
        return self.valid_from <= now <= self.valid_until


def described(certificate: x509.Certificate) -> Described:
    return Described(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        is_authority=_is_authority(certificate),
        names_issuer_key=_names_issuer_key(certificate),
    )


def from_pem(text: str) -> list[Described]:
    """Every certificate in PEM text that was checked before; none in an empty text."""
    if not text.strip():
        return []
    return [described(one) for one in x509.load_pem_x509_certificates(text.encode())]


def from_der(data: bytes) -> Described | None:
    """None for what another server sent and nobody can read."""
    try:
        return described(x509.load_der_x509_certificate(data))
    except ValueError:
        return None


def _name(name: x509.Name) -> str:
    return visible(name.rfc4514_string())[:LONGEST_NAME] or "-"


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def _names_issuer_key(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return certificate.issuer == certificate.subject
    return True
