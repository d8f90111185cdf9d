"""The listener's TLS context: the administrator's certificate, or one made for this gateway on first use."""

from __future__ import annotations

import os
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from seg_console.certificates.pem import certificates_alone

# Opportunistic TLS between mail servers does not look at who signed; ten years spare an outage nobody expects.
VALID_DAYS = 3650


def listener_context(now: datetime) -> ssl.SSLContext:
    """The context that the settings ask for. Raises ImproperlyConfigured."""
    return tls_context(
        certificate=settings.SEG_TLS_CERTIFICATE,
        key=settings.SEG_TLS_KEY,
        folder=settings.SEG_DATA_DIR / "tls",
        hostname=settings.SEG_HOSTNAME,
        now=now,
    )


def tls_context(*, certificate: str, key: str, folder: Path, hostname: str, now: datetime) -> ssl.SSLContext:
    """A server context for STARTTLS, TLS 1.2 or newer (RFC 8996). Raises ImproperlyConfigured, naming the variable.

    `certificate` and `key` are paths of PEM files; both empty: `folder` holds a self-signed pair, made if missing.
    """
    if bool(certificate) != bool(key):
        raise ImproperlyConfigured("SEG_TLS_CERTIFICATE and SEG_TLS_KEY go together: give both, or neither.")
    chain, secret = (Path(certificate), Path(key)) if certificate else _own(folder, hostname=hostname, now=now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(chain, secret)
    except (OSError, ssl.SSLError) as error:
        raise ImproperlyConfigured(
            f"SEG_TLS_CERTIFICATE={chain} with SEG_TLS_KEY={secret} cannot be used: {error}. "
            "Give a PEM certificate chain and the unencrypted PEM key that belongs to it."
        ) from error
    return context


def own_chain() -> str:
    """The certificates, as PEM, that the listener uses where the configuration chooses none; "" until they are
    made, and where the file of the environment cannot be read."""
    given: str = settings.SEG_TLS_CERTIFICATE
    path = Path(given) if given else settings.SEG_DATA_DIR / "tls" / "listener.pem"
    try:
        return certificates_alone(path.read_text())
    except (OSError, ValueError):
        return ""


def own_name() -> str:
    """How the certificate is called that the listener uses where the configuration names none."""
    return _("Given by the environment") if settings.SEG_TLS_CERTIFICATE else _("The gateway's own")


def _own(folder: Path, *, hostname: str, now: datetime) -> tuple[Path, Path]:
    """The gateway's own pair in one file, so that several listeners starting at once agree on it."""
    path = folder / "listener.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".listener.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_bytes(_self_signed(hostname, now))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path, path


def _self_signed(hostname: str, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name holds 64 characters (RFC 5280, ub-common-name); the alternative name holds all of it.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
