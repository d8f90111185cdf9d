"""A test certification authority and a server certificate from it, made on the spot and kept in the lab's folder."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's own certificate and key, in memory only: the key signs what is made now and is then forgotten."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


@dataclass(frozen=True, slots=True)
class LabCertificate:
    """Where the files are: the authority to trust, and the servers' certificate with its key."""

    authority: Path
    server: Path

    def server_context(self) -> ssl.SSLContext:
        """For a server: TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server)
        return context


def lab_certificate(folder: Path, *, names: Sequence[str], now: datetime) -> LabCertificate:
    """The folder's certificate, made anew when there is none, it ends soon, or it lacks one of the `names`.

    `names`: host names, or IP addresses as text. `now` is aware.
    """
    files = LabCertificate(authority=folder / "authority.pem", server=folder / "server.pem")
    if not _is_good(files, names=names, now=now):
        folder.mkdir(parents=True, exist_ok=True)
        authority = make_authority(now=now)
        _write(files.server, make_server_pem(authority, names=names, now=now))
        # Last, so that whoever finds the authority finds the certificate it signed.
        _write(files.authority, authority.pem())
    return files


def make_authority(*, now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("SEG Console lab authority")
    certificate = (
        _builder(subject=name, issuer=name, key=key, now=now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate=certificate, key=key)


def make_server_pem(authority: Authority, *, names: Sequence[str], now: datetime) -> str:
    """Key and certificate of a server known by `names`, as one PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(subject=_name(names[0]), issuer=authority.certificate.subject, key=key, now=now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode("ascii")


def _builder(
    *, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A clock a little behind ours must not find a certificate from the future.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_good(files: LabCertificate, *, names: Sequence[str], now: datetime) -> bool:
    if not (files.authority.exists() and files.server.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(files.server.read_bytes())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return certificate.not_valid_after_utc - RENEW_BEFORE > now and all(_alternative(name) in known for name in names)


def _write(path: Path, text: str) -> None:
    """Readable by the owner alone from its first byte, and whole or not there."""
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.rename(path)
