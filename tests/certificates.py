"""Certificates and keys made for tests, as PEM text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey


class Made(NamedTuple):
    """One certificate and its key, as PEM text, with what is needed to issue others."""

    certificate: str
    key: str
    name: x509.Name
    private: Key


def made(
    common_name: str,
    *,
    issuer: Made | None = None,
    private: Key | None = None,
    days: int = 90,
    now: datetime | None = None,
) -> Made:
    """Issued by itself, or by `issuer`; valid from yesterday until so many days from now."""
    now = now or datetime.now(UTC)
    key = private or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.name if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mx.corp.example")]), critical=False)
        .sign(issuer.private if issuer else key, hashes.SHA256())
    )
    return Made(certificate.public_bytes(serialization.Encoding.PEM).decode(), plain(key), name, key)


def plain(key: Key) -> str:
    return _pem(key, serialization.NoEncryption())


def encrypted(key: Key) -> str:
    return _pem(key, serialization.BestAvailableEncryption(b"secret"))


def _pem(key: Key, how: serialization.KeySerializationEncryption) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()
