"""Certificates for TLS: what a PEM file holds, whether a chain and a key can be used together, and what the
certificates of others say.

Sources: RFC 5280 (certificates), RFC 8446 4.4.2 (order of the chain: the server's own first, each certifying the one
before it).
"""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from django.utils.translation import gettext as _

from seg_console.certificates.contexts import server_context
from seg_console.config.checks import plain_lines
from seg_console.mail.lines import visible

LONGEST_PEM = 200_000
LONGEST_AUTHORITIES = 1_000_000
LONGEST_NAME = 300
LEAST_RSA_BITS = 2048
LEAST_CURVE_BITS = 224
WARN_BEFORE = timedelta(days=30)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@dataclass(frozen=True, slots=True)
class Described:
    """One certificate of our own in words. Times have a zone; `key` is as in "RSA 2048"; `fingerprint` is SHA-256 in
    hex."""

    common_name: str
    names: tuple[str, ...]
    issuer: str
    serial_number: str
    valid_from: datetime
    valid_until: datetime
    key: str
    fingerprint: str
    is_self_signed: bool

    def is_over(self, now: datetime) -> bool:
        return self.valid_until <= now

    def ends_soon(self, now: datetime) -> bool:
        return not self.is_over(now) and self.valid_until <= now + WARN_BEFORE


@dataclass(frozen=True, slots=True)
class Outline:
    """As much of somebody else's certificate as can be told whatever key it has; times with their zone. `is_authority`:
    it may sign others (RFC 5280 4.2.1.9).

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


@lru_cache(maxsize=256)
def described(chain: str) -> tuple[Described, ...]:
    """The certificates of a PEM text in their order. Raises ValueError with a sentence."""
    return tuple(_describe(certificate) for certificate in _certificates(chain))


@lru_cache(maxsize=256)
def check_pair(chain: str, key: str) -> None:
    """Whether chain and key can be used together. Raises ValueError with a sentence; it never holds any of the key."""
    certificates = _certificates(chain)
    public = _public_bytes(_private_key(key).public_key())
    owners = [place for place, each in enumerate(certificates) if _public_bytes(each.public_key()) == public]
    if not owners:
        raise ValueError(_("the private key does not belong to the certificate."))
    if owners[0] > 0:
        raise ValueError(
            _("the chain begins with another certificate: the one that the private key belongs to must be the first.")
        )
    for place, (each, issuer) in enumerate(pairwise(certificates), start=1):
        if not _is_issued_by(each, issuer):
            raise ValueError(
                _("the chain is not in order: certificate %(place)d is not issued by the one that follows it.")
                % {"place": place}
            )


def check_taken(chain: str, key: str) -> None:
    """Whether the OpenSSL of this system takes a pair that `check_pair` found right: what it has against one, such as
    a signature that is too weak, it says only when it is to use it. Raises ValueError with a sentence."""
    try:
        server_context(chain, key)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise ValueError(_("OpenSSL refuses this certificate: %(reason)s.") % {"reason": reason}) from error


def certificates_alone(text: str) -> str:
    """The certificates of a PEM text in their order, without anything else that stands there. Raises ValueError with a
    sentence."""
    found = (each.public_bytes(serialization.Encoding.PEM).decode() for each in _certificates(text))
    return "".join(found)


def key_alone(text: str) -> str:
    """The private key of a PEM text, without anything else that stands there. Raises ValueError with a sentence."""
    plain = serialization.NoEncryption()
    return (
        _private_key(text).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
    )


def check_dates(chain: str, now: datetime) -> None:
    """Raises ValueError with a sentence for a chain that is over, or not valid yet, at a time with a zone."""
    for place, each in enumerate(_certificates(chain), start=1):
        if each.not_valid_after_utc <= now:
            raise ValueError(_("certificate %(place)d of the chain is no longer valid.") % {"place": place})
        if each.not_valid_before_utc > now:
            raise ValueError(_("certificate %(place)d of the chain is not valid yet.") % {"place": place})


def missing_issuer(chain: str) -> str:
    """Who issued the last certificate of a chain, if that is neither itself nor an authority that this system trusts:
    clients may not be able to follow such a chain. "" otherwise."""
    last = _certificates(chain)[-1]
    if last.issuer == last.subject or last.issuer.public_bytes() in _trusted_subjects():
        return ""
    return _name_of(last.issuer)


def check_authorities(text: str) -> str:
    """PEM text of one or more certificates, or nothing, in plain lines. Raises ValueError with a sentence."""
    if "\0" in text:
        raise ValueError(_("give PEM text: it holds a NUL character."))
    text = plain_lines(text)
    if not text:
        return ""
    if "PRIVATE KEY-----" in text:
        raise ValueError(_("give certificates only: it holds a private key, which belongs to nobody but its server."))
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError(
            _("give certificates as PEM text, each from BEGIN CERTIFICATE to END CERTIFICATE, or leave it empty.")
        ) from None
    return text


def outlined(text: str) -> list[Outline]:
    """Every certificate in PEM text that `check_authorities` has taken; none in an empty text."""
    return [_outline(one) for one in x509.load_pem_x509_certificates(text.encode())] if text.strip() else []


def outlined_der(data: bytes) -> Outline | None:
    """None for what another server sent and nobody can read."""
    try:
        return _outline(x509.load_der_x509_certificate(data))
    except ValueError:
        return None


def _certificates(chain: str) -> list[x509.Certificate]:
    if len(chain) > LONGEST_PEM:
        raise ValueError(_("this is too long for a certificate chain."))
    try:
        return x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        raise ValueError(
            _("this is no PEM certificate: it begins with the line -----BEGIN CERTIFICATE-----.")
        ) from error


def _private_key(text: str) -> Key:
    if len(text) > LONGEST_PEM:
        raise ValueError(_("this is too long for a private key."))
    if "ENCRYPTED" in text:
        raise ValueError(
            _("the private key is encrypted: take its passphrase off first, for example with openssl pkey.")
        )
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except Exception as error:  # the library raises several kinds, some of them of its own back end
        raise ValueError(
            _("this is no PEM private key: it begins with a line such as -----BEGIN PRIVATE KEY-----.")
        ) from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size >= LEAST_CURVE_BITS:
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError(_("the key is too short: use RSA of 2048 bits or more, or an elliptic curve of 224 or more."))
    raise ValueError(_("a key of this kind cannot be used here: use RSA, an elliptic curve or Ed25519."))


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]  # every kind of key that a certificate holds
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _describe(certificate: x509.Certificate) -> Described:
    return Described(
        common_name=_common_name(certificate.subject),
        names=_alternative_names(certificate),
        issuer=_name_of(certificate.issuer),
        serial_number=f"{certificate.serial_number:X}",
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        key=_key_in_words(certificate.public_key()),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        is_self_signed=certificate.issuer == certificate.subject,
    )


def _key_in_words(key: object) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.key_size}"
    return type(key).__name__.strip("_").removesuffix("PublicKey")


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _name_of(name: x509.Name) -> str:
    return _common_name(name) or name.rfc4514_string()


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
    return tuple(names)


def _outline(certificate: x509.Certificate) -> Outline:
    return Outline(
        subject=_visible_name(certificate.subject),
        issuer=_visible_name(certificate.issuer),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        is_authority=_is_authority(certificate),
        names_issuer_key=_names_issuer_key(certificate),
    )


def _visible_name(name: x509.Name) -> str:
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


@lru_cache(maxsize=1)
def _trusted_subjects() -> frozenset[bytes]:
    """The names of the authorities that this system trusts, in DER."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    with warnings.catch_warnings():
        # Some old authorities have serial numbers that today's rules forbid; here only their names matter.
        warnings.simplefilter("ignore")
        return frozenset(x509.load_der_x509_certificate(der).subject.public_bytes() for der in found)
