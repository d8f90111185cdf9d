"""A certificate and its key in the hands of OpenSSL, whichever side of a connection shows them."""

from __future__ import annotations

import ssl
import tempfile
from functools import lru_cache


@lru_cache(maxsize=4)
def server_context(chain: str, key: str) -> ssl.SSLContext:
    """A context for STARTTLS, TLS 1.2 or newer (RFC 8996), the same one for the same pair. Raises ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, chain=chain, key=key)
    return context


def load_pair(context: ssl.SSLContext, *, chain: str, key: str) -> None:
    """Give a context a certificate chain and its key, PEM texts. Raises ssl.SSLError when OpenSSL refuses them."""
    # OpenSSL reads files alone; this one is the owner's to read and gone before anybody else could look.
    with tempfile.NamedTemporaryFile(prefix="certificate.") as file:
        file.write(f"{key.strip()}\n{chain.strip()}\n".encode())
        file.flush()
        context.load_cert_chain(file.name)
