"""Certificates and keys made for tests, as PEM text."""

from __future__ import annotations

import ssl
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
    authority: bool = False,
) -> Made:
    """Issued by itself, or by `issuer`; valid until so many days from now. `authority`: it may issue others."""
    now = now or datetime.now(UTC)
    key = private or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.name if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mx.corp.example")]), critical=False)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(issuer.private if issuer else key, hashes.SHA256())
    return Made(certificate.public_bytes(serialization.Encoding.PEM).decode(), plain(key), name, key)


def der(one: Made) -> bytes:
    return ssl.PEM_cert_to_DER_cert(one.certificate)


def in_document(name: str, one: Made) -> dict[str, str]:
    """As a section `certificates` has it."""
    return {"name": name, "certificate": one.certificate, "private_key": one.key}


def signed_with_sha1() -> Made:
    """Chain and key belong together, and OpenSSL refuses them: the signature says that it is of SHA-1."""
    root = made("Old Root", private=rsa.generate_private_key(65537, 2048))
    one = made("old.corp.example", issuer=root)
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")  # RFC 8017 A.2.4
    return one._replace(certificate=ssl.DER_cert_to_PEM_cert(der(one).replace(sha256, sha1)))


def plain(key: Key) -> str:
    return _pem(key, serialization.NoEncryption())


def encrypted(key: Key) -> str:
    return _pem(key, serialization.BestAvailableEncryption(b"secret"))


def _pem(key: Key, how: serialization.KeySerializationEncryption) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()
